"""Translatable text: a string that keeps its template and values.

A `Phrase` is its English text: it can be logged, compared and stored like any other. It also keeps the template and
the values it was made of, so that the output can translate it to the user's language. Nothing here depends on that
language.

    Phrase("Account {name!r} is added and enabled.", name="laboratory")
    Phrase.counted("{n} action is due again.", "{n} actions are due again.", n=3)

An error made of a phrase keeps it: `str(error)` is that phrase, and so is `Phrase.of(error)`, which has its type, too.
Templates are literals where they are used: `make messages` finds them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol, Self

_PLAIN: Final = (str, int, float, datetime)


class Catalogue(Protocol):
    """The interface of `gettext.NullTranslations` and its subclasses."""

    def gettext(self, message: str) -> str:
        """The template in the catalogue's language."""
        ...

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The template for that many."""
        ...


class Phrase(str):
    """An English text that keeps its template and values.

    Args:
        template: in the syntax of `str.format`, named fields only; a literal.
        values: fill the template. A value that is a phrase, or whose `str` is one, is translated, too.

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
        """A text that is the same in every language, or of foreign origin."""
        return cls._made("{text}", None, 1, {"text": text})

    @classmethod
    def of_template(cls, one: str, many: str | None, values: Mapping[str, object], *, n: int = 1) -> Self:
        """A phrase of a template that is a literal somewhere else; `many`: its second form, if it counts."""
        return cls._made(one, many, n, values)

    @classmethod
    def of(cls, thing: object) -> "Phrase":
        """Return the phrase that an error, or any object, was made of, or else its text."""
        text = str(thing)
        return text if isinstance(text, Phrase) else cls.verbatim(text)

    @classmethod
    def _made(cls, template: str, plural: str | None, count: int, given: Mapping[str, object]) -> Self:
        values = {name: _kept(value) for name, value in given.items()}
        used = template if plural is None or count == 1 else plural
        phrase = super().__new__(cls, used.format(**values) if values else used)
        phrase._template, phrase._plural, phrase._count, phrase._values = template, plural, count, values
        return phrase

    def __str__(self) -> str:
        """Return itself: `str` makes no plain text of it, so that an error returns the phrase it was made of."""
        return self

    def __reduce__(self) -> tuple[Callable[..., "Phrase"], tuple[Any, ...]]:
        """Copy and pickle the phrase with its template and values."""
        return Phrase._made, (self._template, self._plural, self._count, self._values)

    @property
    def parts(self) -> tuple[str, str | None, int, Mapping[str, Any]]:
        """The template, its second form, the number that decides between them, and the values."""
        return self._template, self._plural, self._count, self._values

    def exchanged(self, value: str, other: str) -> "Phrase":
        """Return the phrase with `other` wherever it was made of `value`, also in nested phrases."""
        values = {
            name: other if each == value else each.exchanged(value, other) if isinstance(each, Phrase) else each
            for name, each in self._values.items()
        }
        return Phrase._made(self._template, self._plural, self._count, values)

    def translated(self, catalogue: Catalogue) -> str:
        """Return the text in the catalogue's language; in English what has no translation, or none for its values."""
        if not self:
            return ""  # the empty text is the key of a catalogue's own header
        if self._plural is None:
            template = catalogue.gettext(self._template)
        else:
            template = catalogue.ngettext(self._template, self._plural, self._count)
        values = {name: _translated(value, catalogue) for name, value in self._values.items()}
        try:
            return template.format(**values) if values else template
        except (KeyError, ValueError, TypeError, OverflowError):  # stored values that do not suit the translation
            return "".join(self)


def _kept(value: object) -> object:
    """Return a value as it is kept: of an error its text, of another object its text if that is a phrase."""
    if isinstance(value, _PLAIN):
        return value
    text = str(value)
    return text if isinstance(text, Phrase) or isinstance(value, BaseException) else value


def _translated(value: object, catalogue: Catalogue) -> object:
    return value.translated(catalogue) if isinstance(value, Phrase) else value
