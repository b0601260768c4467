"""What the product says to people, in English, and able to be said in another language.

A `Phrase` is its English text: it can be logged, compared and stored like any other. Beside that it remembers the
template and the values it was made of, so that whoever shows it to a person can say it in that person's language.
Nothing here knows which language that is.

    Phrase("Account {name!r} is added and enabled.", name="laboratory")
    Phrase.counted("{n} action is due again.", "{n} actions are due again.", n=3)

An error that was made of a phrase keeps it: `str(error)` is that phrase, and so is `Phrase.of(error)`, which has its
type, too.
Templates are literals where they are said: `make messages` finds them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol, Self

_PLAIN: Final = (str, int, float, datetime)


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
        values: what goes into it. A value that is a phrase, or whose `str` is one, is said in the other language too.

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
    def of_template(cls, one: str, many: str | None, values: Mapping[str, object], *, n: int = 1) -> Self:
        """A phrase of a template that is a literal somewhere else; `many`: its second form, if it counts."""
        return cls._made(one, many, n, values)

    @classmethod
    def of(cls, thing: object) -> "Phrase":
        """What an error, or anything else, says: the phrase it was made of, or else its text."""
        text = str(thing)
        return text if isinstance(text, Phrase) else cls.verbatim(text)

    @classmethod
    def _made(cls, template: str, plural: str | None, count: int, given: Mapping[str, object]) -> Self:
        values = {name: _told(value) for name, value in given.items()}
        used = template if plural is None or count == 1 else plural
        phrase = super().__new__(cls, used.format(**values) if values else used)
        phrase._template, phrase._plural, phrase._count, phrase._values = template, plural, count, values
        return phrase

    def __str__(self) -> str:
        """Itself: `str` makes no plain text of it, so that an error gives back the phrase it was made of."""
        return self

    def __reduce__(self) -> tuple[Callable[..., "Phrase"], tuple[Any, ...]]:
        """Copied and sent to other processes with all that it remembers."""
        return Phrase._made, (self._template, self._plural, self._count, self._values)

    def exchanged(self, value: str, other: str) -> "Phrase":
        """The same with `other` wherever it was made of `value`, also within the phrases it was made of."""
        values = {
            name: other if each == value else each.exchanged(value, other) if isinstance(each, Phrase) else each
            for name, each in self._values.items()
        }
        return Phrase._made(self._template, self._plural, self._count, values)

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


def _told(value: object) -> object:
    """A value as it is kept: of an error its text, which may be a phrase, and so of whatever else speaks in phrases."""
    if isinstance(value, _PLAIN):
        return value
    text = str(value)
    return text if isinstance(text, Phrase) or isinstance(value, BaseException) else value


def _said(value: object, catalogue: Catalogue) -> object:
    return value.said_by(catalogue) if isinstance(value, Phrase) else value
