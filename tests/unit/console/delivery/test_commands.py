"""`mail-importer delivery`."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select

from db.engine import run_reading, run_writing
from db.tables import email_file, message
from tests.doubles.rule_files import (
    FOLDER,
    MISSING,
    add_account,
    add_file,
    add_message,
    add_rule,
    failed,
    saved,
    waiting,
)
from tests.unit.console.conftest import NOW, Run

MINUTE = timedelta(minutes=1)


@pytest.fixture
def filled(engine: Engine) -> dict[str, int]:
    """The numbers of files in every state, by name."""

    def fill(connection: Connection) -> dict[str, int]:
        account = add_account(connection)
        add_rule(connection, "Results")
        add_rule(connection, "Reports", nPosition=2)
        number = add_message(connection, "m1", nAccountID=account, sRuleState="red", nRulesMatched=2)
        facts: dict[str, dict[str, Any]] = {
            "saved.csv": saved(NOW),
            "failed.csv": failed(),
            "lost.csv": failed(nAttempts=0, sReason="NotStored", sDetail="Its bytes are not in the database."),
            "waits.csv": waiting(NOW - MINUTE),
            "new.csv": {"nRuleID": 2, "dtDue": NOW},
            "skipped.csv": {"nRuleID": 2, "sState": "skipped", "dtDue": None},
        }
        return {
            name: add_file(connection, number, name, dtCreated=NOW - MINUTE, **each) for name, each in facts.items()
        }

    return run_writing(engine, fill)


def states(engine: Engine) -> dict[str, str]:
    statement = select(email_file.c.sFileName, email_file.c.sState)
    return dict(map(tuple, run_reading(engine, lambda connection: connection.execute(statement).all())))


def rows(run: Run, *options: str) -> list[dict[str, Any]]:
    result = run("delivery", "list", "--json", *options)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


# List.


@pytest.mark.usefixtures("filled")
def test_the_list_has_what_an_operator_looks_for(run: Run) -> None:
    result = run("delivery", "list", "--state", "failed", "--state", "pending")
    heading, *found = result.stdout.splitlines()
    assert heading.split("\t") == [
        *("File", "Age", "State", "Rule", "Account", "Name", "Folder", "Attempts", "Reason", "Cause", "Next attempt")
    ]
    assert found[1].split("\t")[1:] == [
        *("1 min", "pending", "Results", "laboratory", "waits.csv", FOLDER, "1", "FolderMissing", MISSING, "due")
    ]
    assert [line.split("\t")[5] for line in found] == ["new.csv", "waits.csv", "lost.csv", "failed.csv"]
    assert result.stderr == ""


@pytest.mark.usefixtures("filled")
def test_what_is_left_out_is_said(run: Run) -> None:
    result = run("delivery", "list", "--limit", "2")
    assert len(result.stdout.splitlines()) == 3
    assert "These are the newest 2; there are more" in result.stderr
    assert "more" not in run("delivery", "list", "--limit", "6").stderr


@pytest.mark.usefixtures("filled")
def test_the_json_has_every_fact(run: Run) -> None:
    [found] = rows(run, "--state", "saved")
    assert (found["name"], found["rule"], found["state"], found["target"]) == (
        *("saved.csv", "Results", "saved", f"{FOLDER}/a.csv"),
    )
    assert (found["saved"], found["next_attempt"], found["message_id"]) == ("2026-03-31T12:00:00Z", None, 1)
    [found] = rows(run, "--rule", "RESULTS", "--state", "pending")
    assert (found["reason"], found["detail"], found["next_attempt"]) == (
        *("FolderMissing", MISSING, "2026-03-31T11:59:00Z"),
    )


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--rule", "Reports"], ["skipped.csv", "new.csv"]),
        (["--folder", FOLDER, "--state", "saved"], ["saved.csv"]),
        (["--folder", "/elsewhere"], []),
        (["--account", "laboratory", "--limit", "1"], ["skipped.csv"]),
        (["--message", "1", "--state", "skipped"], ["skipped.csv"]),
        (["--message", "2"], []),
        (["--since", "2026-03-31T12:00"], []),
        (["--since", "2m", "--state", "saved"], ["saved.csv"]),
    ],
)
def test_criteria_narrow_each_other(run: Run, options: list[str], expected: list[str]) -> None:
    assert [each["name"] for each in rows(run, *options)] == expected


@pytest.mark.usefixtures("filled")
def test_a_rule_or_account_that_is_not_there_is_an_error(run: Run) -> None:
    for options in (["--rule", "nothing"], ["--account", "nobody"]):
        assert run("delivery", "list", *options).exit_code == 1


@pytest.mark.usefixtures("filled", "at_terminal")
def test_the_list_fits_a_terminal(run: Run) -> None:
    """Name, state and rule stay, and the reason is below."""
    lines = run("delivery", "list", "--state", "failed").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert {"File", "State", "Rule", "Name"} <= set(lines[0].split())
    assert any(line.startswith("  Cause: ") for line in lines)


# Retry.


def test_retry_makes_due_what_failed_and_what_waits(run: Run, engine: Engine, filled: dict[str, int]) -> None:
    """Not what was given up, nor what lacks its bytes; and the message is white again."""
    result = run("delivery", "retry", "--all", "--yes", "--why", "ticket 7")
    assert result.exit_code == 0, result.output
    assert "2 files are due again" in result.stderr
    assert "1 file was left out" in result.stderr
    assert states(engine) == {
        "saved.csv": "saved",
        "failed.csv": "pending",
        "lost.csv": "failed",
        "waits.csv": "pending",
        "new.csv": "pending",
        "skipped.csv": "skipped",
    }
    [entry] = json.loads(run("queue", "audit", "--json").stdout)
    assert (entry["action"], entry["selection"], entry["messages"], entry["why"]) == (
        *("delivery retry", "all", 2, "ticket 7"),
    )
    assert len(filled) == 6


def test_a_file_that_was_given_up_is_saved_if_it_is_named(run: Run, engine: Engine, filled: dict[str, int]) -> None:
    """A single one needs no confirmation."""
    assert run("delivery", "retry", "--id", str(filled["skipped.csv"])).exit_code == 0
    assert states(engine)["skipped.csv"] == "pending"


def test_more_than_one_file_is_retried_after_a_confirmation(run: Run, engine: Engine, filled: dict[str, int]) -> None:
    before = states(engine)
    refused = run("delivery", "retry", "--folder", FOLDER, typed="n\n")
    assert (refused.exit_code, "Try to save 3 files again?" in refused.stderr) == (1, True)
    assert run("delivery", "retry", "--folder", FOLDER).exit_code == 2
    assert states(engine) == before
    assert filled


def test_a_file_that_does_not_fit_is_an_error(run: Run, filled: dict[str, int]) -> None:
    result = run("delivery", "retry", "--id", str(filled["saved.csv"]), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"action": "delivery retry", "files": 0, "left_out": 0}
    assert "1 of the files named does not exist, or is in another state" in result.stderr


@pytest.mark.parametrize("command", ["retry", "skip"])
@pytest.mark.parametrize("options", [[], ["--all", "--id", "1"], ["--rule", "Results", "--message", "1"]])
@pytest.mark.usefixtures("filled")
def test_exactly_one_selection_is_given(run: Run, command: str, options: list[str]) -> None:
    assert run("delivery", command, *options, "--yes").exit_code == 2


# Skip.


def test_skip_gives_up_what_failed_and_what_waits(run: Run, engine: Engine, filled: dict[str, int]) -> None:
    result = run("delivery", "skip", "--rule", "Results", "--yes")
    assert result.exit_code == 0, result.output
    assert "3 files are given up." in result.stderr
    found = states(engine)
    assert [found[name] for name in ("failed.csv", "lost.csv", "waits.csv", "new.csv")] == [*["skipped"] * 3, "pending"]
    statement = select(message.c.sRuleState).where(message.c.nMessageID == 1)
    assert run_reading(engine, lambda connection: connection.scalar(statement)) == "white"
    [entry] = json.loads(run("queue", "audit", "--json").stdout)
    assert (entry["action"], entry["selection"], entry["messages"]) == ("delivery skip", "rule Results", 3)
    assert filled


def test_a_single_file_is_given_up_after_a_confirmation(run: Run, engine: Engine, filled: dict[str, int]) -> None:
    number = str(filled["new.csv"])
    assert run("delivery", "skip", "--id", number, typed="n\n").exit_code == 1
    assert states(engine)["new.csv"] == "pending"
    assert run("delivery", "skip", "--id", number, typed="y\n").exit_code == 0
    assert states(engine)["new.csv"] == "skipped"


def test_a_file_that_is_being_renamed_is_not_given_up(run: Run, engine: Engine, filled: dict[str, int]) -> None:
    claimed = {"sFolderIdentity": "folder", "sOwner": "one", "dtDue": NOW + MINUTE}
    change = email_file.update().where(email_file.c.sFileName == "waits.csv").values(claimed)
    run_writing(engine, lambda connection: connection.execute(change))
    result = run("delivery", "skip", "--id", str(filled["waits.csv"]), "--yes")
    assert "1 file was left out: it is being saved." in result.stderr
    assert states(engine)["waits.csv"] == "pending"


@pytest.mark.usefixtures("engine")
def test_nothing_to_do_is_no_failure_and_leaves_no_record(run: Run) -> None:
    for command in ("retry", "skip"):
        assert run("delivery", command, "--all", "--yes").exit_code == 0
    assert json.loads(run("queue", "audit", "--json").stdout) == []
