"""`mail-importer messages list`."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Connection, Engine, insert, update

from db.engine import run_writing
from db.queries import accounts, failures
from db.queries.failures import Failure
from db.tables import attachment, message
from phrases import Phrase
from tests.doubles.rule_files import add_file, add_rule, failed

Run = Callable[..., Result]

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def filled(engine: Engine) -> None:
    """Five imported messages, a minute apart, the last with a file; and one that failed."""
    settings = accounts.AccountSettings("laboratory", "t", "c", "u", "p")

    def fill(connection: Connection) -> None:
        number = accounts.add(connection, settings, now=NOW)
        for minute in range(1, 6):
            row = {
                "nAccountID": number,
                "bHasAttachments": minute == 1,
                "dtImported": NOW,
                "dtReceived": NOW - minute * MINUTE,
            }
            author = {"sFromName": "Labor", "sFromAddress": "labor@example.com"}
            connection.execute(
                insert(message).values(sGraphMessageID=f"m{minute}", sSubject=f"Well {minute}", **row, **author)
            )
        facts = {"nMessageID": 1, "nPosition": 0, "sKind": "file", "nSize": 3, "bInline": False}
        connection.execute(insert(attachment).values(**facts, sFileName="report\x07.pdf", sState="too_large"))
        detail = Phrase("Tried {n} times.", n=5)
        found = Failure(number, "dead", 5, NOW, None, "ItemCorrupt", detail, subject="Broken", received=NOW)
        failures.settle(connection, {found.key: found})

    run_writing(engine, fill)


def rows(run: Run, *options: str) -> list[dict[str, Any]]:
    result = run("messages", "list", "--json", *options)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@pytest.mark.usefixtures("filled")
def test_the_list_has_what_an_operator_looks_for(run: Run) -> None:
    """Newest first, in a table, with sender, subject and state; and why a message failed."""
    result = run("messages", "list", "--since", "2h")
    assert result.exit_code == 0
    heading, first, second, *_ = result.stdout.splitlines()
    known = [
        "Received (UTC)",
        "Account",
        "Sender",
        "Subject",
        "Files",
        "State",
        "Rules",
        "Rule state",
        "Next attempt",
        "Reason",
        "Cause",
    ]
    assert heading.split("\t") == known
    assert first.split("\t")[3:] == ["Broken", "–", "failed", "–", "red", "", "ItemCorrupt", "Tried 5 times."]
    assert second.split() == [
        *("2026-03-31", "11:59:00", "laboratory", "labor@example.com", "Well", "1", "1", "imported", "–", "white")
    ]
    assert "--after" not in result.stderr


@pytest.mark.usefixtures("filled")
def test_the_end_of_a_page_names_the_next(run: Run) -> None:
    """Any row of the JSON has its place, too."""
    found: list[str] = []
    options: list[str] = []
    while True:
        result = run("messages", "list", "--limit", "2", "--json", *options)
        page = json.loads(result.stdout)
        found += [each["graph_id"] for each in page]
        if "--after" not in result.stderr:
            break
        options = ["--after", result.stderr.split()[-1]]
        assert options[1] == page[-1]["cursor"]
    assert found == ["dead", "m1", "m2", "m3", "m4", "m5"]


@pytest.mark.usefixtures("filled")
def test_the_json_has_every_fact(run: Run) -> None:
    [failed, imported] = rows(run, "--limit", "2", "--attachments")
    assert (failed["state"], failed["reason"], failed["detail"]) == ("failed", "ItemCorrupt", "Tried 5 times.")
    assert (failed["attempts"], failed["next_attempt"], failed["last_failed"]) == (5, None, "2026-03-31T12:00:00Z")
    assert failed["attachments"] is None
    assert imported["from"] == {"name": "Labor", "address": "labor@example.com"}
    assert (imported["message_id"], imported["graph_id"], imported["attachment_count"]) == (1, "m1", 1)
    [file] = imported["attachments"]
    assert (file["name"], file["state"], file["size"]) == ("report\x07.pdf", "too_large", 3)
    assert rows(run, "--limit", "1", "--state", "imported")[0]["attachments"] is None


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--state", "failed", "--state", "waiting"], ["dead"]),
        (["--account", "laboratory", "--subject", "WELL 3"], ["m3"]),
        (["--attachment", "REPORT"], ["m1"]),
        (["--from", "labor@", "--until", "2026-03-31T11:56"], ["m5"]),
        (["--since", "31.03.2026 11:58", "--state", "imported"], ["m1", "m2"]),
        (["--to", "nobody"], []),
    ],
)
def test_criteria_narrow_each_other(options: list[str], expected: list[str], run: Run) -> None:
    assert [each["graph_id"] for each in rows(run, *options)] == expected


@pytest.mark.usefixtures("engine")
def test_nothing_is_reported(run: Run) -> None:
    result = run("messages", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No message fits" in result.stderr


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "options",
    [
        ["--after", "nonsense"],
        ["--after", "AAAA"],
        ["--after", cursor("2026-03-31T12:00:00 0 1")],
        ["--after", cursor("0001-01-01T00:00:00+14:00 0 1")],
        ["--after", cursor(f"2026-03-31T12:00:00+00:00 0 {2**63}")],
        ["--state", "gone"],
        ["--limit", "0"],
        ["--from", " "],
        ["--subject", "x" * 1001],
        ["--since", "soon"],
    ],
)
def test_wrong_usage(options: list[str], run: Run) -> None:
    assert run("messages", "list", *options).exit_code == 2


@pytest.mark.usefixtures("engine")
def test_an_account_that_is_not_there(run: Run) -> None:
    result = run("messages", "list", "--account", "missing")
    assert (result.exit_code, "There is no account named 'missing'" in result.stderr) == (1, True)


# Import rules.


@pytest.fixture
def ruled(engine: Engine, filled: None) -> None:  # noqa: ARG001  # the messages
    def check(connection: Connection) -> None:
        add_rule(connection, "Results")
        for name, (state, number) in {"m1": ("green", 2), "m2": ("amber", 0), "m3": ("red", 1)}.items():
            change = update(message).where(message.c.sGraphMessageID == name)
            connection.execute(change.values(sRuleState=state, nRulesMatched=number))
        add_file(connection, 3, "a.csv", **failed())

    run_writing(engine, check)


@pytest.mark.usefixtures("ruled")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--rule-state", "red"], ["dead", "m3"]),
        (["--rule-state", "green", "--rule-state", "amber"], ["m1", "m2"]),
        (["--rule-state", "white", "--limit", "1"], ["m4"]),
        (["--rule", "RESULTS"], ["m3"]),
        (["--rule", "Results", "--rule-state", "green"], []),
    ],
)
def test_messages_are_found_by_their_rules(options: list[str], expected: list[str], run: Run) -> None:
    assert [each["graph_id"] for each in rows(run, *options)] == expected


@pytest.mark.usefixtures("ruled")
def test_the_state_of_the_rules_is_a_word_in_its_colour(run: Run) -> None:
    shown = run("messages", "list", "--rule-state", "red", "--state", "imported").stdout.splitlines()[1].split("\t")
    assert shown[5:8] == ["imported", "1", "red"]
    [found] = rows(run, "--rule-state", "green")
    assert (found["rule_state"], found["rules_matched"]) == ("green", 2)
    assert run("messages", "list", "--rule", "unknown").exit_code == 1


@pytest.mark.usefixtures("ruled", "at_terminal")
def test_a_terminal_shows_the_state_in_colour(run: Run) -> None:
    shown = run("--color", "always", "messages", "list").stdout
    for colour, word in ((32, "green"), (33, "amber"), (31, "red")):
        assert f"\x1b[{colour}m{word}" in shown
