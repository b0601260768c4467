"""What the product says to people, in English, and able to be said in another language.

A `Phrase` is its English text: it can be logged, compared and stored like any other. Beside that it remembers the
template and the values it was made of, so that whoever shows it to a person can say it in that person's language.
Nothing here knows which language that is.

    Phrase("Account {name!r} is added and enabled.", name="laboratory")
    Phrase.counted("{n} action is due again.", "{n} actions are due again.", n=3)

Templates are literals where they are said: `pybabel extract -k Phrase -k Phrase.counted:1,2` finds them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self


class Catalogue(Protocol):
    """What `gettext.NullTranslations` and its subclasses can do."""

    def gettext(self, message: str) -> str:
        """The template in the catalogue's language."""
        ...

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The template for that many."""
        ...


class Phrase(str):
    """An English text that remembers how it was made.

    Args:
        template: in the syntax of `str.format`, named fields only; a literal.
        values: what goes into it. A value that is a phrase is said in the other language too.

    Raises:
        KeyError: the template names a value that was not given.
    """

    __slots__ = ("_count", "_plural", "_template", "_values")

    _template: str
    _plural: str | None
    _count: int
    _values: Mapping[str, Any]

    def __new__(cls, template: str, /, **values: object) -> Self:
        """A phrase of one form."""
        return cls._made(template, None, 1, values)

    @classmethod
    def counted(cls, one: str, many: str, /, *, n: int, **values: object) -> Self:
        """A phrase whose form depends on `n`, which is one of its values."""
        return cls._made(one, many, n, {"n": n, **values})

    @classmethod
    def joined(cls, *phrases: str, by: str = " ") -> Self:
        """Several phrases, one after the other; those that are empty are left out."""
        parts = [phrase for phrase in phrases if phrase]
        names = [f"p{place}" for place in range(len(parts))]
        return cls._made(by.join(f"{{{name}}}" for name in names), None, 1, dict(zip(names, parts, strict=True)))

    @classmethod
    def verbatim(cls, text: str) -> Self:
        """A text that is the same in every language, or that somebody else said."""
        return cls._made("{text}", None, 1, {"text": text})

    @classmethod
    def _made(cls, template: str, plural: str | None, count: int, values: Mapping[str, object]) -> Self:
        used = template if plural is None or count == 1 else plural
        phrase = super().__new__(cls, used.format(**values) if values else used)
        phrase._template, phrase._plural, phrase._count, phrase._values = template, plural, count, values
        return phrase

    def __reduce__(self) -> tuple[Callable[..., "Phrase"], tuple[Any, ...]]:
        """Copied and sent to other processes with all that it remembers."""
        return Phrase._made, (self._template, self._plural, self._count, self._values)

    def said_by(self, catalogue: Catalogue) -> str:
        """The text in the catalogue's language; in English what the catalogue has no words for."""
        if not self:
            return ""  # the empty text is the key of a catalogue's own head
        if self._plural is None:
            template = catalogue.gettext(self._template)
        else:
            template = catalogue.ngettext(self._template, self._plural, self._count)
        values = {name: _said(value, catalogue) for name, value in self._values.items()}
        return template.format(**values) if values else template


def _said(value: object, catalogue: Catalogue) -> object:
    return value.said_by(catalogue) if isinstance(value, Phrase) else value
