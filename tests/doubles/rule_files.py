"""Rules and files that rules save, in any state, with little to say about each."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from db.queries.rule_matches import folder_key
from db.tables import account_settings, email_file, email_rule, message
from tests.doubles.clock import SettableClock

FOLDER: Final = "/srv/import/results"
MISSING: Final = "The import folder /srv/import/results does not exist."
NOW: Final = SettableClock()()


def add_account(connection: Connection, name: str = "laboratory", **columns: Any) -> int:  # noqa: ANN401  # any column
    """An account; its number."""
    row = {
        "sTenantID": "t",
        "sClientID": "c",
        "sUserID": name,
        "sCertificateThumbprint": "p",
        "bSecureCertificateAccess": False,
        "sFolder": "inbox",
        "sAfterImport": "none",
        "bEnabled": True,
        **columns,
    }
    connection.execute(insert(account_settings).values(sAccountName=name, **row))
    [number] = connection.scalars(select(account_settings.c.nAccountID).where(account_settings.c.sAccountName == name))
    return int(number)


def add_rule(connection: Connection, name: str = "Results", **columns: Any) -> int:  # noqa: ANN401  # any column
    """A rule that is enabled; its number."""
    row = {"bEnabled": True, "nPosition": 1, "sFolder": FOLDER, "dtActiveSince": NOW, **columns}
    connection.execute(insert(email_rule).values(sName=name, **row))
    [number] = connection.scalars(select(email_rule.c.nRuleID).where(email_rule.c.sName == name))
    return int(number)


def add_message(connection: Connection, graph_id: str, **columns: Any) -> int:  # noqa: ANN401  # any column
    """A message of account 1; its number."""
    row = {"nAccountID": 1, "bHasAttachments": True, "dtImported": NOW, "dtReceived": NOW, **columns}
    connection.execute(insert(message).values(sGraphMessageID=graph_id, **row))
    [number] = connection.scalars(select(message.c.nMessageID).where(message.c.sGraphMessageID == graph_id))
    return int(number)


def add_file(connection: Connection, message_id: int, name: str = "a.csv", **columns: Any) -> int:  # noqa: ANN401  # any column
    """A file of rule 1 that is due now; its number."""
    folder: str = columns.pop("folder", FOLDER)
    row = {
        "nRuleID": 1,
        "sKey": name,
        "sPart": "attachment",
        "nPosition": 0,
        "sFolder": folder,
        "sFolderKey": folder_key(folder),
        "sState": "pending",
        "dtCreated": NOW,
        "dtDue": NOW,
        "dtRetryUntil": NOW + timedelta(days=7),
        **columns,
    }
    connection.execute(insert(email_file).values(nMessageID=message_id, sFileName=name, **row))
    [number] = connection.scalars(
        select(email_file.c.nFileID).where(
            email_file.c.nMessageID == message_id,
            email_file.c.sKey == row["sKey"],
            email_file.c.nRuleID == row["nRuleID"],
        )
    )
    return int(number)


def waiting(since: datetime = NOW, **columns: Any) -> dict[str, Any]:  # noqa: ANN401  # any column
    """Columns of a file whose folder failed."""
    return {"nAttempts": 1, "sReason": "FolderMissing", "sDetail": MISSING, "dtDue": since, **columns}


def failed(**columns: Any) -> dict[str, Any]:  # noqa: ANN401  # any column
    """Columns of a file that failed for good."""
    return {
        "sState": "failed",
        "nAttempts": 3,
        "sReason": "FolderMissing",
        "sDetail": MISSING,
        "dtDue": None,
        **columns,
    }


def saved(at: datetime = NOW, **columns: Any) -> dict[str, Any]:  # noqa: ANN401  # any column
    """Columns of a file that is saved."""
    return {"sState": "saved", "dtDue": None, "dtSaved": at, "sTargetPath": f"{FOLDER}/a.csv", **columns}
