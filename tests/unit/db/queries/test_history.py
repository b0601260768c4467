"""Every change of an account's settings is kept: user, time, values; also those of programs that keep no history."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, update

from db.queries import accounts, history, retention
from db.queries.accounts import AccountSettings
from db.queries.history import Action, Author, Change
from db.tables import account_settings
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
LATER: Final = NOW + timedelta(hours=1)
ANNA: Final = Author("anna", "gateway-1")
SETTINGS: Final = AccountSettings("laboratory", "tenant", "client", "user", "AB" * 20, import_since=NOW)


def others_write(connection: Connection, **values: object) -> None:
    """Another program writes the row, and nothing else."""
    connection.execute(update(account_settings).values(**values))


def short(changes: list[Change]) -> list[tuple[str, Author | None, datetime]]:
    return [(each.action, each.author, each.changed) for each in changes]


def test_each_change_is_kept_with_who_made_it(database_engine: Engine) -> None:
    with database_engine.begin() as connection:
        accounts.add(connection, SETTINGS, now=NOW, author=ANNA)
        accounts.change(connection, "laboratory", replace(SETTINGS, folder="Archive"), now=LATER, author=ANNA)
        accounts.set_enabled(connection, "laboratory", False, now=LATER, author=ANNA)
        accounts.mark_removed(connection, "laboratory", now=LATER, author=ANNA)
        found = history.changes(connection)
        newest = [history.latest_changes(connection, found[0].number, limit=limit) for limit in (2, 9)]
    assert newest == [found[:1:-1], found[::-1]]
    assert short(found) == [
        (Action.ADDED, ANNA, NOW),
        (Action.CHANGED, ANNA, LATER),
        (Action.DISABLED, ANNA, LATER),
        (Action.REMOVED, ANNA, LATER),
    ]
    assert found[1].differences == {"sFolder": ("Inbox", "Archive")}
    assert found[2].differences == {"bEnabled": (True, False)}


def test_what_changes_nothing_is_no_change(database_engine: Engine) -> None:
    with database_engine.begin() as connection:
        accounts.add(connection, SETTINGS, now=NOW, author=ANNA)
        accounts.change(connection, "laboratory", SETTINGS, now=LATER, author=ANNA)
        accounts.set_enabled(connection, "laboratory", True, now=LATER, author=ANNA)
        assert len(history.changes(connection)) == 1


def test_what_others_wrote_is_noted_before_our_own_change(database_engine: Engine) -> None:
    """No operator is blamed for a change by another program."""
    with database_engine.begin() as connection:
        accounts.add(connection, SETTINGS, now=NOW, author=ANNA)
        others_write(connection, sFolder="Elsewhere")
        accounts.set_enabled(connection, "laboratory", False, now=LATER, author=ANNA)
        found = history.changes(connection)
    assert short(found)[1:] == [(Action.FOUND, None, LATER), (Action.DISABLED, ANNA, LATER)]
    assert found[1].differences == {"sFolder": ("Inbox", "Elsewhere")}
    assert found[2].differences == {"bEnabled": (True, False)}


def test_an_account_that_was_there_before_begins_as_it_was_found(database_engine: Engine) -> None:
    with database_engine.begin() as connection:
        number = accounts.add(connection, SETTINGS, now=NOW)
        connection.exec_driver_sql('DELETE FROM "tblEmailAccountChange"')
        history.note_others(connection, [number, number + 1], now=LATER)
        [found] = history.changes(connection)
    assert (found.action, found.before, found.after["sUserID"]) == (Action.FOUND, None, "user")


def test_what_mail_importer_moves_by_itself_is_not_laid_to_others(database_engine: Engine) -> None:
    before = datetime(2026, 3, 1, tzinfo=UTC)
    with database_engine.begin() as connection:
        number = accounts.add(connection, replace(SETTINGS, import_since=accounts.EVERYTHING), now=NOW, author=ANNA)
        retention.forgo(connection, number, before=before, now=LATER)
        history.note_others(connection, [number], now=LATER)
        found = history.changes(connection)
    assert short(found)[1:] == [(Action.CHANGED, None, LATER)]
    assert found[1].differences == {"dtImportSince": ("1900-01-01T00:00:00Z", "2026-03-01T00:00:00Z")}
