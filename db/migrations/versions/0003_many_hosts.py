"""Calls at once of a mailbox shared by all hosts, the trace of each message, the audit of operators."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mssql

revision = "0003"
down_revision = "0002"

# A step is frozen: it names its own types, whatever db.tables becomes later.
_TIME = sa.DateTime().with_variant(mssql.DATETIME2(7), "mssql")  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
_IDENTITY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_GRAPH_ID = (
    sa.Unicode(700)
    .with_variant(sa.Unicode(700, collation="Latin1_General_100_BIN2"), "mssql")
    .with_variant(sa.Unicode(700, collation="C"), "postgresql")
)


def upgrade() -> None:
    """Add; what is there stays as it is."""
    op.create_table(
        "tblMailboxCall",
        sa.Column("sMailbox", sa.Unicode(length=425), nullable=False),
        sa.Column("nSlot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sOwner", sa.String(length=100), nullable=False),
        sa.Column("dtLeaseUntil", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("sMailbox", "nSlot", name=op.f("PK_tblMailboxCall")),
    )
    op.create_index("IX_tblMailboxCall_dtLeaseUntil", "tblMailboxCall", ["dtLeaseUntil"], unique=False)
    op.create_table(
        "tblMessageTrace",
        sa.Column("nTraceID", _IDENTITY, autoincrement=True, nullable=False),
        sa.Column("nAccountID", sa.BigInteger(), nullable=True),
        sa.Column("sGraphMessageID", _GRAPH_ID, nullable=True),
        sa.Column("sInternetMessageID", sa.Unicode(length=998), nullable=True),
        sa.Column("sSubject", sa.Unicode(length=400), nullable=True),
        sa.Column("sSource", sa.String(length=20), nullable=True),
        sa.Column("sCorrelationID", sa.String(length=64), nullable=True),
        sa.Column("sQueueMessageID", sa.String(length=128), nullable=True),
        sa.Column("dtNotified", _TIME, nullable=True),
        sa.Column("dtQueued", _TIME, nullable=True),
        sa.Column("nAttempt", sa.Integer(), nullable=True),
        sa.Column("sHost", sa.Unicode(length=100), nullable=False),
        sa.Column("dtStarted", _TIME, nullable=False),
        sa.Column("dtFetched", _TIME, nullable=True),
        sa.Column("dtEnded", _TIME, nullable=False),
        sa.Column("sOutcome", sa.String(length=20), nullable=False),
        sa.Column("sReason", sa.Unicode(length=100), nullable=True),
        sa.Column("sDetail", sa.UnicodeText(), nullable=True),
        sa.PrimaryKeyConstraint("nTraceID", name=op.f("PK_tblMessageTrace")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "IX_tblMessageTrace_nAccountID_sGraphMessageID",
        "tblMessageTrace",
        ["nAccountID", "sGraphMessageID"],
        unique=False,
    )
    op.create_index("IX_tblMessageTrace_dtEnded", "tblMessageTrace", ["dtEnded"], unique=False)
    op.create_table(
        "tblQueueAudit",
        sa.Column("nAuditID", _IDENTITY, autoincrement=True, nullable=False),
        sa.Column("sAction", sa.String(length=20), nullable=False),
        sa.Column("sWho", sa.Unicode(length=200), nullable=False),
        sa.Column("sHost", sa.Unicode(length=100), nullable=False),
        sa.Column("sQueue", sa.Unicode(length=400), nullable=False),
        sa.Column("sSelection", sa.UnicodeText(), nullable=False),
        sa.Column("sWhy", sa.UnicodeText(), nullable=True),
        sa.Column("dtStarted", _TIME, nullable=False),
        sa.Column("dtEnded", _TIME, nullable=True),
        sa.Column("nMessages", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("nAuditID", name=op.f("PK_tblQueueAudit")),
        sqlite_autoincrement=True,
    )
