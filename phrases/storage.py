"""Phrases as JSON, to be stored beside their English text and rendered in another language later.

    {"template": "{n} action is due.", "plural": "{n} actions are due.", "count": 3, "values": {"n": 3}}

A value is a text, a number, true, false, null, a time ({"time": "2026-03-31T12:00:00+00:00"}) or a phrase. Only values
that the English text shows are written. What is read may come from anywhere, so it is taken for a phrase only if its
templates have plain fields, it is bounded, and its English text is the one that stands beside it.
"""

import json
import re
from datetime import datetime
from string import Formatter
from typing import Any, Final

from phrases import Phrase

MAX_LENGTH: Final = 16_384
"""Characters of JSON; the phrase of more is not kept."""
_MAX_DEPTH: Final = 8
"""Phrases in one another; those below are kept as texts."""
_MAX_FIELDS: Final = 200
"""Fields of all templates of one JSON, so that few characters cannot make a text that fills memory."""
_NO_PHRASE: Final = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""Raised by reading where the JSON, a template or a value is not as it should be."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPEC: Final = re.compile(r"|g|,?\.\df|0?\d{1,2}[Xo]?|%Y-%m-%d %H:%M(:%S)?")


def to_json(text: str | None) -> str | None:
    """The JSON of a phrase; None of a text that is the same in every language, and of a phrase that is too long."""
    written = _written(text, 1)
    if not isinstance(written, dict):
        return None
    made = json.dumps(written, separators=(",", ":"))
    return made if len(made) <= MAX_LENGTH else None


def from_json(stored: object, english: str | None) -> str | None:
    """The phrase of this JSON, if its English text is `english`; else that text as it is."""
    if english is None or not isinstance(stored, str) or len(stored) > MAX_LENGTH:
        return english
    try:
        phrase = _Reader(len(english)).phrase(json.loads(stored), 1)
    except _NO_PHRASE:
        return english
    return phrase if phrase == english else english


def has_plain_fields(template: str) -> bool:
    """True if the template names its values alone, in formats that this program's templates use."""
    return all(
        _NAME.fullmatch(name) and _SPEC.fullmatch(spec or "") and conversion in {None, "r"}
        for name, spec, conversion in _fields(template)
    )


def _fields(template: str) -> list[tuple[str, str | None, str | None]]:
    return [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(template) if name is not None]


def _written(value: object, depth: int) -> object:
    if isinstance(value, Phrase):
        return _written_phrase(value, depth)
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    return value if value is None or isinstance(value, int | float) else str(value)


def _written_phrase(phrase: Phrase, depth: int) -> object:
    template, plural, count, values = phrase.parts
    if depth > _MAX_DEPTH or (template == "{text}" and not isinstance(values.get("text"), Phrase)):
        return "".join(phrase)
    shown = {name for name, *_ in _fields(template if plural is None or count == 1 else plural)} if values else set()
    written: dict[str, object] = {"template": template}
    if plural is not None:
        written |= {"plural": plural, "count": count}
    return written | {"values": {name: _written(each, depth + 1) for name, each in values.items() if name in shown}}


class _Reader:
    """Makes a phrase of parsed JSON; raises one of _NO_PHRASE if it is none.

    `longest`: characters of the whole, and so of each phrase in it.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._fields_left = _MAX_FIELDS

    def phrase(self, found: Any, depth: int) -> Phrase:  # noqa: ANN401  # anything that JSON may be
        template, plural, count = found["template"], found.get("plural"), found.get("count", 1)
        if depth > _MAX_DEPTH or not isinstance(template, str) or not isinstance(plural, str | None):
            raise ValueError("no phrase")
        if type(count) is not int:
            raise ValueError("no count")
        values = {name: self._value(each, depth + 1) for name, each in found["values"].items()}
        if plural is not None:
            values["n"] = count  # which another language may show where English does not
        if values:
            for form in filter(None, (template, plural)):
                self._check(form)
        phrase = Phrase.of_template(template, plural, values, n=count)
        if len(phrase) > self._longest:
            raise ValueError("too long")
        return phrase

    def _check(self, template: str) -> None:
        self._fields_left -= len(_fields(template))
        if self._fields_left < 0 or not has_plain_fields(template):
            raise ValueError("no template of ours")

    def _value(self, found: Any, depth: int) -> object:  # noqa: ANN401  # anything that JSON may be
        if isinstance(found, dict):
            return datetime.fromisoformat(found["time"]) if "time" in found else self.phrase(found, depth)
        if isinstance(found, list):
            raise TypeError("no value")
        return found
