"""Facts of the whole installation, as the overview shows them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, event, insert

from db.queries import accounts, installation
from db.queries.accounts import Condition
from db.queries.installation import AccountTotals
from db.queries.schedule import NEVER
from db.tables import account_settings, folder_sync, message
from phrases import Phrase
from tests.databases import on_every_database
from tests.unit.db.queries.test_failures import account

NOW: Final = datetime(2026, 3, 31, 12, 20, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
on_both = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def imported(connection: Connection, *times: datetime, account_id: int = 1) -> None:
    rows = [
        {
            "nAccountID": account_id,
            "sGraphMessageID": f"{account_id} {place}",
            "bHasAttachments": False,
            "dtReceived": time - HOUR,
            "dtImported": time,
        }
        for place, time in enumerate(times)
    ]
    connection.execute(insert(message), rows)


@on_both
def test_mail_of_the_last_day_is_counted_by_hours(connection: Connection) -> None:
    """The first of them begins 23 hours before the present one, which is not over."""
    begin = NOW.replace(hour=13, minute=0) - 24 * HOUR
    times = (begin - timedelta(microseconds=1), begin, begin + HOUR - timedelta(microseconds=1), begin + HOUR, NOW)
    assert installation.last_imported(connection) is None
    imported(connection, *times)
    hours = installation.imported_by_hour(connection, now=NOW)
    assert [each.begin for each in hours] == [begin + number * HOUR for number in range(24)]
    assert [each.messages for each in hours] == [2, 1, *[0] * 21, 1]
    assert installation.last_imported(connection) == NOW


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_the_hours_are_counted_by_an_index_alone(connection: Connection) -> None:
    statements: list[tuple[str, Any]] = []
    event.listen(
        connection.engine, "before_cursor_execute", lambda _1, _2, text, given, *_: statements.append((text, given))
    )
    installation.imported_by_hour(connection, now=NOW)
    installation.last_imported(connection)
    for text, given in statements.copy():
        plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given)]
        of_table = [each for each in plan if "tblEmailMessage" in each]
        assert of_table
        assert all("COVERING INDEX IX_tblEmailMessage_dtImported" in each for each in of_table)


@on_every_database
def test_a_condition_names_whether_a_sweep_of_its_account_is_scheduled(connection: Connection) -> None:
    connection.execute(insert(account_settings), [account(number) for number in (1, 2, 3)])
    dues = {1: NOW, 2: NEVER}
    connection.execute(insert(folder_sync), [{"nAccountID": number, "dtDue": due} for number, due in dues.items()])
    for number in (1, 2, 3):
        failing = Condition(number, "subscriptions", "RequestRejected", Phrase("No."), since=NOW, next_attempt=NOW)
        accounts.set_condition(connection, failing)
    found = installation.conditions(connection)
    assert {each.account_id: each.is_swept for each in found} == {1: True, 2: False, 3: False}


@on_both
def test_accounts_are_read_page_by_page(connection: Connection) -> None:
    """By name, removed ones left out, each once, with its last mail; or those alone that a person may see."""
    numbers = [*range(1, 30)]
    connection.execute(insert(account_settings), [account(number, bEnabled=number > 3) for number in numbers])
    connection.execute(insert(account_settings), [account(30, dtRemoved=NOW)])
    imported(connection, NOW - HOUR, NOW, account_id=5)
    found = page = installation.account_page(connection, limit=7)
    while len(page) == 7:
        page = installation.account_page(connection, limit=7, after=found[-1].name)
        found = found + page
    assert found == installation.account_states(connection)
    assert [each.name for each in found] == sorted(f"account {number}" for number in numbers)
    assert {each.account_id: each.last_imported for each in found if each.last_imported} == {5: NOW}
    assert installation.account_totals(connection) == AccountTotals(in_use=29, enabled=26)
    for visible in ([5, 30, 99], range(5, 3000)):
        shown = installation.account_page(connection, limit=100, account_ids=visible)
        assert [each.account_id for each in shown] == [each.account_id for each in found if each.account_id in visible]
    assert installation.account_page(connection, limit=5, account_ids=[]) == []
