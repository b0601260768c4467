"""The tables of the gateway database.

Names follow the gateway's own style: `tbl` for tables; `n` number, `s` text, `b` bit, `dt` UTC time, `bi` bytes. Other
programs read these tables: a name, once released, stays.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Unicode,
    UniqueConstraint,
    column,
)

from db.columns import UtcDateTime, content, exact, flag, graph_id, identity, long_text
from db.outcomes import ActionKind, ActionState, ContentState

GRAPH_ID_LENGTH: Final = 700
"""Characters of a Graph id in a key. Exchange advises 512; 700 nvarchar and the account stay within the 1,700 bytes
that an index key of SQL Server may have."""

INTERNET_ID_LENGTH: Final = 998
"""Characters of a `Message-ID`: the limit of a line of a mail (RFC 5322)."""

WORD_LENGTH: Final = 20
"""Characters of Graph's fixed words, as an importance."""

metadata = MetaData(
    naming_convention={
        "pk": "PK_%(table_name)s",
        "uq": "UQ_%(table_name)s_%(column_0_N_name)s",
        "ix": "IX_%(table_name)s_%(column_0_N_name)s",
        "fk": "FK_%(table_name)s_%(column_0_N_name)s",
        "ck": "CK_%(table_name)s_%(constraint_name)s",
    }
)


def _one_of(name: str, *values: str) -> CheckConstraint:
    """A check of a column's values, its names quoted as each database requires."""
    return CheckConstraint(column(name, Unicode()).in_(values), name)


account_settings = Table(
    "tblEmailAccountSettings",
    metadata,
    Column("nAccountID", identity(), primary_key=True, autoincrement=True),
    Column("sAccountName", Unicode(200), nullable=False),
    Column("sAuthentication", Unicode(40), nullable=False, server_default="GraphCertificate"),
    Column("sTenantID", Unicode(100), nullable=False),
    Column("sClientID", Unicode(100), nullable=False),
    Column("sUserID", Unicode(320), nullable=False),
    Column("sCertificateThumbprint", Unicode(100), nullable=False),
    Column("bSecureCertificateAccess", flag(), nullable=False),
    Column("sFolder", Unicode(450), nullable=False),
    Column("sAfterImport", Unicode(20), nullable=False),
    Column("sMoveToFolder", Unicode(450)),
    Column("bEnabled", flag(), nullable=False),
    # Set by `accounts remove`: the row is deleted once its subscription is, which needs the row's credentials.
    Column("dtRemoved", UtcDateTime),
    # The certificate used once Entra no longer accepts the current one.
    Column("sNextCertificateThumbprint", Unicode(100)),
    # Mail received earlier is not caught up with. Null: the subscription manager fills it in.
    Column("dtImportSince", UtcDateTime),
    # Mail received earlier was deleted by an operator: it comes back only on request.
    Column("dtPurgedBefore", UtcDateTime),
    # Filters of imported mail, see db.queries.filters; null: no restriction.
    Column("sFilterSendersAllowed", long_text()),
    Column("sFilterSendersDenied", long_text()),
    Column("sFilterSubjectsAllowed", long_text()),
    Column("sFilterSubjectsDenied", long_text()),
    Column("bFilterHasAttachments", flag()),
    # Bytes of the whole message, as Exchange counts them.
    Column("nFilterSizeLeast", BigInteger),
    Column("nFilterSizeMost", BigInteger),
    UniqueConstraint("sAccountName"),
    _one_of("sAfterImport", *ActionKind),
    sqlite_autoincrement=True,  # a number is never reused for another account: messages outlive theirs
)

message = Table(
    "tblEmailMessage",
    metadata,
    Column("nMessageID", identity(), primary_key=True, autoincrement=True),
    # No foreign key: an account may be removed, its messages stay.
    Column("nAccountID", BigInteger, nullable=False),
    Column("sGraphMessageID", graph_id(GRAPH_ID_LENGTH), nullable=False),
    Column("sInternetMessageID", Unicode(INTERNET_ID_LENGTH)),
    Column("sConversationID", Unicode(GRAPH_ID_LENGTH)),
    Column("sSubject", long_text()),
    Column("sFromName", long_text()),
    Column("sFromAddress", long_text()),
    Column("dtSent", UtcDateTime),
    Column("dtReceived", UtcDateTime),
    Column("sImportance", Unicode(WORD_LENGTH)),
    Column("sBodyType", Unicode(WORD_LENGTH)),
    Column("sBody", long_text()),
    Column("bHasAttachments", flag(), nullable=False),
    Column("dtImported", UtcDateTime, nullable=False),
    # The id that links the notification to this row, for searches of the logs.
    Column("sCorrelationID", Unicode(64)),
    # The actual sender, where `from` names another.
    Column("sSenderName", long_text()),
    Column("sSenderAddress", long_text()),
    Column("dtCreated", UtcDateTime),
    # A JSON array of names; null where there are none.
    Column("sCategories", long_text()),
    Column("sFlagStatus", Unicode(WORD_LENGTH)),
    Column("sConversationIndex", long_text()),
    # The body as displayed, without HTML.
    Column("sBodyText", long_text()),
    Column("bRead", flag()),
    Column("sWebLink", long_text()),
    Column("sParentFolderID", graph_id(GRAPH_ID_LENGTH)),
    Column("sChangeKey", long_text()),
    # Bytes that Exchange counts for the message, attachments included.
    Column("nSize", BigInteger),
    # The action in the mailbox after the import: read, move, delete; null: nothing.
    Column("sAfterImport", Unicode(20)),
    Column("sAfterImportState", Unicode(20)),
    # The reason of a failure, or of doing nothing.
    Column("sAfterImportDetail", long_text()),
    Column("nAfterImportAttempts", Integer),
    # Until then a process has claimed it. Null: nothing is left to do.
    Column("dtAfterImportDue", UtcDateTime),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    _one_of("sAfterImportState", *ActionState),
    Index("IX_tblEmailMessage_nAccountID_dtReceived", "nAccountID", "dtReceived"),
    # Also counts those of each account that are pending or failed, without reading the rows.
    Index("IX_tblEmailMessage_sAfterImportState", "sAfterImportState", "dtAfterImportDue", "nAccountID"),
    sqlite_autoincrement=True,
)

message_identity = Table(
    "tblEmailIdentity",
    metadata,
    # The key by which two hosts detect that they import two copies of one e-mail at the same time.
    Column("nMessageID", ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"), primary_key=True),
    Column("nAccountID", BigInteger, nullable=False),
    # SHA-256 of the features that copies share, see db.queries.duplicates.
    Column("sIdentity", exact(64), nullable=False),
    UniqueConstraint("nAccountID", "sIdentity"),
)

duplicate = Table(
    "tblEmailDuplicate",
    metadata,
    # A copy of an imported e-mail that was found under another Graph id, and not imported again.
    Column("nDuplicateID", identity(), primary_key=True, autoincrement=True),
    Column("nAccountID", BigInteger, nullable=False),
    Column("sGraphMessageID", graph_id(GRAPH_ID_LENGTH), nullable=False),
    Column("nMessageID", ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"), nullable=False),
    Column("dtSeen", UtcDateTime, nullable=False),
    Column("sReason", Unicode(100), nullable=False),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    Index("IX_tblEmailDuplicate_nMessageID", "nMessageID"),
    sqlite_autoincrement=True,
)

scan = Table(
    "tblEmailScan",
    metadata,
    # A message in which Defender put placeholders for attachments that it still scans, see db.queries.scans.
    Column("nScanID", identity(), primary_key=True, autoincrement=True),
    Column("nAccountID", BigInteger, nullable=False),
    Column("sGraphMessageID", graph_id(GRAPH_ID_LENGTH), nullable=False),
    # SHA-256 of the features shared with the scanned one.
    Column("sLetterDigest", exact(64), nullable=False),
    Column("dtFirstSeen", UtcDateTime, nullable=False),
    # Until then it waits to be imported with its files; it is imported without them after that.
    Column("dtUntil", UtcDateTime, nullable=False),
    # The time a subscription manager has it fetched again, in case no delivery does.
    Column("dtNextCheck", UtcDateTime, nullable=False),
    # The message that was imported without its files. Null: it waits.
    Column("nMessageID", ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE")),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    Index("IX_tblEmailScan_nAccountID_sLetterDigest", "nAccountID", "sLetterDigest"),
    Index("IX_tblEmailScan_nMessageID", "nMessageID"),
    sqlite_autoincrement=True,
)

seen = Table(
    "tblEmailSeen",
    metadata,
    # A message that the filters of its account leave out: checked, and not imported.
    Column("nSeenID", identity(), primary_key=True, autoincrement=True),
    Column("nAccountID", BigInteger, nullable=False),
    Column("sGraphMessageID", graph_id(GRAPH_ID_LENGTH), nullable=False),
    Column("sInternetMessageID", Unicode(INTERNET_ID_LENGTH)),
    Column("sFromAddress", long_text()),
    Column("dtReceived", UtcDateTime),
    Column("nSize", BigInteger),
    Column("sReason", Unicode(100), nullable=False),
    # The filter that decided, as passed to `accounts update`.
    Column("sRule", long_text()),
    Column("dtSeen", UtcDateTime, nullable=False),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    Index("IX_tblEmailSeen_nAccountID_dtReceived", "nAccountID", "dtReceived"),
    sqlite_autoincrement=True,
)

recipient = Table(
    "tblEmailRecipient",
    metadata,
    Column("nMessageID", ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"), primary_key=True),
    Column("sKind", Unicode(10), primary_key=True),
    Column("nPosition", Integer, primary_key=True, autoincrement=False),
    Column("sName", long_text()),
    Column("sAddress", long_text()),
    _one_of("sKind", "to", "cc", "bcc", "replyTo"),
)

header = Table(
    "tblEmailHeader",
    metadata,
    Column("nMessageID", ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"), primary_key=True),
    # In the order of the mail.
    Column("nPosition", Integer, primary_key=True, autoincrement=False),
    Column("sName", long_text(), nullable=False),
    Column("sValue", long_text()),
)

attachment = Table(
    "tblEmailAttachment",
    metadata,
    Column("nAttachmentID", identity(), primary_key=True, autoincrement=True),
    Column("nMessageID", ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"), nullable=False),
    Column("nPosition", Integer, nullable=False),
    Column("sGraphAttachmentID", long_text()),
    Column("sKind", Unicode(20), nullable=False),
    Column("sFileName", long_text()),
    Column("sContentType", long_text()),
    Column("nSize", BigInteger, nullable=False),
    Column("bInline", flag(), nullable=False),
    Column("sContentID", long_text()),
    Column("sSHA256", Unicode(64)),
    # Presence of its bytes, or why they are missing; null in biContent of `stored`: they were purged.
    Column("sState", Unicode(20), nullable=False, server_default=ContentState.STORED),
    Column("sStateDetail", long_text()),
    # The name for a file on disk, unique within the message.
    Column("sSafeFileName", Unicode(200)),
    # The type of an item: message, event, contact.
    Column("sItemType", Unicode(20)),
    Column("sLink", long_text()),
    Column("sLinkProvider", Unicode(100)),
    Column("sLinkPermission", Unicode(100)),
    Column("sContentLocation", long_text()),
    # The nPosition of its source; null for those that Graph listed.
    Column("nParentPosition", Integer),
    # The origin of the row: graph, item, tnef, smime.
    Column("sOrigin", Unicode(20), nullable=False, server_default="graph"),
    # The last: see db.schema.sqlite.
    Column("biContent", content()),
    UniqueConstraint("nMessageID", "nPosition"),
    _one_of("sKind", "file", "item", "reference"),
    _one_of("sState", *ContentState),
    sqlite_autoincrement=True,
)

original = Table(
    "tblEmailOriginal",
    metadata,
    # The whole MIME of a message, where `keep_mime` requests it.
    Column(
        "nMessageID",
        ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    # Bytes of the MIME, and its digest; null where it is not available.
    Column("nSize", BigInteger),
    Column("sSHA256", Unicode(64)),
    # Presence of the MIME, or why it is missing; null in biContent of `stored`: it was purged.
    Column("sState", Unicode(20), nullable=False),
    Column("sStateDetail", long_text()),
    # The compression of biContent (gzip), and its bytes.
    Column("sCompression", Unicode(20)),
    Column("nStoredSize", BigInteger, nullable=False),
    # The last: see db.schema.sqlite.
    Column("biContent", content()),
    _one_of("sState", *(each for each in ContentState if each is not ContentState.LINKED)),
)

graph_subscription = Table(
    "tblGraphSubscription",
    metadata,
    Column("sSubscriptionID", graph_id(100), primary_key=True),
    Column("nAccountID", BigInteger, nullable=False),
    Column("dtExpires", UtcDateTime, nullable=False),
    Column("sState", Unicode(20), nullable=False),
    Column("sResource", Unicode(1000), nullable=False),
    Column("sNotificationURL", Unicode(1000), nullable=False),
    # The key that authenticates its notifications; a subscription made with another key cannot be adopted.
    Column("sKeyFingerprint", exact(64), nullable=False),
    Column("dtGranted", UtcDateTime, nullable=False),
    # Start of Graph's notifications by it. Null: made by an older version, no later than dtGranted.
    Column("dtCreated", UtcDateTime),
    # One account, one subscription: the database enforces it, too.
    UniqueConstraint("nAccountID"),
)


def _schedule_columns() -> list[Column[Any]]:
    """One row an account: its due time for a kind of work, and the manager that has it under a lease."""
    return [
        Column("nAccountID", BigInteger, primary_key=True, autoincrement=False),
        Column("dtDue", UtcDateTime, nullable=False),
        # The manager that serves the account now, and the end of its lease.
        Column("sOwner", Unicode(100)),
        Column("dtLeaseUntil", UtcDateTime),
        Column("nFailures", Integer, nullable=False, server_default="0"),
        # Counts requests for a turn: a turn that began before the last of them leaves the account due.
        Column("nRequests", Integer, nullable=False, server_default="0"),
    ]


subscription_schedule = Table(
    "tblSubscriptionSchedule",
    metadata,
    *_schedule_columns(),
    # The key of the last attempt to create: proves ownership of a subscription found at Graph after a crash.
    Column("sAttemptFingerprint", exact(64)),
    # Time of Graph's last request to reauthorize; null once that is done.
    Column("dtReauthorize", UtcDateTime),
    # The subscription lives and does not notify: make another.
    Column("bRecreate", flag(), nullable=False, server_default="0"),
    # The account's settings as last acted on, see db.queries.accounts: they may be changed by other programs.
    Column("sServed", exact(1300)),
    # Digest of the manager's own settings then: its addresses and key may change, too.
    Column("sServedWith", exact(64)),
    Index("IX_tblSubscriptionSchedule_dtDue", "dtDue"),
)

folder_sync = Table(
    "tblFolderSync",
    metadata,
    *_schedule_columns(),
    # The folder of the link.
    Column("sResource", Unicode(1000)),
    # Position of delta query: a delta link, or a next link in the middle of a round. Null: from the start.
    Column("sLink", long_text()),
    # The round under way, or to come, goes through the whole folder.
    Column("bFullPass", flag(), nullable=False, server_default="1"),
    # Notifications are known to be missing: the round's finds are no sign of a silent subscription.
    Column("bGap", flag(), nullable=False, server_default="1"),
    # End of the last complete round.
    Column("dtSwept", UtcDateTime),
    Index("IX_tblFolderSync_dtDue", "dtDue"),
)

missed_notification = Table(
    "tblMissedNotification",
    metadata,
    Column("nMissedID", identity(), primary_key=True, autoincrement=True),
    Column("nAccountID", BigInteger, nullable=False),
    Column("sGraphMessageID", graph_id(GRAPH_ID_LENGTH), nullable=False),
    Column("dtReceived", UtcDateTime, nullable=False),
    Column("dtFound", UtcDateTime, nullable=False),
    # Time it was reported to operators; null while its notification may still be on its way through the queue.
    Column("dtTold", UtcDateTime),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    sqlite_autoincrement=True,
)

call_budget = Table(
    "tblCallBudget",
    metadata,
    Column("sBudget", exact(200), primary_key=True),
    # A slot is a short span of time, numbered since 1970; nUsed counts its reserved calls.
    Column("nSlot", BigInteger, nullable=False),
    Column("nUsed", Integer, nullable=False),
)

account_condition = Table(
    "tblAccountCondition",
    metadata,
    Column("nAccountID", BigInteger, primary_key=True, autoincrement=False),
    Column("sRole", Unicode(20), primary_key=True),
    Column("sReason", Unicode(100), nullable=False),
    Column("sDetail", long_text(), nullable=False),
    Column("dtSince", UtcDateTime, nullable=False),
    Column("dtNextAttempt", UtcDateTime, nullable=False),
)

queue_message = Table(
    "tblNotificationQueue",
    metadata,
    Column("nSequence", identity(), primary_key=True, autoincrement=True),
    Column("sMessageID", graph_id(128), nullable=False),
    # 0 while duplicates of the message id are refused; later its own nSequence, so that the id is free again.
    Column("nRetired", BigInteger, nullable=False, server_default="0"),
    Column("sState", Unicode(10), nullable=False),
    Column("nAccountID", BigInteger),
    Column("sBody", long_text(), nullable=False),
    Column("dtEnqueued", UtcDateTime, nullable=False),
    # Not received earlier: its scheduled time, or the end of its lock. Once done: its dtEnqueued.
    Column("dtVisible", UtcDateTime, nullable=False),
    Column("nDeliveryCount", Integer, nullable=False, server_default="0"),
    Column("sLockToken", Unicode(32)),
    Column("sReason", Unicode(100)),
    Column("sDescription", long_text()),
    Column("dtDeadLettered", UtcDateTime),
    UniqueConstraint("sMessageID", "nRetired"),
    _one_of("sState", "active", "dead", "done"),
    Index("IX_tblNotificationQueue_sState_dtVisible", "sState", "dtVisible"),
    sqlite_autoincrement=True,
)

process = Table(
    "tblProcess",
    metadata,
    # One row for each process that works on this database; it removes its row when it ends.
    Column("sProcess", exact(100), primary_key=True),
    Column("sHost", Unicode(100), nullable=False),
    # Names of roles, separated by spaces.
    Column("sRoles", Unicode(200), nullable=False),
    Column("sVersion", Unicode(50), nullable=False),
    Column("dtStarted", UtcDateTime, nullable=False),
    # Time of the last write of this row, and the end of its lease.
    Column("dtHeartbeat", UtcDateTime, nullable=False),
    Column("dtLeaseUntil", UtcDateTime, nullable=False),
)

mailbox_call = Table(
    "tblMailboxCall",
    metadata,
    # Of releases up to revision 0009, which may run beside this one during an upgrade. Nothing else uses it.
    # Application and user: Graph's key of concurrent calls.
    Column("sMailbox", exact(425), primary_key=True),
    Column("nSlot", Integer, primary_key=True, autoincrement=False),
    # The process that may have one call of the mailbox under way, and the end of its lease.
    Column("sOwner", Unicode(100), nullable=False),
    Column("dtLeaseUntil", UtcDateTime, nullable=False),
    Index("IX_tblMailboxCall_dtLeaseUntil", "dtLeaseUntil"),
)

message_trace = Table(
    "tblMessageTrace",
    metadata,
    # One row for each attempt at a message, or for each operation of an operator on it.
    Column("nTraceID", identity(), primary_key=True, autoincrement=True),
    Column("nAccountID", BigInteger),
    Column("sGraphMessageID", graph_id(GRAPH_ID_LENGTH)),
    # Known once it was fetched.
    Column("sInternetMessageID", Unicode(INTERNET_ID_LENGTH)),
    Column("sSubject", Unicode(400)),
    Column("sSource", Unicode(20)),
    Column("sCorrelationID", Unicode(64)),
    Column("sQueueMessageID", exact(128)),
    Column("dtNotified", UtcDateTime),
    Column("dtQueued", UtcDateTime),
    Column("nAttempt", Integer),
    Column("sHost", Unicode(100), nullable=False),
    Column("dtStarted", UtcDateTime, nullable=False),
    Column("dtFetched", UtcDateTime),
    Column("dtEnded", UtcDateTime, nullable=False),
    Column("sOutcome", Unicode(20), nullable=False),
    Column("sReason", Unicode(100)),
    Column("sDetail", long_text()),
    Index("IX_tblMessageTrace_nAccountID_sGraphMessageID", "nAccountID", "sGraphMessageID"),
    Index("IX_tblMessageTrace_dtEnded", "dtEnded"),
    sqlite_autoincrement=True,
)

queue_audit = Table(
    "tblQueueAudit",
    metadata,
    # One row for each replay, purge or import by an operator.
    Column("nAuditID", identity(), primary_key=True, autoincrement=True),
    Column("sAction", Unicode(20), nullable=False),
    Column("sWho", Unicode(200), nullable=False),
    Column("sHost", Unicode(100), nullable=False),
    Column("sQueue", Unicode(400), nullable=False),
    Column("sSelection", long_text(), nullable=False),
    Column("sWhy", long_text()),
    Column("dtStarted", UtcDateTime, nullable=False),
    # Null while it runs, or if it died midway.
    Column("dtEnded", UtcDateTime),
    Column("nMessages", Integer, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)

account_change = Table(
    "tblEmailAccountChange",
    metadata,
    # One row for each change of an account's settings, with all of them as of then.
    Column("nChangeID", identity(), primary_key=True, autoincrement=True),
    # No foreign key: the history outlives its account.
    Column("nAccountID", BigInteger, nullable=False),
    Column("dtChanged", UtcDateTime, nullable=False),
    Column("sAction", Unicode(20), nullable=False),
    # Null when another program wrote the row, and it was seen then.
    Column("sWho", Unicode(200)),
    Column("sHost", Unicode(100)),
    Column("sSettings", long_text(), nullable=False),
    Index("IX_tblEmailAccountChange_nAccountID", "nAccountID", "nChangeID"),
    sqlite_autoincrement=True,
)

importer_secret = Table(
    "tblImporterSecret",
    metadata,
    Column("sName", Unicode(100), primary_key=True),
    Column("sValue", long_text(), nullable=False),
    Column("dtCreated", UtcDateTime, nullable=False),
)


def in_schema(schema: str | None) -> MetaData:
    """A copy of the tables that names the schema; None: the current schema. For comparison and scripts."""
    copied = MetaData(schema=schema)
    for table in metadata.sorted_tables:
        table.to_metadata(copied, schema=schema)  # type: ignore[arg-type]  # None is the metadata's own, as SQLAlchemy documents
    return copied
