"""`mail-importer queue`."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine

from bus.database.adapter import DatabaseQueue
from bus.notification import Notification
from bus.queue import Message, MessageId
from db.engine import Database, make_engine, run_reading, run_writing
from db.queries import accounts, audit, failures
from db.queries.failures import Failure

Run = Callable[..., Result]

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def filled(engine: Engine) -> None:
    """Four messages: one waits, one is for later, two are dead letters of an hour and of half an hour ago."""
    settings = accounts.AccountSettings("laboratory", "t", "c", "u", "p")
    number = run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))
    asyncio.run(fill(number))


async def fill(account_id: int) -> None:
    time = [NOW - HOUR]
    database = Database(make_engine("sqlite:///mail-importer.db"))
    queue = DatabaseQueue(database, clock=lambda: time[0])
    try:
        await queue.put([notification(account_id, "m1"), notification(account_id, "m2")])
        for reason in ("ItemCorrupt", "Other"):
            [delivery] = await queue.receive(1, wait=timedelta(0))
            await queue.dead_letter(delivery, reason=reason, description="It cannot be read.")
            time[0] += HOUR / 2
        later = Message(MessageId("later"), "not JSON", None, not_before=NOW + HOUR)
        await queue.put([notification(account_id, "m3"), later])
    finally:
        await queue.close()
        await database.close()


def notification(account_id: int, message: str) -> Message:
    return Notification(account_id, "s", "created", message, None, NOW, "c").to_message()


def entries(run: Run, *arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run("queue", "list", "--json", *arguments).stdout)
    return rows


@pytest.mark.slow
def test_status_counts_an_empty_queue(run: Run, engine: Engine) -> None:
    found = json.loads(run("queue", "status", "--json").stdout)
    assert found == {
        "waiting": 0,
        "locked": 0,
        "scheduled": 0,
        "dead": 0,
        "oldest": None,
        "oldest_age_seconds": None,
        "complete": True,
        "accounts": [],
    }
    assert engine is not None


@pytest.mark.usefixtures("filled")
def test_status_counts_what_waits_and_what_is_dead(run: Run) -> None:
    found = json.loads(run("queue", "status", "--json").stdout)
    assert [found[key] for key in ("waiting", "locked", "scheduled", "dead")] == [1, 0, 1, 2]
    assert found["oldest_age_seconds"] == 0
    assert "Dead letters\t2" in run("queue", "status").stdout


@pytest.mark.usefixtures("filled")
def test_list_shows_what_waits_and_what_is_for_later(run: Run) -> None:
    rows = entries(run)
    assert [(row["account"], row["state"], row["attempts"]) for row in rows] == [
        ("laboratory", "waiting", 0),
        (None, "scheduled", 0),
    ]
    assert [row["body"] if isinstance(row["body"], str) else row["body"]["message"] for row in rows] == [
        "m3",
        "not JSON",
    ]


def test_list_by_reason_is_of_dead_letters_only(run: Run) -> None:
    """A selection that would select nothing is refused, and the option that is missing is named."""
    result = run("queue", "list", "--reason", "ItemCorrupt")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "add --dead-letters" in " ".join(result.stderr.split())


@pytest.mark.usefixtures("filled")
def test_list_shows_dead_letters_with_reason_and_age_within_80_columns(run: Run) -> None:
    rows = entries(run, "--dead-letters")
    assert [(row["reason"], row["attempts"], row["state"]) for row in rows] == [
        ("ItemCorrupt", 1, "dead"),
        ("Other", 1, "dead"),
    ]
    assert rows[0]["dead_lettered"] == "2026-03-31T11:00:00Z"
    out = run("queue", "list", "--dead-letters").stdout
    assert "ItemCorrupt" in out
    assert "1 h" in out
    assert max(len(line) for line in out.splitlines()) <= 80


@pytest.mark.usefixtures("filled")
def test_list_stops_at_its_limit_and_reports_it(run: Run) -> None:
    result = run("queue", "list", "--dead-letters", "--limit", "1", "--json")
    assert len(json.loads(result.stdout)) == 1
    assert "may be more" in result.stderr
    assert run("queue", "list", "--limit", "0").exit_code == 2


@pytest.mark.parametrize(("arguments", "text"), [([], "empty"), (["--dead-letters"], "no dead letters")])
def test_list_of_nothing_is_reported(arguments: list[str], text: str, run: Run, engine: Engine) -> None:
    result = run("queue", "list", *arguments)
    assert (result.exit_code, result.stdout) == (0, "")
    assert text in result.stderr
    assert engine is not None


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (["--all"], []),
        (["--reason", "Other"], ["ItemCorrupt"]),
        (["--since", "2026-03-31T11:30:00"], ["ItemCorrupt"]),
        (["--since", "2026-03-31T13:30:00+02:00"], ["ItemCorrupt"]),
        (["--since", "2026-03-31"], []),
        (["--since", "2026-03-31", "--reason", "ItemCorrupt"], ["Other"]),
        (["--until", "2026-03-31T11:30:00"], ["Other"]),
        (["--account", "laboratory"], []),
        (["--all", "--rate", "1000"], []),
    ],
)
def test_replay_takes_those_that_fit_and_prints_how_many(selection: list[str], left: list[str], run: Run) -> None:
    result = run("queue", "replay", *selection, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"replayed": 2 - len(left), "imported_already": 0}
    assert [row["reason"] for row in entries(run, "--dead-letters")] == left
    assert json.loads(run("queue", "status", "--json").stdout)["waiting"] == 3 - len(left)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    "command",
    [
        ["replay"],
        ["replay", "--dry-run"],
        ["purge", "--dead-letters", "--yes"],
        ["purge", "--dead-letters", "--dry-run"],
    ],
)
@pytest.mark.parametrize("selection", [["--reason", "itemcorrupt"], ["--reason", "Other", "--until", "2020-01-01"]])
def test_a_reason_that_no_dead_letter_has_is_an_error(command: list[str], selection: list[str], run: Run) -> None:
    """It is misspelt, most likely: a script must not go on as if all were replayed."""
    result = run("queue", *command, *selection)
    assert result.exit_code == 1
    assert f"No dead letter with the reason '{selection[1]}' fits." in result.stderr
    assert "Their reasons: ItemCorrupt (1), Other (1)" in result.stderr
    assert len(entries(run, "--dead-letters")) == 2


@pytest.mark.usefixtures("filled")
def test_a_list_by_a_reason_that_no_dead_letter_has_names_those_that_exist(run: Run) -> None:
    result = run("queue", "list", "--dead-letters", "--reason", "Missing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Their reasons: ItemCorrupt (1), Other (1)" in result.stderr


@pytest.mark.usefixtures("filled")
def test_a_dry_run_counts_and_changes_nothing(run: Run) -> None:
    result = run("queue", "replay", "--all", "--dry-run", "--json")
    assert json.loads(result.stdout) == {"would_be_replayed": 2, "imported_already": 0}
    result = run("queue", "purge", "--dead-letters", "--all", "--dry-run", "--json")
    assert json.loads(result.stdout) == {"would_be_purged": 2, "imported_already": 0}
    assert len(entries(run, "--dead-letters")) == 2


@pytest.mark.usefixtures("filled")
def test_a_replay_is_on_record_and_in_the_trace(run: Run, engine: Engine) -> None:
    run("queue", "replay", "--reason", "Other", "--why", "ticket 4711")
    [entry] = run_reading(engine, lambda connection: audit.latest(connection, limit=10))
    assert (entry.action, entry.selection, entry.why, entry.messages) == ("replay", "reason Other", "ticket 4711", 1)
    assert entry.ended is not None
    traced = run("trace", "m2").stdout
    assert "replayed from the dead letters" in traced
    assert "ticket 4711" in traced


@pytest.fixture
def scheduled(filled: None, engine: Engine) -> None:  # noqa: ARG001  # after it
    """Two messages of the account that are retried in an hour, for different reasons."""
    queued = [replace(notification(1, name), not_before=NOW + HOUR) for name in ("m5", "m6")]

    async def put() -> None:
        database = Database(make_engine("sqlite:///mail-importer.db"))
        queue = DatabaseQueue(database, clock=lambda: NOW)
        await queue.put(queued)
        await queue.close()
        await database.close()

    asyncio.run(put())
    found = [
        Failure(1, "m5", 3, NOW - HOUR, NOW + HOUR, "Slow", "It is slow.", subject="Prüfbericht"),
        Failure(1, "m6", 1, NOW, NOW + HOUR, "Other", "It is broken."),
        Failure(1, "m2", 5, NOW, None, "Other", "It is broken."),
    ]
    run_writing(engine, lambda connection: failures.settle(connection, {each.key: each for each in found}))


@pytest.mark.usefixtures("scheduled")
@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (["--all"], []),
        (["--account", "laboratory"], ["later"]),
        (["--reason", "Slow"], ["later", "m6"]),
        (["--since", "today", "--until", "2026-03-31T11:30"], ["later", "m6"]),
        (["--since", "20m", "--account", "laboratory"], ["later", "m5"]),
    ],
)
def test_what_is_scheduled_for_later_is_tried_at_once(
    selection: list[str], left: list[str], run: Run, engine: Engine
) -> None:
    """Dead letters stay; the attempts of what failed still count."""
    dry = run("queue", "replay", "--scheduled", *selection, "--dry-run", "--json")
    assert json.loads(dry.stdout) == {"would_be_replayed": 3 - len(left), "imported_already": 0}
    result = run("queue", "replay", "--scheduled", *selection, "--json")
    assert json.loads(result.stdout) == {"replayed": 3 - len(left), "imported_already": 0}
    rows = [row for row in entries(run) if row["state"] == "scheduled"]
    assert sorted(row["body"]["message"] if row["account"] else "later" for row in rows) == left
    assert len(entries(run, "--dead-letters")) == 2
    kept = run_reading(engine, lambda connection: failures.of_ids(connection, [(1, "m5"), (1, "m6")]))
    assert {key[1]: each.next_attempt for key, each in kept.items()} == {
        name: NOW + HOUR if name in left else NOW for name in ("m5", "m6")
    }
    assert [each.attempts for each in kept.values()] == [3, 1]


@pytest.mark.usefixtures("scheduled")
def test_a_replay_of_all_dead_letters_names_the_way_to_what_is_scheduled(run: Run) -> None:
    assert "--scheduled --all" in run("queue", "replay", "--all").stderr
    run("queue", "replay", "--scheduled", "--all")
    assert "--scheduled" not in run("queue", "replay", "--all").stderr
    [first, second, third] = json.loads(run("queue", "audit", "--json").stdout)
    assert [each["selection"] for each in (first, second, third)] == ["all", "scheduled: all", "all"]
    traced = run("trace", "m5").stdout
    assert "made due at once" in traced
    assert "import by an operator" not in traced


@pytest.mark.usefixtures("scheduled")
def test_a_reason_that_nothing_scheduled_has_is_an_error(run: Run) -> None:
    result = run("queue", "replay", "--scheduled", "--reason", "ItemCorrupt")
    assert result.exit_code == 1
    assert "Their reasons: Other (1), Slow (1)" in result.stderr


@pytest.mark.usefixtures("scheduled")
def test_replay_and_purge_of_dead_letters_reach_the_failures(run: Run, engine: Engine) -> None:
    """Replayed, a message is retried, its attempts counted from 0; purged, it is none any more."""
    run("queue", "replay", "--reason", "Other")
    [replayed] = run_reading(engine, lambda connection: failures.of_ids(connection, [(1, "m2")])).values()
    assert (replayed.attempts, replayed.next_attempt) == (0, NOW)
    run("queue", "purge", "--all", "--yes")
    assert run_reading(engine, failures.counts) == {}


@pytest.mark.usefixtures("filled")
def test_what_operators_did_is_listed_newest_first(run: Run) -> None:
    assert "Nothing is on record" in run("queue", "audit").stderr
    run("queue", "replay", "--reason", "Other", "--why", "ticket 4711")
    run("queue", "purge", "--dead-letters", "--all", "--yes")
    rows = json.loads(run("queue", "audit", "--json").stdout)
    assert [(row["action"], row["selection"], row["why"], row["messages"]) for row in rows] == [
        ("purge", "all", None, 1),
        ("replay", "reason Other", "ticket 4711", 1),
    ]
    assert rows[0]["ended"] == "2026-03-31T12:00:00Z"
    shown = run("queue", "audit", "--limit", "1").stdout
    assert "purge" in shown
    assert "4711" not in shown


@pytest.mark.usefixtures("filled")
def test_purge_asks_first(run: Run) -> None:
    refused = run("queue", "purge", "--dead-letters", "--reason", "Other", typed="n\n")
    assert refused.exit_code == 1
    assert "Delete 1 dead letter for good?" in refused.stderr
    assert len(entries(run, "--dead-letters")) == 2
    done = run("queue", "purge", "--dead-letters", "--reason", "Other", "--yes", "--json")
    assert json.loads(done.stdout) == {"purged": 1, "imported_already": 0}
    assert [row["reason"] for row in entries(run, "--dead-letters")] == ["ItemCorrupt"]


@pytest.mark.usefixtures("filled")
def test_purge_of_what_waits_leaves_the_dead_letters(run: Run) -> None:
    done = run("queue", "purge", "--all", "--yes", "--json")
    assert json.loads(done.stdout)["purged"] == 2
    found = json.loads(run("queue", "status", "--json").stdout)
    assert [found[key] for key in ("waiting", "scheduled", "dead")] == [0, 0, 2]


@pytest.mark.usefixtures("filled")
@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("options", "status"),
    [(["--dead-letters"], 0), (["--dead-letters", "--id", "999"], 1), ([], 1), (["--dry-run"], 1)],
)
def test_purge_of_an_entry_that_does_not_fit_fails(run: Run, options: list[str], status: int) -> None:
    """One that was named is not there to be deleted; the others are deleted."""
    [entry, _] = [each["entry"] for each in entries(run, "--dead-letters")]
    done = run("queue", "purge", "--id", entry, *options, "--yes", "--json")
    assert done.exit_code == status
    assert ("of the entries named" in done.stderr) == bool(status)
    assert json.loads(done.stdout) == {
        "would_be_purged" if "--dry-run" in options else "purged": int("--dead-letters" in options),
        "imported_already": 0,
    }


def test_purge_of_what_waits_by_what_only_dead_letters_have_is_wrong_usage(run: Run) -> None:
    assert run("queue", "purge", "--reason", "Other", "--yes").exit_code == 2


@pytest.mark.usefixtures("filled")
def test_status_shows_each_account(run: Run) -> None:
    rows = json.loads(run("queue", "status", "--json").stdout)["accounts"]
    assert [(row["account"], row["waiting"], row["scheduled"], row["dead"]) for row in rows] == [
        (None, 0, 1, 0),
        ("laboratory", 1, 0, 2),
    ]
    assert "laboratory" in run("queue", "status").stdout


@pytest.mark.usefixtures("engine")
def test_check_of_the_table_says_that_it_takes_messages(run: Run) -> None:
    [row] = json.loads(run("queue", "check", "--json").stdout)
    assert (row["state"], row["found"]) == ("ok", "takes messages")


@pytest.mark.usefixtures("filled")
def test_list_of_an_account_or_a_reason(run: Run) -> None:
    assert [row["reason"] for row in entries(run, "--dead-letters", "--reason", "Other")] == ["Other"]
    assert [row["account"] for row in entries(run, "--account", "laboratory")] == ["laboratory"]


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_replay_takes_the_entries_that_are_named(run: Run) -> None:
    first, second = (row["entry"] for row in entries(run, "--dead-letters"))
    result = run("queue", "replay", "--id", first, "--id", second, "--id", first)
    assert (result.exit_code, result.stdout.split()[:2]) == (0, ["Replayed", "2"])
    assert entries(run, "--dead-letters") == []


@pytest.mark.usefixtures("filled")
def test_replay_of_an_entry_that_is_no_dead_letter_fails_after_the_others_are_replayed(run: Run) -> None:
    [first, _] = (row["entry"] for row in entries(run, "--dead-letters"))
    result = run("queue", "replay", "--id", first, "--id", "9223372036854775807", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"replayed": 1, "imported_already": 0}
    assert "1 of the entries" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--all", "--reason", "Other"],
        ["--all", "--id", "1"],
        ["--id", "one"],
        ["--id", "0"],
        ["--id", "9223372036854775808"],
        ["--since", "soon"],
        ["--since", ""],
        ["--since", "2026-02-30"],
        ["--since", "0001-01-01T00:00:00+14:00"],
        ["--reason", "\udcff"],
    ],
)
def test_replay_without_a_selection_is_wrong_usage(arguments: list[str], run: Run, engine: Engine) -> None:
    result = run("queue", "replay", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert engine is not None
