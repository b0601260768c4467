"""Calls at once of a mailbox shared by all hosts, the trace of each message, the audit of operators."""

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Unicode

from db.columns import UtcDateTime, exact, graph_id, identity, long_text
from db.schema.operations import Additions

revision = "0003"
down_revision = "0002"


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
    add.table(
        "tblMailboxCall",
        Column("sMailbox", exact(425), nullable=False),
        Column("nSlot", Integer(), autoincrement=False, nullable=False),
        Column("sOwner", Unicode(100), nullable=False),
        Column("dtLeaseUntil", UtcDateTime(), nullable=False),
        PrimaryKeyConstraint("sMailbox", "nSlot", name="PK_tblMailboxCall"),
    )
    add.index("IX_tblMailboxCall_dtLeaseUntil", "tblMailboxCall", ["dtLeaseUntil"])
    add.table(
        "tblMessageTrace",
        Column("nTraceID", identity(), autoincrement=True, nullable=False),
        Column("nAccountID", BigInteger(), nullable=True),
        Column("sGraphMessageID", graph_id(700), nullable=True),
        Column("sInternetMessageID", Unicode(998), nullable=True),
        Column("sSubject", Unicode(400), nullable=True),
        Column("sSource", Unicode(20), nullable=True),
        Column("sCorrelationID", Unicode(64), nullable=True),
        Column("sQueueMessageID", exact(128), nullable=True),
        Column("dtNotified", UtcDateTime(), nullable=True),
        Column("dtQueued", UtcDateTime(), nullable=True),
        Column("nAttempt", Integer(), nullable=True),
        Column("sHost", Unicode(100), nullable=False),
        Column("dtStarted", UtcDateTime(), nullable=False),
        Column("dtFetched", UtcDateTime(), nullable=True),
        Column("dtEnded", UtcDateTime(), nullable=False),
        Column("sOutcome", Unicode(20), nullable=False),
        Column("sReason", Unicode(100), nullable=True),
        Column("sDetail", long_text(), nullable=True),
        PrimaryKeyConstraint("nTraceID", name="PK_tblMessageTrace"),
        sqlite_autoincrement=True,
    )
    add.index("IX_tblMessageTrace_nAccountID_sGraphMessageID", "tblMessageTrace", ["nAccountID", "sGraphMessageID"])
    add.index("IX_tblMessageTrace_dtEnded", "tblMessageTrace", ["dtEnded"])
    add.table(
        "tblQueueAudit",
        Column("nAuditID", identity(), autoincrement=True, nullable=False),
        Column("sAction", Unicode(20), nullable=False),
        Column("sWho", Unicode(200), nullable=False),
        Column("sHost", Unicode(100), nullable=False),
        Column("sQueue", Unicode(400), nullable=False),
        Column("sSelection", long_text(), nullable=False),
        Column("sWhy", long_text(), nullable=True),
        Column("dtStarted", UtcDateTime(), nullable=False),
        Column("dtEnded", UtcDateTime(), nullable=True),
        Column("nMessages", Integer(), server_default="0", nullable=False),
        PrimaryKeyConstraint("nAuditID", name="PK_tblQueueAudit"),
        sqlite_autoincrement=True,
    )
