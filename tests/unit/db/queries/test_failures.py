"""Messages that fail: one row each, until they are known, and none that stays for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, event, insert, select

from bus.notification import id_prefixes
from db.engine import Database, run_reading, run_writing
from db.keys import MessageKey
from db.queries import failures
from db.queries.failures import Counts, FailingAgain, Failure
from db.tables import account_settings, duplicate, failure, message, queue_message, seen
from phrases import Phrase
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
MINUTE: Final = timedelta(minutes=1)
FETCHED: Final = Failure(
    account_id=1,
    graph_id="AAMk",
    attempts=1,
    failed=NOW,
    next_attempt=NOW + MINUTE,
    reason="ItemCorrupt",
    detail=Phrase("Tried {count} times.", count=1),
    internet_message_id="<abc@example.com>",
    subject="Prüfbericht № 7",
    from_name="Labor",
    from_address="labor@example.com",
    received=NOW - MINUTE,
)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def failed(graph_id: str, account_id: int = 1, **changes: Any) -> Failure:  # noqa: ANN401  # any field
    return replace(FETCHED, graph_id=graph_id, account_id=account_id, **changes)


def note(connection: Connection, *found: Failure) -> None:
    failures.settle(connection, {each.key: each for each in found})


def known(connection: Connection, graph_id: str, way: str) -> None:
    key = {"nAccountID": 1, "sGraphMessageID": graph_id}
    if way == "filtered":
        connection.execute(insert(seen).values(**key, sReason="TooSmall", dtSeen=NOW))
        return
    imported = key if way == "imported" else {**key, "sGraphMessageID": "another"}
    connection.execute(insert(message).values(**imported, bHasAttachments=False, dtImported=NOW))
    if way == "duplicate":
        number = connection.scalar(select(message.c.nMessageID))
        connection.execute(insert(duplicate).values(**key, nMessageID=number, dtSeen=NOW, sReason="Same"))


def rows(connection: Connection) -> list[str]:
    return list(connection.scalars(select(failure.c.sGraphMessageID).order_by(failure.c.nFailureID)))


def test_a_failure_is_read_as_it_was_written(connection: Connection) -> None:
    note(connection, FETCHED, failed("AAmk"), failed("AAMk", 2))
    assert failures.of_ids(connection, [FETCHED.key]) == {FETCHED.key: replace(FETCHED, first_failed=NOW)}


def test_a_later_failure_keeps_what_an_earlier_fetch_found(connection: Connection) -> None:
    """The first time of failure stays, and the rest is of the last attempt."""
    note(connection, FETCHED)
    later = Failure(1, "AAMk", 5, NOW + MINUTE, None, "GraphUnavailable", "It does not answer.")
    note(connection, later)
    mail = {
        name: getattr(FETCHED, name)
        for name in ("internet_message_id", "subject", "from_name", "from_address", "received")
    }
    assert failures.of_ids(connection, [FETCHED.key]) == {FETCHED.key: replace(later, first_failed=NOW, **mail)}
    assert failures.counts(connection) == {1: Counts(0, 1)}


def test_the_end_of_the_work_deletes_the_row(connection: Connection) -> None:
    note(connection, FETCHED, failed("AAmk"), failed("AAMk", 2))
    failures.settle(connection, {(1, "AAMk"): None, (1, "unknown"): None, (1, "new"): failed("new")})
    assert sorted(rows(connection)) == ["AAMk", "AAmk", "new"]
    assert failures.of_ids(connection, [(1, "AAMk"), (2, "AAMk")]).keys() == {(2, "AAMk")}


def test_ids_that_no_row_can_have_are_left_out(connection: Connection) -> None:
    """They come from malformed notifications, which are dead letters without a message."""
    note(connection, failed("a\x00b"), failed("x" * 701), failed("a", subject="half \ud800 a sign"))
    assert [each.subject for each in failures.of_ids(connection, [(1, "a")]).values()] == ["half \ufffd a sign"]
    assert rows(connection) == ["a"]


@pytest.mark.parametrize("way", ["imported", "filtered", "duplicate"])
def test_what_is_known_by_now_is_no_failure(connection: Connection, way: str) -> None:
    """Nothing shows it, and the retention deletes it."""
    connection.execute(insert(account_settings).values(account(1)))
    note(connection, FETCHED, failed("b"))
    known(connection, "AAMk", way)
    assert failures.of_ids(connection, [FETCHED.key]) == {}
    assert failures.counts(connection) == {1: Counts(1, 0)}
    assert failures.purge_over(connection, limit=5) == 1
    assert rows(connection) == ["b"]


def test_failures_of_accounts_without_a_row_are_deleted(connection: Connection) -> None:
    """Those of a removed account stay: it may be taken up again, and its dead letters replayed."""
    connection.execute(insert(account_settings), [account(1, dtRemoved=NOW)])
    note(connection, failed("a", 1), failed("b", 2), failed("c", 3))
    assert failures.purge_over(connection, limit=1) == 1
    assert failures.purge_over(connection, limit=5) == 1
    assert rows(connection) == ["a"]


def test_old_failures_are_deleted_unless_their_queue_message_is_there(connection: Connection) -> None:
    note(
        connection, *(failed(name) for name in ("waiting", "dead", "done", "none")), failed("new", failed=NOW + MINUTE)
    )
    for name, state in (("waiting", "active"), ("dead", "dead"), ("done", "done")):
        prefix = id_prefixes(1, name)[0]
        connection.execute(
            insert(queue_message).values(
                sMessageID=f"{prefix}digest", sState=state, sBody="", dtEnqueued=NOW, dtVisible=NOW
            )
        )
    found = failures.older(connection, before=NOW + MINUTE, after=0, limit=3)
    found += failures.older(connection, before=NOW + MINUTE, after=found[-1][0], limit=3)
    assert [key for _, key in found] == [(1, "dead"), (1, "done"), (1, "none"), (1, "waiting")]
    assert failures.purge(connection, {number: id_prefixes(*key) for number, key in found}) == 2
    assert sorted(rows(connection)) == ["dead", "new", "waiting"]
    assert failures.purge(connection, dict.fromkeys((number for number, _ in found), ())) == 4
    assert rows(connection) == ["new"]


@pytest.mark.parametrize("anew", [True, False])
def test_operators_requeue_and_delete(connection: Connection, anew: bool) -> None:
    """Replayed, a message has its attempts counted from 0; made due, it keeps them."""
    note(connection, failed("a", attempts=5, next_attempt=None), failed("b"), failed("c"))
    failures.requeue(connection, [(1, "a"), (1, "none")], now=NOW + MINUTE, anew=anew)
    failures.forget(connection, [(1, "b"), (1, "none")])
    [again] = failures.of_ids(connection, [(1, "a"), (1, "b")]).values()
    assert (again.attempts, again.next_attempt) == (0 if anew else 5, NOW + MINUTE)
    assert again.subject == FETCHED.subject
    assert failures.reasons(connection) == {"ItemCorrupt": 2}


def test_what_fails_again_and_again_is_summed_up_by_account(connection: Connection) -> None:
    """The last of their texts is given, as a phrase."""
    last = Phrase("Tried {count} times.", count=4)
    note(
        connection,
        failed("a", attempts=3, failed=NOW - MINUTE, detail="The first."),
        failed("b", attempts=4, detail=last),
        failed("few", attempts=2, failed=NOW + MINUTE),
        failed("dead", attempts=5, next_attempt=None),
        failed("c", 2, attempts=3),
        failed("known", attempts=9, failed=NOW - 9 * MINUTE),
    )
    known(connection, "known", "imported")
    found = failures.failing_again(connection, now=NOW)
    assert found[1] == FailingAgain(2, NOW - MINUTE, last)
    assert isinstance(found[1].detail, Phrase)
    assert found.keys() == {1, 2}
    assert failures.failing_again(connection, now=NOW, attempts=2)[1].messages == 3
    assert failures.failing_again(connection, now=NOW + 4 * MINUTE)[1].messages == 3


async def test_nothing_is_searched_for_while_nothing_fails(database: Database) -> None:
    """Messages are imported by thousands: the table costs one small query for all of a second."""
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *facts: statements.append(facts[2]))
    await database.write(lambda c: failures.settle(c, {(1, str(number)): None for number in range(500)}))
    assert len([each for each in statements if "tblEmailFailure" in each]) == 1


def test_processors_that_write_the_same_messages_do_not_block_each_other_for_good(database_engine: Engine) -> None:
    """Rows are locked in one order: no deadlock, on any database."""
    errors: list[str] = []
    event.listen(database_engine, "handle_error", lambda context: errors.append(str(context.original_exception)))
    names = [f"m{number}" for number in range(30)]

    def process(seed: int) -> None:
        random = Random(seed)
        for _ in range(15):
            mine = random.sample(names, 20)
            ends: dict[MessageKey, Failure | None] = {(1, name): failed(name, attempts=seed) for name in mine}
            ends |= {(1, f"{seed}-{name}"): random.choice([failed(f"{seed}-{name}"), None]) for name in names}
            run_writing(database_engine, lambda connection, ends=ends: failures.settle(connection, ends))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults

    run_writing(database_engine, lambda connection: note(connection, *map(failed, names)))
    with ThreadPoolExecutor(3) as pool:
        for each in [pool.submit(process, seed) for seed in range(3)]:
            each.result()
    assert not [each for each in errors if "deadlock" in each.lower()]
    found = run_reading(database_engine, lambda connection: failures.of_ids(connection, [(1, name) for name in names]))
    assert sorted(graph_id for _, graph_id in found) == sorted(names)


def account(number: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  # any column
    facts = {
        "nAccountID": number,
        "sAccountName": f"account {number}",
        "sTenantID": "t",
        "sClientID": "c",
        "sUserID": "u",
        "sCertificateThumbprint": "p",
        "bSecureCertificateAccess": False,
        "sFolder": "Inbox",
        "sAfterImport": "none",
        "bEnabled": True,
        "dtRemoved": None,
    }
    return {**facts, **changes}
