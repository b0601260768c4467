"""A message in the forms in which rules compare it, each made once, when the first rule needs it. No I/O."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import cached_property

from rules.addresses import Address, keys_of
from rules.attachments import AttachmentCondition, Candidates, has_attachments
from rules.mail import MailFacts
from rules.patterns import keys_of_name, line_of
from rules.rule import Container
from rules.texts import comparable, encoded, normalized
from rules.words import words_of


class PreparedMail:
    """The facts of a message, prepared for many rules."""

    def __init__(self, facts: MailFacts) -> None:
        self.facts = facts
        self._fitting: dict[str, bool] = {}
        self._unread: dict[AbstractSet[Container], bool] = {}

    @cached_property
    def senders(self) -> tuple[Address, ...]:
        """The senders."""
        return tuple(map(Address.of, self.facts.senders))

    @cached_property
    def sender_keys(self) -> AbstractSet[str]:
        """Keys of the patterns that fit a sender."""
        return _keys(self.senders)

    @cached_property
    def recipients(self) -> tuple[Address, ...]:
        """The recipients."""
        return tuple(map(Address.of, self.facts.recipients))

    @cached_property
    def recipient_keys(self) -> AbstractSet[str]:
        """Keys of the patterns that fit a recipient."""
        return _keys(self.recipients)

    @cached_property
    def subject(self) -> str:
        """The subject, for `contains`."""
        return comparable(self.facts.subject or "")

    @cached_property
    def subject_line(self) -> bytes:
        """The subject, to look for the texts of many rules at once."""
        return encoded(self.subject)

    @cached_property
    def collapsed_subject(self) -> str:
        """The subject, for `is`."""
        return collapsed(self.subject)

    @cached_property
    def encoded_subject(self) -> bytes:
        """The subject, for `matches`."""
        return encoded(normalized("NFC", self.facts.subject or ""))

    @cached_property
    def body(self) -> str:
        """The words of the body: of all of it, whatever its size."""
        return words_of(self.facts.body_text or "")

    @cached_property
    def has_attachments(self) -> bool:
        """True if the sender attached something."""
        return has_attachments(self.facts)

    @cached_property
    def attachments(self) -> Candidates:
        """The attachments that a rule may consider."""
        return Candidates(self.facts.attachments)

    @cached_property
    def recipient_lines(self) -> bytes:
        """The recipients, a line each."""
        return _lines(each.text for each in self.recipients)

    @cached_property
    def attachment_keys(self) -> AbstractSet[str]:
        """Keys of the patterns that fit the name of an attachment; not of a file in a `.zip`."""
        return {key for name in self.attachments.names() for key in keys_of_name(name)}

    @cached_property
    def attachment_lines(self) -> bytes:
        """The names of the attachments, but of files in a `.zip`, a line each."""
        return _lines(self.attachments.names())

    def fits(self, condition: AttachmentCondition) -> bool:
        """Check whether an attachment fits."""
        found = self._fitting.get(condition.key)
        if found is None:
            considered = self.attachments.of(condition.unpack)
            found = self._fitting[condition.key] = any(map(condition.fits, considered))
        return found

    def unread_archives(self, unpack: AbstractSet[Container]) -> bool:
        """Check whether the list of a `.zip` that such a rule considers was not read."""
        found = self._unread.get(unpack)
        if found is None:
            found = self._unread[unpack] = self.attachments.unread_archives(unpack)
        return found


def collapsed(subject: str) -> str:
    """A comparable subject with single blanks, and none at its ends."""
    return " ".join(subject.split())


def _lines(texts: Iterable[str]) -> bytes:
    return encoded("\n".join(map(line_of, texts)))


def _keys(addresses: Iterable[Address]) -> AbstractSet[str]:
    return {key for address in addresses for key in keys_of(address)}
