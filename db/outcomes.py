"""The words for the end of an attempt at a message: in the trace, in metrics and in the output of commands."""

from enum import StrEnum


class Outcome(StrEnum):
    """`sOutcome` of `tblMessageTrace`, and the label `outcome` of `mail_importer_deliveries`.

    IMPORTED to GONE end the work on a message; FILTERED: the filters of its account left it out. WAITING to
    NOT_SETTLED: the delivery comes again, except for DEAD_LETTERED. WAITING: its account cannot be served; SCANNING:
    Defender scans its attachments; DEFERRED: all calls of its mailbox are in use. FAILED: of `import`, which has no
    delivery. REPLAYED and PURGED: by an operator. LIFECYCLE: a notification of a subscription, not of a message.
    """

    IMPORTED = "imported"
    REPLACED = "replaced"
    KNOWN = "known"
    DUPLICATE = "duplicate"
    FILTERED = "seen"
    GONE = "gone"
    WAITING = "waiting"
    SCANNING = "scanning"
    DEFERRED = "deferred"
    RETRIED = "retried"
    DEAD_LETTERED = "dead_lettered"
    HANDED_BACK = "handed_back"
    NOT_SETTLED = "not_settled"
    FAILED = "failed"
    REPLAYED = "replayed"
    PURGED = "purged"
    LIFECYCLE = "lifecycle"
