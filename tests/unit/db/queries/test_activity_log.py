"""The activity of all users in one list, from all tables that record it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import Connection, Engine

from db.queries import accounts, activity_log, audit, console_activity, rule_history
from db.queries.accounts import AccountSettings
from db.queries.activity_log import Entry, Source, Wanted
from db.queries.console_activity import ActivityKind
from db.queries.history import Action, Author, Change
from db.queries.rule_history import RuleState
from tests.databases import on_every_database
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
ANNA: Final = Author("anna", "gateway-1")
BERT: Final = Author("bert", "console 10.0.0.7")
SETTINGS: Final = AccountSettings("laboratory", "tenant", "client", "user", "AB" * 20, import_since=NOW)


def at(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


def operation(connection: Connection, by: Author, minute: int) -> None:
    audit.begin(connection, action="replay", who=by.who, host=by.host, selection="all", now=at(minute))


def opening(connection: Connection, by: Author, minute: int, kind: ActivityKind = ActivityKind.BODY_OPENED) -> None:
    console_activity.note(connection, kind, who=by.who, address=by.host, now=at(minute), message_id=minute)


def rule(connection: Connection, by: Author, minute: int, number: int = 7, **values: object) -> None:
    rule_history.note(connection, [RuleState(number, Action.CHANGED, by, values)], now=at(minute))


@pytest.fixture
def filled(database_engine: Engine) -> Engine:
    with database_engine.begin() as connection:
        accounts.add(connection, SETTINGS, now=at(1), author=ANNA)
        rule(connection, BERT, 2, sName="results", nPosition=1)
        operation(connection, ANNA, 3)
        opening(connection, BERT, 4)
        rule(connection, ANNA, 5, sName="results", nPosition=2, sSenders="x@y.example")
        accounts.change(connection, "laboratory", replace(SETTINGS, folder="Archive"), now=at(6), author=BERT)
        opening(connection, ANNA, 7, ActivityKind.SIGNED_IN)
    return database_engine


def minutes(entries: "list[Entry] | tuple[Entry, ...]") -> list[int]:
    return [round((each.at - NOW).total_seconds() / 60) for each in entries]


def read(engine: Engine, wanted: Wanted, *, limit: int = 100) -> list[Entry]:
    """All entries, page by page."""
    found: list[Entry] = []
    below: activity_log.Position | None = {}
    with engine.connect() as connection:
        while below is not None:
            page = activity_log.page(connection, wanted, below=below, limit=limit)
            assert len(page.entries) <= limit
            found += page.entries
            below = page.next
    return found


@on_every_database
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_all_records_are_one_list_newest_first(filled: Engine, limit: int) -> None:
    found = read(filled, Wanted(), limit=limit)
    assert minutes(found) == [7, 6, 5, 4, 3, 2, 1]
    assert [(each.source, each.who, each.where) for each in found][1:4] == [
        (Source.ACCOUNTS, "bert", "console 10.0.0.7"),
        (Source.RULES, "anna", "gateway-1"),
        (Source.CONSOLE, "bert", "console 10.0.0.7"),
    ]


@on_every_database
def test_changes_have_their_differences_by_column(filled: Engine) -> None:
    account, rule_changed = (each.fact for each in read(filled, Wanted())[1:3])
    assert isinstance(account, Change)
    assert isinstance(rule_changed, Change)
    assert account.differences == {"sFolder": ("Inbox", "Archive")}
    # The place of a rule changes with others.
    assert rule_changed.differences == {"sSenders": (None, "x@y.example")}


@on_every_database
def test_the_list_is_limited_by_user_time_source_and_action(filled: Engine) -> None:
    assert minutes(read(filled, Wanted(who="bert"), limit=1)) == [6, 4, 2]
    assert minutes(read(filled, Wanted(since=at(3), until=at(6)))) == [5, 4, 3]
    assert minutes(read(filled, Wanted(sources={Source.RULES}), limit=1)) == [5, 2]
    assert minutes(read(filled, Wanted(actions=[ActivityKind.SIGNED_IN]))) == [7, 6, 5, 3, 2, 1]
    assert minutes(read(filled, Wanted(actions=[]))) == [6, 5, 3, 2, 1]


def test_rows_of_one_moment_are_shown_once_each(database_engine: Engine) -> None:
    with database_engine.begin() as connection:
        for _ in range(5):
            operation(connection, ANNA, 1)
            opening(connection, ANNA, 1)
    found = read(database_engine, Wanted(), limit=3)
    assert len({(each.source, each.number) for each in found}) == len(found) == 10


def test_a_clock_that_was_behind_loses_nothing(database_engine: Engine) -> None:
    with database_engine.begin() as connection:
        for minute in (5, 1, 6):
            operation(connection, ANNA, minute)
            opening(connection, BERT, minute)
    assert sorted(minutes(read(database_engine, Wanted(), limit=1))) == [1, 1, 5, 5, 6, 6]
