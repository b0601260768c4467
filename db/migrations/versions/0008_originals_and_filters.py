"""The MIME of messages, which mail an account imports, and what was seen of the rest."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Unicode,
    UniqueConstraint,
    column,
)

from db.columns import UtcDateTime, content, flag, graph_id, identity, long_text
from db.schema.operations import Additions

revision = "0008"
down_revision = "0007"
oldest_program = None
"""Programs from this revision on work on the schema after this step; None: all that worked before it."""


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
    _add_originals(add)
    _add_filters(add)
    _add_seen(add)


def _add_originals(add: Additions) -> None:
    states = column("sState", Unicode()).in_(["stored", "too_large", "unreadable", "gone"])
    add.table(
        "tblEmailOriginal",
        Column("nMessageID", identity(), autoincrement=False, nullable=False),
        Column("nSize", BigInteger),
        Column("sSHA256", Unicode(64)),
        Column("sState", Unicode(20), nullable=False),
        Column("sStateDetail", long_text()),
        Column("sCompression", Unicode(20)),
        Column("nStoredSize", BigInteger, nullable=False),
        Column("biContent", content()),
        PrimaryKeyConstraint("nMessageID", name="PK_tblEmailOriginal"),
        ForeignKeyConstraint(
            ["nMessageID"],
            ["tblEmailMessage.nMessageID"],
            name="FK_tblEmailOriginal_nMessageID",
            ondelete="CASCADE",
        ),
        CheckConstraint(states, "CK_tblEmailOriginal_sState"),
    )


def _add_filters(add: Additions) -> None:
    for name in ("sFilterSendersAllowed", "sFilterSendersDenied", "sFilterSubjectsAllowed", "sFilterSubjectsDenied"):
        add.column("tblEmailAccountSettings", Column(name, long_text()))
    add.column("tblEmailAccountSettings", Column("bFilterHasAttachments", flag()))
    for name in ("nFilterSizeLeast", "nFilterSizeMost"):
        add.column("tblEmailAccountSettings", Column(name, BigInteger))


def _add_seen(add: Additions) -> None:
    add.table(
        "tblEmailSeen",
        Column("nSeenID", identity(), nullable=False, autoincrement=True),
        Column("nAccountID", BigInteger, nullable=False),
        Column("sGraphMessageID", graph_id(700), nullable=False),
        Column("sInternetMessageID", Unicode(998)),
        Column("sFromAddress", long_text()),
        Column("dtReceived", UtcDateTime()),
        Column("nSize", BigInteger),
        Column("sReason", Unicode(100), nullable=False),
        Column("sRule", long_text()),
        Column("dtSeen", UtcDateTime(), nullable=False),
        PrimaryKeyConstraint("nSeenID", name="PK_tblEmailSeen"),
        UniqueConstraint("nAccountID", "sGraphMessageID", name="UQ_tblEmailSeen_nAccountID_sGraphMessageID"),
        sqlite_autoincrement=True,
    )
    add.index("IX_tblEmailSeen_nAccountID_dtReceived", "tblEmailSeen", ["nAccountID", "dtReceived"])
