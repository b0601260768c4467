"""The files that a matching rule saves of a message. No I/O.

- Attachments that fit (`rules.attachments`), and the files that fit in a `.zip` that the rule unpacks. Without
  patterns of names, the contents of a container that the rule unpacks are saved in its place; with patterns, it is
  saved, too, if its own name fits. A `.zip` whose list cannot be read is saved itself where there are no patterns;
  else it is a problem, since a file that fits may be in it.
- The body: of a message that has no HTML, always as text. One file, be the body empty.
- The original.
- Metadata beside each of these.

What cannot be saved is a file, too, with its problem, and without metadata.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from filenames import FileNames, parts
from phrases import Phrase
from rules.addresses import Address
from rules.attachments import (
    AttachmentCondition,
    Candidate,
    Candidates,
    base_name,
    is_archive,
    is_stored,
)
from rules.compiled import CompiledRule
from rules.mail import AttachmentFacts, MailFacts, Member
from rules.rule import Container, SavedBody
from rules.templates import NameValues

# Fixed words of `reason`.
NOT_STORED: Final = "NotStored"
NOT_KEPT: Final = "NotKept"
PURGED: Final = "Purged"
TOO_LARGE: Final = "TooLarge"
UNREADABLE: Final = "Unreadable"
GONE: Final = "Gone"
ENCRYPTED: Final = "Encrypted"
DAMAGED: Final = "Damaged"

_STORED: Final = "stored"
_REASONS: Final = {"too_large": TOO_LARGE, "unreadable": UNREADABLE, "gone": GONE}
_TOO_MUCH: Final = frozenset({TOO_LARGE, "TooMany", "TooCompressed"})
"""Problems of a `.zip` that is too large; see `rules.mail.Member`."""
_Problem = tuple[str, Phrase]

_MAX_SUBJECT: Final = 500
_MAX_EQUAL: Final = 2000
"""Equal parts of a message that are told apart: more than attachments that are imported, or files in a `.zip`."""
_METADATA: Final = ".json"


class Part(StrEnum):
    """The part of a message that is saved: the words of `sPart`. ZIP: a file in an attached `.zip`."""

    ATTACHMENT = "attachment"
    ZIP = "zip"
    TEXT = "text"
    HTML = "html"
    ORIGINAL = "original"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file to save. `key`: SHA-256, hexadecimal, the same when the message is imported once more.

    `file_name`: unique among the files of the rule for this message. `position`: of the attachment; `member`,
    `member_number`: of the file in it. `size`: None: not known yet. `problem`, and `reason`, a fixed word: it cannot
    be saved. `describes`: of metadata, the key of the file beside it.
    """

    part: Part
    key: str
    file_name: str = field(repr=False)
    position: int | None = None
    member: str | None = field(default=None, repr=False)
    member_number: int | None = None
    size: int | None = None
    problem: Phrase | None = field(default=None, repr=False)
    reason: str | None = None
    describes: str | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """A part to save, before it has its final name. `identity`: what makes it this one; equal ones are numbered."""

    part: Part
    identity: Sequence[str | int | None]
    name: str
    extension: str = ""
    position: int | None = None
    member: str | None = None
    member_number: int | None = None
    size: int | None = None
    sha256: str | None = None
    problem: _Problem | None = None


def has_key(key: str, attachment: AttachmentFacts, *, member: str | None) -> bool:
    """True of the attachment that got this key, or of the `.zip` in which the file `member` did; or of an equal one."""
    part = Part.ATTACHMENT if member is None else Part.ZIP
    text = _text(part, [*_identity(attachment), *([] if member is None else [member])])
    return any(_digest([text, number]) == key for number in range(1, _MAX_EQUAL + 1))


def files_of(rule: CompiledRule, facts: MailFacts) -> list[WantedFile]:
    """The files that the rule, which the message matches, saves of it; the lists of each `.zip` were read."""
    names = FileNames()
    keys = _Keys()
    files = []
    for number, source in enumerate(_sources(rule, facts), 1):
        name = _visible(_name(rule, facts, source, number), described=rule.rule.save_metadata)
        reason, problem = source.problem or (None, None)
        files.append(
            WantedFile(
                part=source.part,
                key=keys.of(source.part, source.identity),
                file_name=names.take(name, number=number, extension=source.extension),
                position=source.position,
                member=source.member,
                member_number=source.member_number,
                size=source.size,
                problem=problem,
                reason=reason,
            )
        )
    return list(_with_metadata(files, names)) if rule.rule.save_metadata else files


def _visible(name: str, *, described: bool) -> str:
    """The name as other programs see it: those that begin with a dot are hidden, or temporary files.

    `described`: metadata are saved beside it, whose names end in `.json`; no sender can give a file such a name.
    """
    plain = "".join(parts(name))
    if plain.startswith("."):
        plain = f"_{plain}"
    return f"{plain}_" if described and plain.casefold().endswith(_METADATA) else plain


class _Keys:
    """The keys of one rule's files for one message."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    def of(self, part: Part, identity: Sequence[str | int | None]) -> str:
        """The key; of equal parts by their order, which survives another import, as their positions do not."""
        text = _text(part, identity)
        self._count[text] += 1
        return _digest([text, self._count[text]])


def _text(part: Part, identity: Sequence[str | int | None]) -> str:
    return json.dumps([part, *identity])


def _digest(identity: Sequence[str | int | None]) -> str:
    return hashlib.sha256(json.dumps(identity).encode("ascii")).hexdigest()


def _with_metadata(files: Sequence[WantedFile], names: FileNames) -> Iterator[WantedFile]:
    for number, each in enumerate(files, 1):
        yield each
        if each.problem is None:
            yield WantedFile(
                part=Part.METADATA,
                key=_digest([Part.METADATA, each.key]),
                file_name=names.take(f"{each.file_name}{_METADATA}", number=number, extension=_METADATA),
                position=each.position,
                member=each.member,
                member_number=each.member_number,
                describes=each.key,
            )


def _name(rule: CompiledRule, facts: MailFacts, source: _Source, number: int) -> str:
    if rule.template is None:
        return source.name
    return rule.template.render(
        NameValues(
            imported=facts.imported,
            received=facts.received,
            sender=facts.senders[0] if facts.senders else "",
            recipient=_recipient(rule, facts),
            subject=facts.subject or "",
            name=FileNames().take(source.name, number=number, extension=source.extension),
            rule=rule.rule.name,
            account=facts.account_id,
            message=facts.message_id,
            number=number,
            sha256=source.sha256,
        )
    )


def _recipient(rule: CompiledRule, facts: MailFacts) -> str:
    """The first recipient that fits the rule; if it has no such condition, the first."""
    for each in facts.recipients:
        if rule.recipients is None or rule.recipients.fits(Address.of(each)):
            return each
    return ""


def _sources(rule: CompiledRule, facts: MailFacts) -> Iterator[_Source]:
    if rule.rule.save_attachments:
        yield from _attachments(rule.attachments, facts)
    yield from _body(rule.rule.save_body, facts)
    if rule.rule.save_original:
        yield _original(facts)


def _attachments(condition: AttachmentCondition, facts: MailFacts) -> Iterator[_Source]:
    for candidate in Candidates(facts.attachments).of(condition.unpack):
        if condition.fits(candidate):
            member = candidate.member
            yield _file(candidate) if member is None else _member(candidate.attachment, member)
        elif candidate.member is None and _is_unread(candidate.attachment, condition):
            yield replace(_file(candidate), problem=_problem_of(candidate.attachment) or _unread(candidate.attachment))


def _is_unread(attachment: AttachmentFacts, condition: AttachmentCondition) -> bool:
    return Container.ZIP in condition.unpack and attachment.members is None and is_archive(attachment)


def _file(candidate: Candidate) -> _Source:
    attachment = candidate.attachment
    return _Source(
        part=Part.ATTACHMENT,
        identity=_identity(attachment),
        name=attachment.safe_name,
        position=attachment.position,
        size=attachment.size,
        sha256=attachment.sha256,
        problem=_problem_of(attachment),
    )


def _member(attachment: AttachmentFacts, member: Member) -> _Source:
    return _Source(
        part=Part.ZIP,
        identity=[*_identity(attachment), member.name],
        name=base_name(member),
        position=attachment.position,
        member=member.name,
        member_number=member.number,
        size=member.size,
        problem=_problem_of(attachment) or _problem_in_archive(member.name, member.problem, attachment),
    )


def _identity(attachment: AttachmentFacts) -> Sequence[str | int | None]:
    if attachment.sha256 is not None:
        return [attachment.name, attachment.sha256]
    return [attachment.name, attachment.state, attachment.size]


def _body(saved: SavedBody | None, facts: MailFacts) -> Iterator[_Source]:
    if saved is None:
        return
    name = _name_of_message(facts)
    if saved is not SavedBody.HTML or not facts.has_html:
        yield _Source(Part.TEXT, [], name, ".txt")
    if saved is not SavedBody.TEXT and facts.has_html:
        yield _Source(Part.HTML, [], name, ".html")


def _original(facts: MailFacts) -> _Source:
    return _Source(
        Part.ORIGINAL, [], _name_of_message(facts), ".eml", problem=_problem_of_original(facts.original_state)
    )


def _name_of_message(facts: MailFacts) -> str:
    subject = (facts.subject or "")[:_MAX_SUBJECT]
    return subject if any(parts(subject)) else "message"


def _problem_of(attachment: AttachmentFacts) -> _Problem | None:
    if is_stored(attachment):
        return None
    word = PURGED if attachment.purged else _REASONS.get(attachment.state, NOT_STORED)
    return word, _attachment_problem(word, attachment.safe_name)


def _attachment_problem(word: str, name: str) -> Phrase:
    if word == PURGED:
        return Phrase("The content of {name!r} was deleted from the database after the time of retention.", name=name)
    if word == TOO_LARGE:
        return Phrase("{name!r} was not stored: it is larger than the import allows.", name=name)
    if word == UNREADABLE:
        return Phrase("{name!r} was not stored: Exchange could not give its content.", name=name)
    if word == GONE:
        return Phrase("{name!r} was not stored: it was gone from the mailbox at the time of the import.", name=name)
    return Phrase("The content of {name!r} is not in the database.", name=name)


def _problem_in_archive(member: str, word: str | None, attachment: AttachmentFacts) -> _Problem | None:
    if word is None:
        return None
    archive = attachment.safe_name
    if word == ENCRYPTED:
        text = Phrase(
            "{name!r} in {archive!r} is encrypted: request it without a password.", name=member, archive=archive
        )
    elif word in _TOO_MUCH:
        text = Phrase("{name!r} in {archive!r} is too large to be unpacked.", name=member, archive=archive)
    else:
        text = Phrase("{name!r} in {archive!r} cannot be read: the .zip is damaged.", name=member, archive=archive)
    return word, text


def _unread(attachment: AttachmentFacts) -> _Problem:
    return DAMAGED, Phrase(
        "The list of the files in {archive!r} cannot be read: the .zip is damaged, or is none.",
        archive=attachment.safe_name,
    )


def _problem_of_original(state: str | None) -> _Problem | None:
    if state == _STORED:
        return None
    if state is None:
        return NOT_KEPT, Phrase(
            "The original was not kept: the message was imported before a rule requested it. Import it again to "
            "keep it."
        )
    if state == "purged":
        return PURGED, Phrase("The original was deleted from the database after the time of retention.")
    reason = _REASONS.get(state, NOT_STORED)
    if reason == TOO_LARGE:
        return reason, Phrase("The original was not stored: it is larger than the import allows.")
    if reason == GONE:
        return reason, Phrase("The original was not stored: the message was gone from the mailbox.")
    return reason, Phrase("The original was not stored: Exchange could not give it.")
