"""Filters of the mail that an account imports, decided by the one call for a message. No I/O.

Senders are patterns of addresses (`rules.addresses`). They are `from` and, where it differs, `sender`: an entry fits
when it fits one of the two.

Subjects are texts contained in the subject, in any letter case; `*` stands for anything, or nothing. They
are no regular expressions: those of the wrong kind take hours for a crafted subject.

A denial overrides every permission. Facts that Graph does not state (a size, whether there are attachments, the SMTP
address of a sender) exclude no message: to lose mail is worse.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from db.queries.filters import Filters
from phrases import Phrase
from rules.addresses import Address, AddressPattern, BadAddress
from rules.texts import comparable

SENDER_DENIED: Final = "SenderDenied"
SENDER_NOT_ALLOWED: Final = "SenderNotAllowed"
SUBJECT_DENIED: Final = "SubjectDenied"
SUBJECT_NOT_ALLOWED: Final = "SubjectNotAllowed"
HAS_ATTACHMENTS: Final = "HasAttachments"
HAS_NO_ATTACHMENTS: Final = "HasNoAttachments"
TOO_SMALL: Final = "TooSmall"
TOO_LARGE: Final = "TooLarge"


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
        self._allowed = _senders(filters.senders_allowed)
        self._denied = _senders(filters.senders_denied)
        self._subjects_allowed = [_Subject(each) for each in filters.subjects_allowed]
        self._subjects_denied = [_Subject(each) for each in filters.subjects_denied]
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
        senders = [Address.of(each) for each in facts.senders if each is not None]
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
        subject = comparable(facts.subject or "")
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


class _Subject:
    """One entry of a list of subjects."""

    def __init__(self, text: str) -> None:
        self.text = text
        # Parts in this order, anywhere: found one after the other, in time that grows with the subject.
        self._parts = [comparable(part) for part in text.split("*") if part.strip()]
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


def _senders(entries: Sequence[str]) -> list[AddressPattern]:
    try:
        return [AddressPattern(each) for each in entries]
    except BadAddress as exc:
        raise BadFilter(*exc.args) from exc


def _size(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadFilter(Phrase("{value!r} is no number of bytes.", value=value))
    return value
