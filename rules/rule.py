"""An import rule, as an administrator wrote it. No field is checked here: `rules.compiled` does."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class SubjectKind(StrEnum):
    """`sSubjectKind`: the comparison of a subject with a text of the rule. MATCHES: a regular expression of RE2."""

    IS = "is"
    CONTAINS = "contains"
    MATCHES = "matches"


class Container(StrEnum):
    """A word of `sUnpack`: a container whose contents are considered like attachments.

    ITEM: attached mail; TNEF: `winmail.dat`; SMIME: signed mail; ZIP: `.zip`.
    """

    ITEM = "item"
    TNEF = "tnef"
    SMIME = "smime"
    ZIP = "zip"


class SavedBody(StrEnum):
    """`sSaveBody`: files made of the body."""

    TEXT = "text"
    HTML = "html"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of `tblEmailRule`. Empty, or None: no condition. All conditions must hold.

    `senders`, `recipients`: patterns, one of which must fit. `subjects`: texts, one of which the subject is, contains
    or matches (`subject_kind`). `body_words`: choices, each with words that stand in the body in this order.
    `attachment_names`, and `size_least` to `size_most` in bytes: one attachment must fit both, and those that do are
    saved. `account_id`: None for all accounts. `file_name`: a template; None: the safe file name.
    `active_since`: mail imported earlier is checked on request only; None: not stored yet.
    """

    name: str
    folder: str
    rule_id: int = 0
    enabled: bool = True
    account_id: int | None = None
    position: int = 0
    senders: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    subject_kind: SubjectKind | None = None
    subjects: tuple[str, ...] = ()
    body_words: tuple[str, ...] = ()
    attachment_names: tuple[str, ...] = ()
    size_least: int | None = None
    size_most: int | None = None
    has_attachments: bool | None = None
    file_name: str | None = None
    save_attachments: bool = True
    unpack: AbstractSet[Container] = frozenset()
    save_body: SavedBody | None = None
    save_original: bool = False
    save_metadata: bool = False
    active_since: datetime | None = None


CONTAINERS: Final = tuple(Container)
"""In the order in which they are shown and stored."""
