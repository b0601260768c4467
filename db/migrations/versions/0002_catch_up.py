"""Catch-up by delta query, the silence watch, shared call budgets, two certificates an account."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mssql

revision = "0002"
down_revision = "0001"

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
    op.add_column("tblEmailAccountSettings", sa.Column("sNextCertificateThumbprint", sa.Unicode(100)))
    op.add_column("tblEmailAccountSettings", sa.Column("dtImportSince", _TIME))
    op.add_column("tblGraphSubscription", sa.Column("dtCreated", _TIME))
    op.add_column("tblSubscriptionSchedule", sa.Column("nRequests", sa.Integer(), server_default="0", nullable=False))
    op.add_column("tblSubscriptionSchedule", sa.Column("dtReauthorize", _TIME))
    op.add_column("tblSubscriptionSchedule", sa.Column("bRecreate", sa.Boolean(), server_default="0", nullable=False))
    op.add_column("tblSubscriptionSchedule", sa.Column("sServed", sa.Unicode(1300)))
    op.add_column("tblSubscriptionSchedule", sa.Column("sServedWith", sa.String(64)))
    op.create_table(
        "tblFolderSync",
        sa.Column("nAccountID", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dtDue", _TIME, nullable=False),
        sa.Column("sOwner", sa.String(length=100), nullable=True),
        sa.Column("dtLeaseUntil", _TIME, nullable=True),
        sa.Column("nFailures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("nRequests", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sResource", sa.Unicode(length=1000), nullable=True),
        sa.Column("sLink", sa.UnicodeText(), nullable=True),
        sa.Column("bFullPass", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("bGap", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("dtSwept", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("nAccountID", name=op.f("PK_tblFolderSync")),
    )
    op.create_index("IX_tblFolderSync_dtDue", "tblFolderSync", ["dtDue"], unique=False)
    op.create_table(
        "tblMissedNotification",
        sa.Column("nMissedID", _IDENTITY, autoincrement=True, nullable=False),
        sa.Column("nAccountID", sa.BigInteger(), nullable=False),
        sa.Column("sGraphMessageID", _GRAPH_ID, nullable=False),
        sa.Column("dtReceived", _TIME, nullable=False),
        sa.Column("dtFound", _TIME, nullable=False),
        sa.Column("dtTold", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("nMissedID", name=op.f("PK_tblMissedNotification")),
        sa.UniqueConstraint(
            "nAccountID", "sGraphMessageID", name=op.f("UQ_tblMissedNotification_nAccountID_sGraphMessageID")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tblCallBudget",
        sa.Column("sBudget", sa.String(length=200), nullable=False),
        sa.Column("nSlot", sa.BigInteger(), nullable=False),
        sa.Column("nUsed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("sBudget", name=op.f("PK_tblCallBudget")),
    )
