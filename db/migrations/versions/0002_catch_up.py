"""Catch-up by delta query, the silence watch, shared call budgets, two certificates an account."""

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Unicode, UniqueConstraint

from db.columns import UtcDateTime, exact, flag, graph_id, identity, long_text
from db.schema.operations import Additions

revision = "0002"
down_revision = "0001"


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
    add.column("tblEmailAccountSettings", Column("sNextCertificateThumbprint", Unicode(100)))
    add.column("tblEmailAccountSettings", Column("dtImportSince", UtcDateTime()))
    add.column("tblGraphSubscription", Column("dtCreated", UtcDateTime()))
    add.column("tblSubscriptionSchedule", Column("nRequests", Integer(), server_default="0", nullable=False))
    add.column("tblSubscriptionSchedule", Column("dtReauthorize", UtcDateTime()))
    add.column("tblSubscriptionSchedule", Column("bRecreate", flag(), server_default="0", nullable=False))
    add.column("tblSubscriptionSchedule", Column("sServed", exact(1300)))
    add.column("tblSubscriptionSchedule", Column("sServedWith", exact(64)))
    add.table(
        "tblFolderSync",
        Column("nAccountID", BigInteger(), autoincrement=False, nullable=False),
        Column("dtDue", UtcDateTime(), nullable=False),
        Column("sOwner", Unicode(100), nullable=True),
        Column("dtLeaseUntil", UtcDateTime(), nullable=True),
        Column("nFailures", Integer(), server_default="0", nullable=False),
        Column("nRequests", Integer(), server_default="0", nullable=False),
        Column("sResource", Unicode(1000), nullable=True),
        Column("sLink", long_text(), nullable=True),
        Column("bFullPass", flag(), server_default="1", nullable=False),
        Column("bGap", flag(), server_default="1", nullable=False),
        Column("dtSwept", UtcDateTime(), nullable=True),
        PrimaryKeyConstraint("nAccountID", name="PK_tblFolderSync"),
    )
    add.index("IX_tblFolderSync_dtDue", "tblFolderSync", ["dtDue"])
    add.table(
        "tblMissedNotification",
        Column("nMissedID", identity(), autoincrement=True, nullable=False),
        Column("nAccountID", BigInteger(), nullable=False),
        Column("sGraphMessageID", graph_id(700), nullable=False),
        Column("dtReceived", UtcDateTime(), nullable=False),
        Column("dtFound", UtcDateTime(), nullable=False),
        Column("dtTold", UtcDateTime(), nullable=True),
        PrimaryKeyConstraint("nMissedID", name="PK_tblMissedNotification"),
        UniqueConstraint("nAccountID", "sGraphMessageID", name="UQ_tblMissedNotification_nAccountID_sGraphMessageID"),
        sqlite_autoincrement=True,
    )
    add.table(
        "tblCallBudget",
        Column("sBudget", exact(200), nullable=False),
        Column("nSlot", BigInteger(), nullable=False),
        Column("nUsed", Integer(), nullable=False),
        PrimaryKeyConstraint("sBudget", name="PK_tblCallBudget"),
    )
