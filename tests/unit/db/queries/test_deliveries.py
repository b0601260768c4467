"""The facts of rules and files from which problems are found."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine

from db.queries import deliveries
from db.queries.deliveries import Deliveries, WaitingFolder
from tests.databases import on_every_database
from tests.doubles.rule_files import (
    FOLDER,
    MISSING,
    NOW,
    add_account,
    add_file,
    add_message,
    add_rule,
    failed,
    saved,
    waiting,
)

pytestmark = on_every_database

MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def found(connection: Connection) -> Deliveries:
    return deliveries.read(connection, now=NOW)


def only(connection: Connection) -> WaitingFolder:
    [folder] = found(connection).folders
    return folder


def test_an_installation_without_rules_has_none(connection: Connection) -> None:
    empty = found(connection)
    assert (empty.enabled, empty.folders, empty.failed, empty.unchecked) == ([], [], [], 0)
    assert (empty.is_used, empty.due_since, empty.waiting, empty.failed_files) == (False, None, 0, 0)


def test_rules_count_that_are_enabled_and_whose_account_is_there(connection: Connection) -> None:
    """That of a removed account is no problem, whatever is in it."""
    there = add_account(connection, "there")
    removed = add_account(connection, "removed", dtRemoved=NOW, bEnabled=False)
    accounts = {"of all": None, "of one": there, "of a removed one": removed, "of none": 4711}
    for place, (name, number) in enumerate(accounts.items(), 1):
        add_rule(connection, name, nAccountID=number, nPosition=place)
    add_rule(connection, "disabled", bEnabled=False, nPosition=9)
    assert [each.rule.name for each in found(connection).enabled] == ["of all", "of one"]
    assert sorted(name for _, name in found(connection).names) == sorted([*accounts, "disabled"])


def test_messages_are_unchecked_until_a_rule_was_checked(connection: Connection) -> None:
    add_message(connection, "checked", sRuleState="amber", nRulesMatched=0, dtImported=NOW - 9 * MINUTE)
    add_message(connection, "waits", sRuleState="white", nRulesMatched=1, dtImported=NOW - 8 * MINUTE)
    add_message(connection, "from before there were rules", sRuleState=None, dtImported=NOW - 7 * MINUTE)
    add_message(connection, "first", dtImported=NOW - 6 * MINUTE)
    add_message(connection, "second", dtImported=NOW)
    assert (found(connection).unchecked, found(connection).unchecked_since) == (2, NOW - 6 * MINUTE)


def test_many_messages_are_counted_up_to_a_bound(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MAX_COUNTED", 2)
    for name in "abc":
        add_file(connection, add_message(connection, name), **failed())
    assert (found(connection).unchecked, found(connection).failed_files) == (2, 2)


def test_a_folder_that_failed_has_the_last_reason_and_all_that_wait(connection: Connection) -> None:
    number = add_message(connection, "m")
    add_file(connection, number, "old", **waiting(NOW - 9 * MINUTE, sReason="AccessDenied", sDetail="Denied."))
    add_file(connection, number, "next", **waiting(NOW - 8 * MINUTE))
    add_file(connection, number, "new", dtDue=NOW - MINUTE)
    add_file(connection, number, "new.json", sPart="metadata", dtDue=None)
    folder = only(connection)
    assert (folder.path, folder.waiting, folder.reason, folder.detail) == (FOLDER, 4, "FolderMissing", MISSING)
    assert (folder.attempted, folder.due) == (NOW - 9 * MINUTE, NOW - MINUTE)
    assert found(connection).due_since == NOW - 9 * MINUTE


def test_a_folder_works_into_which_a_file_was_saved_of_late(connection: Connection) -> None:
    """Thousands that wait for it are saved one after the other."""
    number = add_message(connection, "m")
    add_file(connection, number, "waits", **waiting(NOW - 60 * MINUTE))
    add_file(connection, number, "saved", **saved(NOW - 2 * MINUTE))
    add_file(connection, number, "elsewhere", folder="/other", **saved(NOW - timedelta(seconds=1)))
    assert (only(connection).works, only(connection).reason) == (False, "FolderMissing")
    add_file(connection, number, "just saved", **saved(NOW - timedelta(seconds=5)))
    assert (only(connection).works, only(connection).reason) == (True, None)


def test_a_file_that_is_tried_again_for_its_name_is_no_trouble_of_its_folder(connection: Connection) -> None:
    for reason in ("NameRefused", "FolderReplaced", "FileRefused", "NoRoomForFile"):
        add_file(connection, add_message(connection, reason), **waiting(NOW - MINUTE, sReason=reason))
    assert (only(connection).failing, only(connection).reason) == (True, None)


def test_a_file_that_needs_an_operator_is_counted_by_its_rule(connection: Connection) -> None:
    """After some attempts, for a reason of its own; at once, if it may have arrived elsewhere."""
    number = add_message(connection, "m")
    assert found(connection).refused == ()
    for place, (reason, attempts) in enumerate(
        [("FileRefused", 2), ("FileRefused", 3), ("NoRoomForFile", 9), ("FolderReplaced", 1), ("FolderMissing", 99)]
    ):
        columns = waiting(sReason=reason, sDetail=f"Detail {place}.", nAttempts=attempts)
        add_file(connection, number, f"{place}.csv", nRuleID=1 + place // 3, **columns)
    add_file(connection, number, "failed.csv", **failed(sReason="FileRefused"))
    listed = [(each.rule_id, each.files, each.reason, each.detail) for each in found(connection).refused]
    assert listed == [(1, 2, "NoRoomForFile", "Detail 2."), (2, 1, "FolderReplaced", "Detail 3.")]
    assert found(connection).failed_files == 1


def test_a_folder_that_is_being_tried_again_is_still_one_that_failed(connection: Connection) -> None:
    """Its files are claimed meanwhile, for two minutes."""
    add_file(connection, add_message(connection, "m"), **waiting(NOW + 2 * MINUTE))
    assert (only(connection).reason, only(connection).attempted) == ("FolderMissing", None)


def test_one_folder_is_known_by_the_files_that_wait_for_it(connection: Connection) -> None:
    number = add_message(connection, "m")
    add_file(connection, number, **waiting())
    add_file(connection, number, "other", folder="/other", **waiting())
    folder = deliveries.folder_of(connection, FOLDER, now=NOW)
    assert folder is not None
    assert (folder.path, folder.waiting, folder.reason) == (FOLDER, 1, "FolderMissing")
    assert deliveries.folder_of(connection, "/third", now=NOW) is None


def test_a_folder_where_nothing_is_tried_is_named_once_it_is_late(connection: Connection) -> None:
    number = add_message(connection, "m")
    add_file(connection, number, "late", dtDue=NOW - 5 * MINUTE)
    add_file(connection, number, "in time", folder="/other", dtDue=NOW - 4 * MINUTE)
    add_file(connection, number, "claimed", folder="/third", dtDue=NOW + MINUTE)
    assert {(each.path, each.due) for each in found(connection).folders} == {
        (FOLDER, NOW - 5 * MINUTE),
        ("", NOW - 4 * MINUTE),
        ("", None),
    }


def test_failed_files_are_counted_by_rule_with_the_reason_of_the_newest(connection: Connection) -> None:
    number = add_message(connection, "m")
    add_file(connection, number, "a", **failed())
    add_file(connection, number, "b", nRuleID=2, **failed(sReason="NotStored", sDetail="Old."))
    add_file(connection, number, "c", nRuleID=2, **failed(sReason="NotStored", sDetail="The bytes are missing."))
    add_file(connection, number, "d", **saved())
    add_file(connection, number, "e", sState="skipped", dtDue=None)
    listed = [(each.rule_id, each.files, each.reason, each.detail) for each in found(connection).failed]
    assert listed == [(2, 2, "NotStored", "The bytes are missing."), (1, 1, "FolderMissing", MISSING)]
    assert not found(connection).is_used
