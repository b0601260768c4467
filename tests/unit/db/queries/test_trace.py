"""The trace of messages: found by any name that an operator has, and deleted in time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, insert

from db.queries import trace
from db.queries.trace import CommittedMessage, TracedMessage, TraceRow
from db.tables import message, seen
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
SECOND: Final = timedelta(seconds=1)

ROW: Final = TraceRow(
    account_id=1,
    graph_id="AAMk",
    host="gateway-1",
    started=NOW,
    ended=NOW + SECOND,
    outcome="imported",
    internet_message_id="<abc@example.com>",
    subject="Prüfbericht № 7: 100 % [neu]",
    source="graph",
    correlation="thread-1",
    queue_message_id="1.AAMk.digest",
    notified=NOW - 2 * SECOND,
    queued=NOW - SECOND,
    attempt=1,
    fetched=NOW + SECOND / 2,
    reason="Word",
    detail="A sentence.",
)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def row(graph_id: str | None, **changes: Any) -> TraceRow:  # noqa: ANN401  # any field
    facts: dict[str, Any] = {"internet_message_id": None, "subject": None, "correlation": None, **changes}
    return replace(ROW, graph_id=graph_id, **facts)


def commit(connection: Connection, graph_id: str, **changes: Any) -> None:  # noqa: ANN401  # any column
    row = {"nAccountID": 1, "sGraphMessageID": graph_id, "bHasAttachments": False, "dtImported": NOW}
    connection.execute(insert(message).values({**row, **changes}))


def leave_out(connection: Connection, graph_id: str, at: datetime) -> None:
    """As the filters of an account do."""
    row = {"nAccountID": 1, "sGraphMessageID": graph_id, "sFromAddress": "lab@example.com", "dtSeen": at}
    connection.execute(insert(seen).values({**row, "sReason": "SubjectDenied"}))


def found(connection: Connection, text: str, account_id: int | None = None, limit: int = 20) -> list[str | None]:
    return [each.graph_id for each in trace.find(connection, text, account_id=account_id, limit=limit)]


def test_what_is_written_is_read_again(connection: Connection) -> None:
    """Every fact of an attempt is read; of one that fetched nothing, the known facts."""
    bare = TraceRow(None, None, "gateway-1", NOW, NOW, "dead_lettered", queue_message_id="odd")
    trace.add(connection, [ROW, bare])
    trace.add(connection, [])
    assert trace.attempts(connection, [ROW.of]) == [ROW]
    assert trace.attempts(connection, [bare.of]) == [bare]


@pytest.mark.parametrize(
    "text",
    [
        "AAMk",
        "<abc@example.com>",
        "abc@example.com",
        "1.AAMk.digest",
        "thread-1",
        "PRÜFBERICHT",
        "bericht № 7",
        "100 % [NEU]",
    ],
)
def test_a_message_is_found_by_any_of_its_names(connection: Connection, text: str) -> None:
    """The subject matches in any letter case, letters beyond ASCII too."""
    trace.add(connection, [ROW, row("other", queue_message_id="another")])
    assert found(connection, text) == ["AAMk"]


@pytest.mark.parametrize("text", ["AAmk", "aamk", "100_%", "[n]eu", "%", "bc@example.co", r"\\"])
def test_nothing_else_is_found(connection: Connection, text: str) -> None:
    """Graph ids differ in case only, and the wildcards of a database stand for themselves."""
    trace.add(connection, [replace(ROW, subject="Prüfbericht: 100 Prozent, neu")])
    commit(connection, "AAMk", sSubject="Prüfbericht: 100 Prozent, neu")
    assert found(connection, text) == []


@pytest.mark.parametrize("text", ["old", "<abc@example.com>", "abc@example.com", "thread-0", "BERICHT"])
def test_what_is_imported_is_found_without_a_trace(connection: Connection, text: str) -> None:
    """Traces are deleted, messages are not."""
    commit(connection, "old", sInternetMessageID="<abc@example.com>", sSubject="Prüfbericht", sCorrelationID="thread-0")
    assert found(connection, text) == ["old"]
    (row,) = trace.committed(connection, trace.find(connection, text, account_id=None, limit=5))
    assert (row.graph_id, row.subject, row.imported) == ("old", "Prüfbericht", NOW)
    assert isinstance(row, CommittedMessage)


def test_the_newest_come_first_and_each_once(connection: Connection) -> None:
    """The time is that of the latest attempt, or of the import."""
    for number in range(6):
        trace.add(connection, [row(f"m{number}", subject="Bericht", ended=NOW + number * SECOND)] * 2)
    commit(connection, "m2", sSubject="Bericht", dtImported=NOW + 60 * SECOND)
    commit(connection, "m9", sSubject="Bericht", dtImported=NOW + 4.5 * SECOND)
    assert found(connection, "bericht", limit=4) == ["m2", "m5", "m9", "m4"]


def test_what_a_filter_left_out_is_found_beside_what_was_imported_of_the_same_sender(connection: Connection) -> None:
    """Each at the time of its decision."""
    for number in (1, 3):
        commit(connection, f"in{number}", sFromAddress="lab@example.com", dtImported=NOW + number * SECOND)
    for number in (0, 2, 4):
        leave_out(connection, f"out{number}", NOW + number * SECOND)
    assert found(connection, "lab@example") == ["out4", "in3", "out2", "in1", "out0"]
    assert found(connection, "LAB@", limit=2) == ["out4", "in3"]
    assert found(connection, "out0") == ["out0"]
    assert found(connection, "lab@example", 2) == []


def test_an_account_narrows_the_search(connection: Connection) -> None:
    """One mail may go to two of them; its Graph ids are the accounts' own."""
    trace.add(connection, [row("a", subject="x"), row("b", subject="x", account_id=2)])
    commit(connection, "c", sSubject="x", nAccountID=3)
    assert (found(connection, "x", 1), found(connection, "x", 2), found(connection, "x", 3)) == (["a"], ["b"], ["c"])
    assert found(connection, "b", 1) == []


def test_what_was_unreadable_is_found_by_the_id_of_its_queue_message(connection: Connection) -> None:
    """It is distinguished from others without a known Graph id."""
    trace.add(connection, [row(None, queue_message_id=name, account_id=None) for name in ("odd", "odder", "odd")])
    assert trace.find(connection, "odd", account_id=None, limit=5) == [TracedMessage(None, None, "odd")]
    assert len(trace.attempts(connection, [TracedMessage(None, None, "odd")])) == 2


def test_attempts_come_in_the_order_of_time_and_of_these_messages_only(connection: Connection) -> None:
    trace.add(
        connection,
        [row("a", started=NOW + SECOND, attempt=2), row("a", attempt=1), row("A"), row("a", account_id=2), row("b")],
    )
    assert [each.attempt for each in trace.attempts(connection, [TracedMessage(1, "a")])] == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"graph_id": "x" * 701}, {"graph_id": None}),
        ({"graph_id": "x\ud800"}, {"graph_id": None}),
        ({"graph_id": "x\0"}, {"graph_id": None}),
        ({"subject": "😀" * 1000}, {"subject": "😀" * 200}),
        ({"subject": "s" * 1000}, {"subject": "s" * 400}),
        ({"internet_message_id": "i" * 2000}, {"internet_message_id": "i" * 998}),
        ({"correlation": "\ud800\0" + "c" * 100}, {"correlation": "\ufffd\ufffd" + "c" * 62}),
        ({"reason": "r" * 200, "host": "h" * 200}, {"reason": "r" * 100, "host": "h" * 100}),
    ],
)
def test_odd_values_of_one_do_not_keep_others_from_being_written(
    connection: Connection, given: dict[str, Any], kept: dict[str, Any]
) -> None:
    """SQLite would accept text longer than its column; servers refuse it, and with it all rows of the statement."""
    odd = replace(ROW, **given)
    trace.add(connection, [odd, row("good")])
    wanted = replace(odd, **kept)
    assert trace.attempts(connection, [wanted.of]) == [wanted]
    assert trace.attempts(connection, [TracedMessage(1, "good")])


def test_old_rows_go_in_small_batches_and_the_oldest_first(connection: Connection) -> None:
    """An attempt that ended at that very moment stays."""
    trace.add(connection, [row(f"m{number}", ended=NOW + number * SECOND) for number in (3, 0, 2, 1, 4)])
    before = NOW + 3 * SECOND
    assert left_after(connection, before, 2) == (2, ["m2", "m3", "m4"])
    assert left_after(connection, before, 2) == (1, ["m3", "m4"])
    assert left_after(connection, before, 2) == (0, ["m3", "m4"])


def left_after(connection: Connection, before: datetime, limit: int) -> tuple[int, list[str]]:
    deleted = trace.purge(connection, before=before, limit=limit)
    names = [f"m{number}" for number in range(5)]
    left = trace.attempts(connection, [TracedMessage(1, name) for name in names])
    return deleted, sorted(str(each.graph_id) for each in left)
