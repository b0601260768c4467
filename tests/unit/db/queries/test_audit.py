"""Audit of the operators' actions: user, host, time, messages, reason."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Engine

from db.queries import audit
from db.queries.audit import AuditEntry
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()


def test_an_action_is_kept_from_its_beginning_to_its_end(database_engine: Engine) -> None:
    """An action that died in the middle has no end."""
    with database_engine.begin() as connection:
        first = audit.begin(
            connection, action="import", who="anna", host="gateway-1", selection="--id AAMk", now=NOW, why="lost"
        )
        second = audit.begin(
            connection, action="replay", who="w" * 300, host="h" * 300, queue="q" * 500, selection="--all", now=NOW
        )
        audit.end(connection, first, messages=3, now=NOW + timedelta(minutes=1))
        assert audit.latest(connection, limit=5) == [
            AuditEntry(second, "replay", "w" * 200, "h" * 100, "q" * 400, "--all", None, NOW, None, 0),
            AuditEntry(
                first, "import", "anna", "gateway-1", "", "--id AAMk", "lost", NOW, NOW + timedelta(minutes=1), 3
            ),
        ]
        assert [each.audit_id for each in audit.latest(connection, limit=1)] == [second]
