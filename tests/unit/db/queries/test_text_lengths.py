"""Texts from outside, cut to their columns in the code units that SQL Server counts: an emoji has two."""

from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, select

from db.queries import audit, console_activity, console_sessions, console_users, history
from db.queries.console_activity import ActivityKind
from db.queries.console_sessions import LOCAL, StoredSession
from db.queries.history import Action, Author
from db.tables import account_change, console_session, queue_audit
from db.tables import console_activity as activity_table
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
LONG: Final = "\0\ud800" + "🧪" * 500


def _activity(connection: Connection) -> None:
    kind = ActivityKind.ATTACHMENT_DOWNLOADED
    console_activity.note(connection, kind, who=LONG, address=LONG, now=NOW, detail=LONG)


def _session(connection: Connection) -> None:
    session = StoredSession("key", LOCAL, LONG, LONG, frozenset(), (), LONG, NOW, NOW, NOW)
    console_sessions.add(connection, session)


def _audit(connection: Connection) -> None:
    audit.begin(connection, action="replay", who=LONG, host=LONG, queue=LONG, selection="--all", now=NOW)


def _change(connection: Connection) -> None:
    values = history.change_values(Action.ADDED, "{}", author=Author(LONG, LONG), now=NOW)
    connection.execute(account_change.insert().inline().values(nAccountID=1, **values))


@pytest.mark.parametrize(
    ("write", "table", "columns"),
    [
        (_activity, activity_table, ("sWho", "sAddress", "sDetail")),
        (_session, console_session, ("sSubject", "sUserName", "sAddress")),
        (_audit, queue_audit, ("sWho", "sHost", "sQueue")),
        (_change, account_change, ("sWho", "sHost")),
    ],
)
def test_texts_fit_their_columns(
    database_engine: Engine,
    write: Any,  # noqa: ANN401  # a function of a connection
    table: Any,  # noqa: ANN401  # a table
    columns: tuple[str, ...],
) -> None:
    """Names from a browser, Entra or a mail are written, whatever they hold and however long they are."""
    with database_engine.begin() as connection:
        write(connection)
        row = connection.execute(select(*(table.c[each] for each in columns))).one()
    for name, text in zip(columns, row, strict=True):
        assert table.c[name].type.length - 2 <= len(text.encode("utf-16-le")) // 2 <= table.c[name].type.length


def test_a_name_at_a_sign_in_may_be_anything(database_engine: Engine) -> None:
    """It belongs to no user, and that is all."""
    with database_engine.begin() as connection:
        assert console_users.find(connection, LONG) is None
