"""The first schema: accounts, messages, subscriptions, queue."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Unicode,
    UniqueConstraint,
    column,
)

from db.columns import UtcDateTime, content, exact, flag, graph_id, identity, long_text
from db.schema.operations import Additions

revision = "0001"
down_revision = None


def upgrade(add: Additions) -> None:
    """Create the tables."""
    add.table(
        "tblAccountCondition",
        Column("nAccountID", BigInteger(), autoincrement=False, nullable=False),
        Column("sRole", Unicode(20), nullable=False),
        Column("sReason", Unicode(100), nullable=False),
        Column("sDetail", long_text(), nullable=False),
        Column("dtSince", UtcDateTime(), nullable=False),
        Column("dtNextAttempt", UtcDateTime(), nullable=False),
        PrimaryKeyConstraint("nAccountID", "sRole", name="PK_tblAccountCondition"),
    )
    add.table(
        "tblEmailAccountSettings",
        Column("nAccountID", identity(), autoincrement=True, nullable=False),
        Column("sAccountName", Unicode(200), nullable=False),
        Column("sAuthentication", Unicode(40), server_default="GraphCertificate", nullable=False),
        Column("sTenantID", Unicode(100), nullable=False),
        Column("sClientID", Unicode(100), nullable=False),
        Column("sUserID", Unicode(320), nullable=False),
        Column("sCertificateThumbprint", Unicode(100), nullable=False),
        Column("bSecureCertificateAccess", flag(), nullable=False),
        Column("sFolder", Unicode(450), nullable=False),
        Column("sAfterImport", Unicode(20), nullable=False),
        Column("sMoveToFolder", Unicode(450), nullable=True),
        Column("bEnabled", flag(), nullable=False),
        Column("dtRemoved", UtcDateTime(), nullable=True),
        CheckConstraint(
            column("sAfterImport", Unicode()).in_(("none", "read", "move", "delete")),
            name="CK_tblEmailAccountSettings_sAfterImport",
        ),
        PrimaryKeyConstraint("nAccountID", name="PK_tblEmailAccountSettings"),
        UniqueConstraint("sAccountName", name="UQ_tblEmailAccountSettings_sAccountName"),
        sqlite_autoincrement=True,
    )
    add.table(
        "tblEmailMessage",
        Column("nMessageID", identity(), autoincrement=True, nullable=False),
        Column("nAccountID", BigInteger(), nullable=False),
        Column("sGraphMessageID", graph_id(700), nullable=False),
        Column("sInternetMessageID", Unicode(998), nullable=True),
        Column("sConversationID", Unicode(700), nullable=True),
        Column("sSubject", long_text(), nullable=True),
        Column("sFromName", long_text(), nullable=True),
        Column("sFromAddress", long_text(), nullable=True),
        Column("dtSent", UtcDateTime(), nullable=True),
        Column("dtReceived", UtcDateTime(), nullable=True),
        Column("sImportance", Unicode(20), nullable=True),
        Column("sBodyType", Unicode(20), nullable=True),
        Column("sBody", long_text(), nullable=True),
        Column("bHasAttachments", flag(), nullable=False),
        Column("dtImported", UtcDateTime(), nullable=False),
        Column("sCorrelationID", Unicode(64), nullable=True),
        PrimaryKeyConstraint("nMessageID", name="PK_tblEmailMessage"),
        UniqueConstraint("nAccountID", "sGraphMessageID", name="UQ_tblEmailMessage_nAccountID_sGraphMessageID"),
        sqlite_autoincrement=True,
    )
    add.index("IX_tblEmailMessage_nAccountID_dtReceived", "tblEmailMessage", ["nAccountID", "dtReceived"])
    add.table(
        "tblGraphSubscription",
        Column("sSubscriptionID", graph_id(100), nullable=False),
        Column("nAccountID", BigInteger(), nullable=False),
        Column("dtExpires", UtcDateTime(), nullable=False),
        Column("sState", Unicode(20), nullable=False),
        Column("sResource", Unicode(1000), nullable=False),
        Column("sNotificationURL", Unicode(1000), nullable=False),
        Column("sKeyFingerprint", exact(64), nullable=False),
        Column("dtGranted", UtcDateTime(), nullable=False),
        PrimaryKeyConstraint("sSubscriptionID", name="PK_tblGraphSubscription"),
        UniqueConstraint("nAccountID", name="UQ_tblGraphSubscription_nAccountID"),
    )
    add.table(
        "tblImporterSecret",
        Column("sName", Unicode(100), nullable=False),
        Column("sValue", long_text(), nullable=False),
        Column("dtCreated", UtcDateTime(), nullable=False),
        PrimaryKeyConstraint("sName", name="PK_tblImporterSecret"),
    )
    add.table(
        "tblNotificationQueue",
        Column("nSequence", identity(), autoincrement=True, nullable=False),
        Column("sMessageID", graph_id(128), nullable=False),
        Column("nRetired", BigInteger(), server_default="0", nullable=False),
        Column("sState", Unicode(10), nullable=False),
        Column("nAccountID", BigInteger(), nullable=True),
        Column("sBody", long_text(), nullable=False),
        Column("dtEnqueued", UtcDateTime(), nullable=False),
        Column("dtVisible", UtcDateTime(), nullable=False),
        Column("nDeliveryCount", Integer(), server_default="0", nullable=False),
        Column("sLockToken", Unicode(32), nullable=True),
        Column("sReason", Unicode(100), nullable=True),
        Column("sDescription", long_text(), nullable=True),
        Column("dtDeadLettered", UtcDateTime(), nullable=True),
        CheckConstraint(
            column("sState", Unicode()).in_(("active", "dead", "done")), name="CK_tblNotificationQueue_sState"
        ),
        PrimaryKeyConstraint("nSequence", name="PK_tblNotificationQueue"),
        UniqueConstraint("sMessageID", "nRetired", name="UQ_tblNotificationQueue_sMessageID_nRetired"),
        sqlite_autoincrement=True,
    )
    add.index("IX_tblNotificationQueue_sState_dtVisible", "tblNotificationQueue", ["sState", "dtVisible"])
    add.table(
        "tblSubscriptionSchedule",
        Column("nAccountID", BigInteger(), autoincrement=False, nullable=False),
        Column("dtDue", UtcDateTime(), nullable=False),
        Column("sOwner", Unicode(100), nullable=True),
        Column("dtLeaseUntil", UtcDateTime(), nullable=True),
        Column("nFailures", Integer(), server_default="0", nullable=False),
        Column("sAttemptFingerprint", exact(64), nullable=True),
        PrimaryKeyConstraint("nAccountID", name="PK_tblSubscriptionSchedule"),
    )
    add.index("IX_tblSubscriptionSchedule_dtDue", "tblSubscriptionSchedule", ["dtDue"])
    add.table(
        "tblEmailAttachment",
        Column("nAttachmentID", identity(), autoincrement=True, nullable=False),
        Column("nMessageID", identity(), nullable=False),
        Column("nPosition", Integer(), nullable=False),
        Column("sGraphAttachmentID", long_text(), nullable=True),
        Column("sKind", Unicode(20), nullable=False),
        Column("sFileName", long_text(), nullable=True),
        Column("sContentType", long_text(), nullable=True),
        Column("nSize", BigInteger(), nullable=False),
        Column("bInline", flag(), nullable=False),
        Column("sContentID", long_text(), nullable=True),
        Column("sSHA256", Unicode(64), nullable=True),
        Column("biContent", content(), nullable=True),
        CheckConstraint(
            column("sKind", Unicode()).in_(("file", "item", "reference")), name="CK_tblEmailAttachment_sKind"
        ),
        ForeignKeyConstraint(
            ["nMessageID"],
            ["tblEmailMessage.nMessageID"],
            name="FK_tblEmailAttachment_nMessageID",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("nAttachmentID", name="PK_tblEmailAttachment"),
        UniqueConstraint("nMessageID", "nPosition", name="UQ_tblEmailAttachment_nMessageID_nPosition"),
        sqlite_autoincrement=True,
    )
    add.table(
        "tblEmailRecipient",
        Column("nMessageID", identity(), nullable=False),
        Column("sKind", Unicode(10), nullable=False),
        Column("nPosition", Integer(), autoincrement=False, nullable=False),
        Column("sName", long_text(), nullable=True),
        Column("sAddress", long_text(), nullable=True),
        CheckConstraint(
            column("sKind", Unicode()).in_(("to", "cc", "bcc", "replyTo")), name="CK_tblEmailRecipient_sKind"
        ),
        ForeignKeyConstraint(
            ["nMessageID"],
            ["tblEmailMessage.nMessageID"],
            name="FK_tblEmailRecipient_nMessageID",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("nMessageID", "sKind", "nPosition", name="PK_tblEmailRecipient"),
    )
