"""Attachments that a rule considers: those that Graph lists, and the contents of containers that the rule unpacks.

An attachment without bytes of its own (a link) counts as an attachment of the message, but fits no rule. A picture
shown within the body, such as a logo, fits only patterns of names. A container that the rule unpacks, too: without
patterns its contents take its place, unless nothing came out of it.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from rules.mail import AttachmentFacts, MailFacts, Member
from rules.patterns import NamePatterns
from rules.rule import Container, Rule
from rules.texts import comparable_name

_LISTED: Final = "graph"
_LINK: Final = "reference"
_STORED: Final = "stored"
_ARCHIVE_TYPES: Final = frozenset({"application/zip", "application/x-zip-compressed"})
_FOLDERS: Final = re.compile(r"[\\/]")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An attachment, or a file in one that is a `.zip`. `names`: as sent and safe, in the form that is compared.

    `within`: the containers on the way to it; `opened_by`: the container that it is, if something came out of it.
    """

    attachment: AttachmentFacts
    member: Member | None
    names: Sequence[str] = field(repr=False)
    within: AbstractSet[Container]
    opened_by: Container | None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.attachment.size if self.member is None else self.member.size

    @property
    def is_inline_picture(self) -> bool:
        """True if it is a picture shown within the body."""
        return self.member is None and is_inline_picture(self.attachment)


class Candidates:
    """The candidates of a message, by the containers that a rule unpacks."""

    def __init__(self, attachments: Sequence[AttachmentFacts]) -> None:
        self._every = tuple(_candidates(attachments))
        self._considered: dict[AbstractSet[Container], Sequence[Candidate]] = {}

    def of(self, unpack: AbstractSet[Container]) -> Sequence[Candidate]:
        """Those that such a rule considers, each `.zip` before its files."""
        found = self._considered.get(unpack)
        if found is None:
            found = self._considered[unpack] = tuple(each for each in self._every if each.within <= unpack)
        return found

    def names(self) -> Iterable[str]:
        """The names of all, but of files in a `.zip`."""
        return (name for each in self._every if each.member is None for name in each.names)

    def unread_archives(self, unpack: AbstractSet[Container]) -> bool:
        """Check whether such a rule considers the files of a stored `.zip` whose list was not read."""
        return Container.ZIP in unpack and any(
            each.member is None and is_unread_archive(each.attachment) for each in self.of(unpack)
        )


class AttachmentCondition:
    """The attachments that fit a rule. `key`: equal for rules that the same attachments fit.

    `names`: one of them must fit; None: any name.
    """

    def __init__(self, rule: Rule) -> None:
        """Raises BadPattern."""
        self.is_set = bool(rule.attachment_names) or rule.size_least is not None or rule.size_most is not None
        self.unpack = frozenset(rule.unpack)
        self.names = NamePatterns(rule.attachment_names) if rule.attachment_names else None
        self._least = rule.size_least or 0
        self._most = sys.maxsize if rule.size_most is None else rule.size_most
        # A text, whose hash is made once.
        self.key = repr((rule.attachment_names, self._least, self._most, sorted(self.unpack)))

    def fits(self, candidate: Candidate) -> bool:
        """Check whether an attachment that the rule considers fits."""
        if not self._least <= candidate.size <= self._most:
            return False
        if self.names is None:
            return candidate.opened_by not in self.unpack and not candidate.is_inline_picture
        return any(map(self.names.fits, candidate.names))


def has_attachments(facts: MailFacts) -> bool:
    """Check whether the sender attached something: files, mail, links, but no picture shown within the body."""
    return any(each.origin == _LISTED and not is_inline_picture(each) for each in facts.attachments)


def is_inline_picture(attachment: AttachmentFacts) -> bool:
    """Check whether it is a picture shown within the body."""
    return attachment.inline and (attachment.content_type or "").strip().lower().startswith("image/")


def is_archive(attachment: AttachmentFacts) -> bool:
    """Check whether it is a `.zip`, by its name or its content type."""
    names = (attachment.name or "", attachment.safe_name)
    kind = (attachment.content_type or "").partition(";")[0].strip().lower()
    return attachment.kind == "file" and (
        kind in _ARCHIVE_TYPES or any(each.rstrip().lower().endswith(".zip") for each in names)
    )


def is_stored(attachment: AttachmentFacts) -> bool:
    """Check whether its bytes are in the database."""
    return attachment.state == _STORED and not attachment.purged


def is_unread_archive(attachment: AttachmentFacts) -> bool:
    """Check whether it is a stored `.zip` whose list of files was not read."""
    return attachment.members is None and is_stored(attachment) and is_archive(attachment)


def base_name(member: Member) -> str:
    """The name of a file in a `.zip`, without folders; empty for a folder."""
    return _FOLDERS.split(member.name)[-1]


def _candidates(attachments: Sequence[AttachmentFacts]) -> Iterator[Candidate]:
    by_position = {each.position: each for each in attachments}
    opened = {
        each.parent: _container(each.origin)
        for each in attachments
        if each.parent is not None and each.kind != _LINK and not is_inline_picture(each)
    }
    for each in attachments:
        within = _way(each, by_position)
        if each.kind == _LINK or within is None:
            continue
        members = [member for member in each.members or () if base_name(member)] if is_archive(each) else []
        names = {comparable_name(name) for name in (each.name, each.safe_name) if name}
        opened_by = Container.ZIP if members else opened.get(each.position)
        yield Candidate(each, None, tuple(names), within, opened_by)
        for member in members:
            yield Candidate(each, member, (comparable_name(base_name(member)),), within | {Container.ZIP}, None)


def _way(attachment: AttachmentFacts, by_position: Mapping[int, AttachmentFacts]) -> AbstractSet[Container] | None:
    """The containers on the way to the attachment; None if one of them is of a kind that no rule unpacks."""
    way: set[Container] = set()
    passed: set[int] = set()
    here: AttachmentFacts | None = attachment
    while here is not None and here.origin != _LISTED and here.position not in passed:
        container = _container(here.origin)
        if container is None:
            return None
        passed.add(here.position)
        way.add(container)
        here = None if here.parent is None else by_position.get(here.parent)
    return frozenset(way)


def _container(origin: str) -> Container | None:
    return Container(origin) if origin in set(Container) else None
