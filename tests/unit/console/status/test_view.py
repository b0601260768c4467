"""The screen of `status`."""

import json
import time
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, Engine

from db.engine import run_writing
from db.queries import processes
from db.queries.processes import Process
from tests.doubles.rule_files import add_file, add_message, add_rule, failed
from tests.unit.console.conftest import NOW, Run

HOUR = timedelta(hours=1)


@pytest.mark.usefixtures("at_terminal")
def test_a_process_that_another_one_replaced_is_not_shown(run: Run, engine: Engine) -> None:
    """A row that is not alive, in red, is one that an operator has to act for."""
    for name, host, beaten in (("killed", "desk", NOW - HOUR), ("again", "desk", NOW), ("lost", "lab", NOW - HOUR)):
        process = Process(name, host, ("processor",), "1.0", beaten)
        beat = partial(processes.beat, process=process, now=beaten, until=beaten + timedelta(seconds=20))
        run_writing(engine, beat)
    out = run("status").stdout
    table = out[out.index("Role ") :].splitlines()[1:3]
    assert [line.split()[:4] for line in table] == [
        ["processor", "desk", "1.0", "yes"],
        ["processor", "lab", "1.0", "no"],
    ]
    assert "mail-importer run processor" in " ".join(out.split())


def test_what_a_database_that_is_away_would_know_is_not_known(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not none: there may be accounts."""
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", "postgresql+psycopg://user:secret@127.0.0.1:1/gateway")
    facts = dict(line.split("\t", 1) for line in run("status").stdout.splitlines()[:8])
    assert [facts[name] for name in ("Queue", "Delivery", "Accounts", "Certificates", "Schema")] == ["not known"] * 5


@pytest.mark.usefixtures("at_terminal")
def test_ctrl_c_ends_the_watch_as_it_is_meant_to_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    assert run("status", "--watch").exit_code == 0


# Rules and files.


def delivery_line(run: Run) -> str:
    lines = dict(line.split("\t", 1) for line in run("status").stdout.splitlines() if "\t" in line)
    return lines["Delivery"]


def test_without_rules_the_delivery_has_nothing_to_show(run: Run, engine: Engine) -> None:
    """Messages that no rule is checked against are none that wait."""
    run_writing(engine, lambda connection: add_message(connection, "m1"))
    assert delivery_line(run) == "no import rule is enabled"
    assert "files_waiting" not in run("status", "--format", "nagios").stdout


def test_rules_files_and_hosts_are_counted(run: Run, engine: Engine) -> None:
    def fill(connection: Connection) -> None:
        add_rule(connection, "Results")
        number = add_message(connection, "m1", sRuleState="red", nRulesMatched=1)
        add_message(connection, "m2", dtImported=NOW)
        add_file(connection, number, "a", dtDue=NOW - timedelta(seconds=90))
        add_file(connection, number, "b", **failed())

    run_writing(engine, fill)
    assert delivery_line(run) == (
        "1 rule, 1 message not checked yet, 1 file waiting, 1 failed, the oldest 1 min 30 s old, no delivery is alive"
    )
    assert "files_waiting=1 files_failed=1" in run("status", "--format", "nagios").stdout
    process = Process("one", "file-server", ("delivery",), "1.0", NOW)
    run_writing(engine, partial(processes.beat, process=process, now=NOW, until=NOW + timedelta(seconds=20)))
    assert delivery_line(run).endswith("the oldest 1 min 30 s old, saved by file-server")
    assert json.loads(run("status", "--json").stdout)["delivery"] == {
        "hosts": ["file-server"],
        "rules": 1,
        "unchecked_messages": 1,
        "waiting_files": 1,
        "failed_files": 1,
        "oldest_due_age_seconds": 90.0,
    }
