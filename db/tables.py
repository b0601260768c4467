"""The tables of the gateway database, each column with its description: docs/gateway-database.md is made of these.

Names follow the gateway's own style: `tbl` for tables; `n` number, `s` text, `b` bit, `dt` UTC time, `bi` bytes. Other
programs read these tables: a name, once released, stays. Each change is a revision (`db/schema/revisions.py`). A
description is no comment in the database (`doc`, not `comment`): it changes no DDL.
"""

import functools
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
from sqlalchemy.util import set_creation_order

from db.columns import UtcDateTime, content, exact, flag, graph_id, identity, long_text
from db.outcomes import ActionKind, ActionState, ContentState, FailureState, FilePart, FileState, RuleState

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


def _phrase_of(name: str) -> Column[Any]:
    """The column beside an English text that keeps its template and values."""
    doc = f"JSON with the template and values of {name}, by which it is translated; null: it is shown in English."
    return Column(f"{name}Phrase", long_text(), doc=doc)


account_settings = Table(
    "tblEmailAccountSettings",
    metadata,
    Column(
        "nAccountID",
        identity(),
        primary_key=True,
        autoincrement=True,
        doc="Number of the account; never given to another one.",
    ),
    Column(
        "sAccountName",
        Unicode(200),
        nullable=False,
        doc="Name of the account, unique; that of a removed account ends in (removed, NUMBER).",
    ),
    Column(
        "sAuthentication",
        Unicode(40),
        nullable=False,
        server_default="GraphCertificate",
        doc="Kind of sign-in: GraphCertificate.",
    ),
    Column("sTenantID", Unicode(100), nullable=False, doc="Directory (tenant) ID of Entra."),
    Column("sClientID", Unicode(100), nullable=False, doc="Application (client) ID of Entra."),
    Column("sUserID", Unicode(320), nullable=False, doc="Object ID of the mailbox's user, or its address."),
    Column(
        "sCertificateThumbprint",
        Unicode(100),
        nullable=False,
        doc="SHA-1 thumbprint of the certificate that signs in, one of certificate_store.",
    ),
    Column(
        "bSecureCertificateAccess",
        flag(),
        nullable=False,
        doc="1: the certificate must chain to a trusted root; 0: a self-signed one is accepted.",
    ),
    Column(
        "sFolder",
        Unicode(450),
        nullable=False,
        doc="Folder that is imported: a well-known name (Inbox), an id, or a path such as Inbox/Results.",
    ),
    Column(
        "sAfterImport",
        Unicode(20),
        nullable=False,
        doc="Action in the mailbox after an import: none, read, move, delete (to Deleted Items).",
    ),
    Column(
        "sMoveToFolder",
        Unicode(450),
        doc="Destination of the action move, named as in sFolder; missing folders of a path are created.",
    ),
    Column("bEnabled", flag(), nullable=False, doc="1: the account is served; 0: it is not."),
    Column(
        "dtRemoved",
        UtcDateTime,
        doc="Time of accounts remove; null: in use. The row stays: adding its mailbox and folder again takes it up, "
        "with its messages.",
    ),
    Column(
        "sNextCertificateThumbprint",
        Unicode(100),
        doc="Thumbprint of the certificate used once Entra no longer accepts the current one; null: none.",
    ),
    Column(
        "dtImportSince",
        UtcDateTime,
        doc="Mail received earlier is not caught up with; null: the subscription manager fills it in.",
    ),
    Column(
        "dtPurgedBefore",
        UtcDateTime,
        doc="Mail received earlier was deleted by an operator, and comes back only on request; null: none was.",
    ),
    # For the filters see db.queries.filters.
    Column(
        "sFilterSendersAllowed",
        long_text(),
        doc="Senders that are imported: addresses, domains (example.com), subdomains (*.example.com), "
        "separated by lines, commas, semicolons or blanks; null: all.",
    ),
    Column(
        "sFilterSendersDenied",
        long_text(),
        doc="Senders that are not imported, whatever else allows them, in the same form; null: none.",
    ),
    Column(
        "sFilterSubjectsAllowed",
        long_text(),
        doc="Texts one of which must stand in the subject, a line each, * for anything; null: any subject.",
    ),
    Column(
        "sFilterSubjectsDenied",
        long_text(),
        doc="Texts that must not stand in the subject, in the same form; null: none.",
    ),
    Column(
        "bFilterHasAttachments",
        flag(),
        doc="1: only messages with attachments; 0: only those without; null: both.",
    ),
    Column("nFilterSizeLeast", BigInteger, doc="Least size of a message, in bytes as Exchange counts them; null: any."),
    Column(
        "nFilterSizeMost",
        BigInteger,
        doc="Largest size of a message, in bytes as Exchange counts them; null: any.",
    ),
    Column(
        "sConsoleAccess",
        long_text(),
        doc="Groups whose members may see the account's mail in the web console, a line each; null: all users.",
    ),
    UniqueConstraint("sAccountName"),
    _one_of("sAfterImport", *ActionKind),
    sqlite_autoincrement=True,  # a number is never reused for another account: messages outlive theirs
    info={
        "doc": "Mailbox folders that are imported, with the settings of each. Administrators and other "
        "programs write here."
    },
)

message = Table(
    "tblEmailMessage",
    metadata,
    Column(
        "nMessageID",
        identity(),
        primary_key=True,
        autoincrement=True,
        doc="Number of the message; stays when the message is replaced (import --force).",
    ),
    # No foreign key: an account may be removed, its messages stay.
    Column(
        "nAccountID",
        BigInteger,
        nullable=False,
        doc="Number of the account. It may be removed; its messages stay.",
    ),
    Column(
        "sGraphMessageID",
        graph_id(GRAPH_ID_LENGTH),
        nullable=False,
        doc="Immutable id of the message at Graph; unique per account.",
    ),
    Column(
        "sInternetMessageID",
        Unicode(INTERNET_ID_LENGTH),
        doc="Message-ID of the mail, with its angle brackets; null: none.",
    ),
    Column("sConversationID", Unicode(GRAPH_ID_LENGTH), doc="Id of the conversation at Graph."),
    Column("sSubject", long_text(), doc="Subject; null: none."),
    Column("sFromName", long_text(), doc="Displayed name of the author (from; where it is missing, sender)."),
    Column("sFromAddress", long_text(), doc="Address of the author; an SMTP address wherever Exchange tells one."),
    Column("dtSent", UtcDateTime, doc="Time at which the message was sent."),
    Column("dtReceived", UtcDateTime, doc="Time at which the mailbox received the message."),
    Column("sImportance", Unicode(WORD_LENGTH), doc="Importance: low, normal, high."),
    Column("sBodyType", Unicode(WORD_LENGTH), doc="Type of sBody: text or html."),
    Column("sBody", long_text(), doc="Body as it was sent; null: Graph gives none, see sBodyText."),
    Column(
        "bHasAttachments",
        flag(),
        nullable=False,
        doc="1: attachments are listed with the message, as Graph counts them (inline ones do not count).",
    ),
    Column("dtImported", UtcDateTime, nullable=False, doc="Time of the import."),
    Column("sCorrelationID", Unicode(64), doc="Id that links the notification to this row, for searches of the logs."),
    Column("sSenderName", long_text(), doc="Displayed name of the actual sender, who may write for the author."),
    Column("sSenderAddress", long_text(), doc="Address of the actual sender, who may write for the author."),
    Column("dtCreated", UtcDateTime, doc="Time at which the message was created in the mailbox."),
    Column("sCategories", long_text(), doc="JSON array with the names of the categories; null: none."),
    Column("sFlagStatus", Unicode(WORD_LENGTH), doc="Flag for follow-up: notFlagged, flagged, complete."),
    Column("sConversationIndex", long_text(), doc="Position in the conversation, as base64."),
    Column(
        "sBodyText",
        long_text(),
        doc="Body as displayed, without HTML; also the text of signed mail and of winmail.dat, where sBody is empty.",
    ),
    Column("bRead", flag(), doc="1: marked read at the time of the import."),
    Column("sWebLink", long_text(), doc="Address that opens the message in Outlook on the web."),
    Column("sParentFolderID", graph_id(GRAPH_ID_LENGTH), doc="Id of the folder of the message at Graph."),
    Column("sChangeKey", long_text(), doc="Version of the message at Graph."),
    Column(
        "nSize",
        BigInteger,
        doc="Bytes that Exchange counts for the message, attachments included; null: not stated.",
    ),
    Column("sAfterImport", Unicode(20), doc="Action in the mailbox after the import: read, move, delete; null: none."),
    Column(
        "sAfterImportState",
        Unicode(20),
        doc="State of the action: pending, done, failed, gone (no longer where it was imported from, left "
        "alone); null: no action.",
    ),
    Column("sAfterImportDetail", long_text(), doc="Reason of a failure, or of doing nothing; null: none."),
    _phrase_of("sAfterImportDetail"),
    Column("nAfterImportAttempts", Integer, doc="Failed attempts at the action; null: no action."),
    Column(
        "dtAfterImportDue",
        UtcDateTime,
        doc="Time of the next attempt; until then a process has claimed the action. Null: nothing is left to do.",
    ),
    Column(
        "sRuleState",
        Unicode(10),
        server_default=RuleState.WHITE,
        doc="State of the import rules: white (not processed yet), green (a rule matched, and all is saved), amber "
        "(none matched), red (a rule matched, and something could not be saved); null: imported before there were "
        "rules, and not checked.",
    ),
    Column("nRulesMatched", Integer, doc="Import rules that matched; null: not checked yet."),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    _one_of("sAfterImportState", *ActionState),
    _one_of("sRuleState", *RuleState),
    Index("IX_tblEmailMessage_nAccountID_dtReceived", "nAccountID", "dtReceived"),
    Index("IX_tblEmailMessage_dtReceived", "dtReceived"),
    # Counts those of an hour.
    Index("IX_tblEmailMessage_dtImported", "dtImported"),
    # Also counts those of each account that are pending, without reading the rows.
    Index("IX_tblEmailMessage_sAfterImportState", "sAfterImportState", "dtAfterImportDue", "nAccountID"),
    # Finds those that no rule was checked against, and counts the others.
    Index("IX_tblEmailMessage_sRuleState", "sRuleState", "nRulesMatched", "nMessageID"),
    # Lists those of a state, by time.
    Index("IX_tblEmailMessage_sRuleState_dtReceived", "sRuleState", "dtReceived"),
    sqlite_autoincrement=True,
    info={"doc": "Imported messages."},
)

message_identity = Table(
    "tblEmailIdentity",
    metadata,
    Column(
        "nMessageID",
        ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"),
        primary_key=True,
        doc="Number of the message.",
    ),
    Column("nAccountID", BigInteger, nullable=False, doc="Number of the account."),
    Column(
        "sIdentity",
        exact(64),
        nullable=False,
        doc="SHA-256, hexadecimal, of the features that copies share (db/queries/duplicates.py); unique per account.",
    ),
    UniqueConstraint("nAccountID", "sIdentity"),
    info={"doc": "Key by which two hosts detect that they import two copies of one e-mail at the same time."},
)

duplicate = Table(
    "tblEmailDuplicate",
    metadata,
    Column("nDuplicateID", identity(), primary_key=True, autoincrement=True, doc="Number of the row."),
    Column("nAccountID", BigInteger, nullable=False, doc="Number of the account."),
    Column(
        "sGraphMessageID",
        graph_id(GRAPH_ID_LENGTH),
        nullable=False,
        doc="Immutable id of the copy at Graph; unique per account.",
    ),
    Column(
        "nMessageID",
        ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"),
        nullable=False,
        doc="Number of the imported message that the copy equals.",
    ),
    Column("dtSeen", UtcDateTime, nullable=False, doc="Time at which the copy was found."),
    Column(
        "sReason",
        Unicode(100),
        nullable=False,
        doc="Reason: SameIdTimeAndContent, or PlaceholderOfScanned (it had placeholders for the attachments "
        "of nMessageID).",
    ),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    Index("IX_tblEmailDuplicate_nMessageID", "nMessageID"),
    sqlite_autoincrement=True,
    info={"doc": "Copies of imported messages, found under another Graph id and not imported again."},
)

scan = Table(
    "tblEmailScan",
    metadata,
    Column("nScanID", identity(), primary_key=True, autoincrement=True, doc="Number of the row."),
    Column("nAccountID", BigInteger, nullable=False, doc="Number of the account."),
    Column(
        "sGraphMessageID",
        graph_id(GRAPH_ID_LENGTH),
        nullable=False,
        doc="Immutable id, at Graph, of the message with placeholders; unique per account.",
    ),
    Column(
        "sLetterDigest",
        exact(64),
        nullable=False,
        doc="SHA-256, hexadecimal, of the message without its attachments: shared with the scanned one.",
    ),
    Column("dtFirstSeen", UtcDateTime, nullable=False, doc="Time at which a placeholder was first met."),
    Column(
        "dtUntil",
        UtcDateTime,
        nullable=False,
        doc="End of the wait for the files, 30 minutes; the message is imported without them after that.",
    ),
    Column(
        "dtNextCheck",
        UtcDateTime,
        nullable=False,
        doc="Time at which a subscription manager has the message fetched again, in case no delivery does.",
    ),
    Column(
        "nMessageID",
        ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"),
        doc="Number of the message that was imported without its files; null: it waits.",
    ),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    Index("IX_tblEmailScan_nAccountID_sLetterDigest", "nAccountID", "sLetterDigest"),
    Index("IX_tblEmailScan_nMessageID", "nMessageID"),
    sqlite_autoincrement=True,
    info={
        "doc": "Messages in which Defender put placeholders for attachments that it still scans; deleted "
        "once the files are stored, or after a day."
    },
)

seen = Table(
    "tblEmailSeen",
    metadata,
    Column("nSeenID", identity(), primary_key=True, autoincrement=True, doc="Number of the row."),
    Column("nAccountID", BigInteger, nullable=False, doc="Number of the account."),
    Column(
        "sGraphMessageID",
        graph_id(GRAPH_ID_LENGTH),
        nullable=False,
        doc="Immutable id of the message at Graph; unique per account.",
    ),
    Column("sInternetMessageID", Unicode(INTERNET_ID_LENGTH), doc="Message-ID of the mail; null: none."),
    Column("sFromAddress", long_text(), doc="Address of the author; null: none."),
    Column("dtReceived", UtcDateTime, doc="Time at which the mailbox received the message."),
    Column("nSize", BigInteger, doc="Bytes of the message, as Exchange counts them; null: not stated."),
    Column(
        "sReason",
        Unicode(100),
        nullable=False,
        doc="Reason: SenderDenied, SenderNotAllowed, SubjectDenied, SubjectNotAllowed, HasAttachments, "
        "HasNoAttachments, TooSmall, TooLarge.",
    ),
    Column("sRule", long_text(), doc="Filter that decided, as an option of accounts update."),
    Column("dtSeen", UtcDateTime, nullable=False, doc="Time of the decision."),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    Index("IX_tblEmailSeen_nAccountID_dtReceived", "nAccountID", "dtReceived"),
    Index("IX_tblEmailSeen_dtReceived", "dtReceived"),
    sqlite_autoincrement=True,
    info={"doc": "Messages that the filters of their account left out: checked, and not imported."},
)

failure = Table(
    "tblEmailFailure",
    metadata,
    Column("nFailureID", identity(), primary_key=True, autoincrement=True, doc="Number of the row."),
    Column("nAccountID", BigInteger, nullable=False, doc="Number of the account."),
    Column(
        "sGraphMessageID",
        graph_id(GRAPH_ID_LENGTH),
        nullable=False,
        doc="Immutable id of the message at Graph; unique per account.",
    ),
    Column("sState", Unicode(10), nullable=False, doc="State: retrying, dead (a dead letter)."),
    Column("sInternetMessageID", Unicode(INTERNET_ID_LENGTH), doc="Message-ID of the mail; null: not fetched."),
    Column("sSubject", long_text(), doc="Subject; null: not fetched, or none."),
    Column("sFromName", long_text(), doc="Displayed name of the author; null: not fetched, or none."),
    Column("sFromAddress", long_text(), doc="Address of the author; null: not fetched, or none."),
    Column("dtReceived", UtcDateTime, doc="Time at which the mailbox received the message; null: not fetched."),
    Column("nAttempts", Integer, nullable=False, doc="Failed attempts so far that count."),
    Column("dtFirstFailed", UtcDateTime, nullable=False, doc="Time of the first failed attempt."),
    Column("dtLastFailed", UtcDateTime, nullable=False, doc="Time of the last failed attempt."),
    Column("dtNextAttempt", UtcDateTime, doc="Time of the next attempt; null: a dead letter, which has none."),
    Column("sReason", Unicode(100), doc="Reason of the last failure, a fixed word."),
    Column("sDetail", long_text(), doc="Description of the last failure, in English, never from the mail."),
    _phrase_of("sDetail"),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    _one_of("sState", *FailureState),
    Index("IX_tblEmailFailure_dtLastFailed", "dtLastFailed"),
    sqlite_autoincrement=True,
    info={"doc": "Messages whose import failed and that are being retried, or are dead letters."},
)

recipient = Table(
    "tblEmailRecipient",
    metadata,
    Column(
        "nMessageID",
        ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"),
        primary_key=True,
        doc="Number of the message.",
    ),
    Column("sKind", Unicode(10), primary_key=True, doc="Kind: to, cc, bcc, replyTo."),
    Column("nPosition", Integer, primary_key=True, autoincrement=False, doc="Position within the kind, from 0."),
    Column("sName", long_text(), doc="Displayed name; null: none."),
    Column("sAddress", long_text(), doc="Address; an SMTP address wherever Exchange tells one."),
    _one_of("sKind", "to", "cc", "bcc", "replyTo"),
    info={"doc": "Recipients of the messages."},
)

header = Table(
    "tblEmailHeader",
    metadata,
    Column(
        "nMessageID",
        ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"),
        primary_key=True,
        doc="Number of the message.",
    ),
    Column("nPosition", Integer, primary_key=True, autoincrement=False, doc="Position, in the order of the mail."),
    Column("sName", long_text(), nullable=False, doc="Name of the header, as sent."),
    Column("sValue", long_text(), doc="Value of the header."),
    info={"doc": "Internet headers of the messages, as the setting internet_headers selects them."},
)

attachment = Table(
    "tblEmailAttachment",
    metadata,
    Column("nAttachmentID", identity(), primary_key=True, autoincrement=True, doc="Number of the attachment."),
    Column(
        "nMessageID",
        ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"),
        nullable=False,
        doc="Number of the message.",
    ),
    Column(
        "nPosition",
        Integer,
        nullable=False,
        doc="Position within the message, from 0: first those that Graph listed, in its order, then those unpacked.",
    ),
    Column("sGraphAttachmentID", long_text(), doc="Id of the attachment at Graph; null: unpacked."),
    Column(
        "sKind",
        Unicode(20),
        nullable=False,
        doc="Kind: file, item (a mail, event or contact), reference (a link).",
    ),
    Column("sFileName", long_text(), doc="File name as sent. Write files by sSafeFileName."),
    Column("sContentType", long_text(), doc="Media type as sent."),
    Column(
        "nSize",
        BigInteger,
        nullable=False,
        doc="Bytes of the content; where there is none, the size that Graph listed.",
    ),
    Column("bInline", flag(), nullable=False, doc="1: marked as part of the body, such as a picture."),
    Column("sContentID", long_text(), doc="Content-ID by which the body refers to it."),
    Column("sSHA256", Unicode(64), doc="SHA-256 of the content, hexadecimal; null: no content is stored."),
    Column(
        "sState",
        Unicode(20),
        nullable=False,
        server_default=ContentState.STORED,
        doc="Presence of the content: stored, linked (a reference: sLink, no bytes), too_large, unreadable, "
        "gone. Null in biContent of stored, with an nSize above 0: it was purged.",
    ),
    Column(
        "sStateDetail",
        long_text(),
        doc="Reason, in English: why no content is stored; of a stored one, SizeDiffers at the beginning (it may be a "
        "fragment: Graph listed another size than it gave), and why it was not unpacked; null: none.",
    ),
    Column("sSafeFileName", Unicode(200), doc="Name for a file on any disk, unique within the message."),
    Column("sItemType", Unicode(20), doc="Type of an item: message, event, contact."),
    Column("sLink", long_text(), doc="Address of a reference."),
    Column("sLinkProvider", Unicode(100), doc="Provider of a reference, such as oneDriveBusiness."),
    Column("sLinkPermission", Unicode(100), doc="Permission of a reference, such as view."),
    Column("sContentLocation", long_text(), doc="Content-Location by which the body refers to it."),
    Column(
        "nParentPosition",
        Integer,
        doc="nPosition of the attachment from which it was unpacked; null: Graph listed it, so the sender attached it.",
    ),
    Column(
        "sOrigin",
        Unicode(20),
        nullable=False,
        server_default="graph",
        doc="Origin: graph (listed), or unpacked from item (attached mail), tnef (winmail.dat), smime (signed).",
    ),
    # The last: see db.schema.sqlite.
    Column("biContent", content(), doc="The bytes."),
    UniqueConstraint("nMessageID", "nPosition"),
    _one_of("sKind", "file", "item", "reference"),
    _one_of("sState", *ContentState),
    sqlite_autoincrement=True,
    info={"doc": "Attachments of the messages: listed by Graph, or unpacked from one that Graph listed."},
)

original = Table(
    "tblEmailOriginal",
    metadata,
    Column(
        "nMessageID",
        ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        doc="Number of the message.",
    ),
    Column("nSize", BigInteger, doc="Bytes of the MIME, unpacked; null: it is not available."),
    Column("sSHA256", Unicode(64), doc="SHA-256 of the MIME, unpacked, hexadecimal; null: it is not available."),
    Column(
        "sState",
        Unicode(20),
        nullable=False,
        doc="Presence of the MIME: stored, too_large, unreadable, gone. Null in biContent of stored: it was purged.",
    ),
    Column(
        "sStateDetail",
        long_text(),
        doc="Reason for which it is not stored; of a stored one, NoLastBoundary at the beginning (its parts have no "
        "end: it may be cut off, or was sent so); null: none.",
    ),
    Column("sCompression", Unicode(20), doc="Compression of biContent: gzip."),
    Column("nStoredSize", BigInteger, nullable=False, doc="Bytes of biContent."),
    # The last: see db.schema.sqlite.
    Column("biContent", content(), doc="The compressed MIME."),
    _one_of("sState", *(each for each in ContentState if each is not ContentState.LINKED)),
    info={"doc": "Whole MIME of the messages, where the setting keep_mime requests it."},
)

email_rule = Table(
    "tblEmailRule",
    metadata,
    Column("nRuleID", identity(), primary_key=True, autoincrement=True, doc="Number of the rule; never used again."),
    Column("sName", Unicode(200), nullable=False, doc="Name of the rule, unique in any letter case."),
    Column("bEnabled", flag(), nullable=False, doc="1: mail is checked against it; 0: it is not."),
    # No foreign key: a rule of a removed account is shown as such.
    Column("nAccountID", BigInteger, doc="Number of the account whose mail is checked; null: that of all."),
    Column("nPosition", Integer, nullable=False, doc="Place in the list, from 1; all rules are checked in any case."),
    Column(
        "sSenders",
        long_text(),
        doc="Senders: addresses, domains (example.com), subdomains (*.example.com), separated by lines, commas, "
        "semicolons or blanks; null: any.",
    ),
    Column(
        "sRecipients",
        long_text(),
        doc="Recipients (to, cc, bcc), in the same form; * within the part before the @ stands for anything "
        "(lab+*@example.com); null: any.",
    ),
    Column("sSubjectKind", Unicode(10), doc="Comparison of sSubject: is, contains, matches; null: any subject."),
    Column(
        "sSubject",
        long_text(),
        doc="Texts, a line each, one of which the subject is, contains or matches (a regular expression of RE2).",
    ),
    Column(
        "sBodyWords",
        long_text(),
        doc="Words that stand in the body in this order, a line for each choice; letter case and accents do not "
        "count; words in double quotes follow each other. Null: any body.",
    ),
    Column(
        "sAttachmentNames",
        long_text(),
        doc="Patterns of file names, a line each (*.csv): one attachment must fit, and those that fit are saved; null: "
        "any.",
    ),
    Column("nAttachmentSizeLeast", BigInteger, doc="Least bytes of an attachment that fits; null: any."),
    Column("nAttachmentSizeMost", BigInteger, doc="Most bytes of an attachment that fits; null: any."),
    Column("bHasAttachments", flag(), doc="1: only messages with attachments; 0: only those without; null: both."),
    Column(
        "sFolder", Unicode(1000), nullable=False, doc="Import folder, an absolute path below one of delivery_roots."
    ),
    Column(
        "sFileName",
        Unicode(400),
        doc="Template of the names of saved files ({received:%Y%m%d-%H%M%S}_{name}); null: the safe file name.",
    ),
    Column("bSaveAttachments", flag(), nullable=False, server_default="1", doc="1: attachments that fit are saved."),
    Column(
        "sUnpack",
        Unicode(50),
        doc="Containers whose contents are considered, too, separated by blanks: item (attached mail), tnef "
        "(winmail.dat), smime (signed mail), zip; null: none.",
    ),
    Column("sSaveBody", Unicode(10), doc="Files made of the body: text, html, both; null: none."),
    Column("bSaveOriginal", flag(), nullable=False, server_default="0", doc="1: the original is saved as .eml."),
    Column(
        "bSaveMetadata",
        flag(),
        nullable=False,
        server_default="0",
        doc="1: beside each file another one with .json appended to its name, after it.",
    ),
    Column(
        "dtActiveSince",
        UtcDateTime,
        nullable=False,
        doc="Time since which it is enabled: mail imported earlier is not checked, but by rules apply.",
    ),
    UniqueConstraint("sName"),
    _one_of("sSubjectKind", "is", "contains", "matches"),
    _one_of("sSaveBody", "text", "html", "both"),
    sqlite_autoincrement=True,  # a number is never reused for another rule: its files outlive it
    info={"doc": "Import rules: which files of which mail are saved into which folder."},
)

email_rule_change = Table(
    "tblEmailRuleChange",
    metadata,
    Column("nChangeID", identity(), primary_key=True, autoincrement=True, doc="Number of the row."),
    # No foreign key: the history outlives its rule.
    Column("nRuleID", BigInteger, nullable=False, doc="Number of the rule."),
    Column("dtChanged", UtcDateTime, nullable=False, doc="Time of the change."),
    Column(
        "sAction",
        Unicode(20),
        nullable=False,
        doc="Change: added, changed, enabled, disabled, moved, removed, found (another program wrote the row).",
    ),
    Column("sWho", Unicode(200), doc="User of the operating system, or of the web console; null: another program."),
    Column("sHost", Unicode(100), doc="Host of the change; null as sWho."),
    Column(
        "sSettings",
        long_text(),
        nullable=False,
        doc="JSON object with the whole rule after the change, by column; of a removed one as it was.",
    ),
    Index("IX_tblEmailRuleChange_nRuleID", "nRuleID", "nChangeID"),
    sqlite_autoincrement=True,
    info={"doc": "Changes of the import rules; outlives the rule."},
)

email_file = Table(
    "tblEmailFile",
    metadata,
    Column("nFileID", identity(), primary_key=True, autoincrement=True, doc="Number of the file."),
    Column(
        "nMessageID",
        ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"),
        nullable=False,
        doc="Number of the message.",
    ),
    # No foreign key: what a rule saved outlives it.
    Column("nRuleID", BigInteger, nullable=False, doc="Number of the rule that matched; it may be removed."),
    Column(
        "nRun",
        Integer,
        nullable=False,
        server_default="0",
        doc="0; more where an operator had the rule applied again (rules apply --again).",
    ),
    Column(
        "sKey",
        exact(64),
        nullable=False,
        doc="SHA-256, hexadecimal, of the part of the message: each is saved once for message, rule and run.",
    ),
    Column(
        "sPart",
        Unicode(10),
        nullable=False,
        doc="Part: attachment, zip (a file in one), text, html (the body), original, metadata.",
    ),
    Column("nPosition", Integer, doc="nPosition of the attachment; null: it is of none."),
    Column("sMember", long_text(), doc="Name of the file within the .zip; null: it is of none."),
    Column("nMember", Integer, doc="Position of the file within the .zip, from 0; null: it is of none."),
    Column("nDataFileID", BigInteger, doc="nFileID of the file that the metadata describes; null: no metadata."),
    Column("sFolder", Unicode(1000), nullable=False, doc="Folder into which it is saved."),
    Column("sFolderKey", exact(64), nullable=False, doc="SHA-256, hexadecimal, of sFolder."),
    Column("sFileName", Unicode(255), nullable=False, doc="Name under which it is to be saved."),
    Column(
        "sTargetPath",
        long_text(),
        doc="Path under which it was saved: where the name was taken, with a number; null: no attempt came that far.",
    ),
    Column("sState", Unicode(10), nullable=False, doc="State: pending, saved, failed, skipped."),
    Column("nAttempts", Integer, nullable=False, server_default="0", doc="Failed attempts so far."),
    Column("sReason", Unicode(100), doc="Reason of the last failed attempt, a fixed word; null: none failed."),
    Column("sDetail", long_text(), doc="What failed and what to do, in English; null: nothing failed."),
    _phrase_of("sDetail"),
    Column("nSize", BigInteger, doc="Bytes of the file; null: not known yet."),
    Column("sSHA256", Unicode(64), doc="SHA-256 of the file, hexadecimal; null: not known yet."),
    Column("dtCreated", UtcDateTime, nullable=False, doc="Time at which the rule matched."),
    Column(
        "dtDue",
        UtcDateTime,
        doc="Time of the next attempt; until then a process has claimed the file. Null: nothing is left to do.",
    ),
    Column("dtRetryUntil", UtcDateTime, nullable=False, doc="Time after which a failed attempt is the last."),
    Column("dtSaved", UtcDateTime, doc="Time at which it was saved; null: it is not."),
    Column("sOwner", Unicode(100), doc="Process that has claimed the file (its sProcess); null: none has."),
    Column("sToken", Unicode(32), doc="Part of the name of the temporary file of the last claim; null: none."),
    Column(
        "sFolderIdentity",
        Unicode(100),
        doc="Identity of the folder in which the temporary file is whole: from now on it is renamed, and only that; "
        "null: it is not whole; `none`: retried after it had ended.",
    ),
    UniqueConstraint("nMessageID", "nRuleID", "nRun", "sKey"),
    _one_of("sPart", *FilePart),
    _one_of("sState", *FileState),
    Index("IX_tblEmailFile_sState", "sState", "dtDue", "sFolderKey"),
    # Finds what is due in one folder behind any number of others, and counts by folder and rule without the rows.
    Index("IX_tblEmailFile_sFolderKey", "sState", "sFolderKey", "dtDue", "nAttempts", "nRuleID", "nFileID"),
    # Finds the folders into which something was saved of late.
    Index("IX_tblEmailFile_dtSaved", "dtSaved", "sFolderKey"),
    Index("IX_tblEmailFile_nDataFileID", "nDataFileID"),
    sqlite_autoincrement=True,
    info={"doc": "Files that import rules save into folders, one row each."},
)

email_consumer = Table(
    "tblEmailConsumer",
    metadata,
    Column("sConsumer", exact(100), primary_key=True, doc="Name of a program that reads mail by SQL."),
    Column(
        "nPosition",
        BigInteger,
        nullable=False,
        server_default="0",
        doc="Every message up to this nMessageID was taken, or will never appear.",
    ),
    Column("dtCreated", UtcDateTime, nullable=False, doc="Time at which the consumer was added."),
    Column("dtMoved", UtcDateTime, doc="Time at which nPosition last moved; null: never."),
    Column("nNextPosition", BigInteger, doc="Position to which nPosition moves next; null: none is noted."),
    Column(
        "dtNextPosition",
        UtcDateTime,
        doc="Time at which nNextPosition was noted: it had been taken, so lower numbers had been given out.",
    ),
    Column(
        "sOpenTransactions",
        long_text(),
        doc="On PostgreSQL: transactions that were writing messages when nNextPosition was noted, separated by blanks; "
        "null: none.",
    ),
    info={"doc": "Programs that read mail by SQL, each with its position: see docs/downstream.md."},
)

email_taken = Table(
    "tblEmailTaken",
    metadata,
    Column(
        "sConsumer",
        ForeignKey("tblEmailConsumer.sConsumer", ondelete="CASCADE"),
        primary_key=True,
        doc="Name of the program.",
    ),
    Column(
        "nMessageID",
        ForeignKey("tblEmailMessage.nMessageID", ondelete="CASCADE"),
        primary_key=True,
        doc="Number of a message beyond nPosition that the program has taken.",
    ),
    Column("dtTaken", UtcDateTime, nullable=False, doc="Time at which it was taken."),
    Index("IX_tblEmailTaken_nMessageID", "nMessageID"),
    info={"doc": "Messages beyond its position that a program has taken; deleted once the position has passed."},
)

graph_subscription = Table(
    "tblGraphSubscription",
    metadata,
    Column("sSubscriptionID", graph_id(100), primary_key=True, doc="Id of the subscription at Graph."),
    Column(
        "nAccountID",
        BigInteger,
        nullable=False,
        doc="Number of the account. One account, one subscription: the database enforces it, too.",
    ),
    Column("dtExpires", UtcDateTime, nullable=False, doc="Expiry that Graph granted."),
    Column("sState", Unicode(20), nullable=False, doc="State: active."),
    Column(
        "sResource",
        Unicode(1000),
        nullable=False,
        doc="Subscribed resource, as Graph's path of the folder's messages.",
    ),
    Column("sNotificationURL", Unicode(1000), nullable=False, doc="Address that Graph notifies."),
    Column(
        "sKeyFingerprint",
        exact(64),
        nullable=False,
        doc="Fingerprint of the key that authenticates its notifications; a subscription made with another "
        "key cannot be adopted.",
    ),
    Column("dtGranted", UtcDateTime, nullable=False, doc="Time of the last grant of dtExpires."),
    Column(
        "dtCreated",
        UtcDateTime,
        doc="Start of Graph's notifications by it; null: made by an older version, no later than dtGranted.",
    ),
    # One account, one subscription: the database enforces it, too.
    UniqueConstraint("nAccountID"),
    info={"doc": "Subscriptions (webhooks) that Graph holds for the accounts, one each at most."},
)


def _schedule_columns() -> list[Column[Any]]:
    """One row an account: its due time for a kind of work, and the manager that has it under a lease."""
    return [
        Column("nAccountID", BigInteger, primary_key=True, autoincrement=False, doc="Number of the account."),
        Column("dtDue", UtcDateTime, nullable=False, doc="Time of the next turn; 9999-12-31: only on request."),
        Column("sOwner", Unicode(100), doc="Process that serves the account now (its sProcess); null: none."),
        Column("dtLeaseUntil", UtcDateTime, doc="End of the lease of sOwner, 55 s after its begin; null: none."),
        Column(
            "nFailures",
            Integer,
            nullable=False,
            server_default="0",
            doc="Failed turns since the last one that succeeded.",
        ),
        Column(
            "nRequests",
            Integer,
            nullable=False,
            server_default="0",
            doc="Requests for a turn, counted: a turn that began before the last of them leaves the account due.",
        ),
    ]


subscription_schedule = Table(
    "tblSubscriptionSchedule",
    metadata,
    *_schedule_columns(),
    Column(
        "sAttemptFingerprint",
        exact(64),
        doc="Fingerprint of the key of an attempt to create whose outcome is unknown: it proves ownership of "
        "a subscription found at Graph after a crash. Null: none.",
    ),
    Column("dtReauthorize", UtcDateTime, doc="Time of Graph's last request to reauthorize; null: done."),
    Column(
        "bRecreate",
        flag(),
        nullable=False,
        server_default="0",
        doc="1: the subscription lives and does not notify; it is replaced.",
    ),
    Column("sServed", exact(1300), doc="Settings of the account as last acted on: other programs may change them."),
    Column("sServedWith", exact(64), doc="Digest of the manager's own settings (addresses, key) then."),
    Index("IX_tblSubscriptionSchedule_dtDue", "dtDue"),
    info={"doc": "When the subscription of each account is checked next, and by which process."},
)

folder_sync = Table(
    "tblFolderSync",
    metadata,
    *_schedule_columns(),
    Column("sResource", Unicode(1000), doc="Folder of sLink, as Graph's path; empty: the pass begins anew."),
    Column(
        "sLink",
        long_text(),
        doc="Position of delta query: a delta link, or a next link in the middle of a round; null: from the start.",
    ),
    Column(
        "bFullPass",
        flag(),
        nullable=False,
        server_default="1",
        doc="1: the round under way, or to come, goes through the whole folder.",
    ),
    Column(
        "bGap",
        flag(),
        nullable=False,
        server_default="1",
        doc="1: notifications are known to be missing, so the round's finds are no sign of a silent subscription.",
    ),
    Column("dtSwept", UtcDateTime, doc="End of the last complete round."),
    Index("IX_tblFolderSync_dtDue", "dtDue"),
    info={"doc": "When the folder of each account is swept next, by which process, and how far catch-up has come."},
)

missed_notification = Table(
    "tblMissedNotification",
    metadata,
    Column("nMissedID", identity(), primary_key=True, autoincrement=True, doc="Number of the row."),
    Column("nAccountID", BigInteger, nullable=False, doc="Number of the account."),
    Column(
        "sGraphMessageID",
        graph_id(GRAPH_ID_LENGTH),
        nullable=False,
        doc="Immutable id of the message at Graph; unique per account.",
    ),
    Column("dtReceived", UtcDateTime, nullable=False, doc="Time at which the mailbox received the message."),
    Column("dtFound", UtcDateTime, nullable=False, doc="Time at which a sweep had found and imported it."),
    Column(
        "dtTold",
        UtcDateTime,
        doc="Time at which it was reported; null: its notification may still be on its way through the queue.",
    ),
    UniqueConstraint("nAccountID", "sGraphMessageID"),
    sqlite_autoincrement=True,
    info={"doc": "Messages of which Graph did not notify in time; deleted after 90 days."},
)

call_budget = Table(
    "tblCallBudget",
    metadata,
    Column(
        "sBudget",
        exact(200),
        primary_key=True,
        doc="Kind of call, application and, for the limit of one tenant, tenant, with / between.",
    ),
    Column("nSlot", BigInteger, nullable=False, doc="Number of the time slot of 2 s, since 1970."),
    Column("nUsed", Integer, nullable=False, doc="Calls reserved in that slot."),
    info={"doc": "Calls of Graph that all subscription managers together made in the current time slot."},
)

account_condition = Table(
    "tblAccountCondition",
    metadata,
    Column("nAccountID", BigInteger, primary_key=True, autoincrement=False, doc="Number of the account."),
    Column(
        "sRole",
        Unicode(20),
        primary_key=True,
        doc="Part that found it: processor, subscriptions, sweep, notifications, certificate, afterimport.",
    ),
    Column("sReason", Unicode(100), nullable=False, doc="Reason, a fixed word."),
    Column("sDetail", long_text(), nullable=False, doc="What is wrong and what to do, in English."),
    _phrase_of("sDetail"),
    Column("dtSince", UtcDateTime, nullable=False, doc="Begin of this reason."),
    Column("dtNextAttempt", UtcDateTime, nullable=False, doc="Time of the next attempt."),
    info={"doc": "What is wrong with an account, by the part of mail-importer that found it."},
)

mailbox_address = Table(
    "tblMailboxAddress",
    metadata,
    Column("nAccountID", BigInteger, primary_key=True, autoincrement=False, doc="Number of the account."),
    Column("sUserID", Unicode(320), nullable=False, doc="sUserID of the account for which it was learned."),
    Column("sAddress", Unicode(320), nullable=False, doc="SMTP address of the mailbox."),
    Column("dtLearned", UtcDateTime, nullable=False, doc="Time at which Graph last stated it."),
    info={"doc": "Addresses of the mailboxes, as far as Graph states them; shown instead of the object ID."},
)

queue_message = Table(
    "tblNotificationQueue",
    metadata,
    Column("nSequence", identity(), primary_key=True, autoincrement=True, doc="Number of the queue message."),
    Column(
        "sMessageID",
        graph_id(128),
        nullable=False,
        doc="Id of the queue message; an id put again within ten minutes is ignored.",
    ),
    Column(
        "nRetired",
        BigInteger,
        nullable=False,
        server_default="0",
        doc="0 while duplicates of the id are refused; later the nSequence of the row, so that the id is free again.",
    ),
    Column(
        "sState",
        Unicode(10),
        nullable=False,
        doc="State: active, dead (a dead letter), done (kept until its duplicate window is over).",
    ),
    Column("nAccountID", BigInteger, doc="Number of the account; null: it could not be read."),
    Column(
        "sBody",
        long_text(),
        nullable=False,
        doc="JSON document with a version (bus/notification.py): ids, never mail.",
    ),
    Column("dtEnqueued", UtcDateTime, nullable=False, doc="Time of the put."),
    Column(
        "dtVisible",
        UtcDateTime,
        nullable=False,
        doc="Not received earlier: its scheduled time, or the end of its lock. Once done: its dtEnqueued.",
    ),
    Column("nDeliveryCount", Integer, nullable=False, server_default="0", doc="Deliveries so far that count."),
    Column("sLockToken", Unicode(32), doc="Proof of the lock; null: not locked."),
    Column("sReason", Unicode(100), doc="Reason of a dead letter, a fixed word."),
    Column("sDescription", long_text(), doc="Description of a dead letter, in English."),
    Column("dtDeadLettered", UtcDateTime, doc="Time at which it became a dead letter; null: it is none."),
    UniqueConstraint("sMessageID", "nRetired"),
    _one_of("sState", "active", "dead", "done"),
    Index("IX_tblNotificationQueue_sState_dtVisible", "sState", "dtVisible"),
    sqlite_autoincrement=True,
    info={"doc": "Messages of the queue, where the setting queue is database."},
)

process = Table(
    "tblProcess",
    metadata,
    Column("sProcess", exact(100), primary_key=True, doc="Name of the process, unique among all that ever ran."),
    Column("sHost", Unicode(100), nullable=False, doc="Name of its host."),
    Column(
        "sRoles",
        Unicode(200),
        nullable=False,
        doc="Names of its roles, separated by spaces: receiver, processor, subscriptions, delivery.",
    ),
    Column("sVersion", Unicode(50), nullable=False, doc="Version of mail-importer."),
    Column("dtStarted", UtcDateTime, nullable=False, doc="Start of the process."),
    Column("dtHeartbeat", UtcDateTime, nullable=False, doc="Last write of the row, every 4 s."),
    Column("dtLeaseUntil", UtcDateTime, nullable=False, doc="End of its lease, 20 s after the heartbeat."),
    info={"doc": "Processes that work on this database, one row each, which the process removes when it ends."},
)

service_outage = Table(
    "tblServiceOutage",
    metadata,
    Column("sProcess", exact(100), primary_key=True, doc="Process that found it (tblProcess)."),
    Column(
        "sService",
        Unicode(20),
        primary_key=True,
        doc="Service: graph, signin, credentials, queue; loop: the process itself hangs; worker: another one of its "
        "supervisor cannot be started again.",
    ),
    Column("dtSince", UtcDateTime, nullable=False, doc="First failure since the service last answered."),
    Column("dtSeen", UtcDateTime, nullable=False, doc="Last failure."),
    Column("nAccounts", Integer, nullable=False, doc="Accounts whose work failed for it."),
    Column("sDetail", long_text(), nullable=False, doc="Last failure and what to do, in English."),
    _phrase_of("sDetail"),
    info={"doc": "Services that a process cannot reach now, by process; the row is deleted once the service answers."},
)

problem = Table(
    "tblProblem",
    metadata,
    Column("nProblemID", identity(), primary_key=True, autoincrement=True, doc="Number of the problem."),
    Column("sKind", Unicode(40), nullable=False, doc="Kind, a fixed word: docs/problems.md lists them."),
    # No foreign key: the history outlives its account.
    Column("nAccountID", BigInteger, doc="Number of the account; null: it is not of one account."),
    Column(
        "sScope",
        Unicode(450),
        nullable=False,
        doc="Host, application, certificate or target of alerts concerned; empty: none in particular.",
    ),
    Column(
        "sKey",
        exact(64),
        nullable=False,
        doc="SHA-256, hexadecimal, of kind, account and scope: one cause is open once.",
    ),
    Column(
        "nClosed",
        BigInteger,
        nullable=False,
        server_default="0",
        doc="0 while the problem is open; later its nProblemID, so that the same cause can open another one.",
    ),
    Column("sSeverity", Unicode(10), nullable=False, doc="Severity: warning, error."),
    Column("dtFirstSeen", UtcDateTime, nullable=False, doc="Begin of the cause, as far as it is known."),
    Column("dtOpened", UtcDateTime, nullable=False, doc="Time at which a monitor first found it."),
    Column("dtLastSeen", UtcDateTime, nullable=False, doc="Time at which the cause was last found."),
    Column("dtCleared", UtcDateTime, doc="Time at which the cause was found to be over; null: it is not."),
    Column("nCount", Integer, nullable=False, doc="Accounts, messages or processes concerned."),
    Column("sText", long_text(), nullable=False, doc="What is wrong, with the last real error, in English."),
    _phrase_of("sText"),
    Column("sRemedy", long_text(), nullable=False, doc="What to do, in English."),
    _phrase_of("sRemedy"),
    Column("dtAlerted", UtcDateTime, doc="Time of the last alert of it, first or reminder; null: none."),
    Column("dtRecoveryAlerted", UtcDateTime, doc="Time of the alert of its end; null: none."),
    UniqueConstraint("sKey", "nClosed"),
    _one_of("sSeverity", "warning", "error"),
    # The open ones, and those whose end is to be alerted.
    Index("IX_tblProblem_dtCleared", "dtCleared"),
    sqlite_autoincrement=True,
    info={"doc": "Problems that need a person, one for one cause; kept for 90 days after their end."},
)

alert = Table(
    "tblAlert",
    metadata,
    Column("nAlertID", identity(), primary_key=True, autoincrement=True, doc="Number of the alert."),
    Column(
        "sTarget",
        exact(64),
        nullable=False,
        doc="SHA-256, hexadecimal, of the target's URL, which holds secrets; empty: not sent, and the target is in the "
        "settings no more.",
    ),
    Column("sTargetName", Unicode(200), nullable=False, doc="Target as displayed: kind and host, without secrets."),
    Column("sState", Unicode(10), nullable=False, doc="State: pending, sent, expired (not sent within a day)."),
    Column("sTitle", long_text(), nullable=False, doc="Title, in the language of the alerts."),
    Column("sBody", long_text(), nullable=False, doc="Text, in the language of the alerts; nothing of any mail."),
    Column("nAttempts", Integer, nullable=False, server_default="0", doc="Failed attempts to send it."),
    Column("dtCreated", UtcDateTime, nullable=False, doc="Time at which it was written."),
    Column("dtDue", UtcDateTime, nullable=False, doc="Time of the next attempt."),
    Column("dtEnded", UtcDateTime, doc="Time at which it was sent or given up; null: neither."),
    Column("sDetail", long_text(), doc="Reason of the last failed attempt, in English; null: none failed."),
    _one_of("sState", "pending", "sent", "expired"),
    Index("IX_tblAlert_sState_dtDue", "sState", "dtDue"),
    sqlite_autoincrement=True,
    info={"doc": "Alerts, one row a target: those to send, and those of the last 90 days."},
)

lease = Table(
    "tblLease",
    metadata,
    Column("sName", exact(50), primary_key=True, doc="Work that one process does at a time: monitor."),
    Column("sOwner", Unicode(100), nullable=False, doc="Process that has the lease (its sProcess)."),
    Column("dtLeaseUntil", UtcDateTime, nullable=False, doc="End of the lease."),
    info={"doc": "Leases of work that only one process of the installation does at a time."},
)

mailbox_call = Table(
    "tblMailboxCall",
    metadata,
    Column("sMailbox", exact(425), primary_key=True, doc="Application and user: Graph's key of concurrent calls."),
    Column("nSlot", Integer, primary_key=True, autoincrement=False, doc="Number of the call."),
    Column("sOwner", Unicode(100), nullable=False, doc="Process that may have this call of the mailbox under way."),
    Column("dtLeaseUntil", UtcDateTime, nullable=False, doc="End of its lease."),
    Index("IX_tblMailboxCall_dtLeaseUntil", "dtLeaseUntil"),
    info={
        "doc": "Of releases up to revision 0009, which may run beside this one during an upgrade. Nothing else uses it."
    },
)

message_trace = Table(
    "tblMessageTrace",
    metadata,
    Column("nTraceID", identity(), primary_key=True, autoincrement=True, doc="Number of the row."),
    Column("nAccountID", BigInteger, doc="Number of the account; null: it could not be read."),
    Column(
        "sGraphMessageID",
        graph_id(GRAPH_ID_LENGTH),
        doc="Immutable id of the message at Graph; null: it could not be read, or does not fit.",
    ),
    Column("sInternetMessageID", Unicode(INTERNET_ID_LENGTH), doc="Message-ID of the mail; null: not fetched."),
    Column("sSubject", Unicode(400), doc="Subject, 400 characters at most; null: not fetched."),
    Column("sSource", Unicode(20), doc="Origin of the notification: graph, sweep, catch-up, operator."),
    Column("sCorrelationID", Unicode(64), doc="Id for searches of the logs."),
    Column("sQueueMessageID", exact(128), doc="Id of the queue message; null: imported without the queue."),
    Column("dtNotified", UtcDateTime, doc="Arrival of the notification."),
    Column("dtQueued", UtcDateTime, doc="Time of its put."),
    Column("nAttempt", Integer, doc="Number of the delivery, from 1; null: no delivery."),
    Column("sHost", Unicode(100), nullable=False, doc="Host of the attempt."),
    Column("dtStarted", UtcDateTime, nullable=False, doc="Begin of the attempt."),
    Column("dtFetched", UtcDateTime, doc="Arrival of all of the message; null: not fetched."),
    Column("dtEnded", UtcDateTime, nullable=False, doc="End of the attempt."),
    Column(
        "sOutcome",
        Unicode(20),
        nullable=False,
        doc="Outcome: imported, replaced, known, duplicate, seen (left out by a filter), gone, waiting, "
        "scanning, deferred, retried, dead_lettered, handed_back, not_settled, failed, replayed, made_due, purged, "
        "dropped (its account was removed).",
    ),
    Column("sReason", Unicode(100), doc="Reason, a fixed word; null: none."),
    Column("sDetail", long_text(), doc="Description for an operator, in English, never from the mail; null: none."),
    _phrase_of("sDetail"),
    Index("IX_tblMessageTrace_nAccountID_sGraphMessageID", "nAccountID", "sGraphMessageID"),
    Index("IX_tblMessageTrace_dtEnded", "dtEnded"),
    # Lists those of an outcome, by time.
    Index("IX_tblMessageTrace_sOutcome_dtEnded", "sOutcome", "dtEnded"),
    sqlite_autoincrement=True,
    info={"doc": "Attempts at a message, and operations of an operator on it, one row each; kept for trace_days."},
)

queue_audit = Table(
    "tblQueueAudit",
    metadata,
    Column("nAuditID", identity(), primary_key=True, autoincrement=True, doc="Number of the row."),
    Column(
        "sAction",
        Unicode(20),
        nullable=False,
        doc="Operation: replay, purge, import, db purge, retry-actions, rules apply, delivery retry, delivery skip, "
        "subscriptions delete.",
    ),
    Column("sWho", Unicode(200), nullable=False, doc="User of the operating system, or of the web console."),
    Column(
        "sHost",
        Unicode(100),
        nullable=False,
        doc="Host of the command; of the web console: console and the address of the browser.",
    ),
    Column("sQueue", Unicode(400), nullable=False, doc="Queue; empty: none is concerned."),
    Column("sSelection", long_text(), nullable=False, doc="Selected messages, as readable text."),
    Column("sWhy", long_text(), doc="Reason that the operator gave (--why); null: none."),
    Column("dtStarted", UtcDateTime, nullable=False, doc="Begin of the operation."),
    Column("dtEnded", UtcDateTime, doc="End of the operation; null: it runs, or died midway."),
    Column("nMessages", Integer, nullable=False, server_default="0", doc="Messages done."),
    sqlite_autoincrement=True,
    info={"doc": "Bulk operations of operators: replay, purge, import and others."},
)

account_change = Table(
    "tblEmailAccountChange",
    metadata,
    Column("nChangeID", identity(), primary_key=True, autoincrement=True, doc="Number of the row."),
    # No foreign key: the history outlives its account.
    Column("nAccountID", BigInteger, nullable=False, doc="Number of the account."),
    Column("dtChanged", UtcDateTime, nullable=False, doc="Time of the change, or at which it was found."),
    Column(
        "sAction",
        Unicode(20),
        nullable=False,
        doc="Change: added, changed, enabled, disabled, removed, taken_up (a removed account was added again), found "
        "(another program wrote the row).",
    ),
    Column(
        "sWho",
        Unicode(200),
        doc="User of the operating system, or of the web console; null: mail-importer itself, or another program.",
    ),
    Column("sHost", Unicode(100), doc="Host of the change; null as sWho."),
    Column(
        "sSettings",
        long_text(),
        nullable=False,
        doc="JSON object with all settings of the account after the change, by column.",
    ),
    Index("IX_tblEmailAccountChange_nAccountID", "nAccountID", "nChangeID"),
    sqlite_autoincrement=True,
    info={"doc": "Changes of the settings of accounts; outlives the account."},
)

console_user = Table(
    "tblConsoleUser",
    metadata,
    Column(
        "nUserID",
        identity(),
        primary_key=True,
        autoincrement=True,
        doc="Number of the user; never given to another one.",
    ),
    Column("sUserName", exact(200), nullable=False, doc="Name that signs in, in lower case; unique."),
    Column("sPasswordHash", Unicode(400), nullable=False, doc="Argon2id hash of the password."),
    Column("sRoles", Unicode(200), nullable=False, doc="Roles in the web console, separated by blanks."),
    Column("sGroups", long_text(), doc="Groups of the user, a line each, for sConsoleAccess; null: none."),
    Column("dtCreated", UtcDateTime, nullable=False, doc="Time at which the user was added."),
    Column("dtPasswordChanged", UtcDateTime, nullable=False, doc="Time of the last change of the password."),
    UniqueConstraint("sUserName"),
    sqlite_autoincrement=True,
    info={"doc": "Users of the web console that sign in with a password (console_auth = local)."},
)

console_token = Table(
    "tblConsoleToken",
    metadata,
    Column("nTokenID", identity(), primary_key=True, autoincrement=True, doc="Number of the token."),
    Column(
        "nUserID",
        BigInteger,
        ForeignKey("tblConsoleUser.nUserID", ondelete="CASCADE"),
        nullable=False,
        doc="User whose rights the token has.",
    ),
    Column("sTokenHash", exact(64), nullable=False, doc="SHA-256 of the token, in hexadecimal digits."),
    Column("sTokenName", Unicode(100), nullable=False, doc="Name that the user gave it."),
    Column("dtCreated", UtcDateTime, nullable=False, doc="Time at which it was made."),
    Column("dtExpires", UtcDateTime, nullable=False, doc="End of its validity."),
    UniqueConstraint("sTokenHash"),
    Index("IX_tblConsoleToken_nUserID", "nUserID"),
    sqlite_autoincrement=True,
    info={"doc": "Bearer tokens of users, for the API of the web console."},
)

console_session = Table(
    "tblConsoleSession",
    metadata,
    Column(
        "sSessionHash", exact(64), primary_key=True, doc="SHA-256 of the cookie's random id, in hexadecimal digits."
    ),
    Column("sKind", Unicode(20), nullable=False, doc="Kind of sign-in: local, entra, link (console open)."),
    Column(
        "sSubject", exact(200), nullable=False, doc="Identity: the number of a local user, or the object ID at Entra."
    ),
    Column("sUserName", Unicode(200), nullable=False, doc="Displayed name of the user."),
    Column("sRoles", Unicode(200), nullable=False, doc="Roles, as of dtChecked, separated by blanks."),
    Column("sGroups", long_text(), doc="Groups, as of dtChecked, a line each; null: none."),
    Column("sAddress", Unicode(100), nullable=False, doc="Address of the browser at sign-in."),
    Column("dtCreated", UtcDateTime, nullable=False, doc="Time of the sign-in."),
    Column("dtUsed", UtcDateTime, nullable=False, doc="Time of the last request, to the minute."),
    Column("dtChecked", UtcDateTime, nullable=False, doc="Time at which roles and groups were last read."),
    Column(
        "sSealedToken",
        long_text(),
        doc="Refresh token of Entra, encrypted with a key that only the cookie yields; null: none.",
    ),
    Index("IX_tblConsoleSession_sSubject", "sSubject"),
    Index("IX_tblConsoleSession_dtCreated", "dtCreated"),
    info={"doc": "Sessions of the web console."},
)

console_ticket = Table(
    "tblConsoleTicket",
    metadata,
    Column("sTicketHash", exact(64), primary_key=True, doc="SHA-256 of the ticket, in hexadecimal digits."),
    Column("sKind", Unicode(20), nullable=False, doc="link: of console open; entra: a sign-in that was begun."),
    Column("sDetail", long_text(), nullable=False, doc="JSON object that the kind defines."),
    Column("dtExpires", UtcDateTime, nullable=False, doc="End of its validity; a ticket that was used is deleted."),
    Index("IX_tblConsoleTicket_dtExpires", "dtExpires"),
    info={"doc": "Sign-ins of the web console that are begun and not completed; each is used once."},
)

console_attempt = Table(
    "tblConsoleAttempt",
    metadata,
    Column("sKey", exact(64), primary_key=True, doc="SHA-256 of the user name or the address, in hexadecimal digits."),
    Column("nFailures", Integer, nullable=False, doc="Failed sign-ins since dtFirst."),
    Column("dtFirst", UtcDateTime, nullable=False, doc="Time of the first of them."),
    Index("IX_tblConsoleAttempt_dtFirst", "dtFirst"),
    info={"doc": "Failed sign-ins with a password, by user name and by address, which limit further attempts."},
)

console_activity = Table(
    "tblConsoleActivity",
    metadata,
    Column("nActivityID", identity(), primary_key=True, autoincrement=True, doc="Number of the row."),
    Column("dtAt", UtcDateTime, nullable=False, doc="Time of the activity."),
    Column("sWho", Unicode(200), nullable=False, doc="Name of the user; of a failed sign-in, the name that was given."),
    Column(
        "sAddress", Unicode(100), nullable=False, doc="Address of the browser or program, or the host of a command."
    ),
    Column(
        "sAction",
        Unicode(40),
        nullable=False,
        doc="Activity: signed_in, sign_in_failed, signed_out, body_opened, attachment_downloaded and others.",
    ),
    # No foreign keys: the record outlives account and message.
    Column("nAccountID", BigInteger, doc="Number of the account; null: none is concerned."),
    Column("nMessageID", BigInteger, doc="Number of the message; null: none is concerned."),
    Column("sDetail", Unicode(400), doc="Name of the file or object concerned; null: none."),
    Index("IX_tblConsoleActivity_dtAt", "dtAt"),
    Index("IX_tblConsoleActivity_nMessageID", "nMessageID"),
    sqlite_autoincrement=True,
    info={
        "doc": "Sign-ins of the web console, openings of mail, and changes of users; kept for console_activity_days."
    },
)

importer_secret = Table(
    "tblImporterSecret",
    metadata,
    Column("sName", Unicode(100), primary_key=True, doc="Name of the secret."),
    Column("sValue", long_text(), nullable=False, doc="The secret."),
    Column("dtCreated", UtcDateTime, nullable=False, doc="Time at which it was generated."),
    info={"doc": "Secrets that mail-importer generated."},
)


@functools.lru_cache(maxsize=4)
def in_schema(schema: str | None) -> MetaData:
    """A copy of the tables that names the schema; None: the current schema. For comparison and scripts; unchanging."""
    copied = MetaData(schema=schema)
    for table in metadata.sorted_tables:
        made = table.to_metadata(copied, schema=schema)  # type: ignore[arg-type]  # None is the metadata's own, as SQLAlchemy documents
        # A copy has them in the order of a set; a script is compared with the one that was reviewed.
        for constraint in sorted(made.constraints, key=lambda each: str(each.name)):
            set_creation_order(constraint)
    return copied
