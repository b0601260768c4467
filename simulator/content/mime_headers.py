"""Headers of a mail (RFC 5322, 2047, 2231), read as leniently as Exchange does."""

import quopri
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from email.policy import Compat32
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias

from simulator.content.addresses import addresses
from simulator.content.charsets import decoded
from simulator.content.mail import Person
from simulator.content.transfer_encodings import base64_bytes

# Generic for type checkers only.
Part: TypeAlias = "Message[Any, Any]"

_FOLD: Final = re.compile(r"\r?\n(?=[ \t])|[\r\n]+")
_WITH_PARAMETERS: Final = frozenset({"content-type", "content-disposition"})
_WHOLE: Final = re.compile(r"(?:\A|;)\s*\w+\*\s*(?:[=;]|\Z)")
_PIECE: Final = re.compile(r"(?:\A|;)\s*\w+\*[0-9]+\*?\s*(?:=[^;]*|(?=;)|\Z)")
_WORD: Final = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")


class Tolerant(Compat32):
    """Headers in one line, also where they hold bytes that RFC 5322 forbids: those become halves of characters."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        """Return the value; encoded words stay as they are."""
        line = _FOLD.sub("", value)
        if name.lower() in _WITH_PARAMETERS and _WHOLE.search(line):  # Python fails at one in pieces and whole
            line = _PIECE.sub("", line)
        return line


def all_headers(mail: Part) -> tuple[tuple[str, str], ...]:
    """Return names and values as Graph gives them: in their order, unfolded, encoded words as they are."""
    return tuple((_text(name), _text(_FOLD.sub("", value)).strip()) for name, value in mail.raw_items())


def header_text(part: Part, name: str) -> str | None:
    """Return a header, decoded; `None` where there is none."""
    value = part[name]
    return None if value is None else readable(value).strip()


def people(mail: Part, name: str) -> tuple[Person, ...]:
    """Return the names and addresses in the headers of that name, in order; the address stands for a missing name."""
    found = [each for value in mail.get_all(name, []) for each in addresses(value)]
    return tuple(Person(readable(shown) or _text(address), _text(address) or None) for shown, address in found)


def person(mail: Part, name: str) -> Person | None:
    """Return the first of them."""
    return next(iter(people(mail, name)), None)


def sent(mail: Part) -> datetime | None:
    """Return the aware time of the `Date`; `None` when there is none, or none that can be read."""
    try:
        moment = parsedate_to_datetime(mail["date"])
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def importance(mail: Part) -> str:
    """Return `low`, `normal` or `high`."""
    stated = (mail["importance"] or "").strip().lower()
    if stated in {"low", "high"}:
        return str(stated)
    priority = (mail["x-priority"] or "").strip()[:1]
    return {"1": "high", "2": "high", "4": "low", "5": "low"}.get(priority, "normal")


def file_name(part: Part) -> str | None:
    """Return the name of a part as it was sent, in any of the usual encodings; RFC 2231's before others."""
    for name, header in (("filename", "content-disposition"), ("name", "content-type")):
        values = [value for key, value in part.get_params([], header) if key.lower() == name and value]
        values.sort(key=lambda value: isinstance(value, str))
        if values:
            return _collapsed(values[0])
    return None


def _collapsed(value: Any) -> str:  # noqa: ANN401  # a text, or the three fields of RFC 2231
    if isinstance(value, str):
        return readable(value)
    charset, _, text = value
    try:
        return decoded(text.encode("latin-1", "surrogateescape"), charset)
    except UnicodeEncodeError:
        return readable(text)


def readable(value: str) -> str:
    """Return the text with its encoded words decoded, also within quotes and within other words."""
    found: list[str] = []
    end = 0
    for start, end_of_run, run in _runs(value):
        found += [_text(value[end:start]), *(decoded(data, charset) for charset, data in run)]
        end = end_of_run
    return "".join(found) + _text(value[end:])


def _runs(value: str) -> Iterator[tuple[int, int, list[tuple[str, bytes]]]]:
    """Yield encoded words with nothing but space between them, the bytes of those of one charset joined."""
    start = end = 0
    run: list[tuple[str, bytes]] = []
    for word in _WORD.finditer(value):
        data = _bytes(word[2], word[3])
        if data is None:
            continue
        if run and value[end : word.start()].strip():
            yield start, end, run
            run = []
        if not run:
            start = word.start()
        end = word.end()
        charset = word[1].partition("*")[0].lower()
        if run and run[-1][0] == charset:
            run[-1] = (charset, run[-1][1] + data)
        else:
            run.append((charset, data))
    if run:
        yield start, end, run


def _bytes(encoding: str, text: str) -> bytes | None:
    raw = _raw(text)
    return quopri.decodestring(raw, header=True) if encoding in "qQ" else base64_bytes(raw)


def _text(value: str) -> str:
    return decoded(_raw(value), None)


def _raw(value: str) -> bytes:
    """Return the bytes; those that are no ASCII came through the parser as halves of characters."""
    return value.encode("utf-8", "surrogateescape")
