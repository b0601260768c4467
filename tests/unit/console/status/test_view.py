"""The screen of `status`."""

import time
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from db.engine import run_writing
from db.queries import processes
from db.queries.processes import Process
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
    facts = dict(line.split("\t", 1) for line in run("status").stdout.splitlines()[:7])
    assert [facts[name] for name in ("Queue", "Accounts", "Certificates", "Schema")] == ["not known"] * 4


@pytest.mark.usefixtures("at_terminal")
def test_ctrl_c_ends_the_watch_as_it_is_meant_to_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    assert run("status", "--watch").exit_code == 0
