"""The first schema: accounts, messages, subscriptions, queue."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mssql

revision = "0001"
down_revision = None

# A step is frozen: it names its own types, whatever db.tables becomes later.
_TIME = sa.DateTime().with_variant(mssql.DATETIME2(7), "mssql")  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
_IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _graph_id(length: int) -> sa.types.TypeEngine[str]:
    return (
        sa.Unicode(length)
        .with_variant(sa.Unicode(length, collation="Latin1_General_100_BIN2"), "mssql")
        .with_variant(sa.Unicode(length, collation="C"), "postgresql")
    )


def _queue_id(length: int) -> sa.types.TypeEngine[str]:
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="Latin1_General_100_BIN2"), "mssql")
        .with_variant(sa.String(length, collation="C"), "postgresql")
    )


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "tblAccountCondition",
        sa.Column("nAccountID", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sRole", sa.Unicode(length=20), nullable=False),
        sa.Column("sReason", sa.Unicode(length=100), nullable=False),
        sa.Column("sDetail", sa.UnicodeText(), nullable=False),
        sa.Column("dtSince", _TIME, nullable=False),
        sa.Column("dtNextAttempt", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("nAccountID", "sRole", name=op.f("PK_tblAccountCondition")),
    )
    op.create_table(
        "tblEmailAccountSettings",
        sa.Column("nAccountID", _IDENTITY, autoincrement=True, nullable=False),
        sa.Column("sAccountName", sa.Unicode(length=200), nullable=False),
        sa.Column("sAuthentication", sa.Unicode(length=40), server_default="GraphCertificate", nullable=False),
        sa.Column("sTenantID", sa.Unicode(length=100), nullable=False),
        sa.Column("sClientID", sa.Unicode(length=100), nullable=False),
        sa.Column("sUserID", sa.Unicode(length=320), nullable=False),
        sa.Column("sCertificateThumbprint", sa.Unicode(length=100), nullable=False),
        sa.Column("bSecureCertificateAccess", sa.Boolean(), nullable=False),
        sa.Column("sFolder", sa.Unicode(length=450), nullable=False),
        sa.Column("sAfterImport", sa.Unicode(length=20), nullable=False),
        sa.Column("sMoveToFolder", sa.Unicode(length=450), nullable=True),
        sa.Column("bEnabled", sa.Boolean(), nullable=False),
        sa.Column("dtRemoved", _TIME, nullable=True),
        sa.CheckConstraint(
            "\"sAfterImport\" IN ('none', 'read', 'move', 'delete')",
            name=op.f("CK_tblEmailAccountSettings_sAfterImport"),
        ),
        sa.PrimaryKeyConstraint("nAccountID", name=op.f("PK_tblEmailAccountSettings")),
        sa.UniqueConstraint("sAccountName", name=op.f("UQ_tblEmailAccountSettings_sAccountName")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tblEmailMessage",
        sa.Column("nMessageID", _IDENTITY, autoincrement=True, nullable=False),
        sa.Column("nAccountID", sa.BigInteger(), nullable=False),
        sa.Column("sGraphMessageID", _graph_id(700), nullable=False),
        sa.Column("sInternetMessageID", sa.Unicode(length=998), nullable=True),
        sa.Column("sConversationID", sa.Unicode(length=700), nullable=True),
        sa.Column("sSubject", sa.UnicodeText(), nullable=True),
        sa.Column("sFromName", sa.UnicodeText(), nullable=True),
        sa.Column("sFromAddress", sa.UnicodeText(), nullable=True),
        sa.Column("dtSent", _TIME, nullable=True),
        sa.Column("dtReceived", _TIME, nullable=True),
        sa.Column("sImportance", sa.Unicode(length=20), nullable=True),
        sa.Column("sBodyType", sa.Unicode(length=20), nullable=True),
        sa.Column("sBody", sa.UnicodeText(), nullable=True),
        sa.Column("bHasAttachments", sa.Boolean(), nullable=False),
        sa.Column("dtImported", _TIME, nullable=False),
        sa.Column("sCorrelationID", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("nMessageID", name=op.f("PK_tblEmailMessage")),
        sa.UniqueConstraint(
            "nAccountID", "sGraphMessageID", name=op.f("UQ_tblEmailMessage_nAccountID_sGraphMessageID")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "IX_tblEmailMessage_nAccountID_dtReceived", "tblEmailMessage", ["nAccountID", "dtReceived"], unique=False
    )
    op.create_table(
        "tblGraphSubscription",
        sa.Column("sSubscriptionID", _graph_id(100), nullable=False),
        sa.Column("nAccountID", sa.BigInteger(), nullable=False),
        sa.Column("dtExpires", _TIME, nullable=False),
        sa.Column("sState", sa.Unicode(length=20), nullable=False),
        sa.Column("sResource", sa.Unicode(length=1000), nullable=False),
        sa.Column("sNotificationURL", sa.Unicode(length=1000), nullable=False),
        sa.Column("sKeyFingerprint", sa.String(length=64), nullable=False),
        sa.Column("dtGranted", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("sSubscriptionID", name=op.f("PK_tblGraphSubscription")),
        sa.UniqueConstraint("nAccountID", name=op.f("UQ_tblGraphSubscription_nAccountID")),
    )
    op.create_table(
        "tblImporterSecret",
        sa.Column("sName", sa.Unicode(length=100), nullable=False),
        sa.Column("sValue", sa.UnicodeText(), nullable=False),
        sa.Column("dtCreated", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("sName", name=op.f("PK_tblImporterSecret")),
    )
    op.create_table(
        "tblNotificationQueue",
        sa.Column("nSequence", _IDENTITY, autoincrement=True, nullable=False),
        sa.Column("sMessageID", _queue_id(128), nullable=False),
        sa.Column("nRetired", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sState", sa.String(length=10), nullable=False),
        sa.Column("nAccountID", sa.BigInteger(), nullable=True),
        sa.Column("sBody", sa.UnicodeText(), nullable=False),
        sa.Column("dtEnqueued", _TIME, nullable=False),
        sa.Column("dtVisible", _TIME, nullable=False),
        sa.Column("nDeliveryCount", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sLockToken", sa.String(length=32), nullable=True),
        sa.Column("sReason", sa.Unicode(length=100), nullable=True),
        sa.Column("sDescription", sa.UnicodeText(), nullable=True),
        sa.Column("dtDeadLettered", _TIME, nullable=True),
        sa.CheckConstraint("\"sState\" IN ('active', 'dead', 'done')", name=op.f("CK_tblNotificationQueue_sState")),
        sa.PrimaryKeyConstraint("nSequence", name=op.f("PK_tblNotificationQueue")),
        sa.UniqueConstraint("sMessageID", "nRetired", name=op.f("UQ_tblNotificationQueue_sMessageID_nRetired")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "IX_tblNotificationQueue_sState_dtVisible", "tblNotificationQueue", ["sState", "dtVisible"], unique=False
    )
    op.create_table(
        "tblSubscriptionSchedule",
        sa.Column("nAccountID", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dtDue", _TIME, nullable=False),
        sa.Column("sOwner", sa.String(length=100), nullable=True),
        sa.Column("dtLeaseUntil", _TIME, nullable=True),
        sa.Column("nFailures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sAttemptFingerprint", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("nAccountID", name=op.f("PK_tblSubscriptionSchedule")),
    )
    op.create_index("IX_tblSubscriptionSchedule_dtDue", "tblSubscriptionSchedule", ["dtDue"], unique=False)
    op.create_table(
        "tblEmailAttachment",
        sa.Column("nAttachmentID", _IDENTITY, autoincrement=True, nullable=False),
        sa.Column("nMessageID", _IDENTITY, nullable=False),
        sa.Column("nPosition", sa.Integer(), nullable=False),
        sa.Column("sGraphAttachmentID", sa.UnicodeText(), nullable=True),
        sa.Column("sKind", sa.Unicode(length=20), nullable=False),
        sa.Column("sFileName", sa.UnicodeText(), nullable=True),
        sa.Column("sContentType", sa.UnicodeText(), nullable=True),
        sa.Column("nSize", sa.BigInteger(), nullable=False),
        sa.Column("bInline", sa.Boolean(), nullable=False),
        sa.Column("sContentID", sa.UnicodeText(), nullable=True),
        sa.Column("sSHA256", sa.String(length=64), nullable=True),
        sa.Column("biContent", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("\"sKind\" IN ('file', 'item', 'reference')", name=op.f("CK_tblEmailAttachment_sKind")),
        sa.ForeignKeyConstraint(
            ["nMessageID"],
            ["tblEmailMessage.nMessageID"],
            name=op.f("FK_tblEmailAttachment_nMessageID"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("nAttachmentID", name=op.f("PK_tblEmailAttachment")),
        sa.UniqueConstraint("nMessageID", "nPosition", name=op.f("UQ_tblEmailAttachment_nMessageID_nPosition")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tblEmailRecipient",
        sa.Column("nMessageID", _IDENTITY, nullable=False),
        sa.Column("sKind", sa.Unicode(length=10), nullable=False),
        sa.Column("nPosition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sName", sa.UnicodeText(), nullable=True),
        sa.Column("sAddress", sa.UnicodeText(), nullable=True),
        sa.CheckConstraint("\"sKind\" IN ('to', 'cc', 'bcc', 'replyTo')", name=op.f("CK_tblEmailRecipient_sKind")),
        sa.ForeignKeyConstraint(
            ["nMessageID"],
            ["tblEmailMessage.nMessageID"],
            name=op.f("FK_tblEmailRecipient_nMessageID"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("nMessageID", "sKind", "nPosition", name=op.f("PK_tblEmailRecipient")),
    )
