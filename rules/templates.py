"""Templates of the names of saved files, such as `{received:%Y%m%d-%H%M%S}_{name}`. No I/O.

The syntax is that of `str.format`, but a template names its fields alone: the values come from senders. Whatever they
are, the name is one component of a path, within the limits of `filenames`, and has the extension of the file.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from string import Formatter
from typing import Final

from filenames import FileNames, is_reserved, parts
from phrases import Phrase
from rules.addresses import Address

MAX_LENGTH: Final = 400
_MAX_VALUE: Final = 100
"""Characters of a subject or an address in a name, so that what follows has room."""
_DEFAULT_TIME: Final = "%Y%m%d-%H%M%S"
# None whose text depends on the locale of the process.
_TIME: Final = re.compile(r"(?:[^%{}]|%[YymdHMSjGVu])*")
_DIRECTIVES: Final = "%Y %y %m %d %H %M %S %j %G %V %u"
_WIDTH: Final = re.compile(r"0[1-9]d?")
_DOTS: Final = re.compile(r"\.\.")


class BadTemplate(ValueError):
    """The text is no template. Its own text is a phrase that names the cause."""


@dataclass(frozen=True, slots=True)
class NameValues:
    """The values of a template for one file. `name`: a safe file name; `number`: of the file, from 1.

    `received`: None where it is not known; the time of the import takes its place. Times are aware.
    """

    imported: datetime
    received: datetime | None
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    subject: str = field(repr=False)
    name: str = field(repr=False)
    rule: str
    account: int
    message: int
    number: int
    sha256: str | None = None


class Template:
    """A template of file names, ready for use."""

    def __init__(self, text: str) -> None:
        """Raises BadTemplate."""
        if not text.strip():
            raise BadTemplate(Phrase("A template of file names is empty."))
        if len(text) > MAX_LENGTH:
            raise BadTemplate(Phrase("A template of file names has more than {limit} characters.", limit=MAX_LENGTH))
        self.text = text
        self._parts = [_checked(*part) for part in _parsed(text)]

    def render(self, values: NameValues) -> str:
        """The name of a file: safe, and with its extension."""
        made = "".join(f"{literal}{_value(name, spec, values)}" for literal, name, spec in self._parts)
        return FileNames().take(made, number=values.number, extension=parts(values.name)[1].lower())


def _parsed(text: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(Formatter().parse(text))
    except ValueError as exc:
        raise BadTemplate(
            Phrase("The braces of {template!r} do not match. Write {{{{ and }}}} for braces in a name.", template=text)
        ) from exc


def _checked(literal: str, name: str | None, spec: str | None, conversion: str | None) -> tuple[str, str | None, str]:
    _check_literal(literal)
    if name is None:
        return literal, None, ""
    if name not in PLACEHOLDERS:
        raise BadTemplate(
            Phrase(
                "{name!r} is no placeholder of a template. There are: {known}.",
                name=f"{{{name}}}",
                known=", ".join(f"{{{each}}}" for each in PLACEHOLDERS),
            )
        )
    if conversion is not None:
        raise BadTemplate(
            Phrase(
                "!{conversion} after {name!r} is of no use in a template: remove it.", conversion=conversion, name=name
            )
        )
    _check_spec(name, spec or "")
    return literal, name, spec or ""


def _check_literal(literal: str) -> None:
    if not literal.isprintable() or any(is_reserved(each) for each in literal):
        raise BadTemplate(
            Phrase(
                "{text!r} in a template has a character that no file name may have: a path separator, a control "
                'character or one of < > : " | ? *.',
                text=literal,
            )
        )
    if _DOTS.search(literal):
        raise BadTemplate(
            Phrase("{text!r} in a template has two dots, as in the name of a folder above.", text=literal)
        )


def _check_spec(name: str, spec: str) -> None:
    if name in _TIMES:
        if not _TIME.fullmatch(spec):
            raise BadTemplate(
                Phrase(
                    "{spec!r} after {name!r} is no format of a time. There are: {known}.",
                    spec=spec,
                    name=name,
                    known=_DIRECTIVES,
                )
            )
        _check_literal(re.sub("%[A-Za-z]", "", spec))
    elif spec and not (name in _NUMBERS and _WIDTH.fullmatch(spec)):
        raise BadTemplate(
            Phrase(
                "{spec!r} after {name!r} is no format: only times have one (%Y%m%d), and numbers (03).",
                spec=spec,
                name=name,
            )
        )


def _value(name: str | None, spec: str, values: NameValues) -> str:
    if name is None:
        return ""
    if name in _TIMES:
        return _utc(_TIMES[name](values)).strftime(spec or _DEFAULT_TIME)
    if name in _NUMBERS:
        return format(_NUMBERS[name](values), spec)
    if name == "ext":
        return parts(values.name)[1].removeprefix(".")  # may be empty: the dot before it is dropped, too
    return _TEXTS[name](values).strip() or "_"


def _utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:  # in the year 1 or 9999
        return time


def _local(address: str) -> str:
    return _address(address).rpartition("@")[0]


def _address(address: str) -> str:
    return address.strip()[:_MAX_VALUE]


def _tag(address: str) -> str:
    return _local(address).partition("+")[2]


_TIMES: Final[Mapping[str, Callable[[NameValues], datetime]]] = {
    "received": lambda values: values.received or values.imported,
    "imported": lambda values: values.imported,
}
_NUMBERS: Final[Mapping[str, Callable[[NameValues], int]]] = {
    "account": lambda values: values.account,
    "message": lambda values: values.message,
    "number": lambda values: values.number,
}
_TEXTS: Final[Mapping[str, Callable[[NameValues], str]]] = {
    "sender": lambda values: _address(values.sender),
    "sender_local": lambda values: _local(values.sender),
    "sender_domain": lambda values: Address.of(values.sender).domain[:_MAX_VALUE],
    "recipient": lambda values: _address(values.recipient),
    "recipient_tag": lambda values: _tag(values.recipient),
    "subject": lambda values: values.subject[:_MAX_VALUE],
    "name": lambda values: values.name,
    "stem": lambda values: parts(values.name)[0],
    "rule": lambda values: values.rule[:_MAX_VALUE],
    "sha256": lambda values: (values.sha256 or "")[:16],
}
PLACEHOLDERS: Final = (
    *("received", "imported", "sender", "sender_local", "sender_domain", "recipient", "recipient_tag", "subject"),
    *("name", "stem", "ext", "rule", "account", "message", "number", "sha256"),
)
"""Names of the fields, in the order in which they are shown."""
