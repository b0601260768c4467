"""Checks of the values of options, which files of accounts and rules hold, too."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from console.output import wrong_value
from phrases import Phrase

ANY: Final = "any"
"""The word for no bound, and for mail with attachments or without."""
HAS_ATTACHMENTS: Final = {"yes": True, "no": False, ANY: None}
"""The words of `--has-attachments`."""
_SIZES: Final = {"size_least", "size_most"}
_SIZE: Final = re.compile(r"([0-9]{1,18})\s*(|b|kb|mb|gb)")
# Same units as the limits of contents.
_SIZE_UNITS: Final = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_LARGEST: Final = 2**63 - 1


def has_attachments_word(wanted: bool | None) -> str | None:
    """The word for `--has-attachments`; None where it is not given."""
    return None if wanted is None else next(word for word, meant in HAS_ATTACHMENTS.items() if meant is wanted)


def without_words(given: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes and `has_attachments` among the options as values; their words are for people."""
    values = {name: None if name in _SIZES and value == ANY else value for name, value in given.items()}
    word = values.get("has_attachments")
    if word is not None:
        values["has_attachments"] = HAS_ATTACHMENTS[word]
    return values


def pasted_text(longest: int) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return a check for pasted text: strips blanks and invisible characters at both ends, rejects empty text."""

    def check(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
        if text is None:
            return None
        bare = visible(text)
        if len(bare) > longest:
            raise wrong_value(
                Phrase("It has {count} characters; {longest} is the most.", count=len(bare), longest=longest)
            )
        return bare

    return check


def visible(text: str) -> str:
    """The text without blanks and invisible characters at its ends; without any other character, it is wrong usage."""
    bare = bare_text(text)
    if not bare:
        raise wrong_value(Phrase("It is empty."))
    if not bare.isprintable():
        raise wrong_value(Phrase("It holds a character that cannot be seen, such as a line break."))
    return bare


def bare_text(text: str) -> str:
    """The text without blanks and invisible characters at its ends."""
    visible = [place for place, sign in enumerate(text) if sign.isprintable() and not sign.isspace()]
    return text[visible[0] : visible[-1] + 1] if visible else ""


def size(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | str | None:
    """Parse bytes; `any` stays a word."""
    if text is None or text.strip().lower() == ANY:
        return text and ANY
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None or int(found[1]) * _SIZE_UNITS[found[2] or ""] > _LARGEST:
        raise wrong_value(Phrase("{text!r} is no size such as 500kB, 10MB or 1048576.", text=text))
    return int(found[1]) * _SIZE_UNITS[found[2] or ""]
