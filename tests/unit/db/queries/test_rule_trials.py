"""Stored messages for a test of rules."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import Engine, update

from db.engine import Database, run_reading, run_writing
from db.queries import accounts, rule_matches, rule_trials
from db.queries.accounts import AccountSettings
from db.queries.messages import MessageStore
from db.queries.rule_matches import FileToSave, Matches
from db.queries.rule_trials import KnownFile, ReceivedMessage
from db.tables import message
from tests.databases import on_every_database
from tests.doubles.clock import SettableClock
from tests.doubles.rule_mail import mail

NOW: Final = SettableClock()()
HOUR: Final = timedelta(hours=1)


@pytest.fixture
async def messages(database: Database) -> None:
    """Three messages: received two hours, an hour and an hour ago; the last is checked."""
    settings = AccountSettings("laboratory", "t", "c", "u", "AB" * 20)
    await database.write(lambda connection: accounts.add(connection, settings, now=NOW))
    store = MessageStore(database, clock=lambda: NOW)
    for name, hours in (("a", 2), ("b", 1), ("c", 1)):
        await store.save(mail(name, received=NOW - hours * HOUR))
    await store.close()
    checked = update(message).where(message.c.nMessageID == 3).values(nRulesMatched=0, sRuleState="amber")
    await database.write(lambda connection: connection.execute(checked))


def pages(engine: Engine, hours: int, limit: int) -> Iterator[list[ReceivedMessage]]:
    last: ReceivedMessage | None = None
    while True:
        page = run_reading(
            engine,
            lambda c, last=last: rule_trials.received_since(c, NOW - hours * HOUR, after=last, limit=limit),  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        )
        if not page:
            return
        yield page
        last = page[-1]


@pytest.mark.usefixtures("messages")
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_have_each_message_once_by_time(database: Database, limit: int) -> None:
    found = [each for page in pages(database.engine, 3, limit) for each in page]
    assert [(each.message_id, each.is_checked) for each in found] == [(1, False), (2, False), (3, True)]
    assert [each.message_id for page in pages(database.engine, 1, limit) for each in page] == [2, 3]


@on_every_database
@pytest.mark.usefixtures("messages")
def test_the_latest_come_page_by_page_without_those_of_some_accounts(database: Database) -> None:
    def latest(**criteria: Any) -> list[int]:  # noqa: ANN401  # any criterion
        found: list[ReceivedMessage] = []
        while True:
            before = found[-1] if found else None
            read = partial(rule_trials.latest, **{"account_id": None, "before": before, "limit": 1, **criteria})
            page = run_reading(database.engine, read)
            if not page:
                return [each.message_id for each in found]
            found += page

    assert latest() == [3, 2, 1]
    assert latest(account_id=1, without=[2, 17]) == [3, 2, 1]
    assert latest(account_id=2) == latest(without=[1]) == []
    assert (
        run_reading(
            database.engine, partial(rule_trials.received_since, since=NOW - 9 * HOUR, after=None, limit=5, without=[1])
        )
        == []
    )


@pytest.mark.usefixtures("messages")
def test_a_message_is_found_by_each_of_its_ids(database: Database) -> None:
    for text in ("2", "b", "<b@example.com>", "b@example.com"):
        assert run_reading(database.engine, lambda c, text=text: rule_trials.find(c, text, limit=5)) == [2]  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    assert run_reading(database.engine, lambda c: rule_trials.find(c, "nowhere", limit=5)) == []


@pytest.mark.usefixtures("messages")
def test_known_files_are_the_last_of_each_part(database: Database) -> None:
    file = FileToSave(7, "k" * 64, "attachment", "/imports", "a.csv")
    lacking = FileToSave(7, "l" * 64, "attachment", "/imports", "b.csv", reason="TooLarge")
    found = Matches(3, 1, [file, lacking])
    for again in (False, True):
        run_writing(database.engine, lambda c, again=again: rule_matches.apply(c, found, now=NOW, again=again))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    assert run_reading(database.engine, lambda c: rule_trials.known_files(c, [1, 2, 3])) == {
        (3, 7, "k" * 64): KnownFile("pending", None),
        (3, 7, "l" * 64): KnownFile("failed", None),
    }
