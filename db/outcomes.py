"""The words for outcomes and states, as the database has them: of attempts, failures, contents and later actions."""

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """`sOutcome` of `tblMessageTrace`, and the label `outcome` of `mail_importer_deliveries`.

    IMPORTED to DROPPED end the work on a message; FILTERED: the filters of its account left it out; DROPPED: its
    account was removed. WAITING to
    NOT_SETTLED: the delivery comes again, except for DEAD_LETTERED. WAITING: its account cannot be served; SCANNING:
    Defender scans its attachments; DEFERRED: all calls of its mailbox are in use. FAILED: of `import`, which has no
    delivery. REPLAYED, MADE_DUE, PURGED: by an operator. LIFECYCLE: a notification of a subscription.
    """

    IMPORTED = "imported"
    REPLACED = "replaced"
    KNOWN = "known"
    DUPLICATE = "duplicate"
    FILTERED = "seen"
    GONE = "gone"
    DROPPED = "dropped"
    WAITING = "waiting"
    SCANNING = "scanning"
    DEFERRED = "deferred"
    RETRIED = "retried"
    DEAD_LETTERED = "dead_lettered"
    HANDED_BACK = "handed_back"
    NOT_SETTLED = "not_settled"
    FAILED = "failed"
    REPLAYED = "replayed"
    MADE_DUE = "made_due"
    PURGED = "purged"
    LIFECYCLE = "lifecycle"


class MessageState(StrEnum):
    """The state of a message in the log, and in its JSON. REMOVED: from the mailbox, before it was imported."""

    IMPORTED = "imported"
    WAITING = "waiting"
    FAILED = "failed"
    FILTERED = "filtered"
    DUPLICATE = "duplicate"
    REMOVED = "removed"


class FailureState(StrEnum):
    """`sState` of `tblEmailFailure`."""

    RETRYING = "retrying"
    DEAD = "dead"


class ContentState(StrEnum):
    """`sState` of an attachment and of an original. LINKED: there are no bytes, only an address."""

    STORED = "stored"
    LINKED = "linked"
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    GONE = "gone"


class ActionKind(StrEnum):
    """`sAfterImport`: the action in the mailbox that follows an import."""

    NONE = "none"
    READ = "read"
    MOVE = "move"
    DELETE = "delete"


class ActionState(StrEnum):
    """`sAfterImportState`. GONE: the message is no longer where it was imported from, and was left alone."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"


class RuleState(StrEnum):
    """`sRuleState` of a message. WHITE: not processed yet; GREEN: a rule matched, and all is saved; AMBER: none
    matched; RED: one matched, and something could not be saved."""

    WHITE = "white"
    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class FileState(StrEnum):
    """`sState` of `tblEmailFile`. SKIPPED: given up by an operator, or with the file that it describes."""

    PENDING = "pending"
    SAVED = "saved"
    FAILED = "failed"
    SKIPPED = "skipped"


class FilePart(StrEnum):
    """`sPart` of `tblEmailFile`: the part of a message that is saved. ZIP: a file in an attached .zip."""

    ATTACHMENT = "attachment"
    ZIP = "zip"
    TEXT = "text"
    HTML = "html"
    ORIGINAL = "original"
    METADATA = "metadata"


WHOLE: Final = (ContentState.STORED, ContentState.LINKED)
"""States of an attachment of which nothing is missing, unless its detail begins with SIZE_DIFFERS."""

SIZE_DIFFERS: Final = "SizeDiffers:"
"""The beginning of `sStateDetail` of a stored attachment that may be a fragment: Graph listed another number of bytes,
and nothing proves that these are all."""
