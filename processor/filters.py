"""Filters of the mail that an account imports, decided by the one call for a message. No I/O.

Senders are addresses (`a@example.com`), domains (`example.com`: of this domain alone) and subdomains (`*.example.com`:
of all domains below, at any depth, and not of this one). Letter case is ignored; a domain may be written in Unicode or
in its ASCII form (`müller.de`, `xn--mller-kva.de`). The senders are `from` and, where it differs, `sender`: an entry
fits when it fits one of the two.

Subjects are texts contained in the subject, in any letter case; `*` stands for anything, or nothing. They
are no regular expressions: those of the wrong kind take hours for a crafted subject.

A denial overrides every permission. Facts that Graph does not state (a size, whether there are attachments, the SMTP
address of a sender) exclude no message: to lose mail is worse.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import idna

from db.queries.filters import Filters
from phrases import Phrase

SENDER_DENIED: Final = "SenderDenied"
SENDER_NOT_ALLOWED: Final = "SenderNotAllowed"
SUBJECT_DENIED: Final = "SubjectDenied"
SUBJECT_NOT_ALLOWED: Final = "SubjectNotAllowed"
HAS_ATTACHMENTS: Final = "HasAttachments"
HAS_NO_ATTACHMENTS: Final = "HasNoAttachments"
TOO_SMALL: Final = "TooSmall"
TOO_LARGE: Final = "TooLarge"

_Entry = TypeVar("_Entry")

_SUBDOMAINS: Final = "*."
_DOMAIN: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)+")
_MAX_DOMAIN: Final = 253


class BadFilter(ValueError):
    """The filters make no sense. The text is a phrase that names the filter and the reason."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts that a filter may use; None: not stated by Graph. `senders`: the SMTP addresses of from and sender."""

    senders: Sequence[str | None] = field(default=(None,), repr=False)
    subject: str | None = field(default=None, repr=False)
    has_attachments: bool | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The reason not to import a message: a fixed word, and the deciding filter, as an option of `accounts update`."""

    reason: str
    rule: str


class MailFilter:
    """The filters of an account, ready for use."""

    def __init__(self, filters: Filters) -> None:
        """Raises BadFilter."""
        self._allowed = _read(filters.senders_allowed, _Sender)
        self._denied = _read(filters.senders_denied, _Sender)
        self._subjects_allowed = _read(filters.subjects_allowed, _Subject)
        self._subjects_denied = _read(filters.subjects_denied, _Subject)
        self._has_attachments = filters.has_attachments
        self._least = _size(filters.size_least)
        self._most = _size(filters.size_most)
        if self._least is not None and self._most is not None and self._least > self._most:
            raise BadFilter(
                Phrase("No message has at least {least} and at most {most} bytes.", least=self._least, most=self._most)
            )

    def needs_sender(self, facts: Facts) -> bool:
        """Check whether the decision needs the address of a sender that Graph does not state."""
        return bool(self._allowed or self._denied) and None in facts.senders

    def left_out(self, facts: Facts) -> LeftOut | None:
        """The reason the message is not imported; None: it is."""
        return self._by_sender(facts) or self._by_subject(facts) or self._by_attachments(facts) or self._by_size(facts)

    def _by_sender(self, facts: Facts) -> LeftOut | None:
        if not (self._allowed or self._denied):
            return None
        senders = [_Address.of(each) for each in facts.senders if each is not None]
        for entry in self._denied:
            if any(map(entry.fits, senders)):
                return LeftOut(SENDER_DENIED, f"--deny-sender {entry.text}")
        if None in facts.senders:
            return None  # it may be one that is allowed
        if self._allowed and not any(entry.fits(each) for entry in self._allowed for each in senders):
            return LeftOut(SENDER_NOT_ALLOWED, "--allow-sender")
        return None

    def _by_subject(self, facts: Facts) -> LeftOut | None:
        if not (self._subjects_allowed or self._subjects_denied):
            return None
        subject = _comparable(facts.subject or "")
        for entry in self._subjects_denied:
            if entry.fits(subject):
                return LeftOut(SUBJECT_DENIED, f"--deny-subject {entry.text}")
        if self._subjects_allowed and not any(entry.fits(subject) for entry in self._subjects_allowed):
            return LeftOut(SUBJECT_NOT_ALLOWED, "--allow-subject")
        return None

    def _by_attachments(self, facts: Facts) -> LeftOut | None:
        if self._has_attachments is None or facts.has_attachments is None:
            return None
        if self._has_attachments and not facts.has_attachments:
            return LeftOut(HAS_NO_ATTACHMENTS, "--has-attachments yes")
        if not self._has_attachments and facts.has_attachments:
            return LeftOut(HAS_ATTACHMENTS, "--has-attachments no")
        return None

    def _by_size(self, facts: Facts) -> LeftOut | None:
        if facts.size is None:
            return None
        if self._least is not None and facts.size < self._least:
            return LeftOut(TOO_SMALL, f"--size-least {self._least}")
        if self._most is not None and facts.size > self._most:
            return LeftOut(TOO_LARGE, f"--size-most {self._most}")
        return None


@dataclass(frozen=True, slots=True)
class _Address:
    """An address in the form in which two are compared. A text that is none has an empty domain, and fits nothing."""

    local: str
    domain: str

    @classmethod
    def of(cls, text: str) -> "_Address":
        local, _, domain = text.strip().rpartition("@")
        return cls(_comparable(local), _ascii(domain) or "") if local else cls("", "")


class _Sender:
    """One entry of a list of senders."""

    def __init__(self, text: str) -> None:
        self.text = text
        bare = text.removeprefix("@")
        self._below = bare.startswith(_SUBDOMAINS)
        local, _, domain = bare.removeprefix(_SUBDOMAINS).rpartition("@")
        self._local = _comparable(local)
        known = _ascii(domain)
        if known is None or not _DOMAIN.fullmatch(known) or len(known) > _MAX_DOMAIN or self._is_odd(local):
            raise BadFilter(
                Phrase(
                    "{entry!r} is neither an address (a@example.com) nor a domain (example.com, or *.example.com for "
                    "all domains below it).",
                    entry=text,
                )
            )
        self._domain = known

    def _is_odd(self, local: str) -> bool:
        return "@" in local or (self._below and bool(local))

    def fits(self, address: _Address) -> bool:
        if self._below:
            return address.domain.endswith(f".{self._domain}")
        return address.domain == self._domain and self._local in {"", address.local}


class _Subject:
    """One entry of a list of subjects."""

    def __init__(self, text: str) -> None:
        self.text = text
        # Parts in this order, anywhere: found one after the other, in time that grows with the subject.
        self._parts = [_comparable(part) for part in text.split("*") if part.strip()]
        if not self._parts:
            raise BadFilter(Phrase("{entry!r} fits every subject: it has no text.", entry=text))

    def fits(self, subject: str) -> bool:
        place = 0
        for part in self._parts:
            found = subject.find(part, place)
            if found < 0:
                return False
            place = found + len(part)
        return True


def _read(entries: Sequence[str], kind: Callable[[str], _Entry]) -> list[_Entry]:
    return [kind(each) for each in entries]


def _comparable(text: str) -> str:
    """Equal for texts that read the same: letter case, and the coding of accents and wide letters, are ignored."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _ascii(domain: str) -> str | None:
    """The DNS form, in lower case; None for a text that is no domain."""
    bare = domain.strip().removesuffix(".").lower()
    if bare.isascii() or len(bare) > _MAX_DOMAIN:
        return bare or None
    try:
        # Not Python's own idna, which takes straße.de for strasse.de: that is another domain.
        return idna.encode(bare, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None


def _size(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadFilter(Phrase("{value!r} is no number of bytes.", value=value))
    return value
