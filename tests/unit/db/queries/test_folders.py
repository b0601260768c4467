"""Progress of catch-up."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import Connection, Engine

from db.queries import folders
from db.queries.folders import FolderState
from db.queries.schedule import FOLDERS, Lease
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
LEASE: Final = timedelta(minutes=1)
RESOURCE: Final = "users/u/mailFolders('inbox')/messages"
START: Final = FolderState(link=None, full_pass=True, gap=True, swept=None)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def take(connection: Connection, owner: str = "one", *, later: timedelta = timedelta(0)) -> Lease:
    FOLDERS.seed(connection, 1, due=NOW)
    [lease] = FOLDERS.claim(connection, [1], owner=owner, now=NOW + later, lease=LEASE)
    return lease


def test_a_pass_goes_on_where_it_was_left(connection: Connection) -> None:
    """It goes page by page, also for another manager; at its end the next round covers new mail."""
    lease = take(connection)
    assert folders.state(connection, 1, resource=RESOURCE) == START
    assert folders.advance(connection, lease, resource=RESOURCE, link="next", full_pass=True, now=NOW)
    assert folders.state(connection, 1, resource=RESOURCE) == FolderState("next", True, True, None)
    assert folders.finish(connection, lease, resource=RESOURCE, link="delta", now=NOW)
    assert folders.state(connection, 1, resource=RESOURCE) == FolderState("delta", False, False, NOW)
    assert folders.swept(connection) == {1: NOW}


def test_another_folder_starts_again(connection: Connection) -> None:
    """A link belongs to one folder."""
    folders.finish(connection, take(connection), resource=RESOURCE, link="delta", now=NOW)
    assert folders.state(connection, 1, resource=RESOURCE.replace("inbox", "archive")) == START


def test_a_lost_lease_moves_nothing(connection: Connection) -> None:
    """Another manager may be further, or further back, and knows which messages it queued."""
    lease = take(connection)
    later = take(connection, "two", later=LEASE)
    assert not folders.advance(connection, lease, resource=RESOURCE, link="a", full_pass=True, now=NOW + LEASE)
    assert not folders.finish(connection, lease, resource=RESOURCE, link="b", now=NOW + LEASE)
    assert folders.state(connection, 1, resource=RESOURCE) == START
    assert folders.finish(connection, later, resource=RESOURCE, link="c", now=NOW + LEASE)


def test_a_gap_noted_during_a_round_stays(connection: Connection) -> None:
    """The round may have passed the missing messages already."""
    lease = take(connection)
    folders.note_gap(connection, 1, now=NOW)
    folders.finish(connection, lease, resource=RESOURCE, link="delta", now=NOW)
    assert folders.state(connection, 1, resource=RESOURCE).gap
    FOLDERS.release(connection, lease, due=NOW + timedelta(hours=1), failures=0)
    folders.finish(connection, take(connection, "two"), resource=RESOURCE, link="delta", now=NOW)
    assert not folders.state(connection, 1, resource=RESOURCE).gap


def test_a_turn_that_began_before_a_new_start_notes_nothing_more(connection: Connection) -> None:
    """It searched for mail since another date; the next turn goes through the whole folder."""
    lease = take(connection)
    assert folders.advance(connection, lease, resource=RESOURCE, link="next", full_pass=True, now=NOW)
    folders.start_anew(connection, 1, now=NOW)
    assert not folders.advance(connection, lease, resource=RESOURCE, link="further", full_pass=True, now=NOW)
    assert not folders.finish(connection, lease, resource=RESOURCE, link="delta", now=NOW)
    assert FOLDERS.release(connection, lease, due=NOW + timedelta(hours=1), failures=0)
    assert folders.state(connection, 1, resource=RESOURCE) == START
    later = take(connection, "two")
    assert folders.finish(connection, later, resource=RESOURCE, link="delta", now=NOW)
    assert folders.state(connection, 1, resource=RESOURCE) == FolderState("delta", False, False, NOW)


def test_an_account_never_swept_can_start_again(connection: Connection) -> None:
    folders.start_anew(connection, 1, now=NOW)
    assert folders.finish(connection, take(connection), resource=RESOURCE, link="delta", now=NOW)
