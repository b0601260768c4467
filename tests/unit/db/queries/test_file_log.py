"""The files of rules as an operator lists and selects them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from db.errors import RuleNotFound
from db.outcomes import FileState
from db.queries import file_log
from db.queries.file_log import FileCriteria
from rules.rule import Rule
from tests.databases import on_every_database
from tests.doubles.rule_files import FOLDER, NOW, add_account, add_file, add_message, add_rule, failed, saved, waiting

pytestmark = on_every_database

MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        one, two = add_account(opened, "one"), add_account(opened, "two")
        add_rule(opened, "First")
        add_rule(opened, "Second", nPosition=2)
        first, second = add_message(opened, "m1", nAccountID=one), add_message(opened, "m2", nAccountID=two)
        add_file(opened, first, "saved", **saved())
        add_file(opened, first, "failed", **failed(dtCreated=NOW - 9 * MINUTE))
        add_file(opened, first, "skipped", nRuleID=2, sState="skipped", dtDue=None)
        add_file(opened, second, "waits", nRuleID=2, **waiting())
        add_file(opened, second, "new", folder="/other")
        add_file(opened, second, "of a removed rule", nRuleID=17, **failed())
        yield opened


def listed(connection: Connection, limit: int = 100, **criteria: Any) -> list[str]:  # noqa: ANN401  # any criterion
    return [each.name for each in file_log.page(connection, FileCriteria(**criteria), limit=limit)]


def test_the_newest_come_first(connection: Connection) -> None:
    assert listed(connection, limit=3) == ["of a removed rule", "new", "waits"]
    [newest] = file_log.page(connection, FileCriteria(), limit=1)
    assert (newest.rule, newest.rule_id, newest.account, newest.folder) == (None, 17, "two", FOLDER)
    assert (newest.state, newest.attempts, newest.reason, newest.created) == ("failed", 3, "FolderMissing", NOW)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"states": [FileState.FAILED]}, ["of a removed rule", "failed"]),
        ({"states": [FileState.SAVED, FileState.SKIPPED]}, ["skipped", "saved"]),
        ({"rule_id": 2}, ["waits", "skipped"]),
        ({"rule_id": 1, "states": [FileState.SAVED]}, ["saved"]),
        ({"folder": "/other"}, ["new"]),
        ({"folder": "/other/"}, ["new"]),
        ({"since": NOW, "states": [FileState.FAILED]}, ["of a removed rule"]),
        ({"failing": True}, ["of a removed rule", "waits", "failed"]),
        ({"failing": True, "given_up": True, "rule_id": 2}, ["waits", "skipped"]),
        ({"file_ids": []}, []),
    ],
)
def test_criteria_narrow_each_other(connection: Connection, criteria: dict[str, Any], expected: list[str]) -> None:
    assert listed(connection, **criteria) == expected


def test_files_of_an_account_and_of_a_message(connection: Connection) -> None:
    [newest] = file_log.page(connection, FileCriteria(), limit=1)
    assert listed(connection, account_id=newest.account_id) == ["of a removed rule", "new", "waits"]
    assert listed(connection, message_id=newest.message_id) == listed(connection, account_id=newest.account_id)
    numbers = file_log.numbers(connection, FileCriteria(message_id=newest.message_id))
    assert [each.file_id for each in file_log.page(connection, FileCriteria(), limit=3)] == numbers[::-1]
    assert listed(connection, file_ids=numbers[:1]) == ["waits"]


def test_a_rule_is_named_in_any_letter_case_and_a_removed_one_by_its_number(connection: Connection) -> None:
    assert file_log.rule_number(connection, "SECOND") == file_log.rule_number(connection, "Second")
    assert file_log.rule_number(connection, "17") == 17
    for unknown in ("18", "Third", "9" * 30):
        with pytest.raises(RuleNotFound):
            file_log.rule_number(connection, unknown)


def test_of_many_files_of_a_message_those_that_are_not_saved_are_shown(connection: Connection) -> None:
    number = add_message(connection, "many")
    for place in range(5):
        add_file(connection, number, f"saved {place}", **saved())
    add_file(connection, number, "failed", **failed())
    add_file(connection, number, "waits", **waiting())
    found, count = file_log.of_message(connection, number, limit=3)
    assert ([each.name for each in found], count) == (["saved 0", "failed", "waits"], 7)
    found, count = file_log.of_message(connection, number, limit=7)
    assert (len(found), count) == (7, 7)


def test_what_rules_saved_of_late(connection: Connection) -> None:
    rule = Rule("First", FOLDER, 1)
    second = add_message(connection, "m3", nAccountID=2)
    add_file(connection, second, "later", **saved(NOW + MINUTE))
    add_file(connection, second, "of another rule", nRuleID=2, **saved(NOW))
    assert file_log.saved_counts(connection, NOW - MINUTE, limit=100) == {1: 2, 2: 1}
    assert file_log.saved_counts(connection, NOW - MINUTE, limit=1) == {1: 1}
    assert file_log.saved_counts(connection, NOW + MINUTE, limit=100) == {}

    def lately(**criteria: Any) -> list[str]:  # noqa: ANN401  # any criterion
        since = NOW - MINUTE
        return [each.name for each in file_log.saved_lately(connection, rule, since, **{"limit": 5, **criteria})]

    assert lately() == ["later", "saved"]
    assert lately(limit=1) == ["later"]
    assert lately(without=[2]) == ["saved"]
