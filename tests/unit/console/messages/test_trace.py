"""`mail-importer trace`."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Connection, Engine, insert

from db.engine import run_writing
from db.outcomes import ActionState
from db.queries import accounts, after_import, failures, trace
from db.queries.failures import Failure
from db.queries.trace import TraceRow
from db.tables import attachment, message, recipient
from phrases import Phrase
from tests.doubles.rule_files import FOLDER, MISSING, add_file, add_rule, failed, saved, waiting

Run = Callable[..., Result]

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

FIRST = TraceRow(
    account_id=1,
    graph_id="AAkALg",
    host="gateway-1",
    started=NOW + 2 * SECOND,
    ended=NOW + 4 * SECOND,
    outcome="retried",
    internet_message_id="<abc@example.com>",
    subject="Prüfbericht",
    source="graph",
    correlation="thread",
    queue_message_id="1.AAkALg.x",
    notified=NOW,
    queued=NOW + SECOND,
    attempt=1,
    reason="GraphUnavailable",
    detail="Graph answered 504.",
)
THIRD = replace(
    FIRST,
    host="gateway-2",
    attempt=3,
    started=NOW + 60 * SECOND,
    fetched=NOW + 61 * SECOND,
    ended=NOW + 62 * SECOND,
    outcome="imported",
    reason=None,
    detail=None,
)


@pytest.fixture
def account(engine: Engine) -> int:
    settings = accounts.AccountSettings("laboratory", "t", "c", "u", "p")
    return run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))


def record(engine: Engine, *rows: TraceRow) -> None:
    run_writing(engine, lambda connection: trace.add(connection, rows))


def commit(engine: Engine, graph_id: str = "AAkALg", **columns: Any) -> None:  # noqa: ANN401  # any column
    row = {
        "nAccountID": 1,
        "sGraphMessageID": graph_id,
        "sSubject": "Prüfbericht",
        "bHasAttachments": False,
        "dtImported": NOW + 61.5 * SECOND,
        "dtReceived": NOW - SECOND,
        **columns,
    }
    run_writing(engine, lambda connection: connection.execute(insert(message).values(row)))


@pytest.mark.usefixtures("account")
def test_every_step_is_printed_in_the_order_of_time(run: Run, engine: Engine) -> None:
    """Each has host and reason; an attempt without a record is shown, too."""
    record(engine, THIRD, FIRST)
    commit(engine, sInternetMessageID="<abc@example.com>")
    result = run("trace", "prüf")
    assert result.exit_code == 0
    assert result.stdout == (
        "Prüfbericht\n"
        "  Account              laboratory\n"
        "  Received             2026-03-31 11:59:59 UTC\n"
        "  Graph id             AAkALg\n"
        "  Internet message id  <abc@example.com>\n"
        "  2026-03-31 12:00:00.000 UTC  notified by Graph\n"
        "  2026-03-31 12:00:01.000 UTC  queued\n"
        "  2026-03-31 12:00:02.000 UTC  attempt 1 started on gateway-1\n"
        "  2026-03-31 12:00:04.000 UTC  attempt 1: failed, to be tried again (GraphUnavailable)\n"
        "                               Graph answered 504.\n"
        "                               attempt 2: no outcome was recorded; its process ended\n"
        "  2026-03-31 12:01:00.000 UTC  attempt 3 started on gateway-2\n"
        "  2026-03-31 12:01:01.000 UTC  fetched\n"
        "  2026-03-31 12:01:01.500 UTC  committed as message 1\n"
        "  2026-03-31 12:01:02.000 UTC  attempt 3: imported\n"
    )


@pytest.mark.usefixtures("account")
def test_headings_of_other_languages_stand_off_their_values(run: Run, engine: Engine) -> None:
    """French is longer; the values begin in one column nevertheless."""
    commit(engine, sInternetMessageID="<abc@example.com>")
    lines = run("--language", "fr", "trace", "prüf").stdout.splitlines()
    assert lines[1:5] == [
        "  Compte                  laboratory",
        "  Reçu                    2026-03-31 11:59:59 UTC",
        "  ID Graph                AAkALg",
        "  ID de message Internet  <abc@example.com>",
    ]


@pytest.mark.usefixtures("account")
def test_what_is_the_matter_is_said_in_the_language_of_the_reader(run: Run, engine: Engine) -> None:
    """The database keeps it in English; rows of earlier versions, and of other programs, stay so. JSON does, too."""
    gone = Phrase("The message is no longer in the mailbox.")
    record(engine, replace(FIRST, detail=gone), replace(THIRD, outcome="failed", detail="".join(gone)))
    commit(engine, sAfterImport="move", sAfterImportState="pending")
    action = after_import.Action(1, "AAkALg", "move", 1, NOW)
    ended = after_import.Ended(
        action, ActionState.FAILED, 2, detail=Phrase("The account was removed before it was done.")
    )
    run_writing(engine, lambda connection: after_import.end(connection, [ended]))
    shown = run("--language", "fr", "trace", "AAkALg").stdout
    assert "Le message n’est plus" in shown
    assert gone in shown
    assert "Le compte a été supprimé" in shown
    assert run("--language", "fr", "trace", "AAkALg", "--json").stdout.count(gone) == 2
    assert "Le message" not in run("trace", "AAkALg").stdout


@pytest.mark.usefixtures("account")
def test_json_has_the_same_data(run: Run, engine: Engine) -> None:
    record(engine, FIRST, THIRD)
    commit(engine)
    (found,) = json.loads(run("trace", "AAkALg", "--json").stdout)
    assert (found["account"], found["graph_id"], found["message_id"]) == ("laboratory", "AAkALg", 1)
    assert (found["received"], found["imported"]) == ("2026-03-31T11:59:59Z", "2026-03-31T12:01:01.500000Z")
    assert [(each["step"], each["attempt"], each["host"]) for each in found["steps"]] == [
        ("notified", None, None),
        ("queued", None, None),
        ("started", 1, "gateway-1"),
        ("retried", 1, "gateway-1"),
        ("unrecorded", 2, None),
        ("started", 3, "gateway-2"),
        ("fetched", 3, "gateway-2"),
        ("committed", None, None),
        ("imported", 3, "gateway-2"),
    ]
    assert found["steps"][3]["reason"] == "GraphUnavailable"
    assert found["steps"][4]["time"] is None


@pytest.mark.usefixtures("account")
def test_an_imported_message_is_found_when_its_trace_is_gone(run: Run, engine: Engine) -> None:
    commit(engine)
    out = run("trace", "PRÜFBERICHT").stdout
    assert "committed as message 1" in out
    assert "trace_days" in out


@pytest.mark.usefixtures("account")
def test_a_replayed_dead_letter_counts_its_attempts_again(run: Run, engine: Engine) -> None:
    """An uncounted delivery comes again with the same number: neither leaves a gap."""
    rows = [
        replace(FIRST, attempt=number, started=NOW + place * SECOND, ended=NOW + place * SECOND, outcome=outcome)
        for place, (number, outcome) in enumerate(
            [(1, "waiting"), (1, "retried"), (2, "dead_lettered"), (1, "retried"), (2, "imported")]
        )
    ]
    other = replace(FIRST, queue_message_id="another", started=NOW + 9 * SECOND, ended=NOW + 9 * SECOND, attempt=1)
    record(engine, *rows, other)
    (found,) = json.loads(run("trace", "thread", "--json").stdout)
    assert "unrecorded" not in [each["step"] for each in found["steps"]]


@pytest.mark.usefixtures("account")
def test_a_message_of_a_held_account_shows_where_to_look(run: Run, engine: Engine) -> None:
    record(engine, replace(FIRST, outcome="waiting", reason=None, detail=None))
    assert "accounts show laboratory" in run("trace", "<abc@example.com>").stdout


@pytest.mark.usefixtures("account")
def test_what_an_operator_imported_shows_no_queue(run: Run, engine: Engine) -> None:
    asked = TraceRow(1, "AAkALg", "desk", NOW, NOW + SECOND, "replaced", source="operator")
    record(engine, asked)
    out = run("trace", "AAkALg").stdout
    assert "import by an operator started on desk" in out
    assert "replaced by what the mailbox holds now" in out
    assert "queued" not in out


@pytest.mark.usefixtures("account")
def test_the_newest_twenty_are_printed_and_that_there_are_more(run: Run, engine: Engine) -> None:
    rows = [replace(FIRST, graph_id=f"m{number}", ended=NOW + number * SECOND) for number in range(21)]
    record(engine, *rows)
    result = run("trace", "Prüfbericht", "--json")
    assert [each["graph_id"] for each in json.loads(result.stdout)] == [f"m{number}" for number in range(20, 0, -1)]
    assert "there are more" in result.stderr
    record_of_twenty = run("trace", "m20")
    assert record_of_twenty.stderr == ""


@pytest.mark.slow
def test_an_account_narrows_the_search(run: Run, engine: Engine, account: int) -> None:
    record(engine, replace(FIRST, account_id=account), replace(FIRST, account_id=77, graph_id="of-another"))
    (found,) = json.loads(run("trace", "thread", "--account", "laboratory", "--json").stdout)
    assert found["graph_id"] == "AAkALg"
    assert len(json.loads(run("trace", "thread", "--json").stdout)) == 2
    result = run("trace", "thread", "--account", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no account named 'nobody'" in result.stderr


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(("arguments", "out"), [([], ""), (["--json"], "[]\n")])
def test_what_was_never_reported_fails_with_advice(arguments: list[str], out: str, run: Run) -> None:
    result = run("trace", "Kontoauszug", *arguments)
    assert (result.exit_code, result.stdout) == (1, out)
    assert "queue list" in result.stderr
    assert "verify" in result.stderr


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("text", ["", "  ", "x" * 1001, "\udcff"])
def test_a_text_that_names_nothing_is_wrong_usage(text: str, run: Run) -> None:
    assert run("trace", text).exit_code == 2


@pytest.mark.usefixtures("account")
def test_what_came_with_the_mail_cannot_steer_the_terminal(run: Run, engine: Engine) -> None:
    record(engine, replace(FIRST, subject="\x1b]0;owned\x07 Bericht"))
    assert "\x1b" not in run("trace", "Bericht").stdout


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("columns", "reported"),
    [
        ({"sAfterImportState": "done"}, "after import: moving is done"),
        (
            {"sAfterImportState": "pending", "nAfterImportAttempts": 3, "dtAfterImportDue": NOW + 90 * SECOND},
            "after import: moving is still to be done (3 attempts failed)",
        ),
        (
            {"sAfterImportState": "failed", "nAfterImportAttempts": 20, "sAfterImportDetail": "Graph says no."},
            "after import: moving failed for good (20 attempts failed)",
        ),
        ({"sAfterImportState": "gone"}, "after import: moving had nothing left to be done"),
    ],
)
def test_what_is_done_in_the_mailbox_is_reported_last(
    run: Run, engine: Engine, columns: dict[str, Any], reported: str
) -> None:
    """It has its reason, and the time of the next attempt."""
    commit(engine, sAfterImport="move", **columns)
    lines = run("trace", "AAkALg").output.splitlines()
    [line] = [each for each in lines if "after import" in each]
    assert line.endswith(reported)
    assert ("Graph says no." in lines[-1] or "Graph says no." in lines[-2]) == (
        columns["sAfterImportState"] == "failed"
    )
    assert (" UTC " in line) == ("dtAfterImportDue" in columns)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("text", ["Labor@Example", "die prüfstelle", "BERICHT.pdf", "x_y.pdf"])
def test_a_message_is_found_by_its_sender_and_by_an_attachment(text: str, run: Run, engine: Engine) -> None:
    """Sender, recipients, time of receipt and attachments are shown, with the reason why one is not stored."""
    commit(engine, sFromName="Die Prüfstelle", sFromAddress="labor@example.com")
    commit(engine, "other", sFromAddress="other@example.com")
    part = {"nMessageID": 1, "sKind": "file", "nSize": 3, "bInline": False}
    to = {"nMessageID": 1, "nPosition": 0}

    def below(connection: Connection) -> None:
        connection.execute(
            insert(attachment),
            [
                {**part, "nPosition": 0, "sFileName": "Bericht.pdf", "sState": "stored", "sStateDetail": None},
                {**part, "nPosition": 1, "sFileName": "x_y.pdf", "sState": "too_large", "sStateDetail": "Over 150 MB"},
            ],
        )
        connection.execute(
            insert(recipient),
            [
                {**to, "sKind": "cc", "sName": None, "sAddress": "archive@example.org"},
                {**to, "sKind": "to", "sName": "The team", "sAddress": "team@example.org"},
                {**to, "sKind": "replyTo", "sName": None, "sAddress": "answers@example.org"},
            ],
        )

    run_writing(engine, below)
    shown = [" ".join(line.split()) for line in run("trace", text).stdout.splitlines()]
    assert shown[:7] == [
        "Prüfbericht",
        "Account laboratory",
        "Sender Die Prüfstelle <labor@example.com>",
        "To The team <team@example.org>",
        "Cc archive@example.org",
        "Received 2026-03-31 11:59:59 UTC",
        "Attachment Bericht.pdf (stored)",
    ]
    assert shown[7] == "Attachment x_y.pdf (too large: Over 150 MB)"
    [found] = json.loads(run("trace", text, "--json").stdout)
    assert found["from"] == {"name": "Die Prüfstelle", "address": "labor@example.com"}
    assert [each["address"] for each in found["recipients"]] == ["team@example.org", "archive@example.org"]
    assert [each["state"] for each in found["attachments"]] == ["stored", "too_large"]
    assert found["failure"] is None


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("text", ["labor@", "prüf", "AAkALg"])
def test_a_message_that_is_not_imported_has_what_is_known_of_it(text: str, run: Run, engine: Engine) -> None:
    """Also when its trace is deleted already."""
    later = NOW + 3600 * SECOND
    detail = Phrase("Tried {n} times.", n=3)
    known: dict[str, Any] = {"subject": "Prüfbericht", "from_address": "labor@example.com", "received": NOW - SECOND}
    failed = Failure(1, "AAkALg", 3, NOW, later, "ItemCorrupt", detail, **known)
    run_writing(engine, lambda connection: failures.settle(connection, {failed.key: failed}))
    shown = [" ".join(line.split()) for line in run("trace", text).stdout.splitlines()]
    assert [each for each in shown if "Graph id" not in each] == [
        "Prüfbericht",
        "Account laboratory",
        "Sender labor@example.com",
        "Received 2026-03-31 11:59:59 UTC",
        "State waiting for its next attempt",
        "Attempts 3",
        "Next attempt 2026-03-31 13:00:00 UTC",
        "Reason ItemCorrupt",
        "Detail Tried 3 times.",
    ]
    [found] = json.loads(run("trace", text, "--json").stdout)
    assert (found["subject"], found["received"]) == ("Prüfbericht", "2026-03-31T11:59:59Z")
    assert found["failure"]["next_attempt"] == "2026-03-31T13:00:00Z"
    assert found["failure"]["state"] == "retrying"


# Import rules.


@pytest.fixture
def ruled(engine: Engine, account: int) -> None:
    """A message that a rule matched, with a file in every state."""
    commit(engine, sRuleState="red", nRulesMatched=1)

    def fill(connection: Connection) -> None:
        add_rule(connection, "Results", nAccountID=account)
        created = {"dtCreated": NOW + 63 * SECOND}
        add_file(connection, 1, "a.csv", **created, **saved(NOW + 64 * SECOND))
        add_file(connection, 1, "b.csv", **created, **waiting(NOW + 63 * SECOND))
        add_file(connection, 1, "c.csv", **created, nRuleID=17, **failed())
        add_file(connection, 1, "d.csv", **created, sState="skipped", dtDue=None)
        add_file(connection, 1, "e.csv", **created, dtDue=NOW + 63 * SECOND)

    run_writing(engine, fill)


@pytest.mark.usefixtures("ruled")
def test_the_way_of_each_file_is_shown(run: Run) -> None:
    """Rule, folder, name, path, attempts and reason; what is not saved comes last."""
    lines = run("trace", "AAkALg").stdout.splitlines()
    due, later = "  2026-03-31 12:01:03.000 UTC  ", " " * 31
    assert lines[-9:] == [
        "  2026-03-31 12:01:03.000 UTC  checked against the import rules: 1 matched",
        "  2026-03-31 12:01:04.000 UTC  rule Results: a.csv saved as /srv/import/results/a.csv",
        f"{due}rule Results: b.csv is to be saved into {FOLDER} (FolderMissing) (1 attempt failed)",
        f"                               {MISSING}",
        f"{later}rule 17: c.csv could not be saved into {FOLDER} (FolderMissing) (3 attempts failed)",
        f"                               {MISSING}",
        "                               rule Results: d.csv given up, not saved into /srv/import/results",
        "  2026-03-31 12:01:03.000 UTC  rule Results: e.csv is to be saved into /srv/import/results",
        "  Its steps before that are not kept (trace_days).",
    ]


@pytest.mark.usefixtures("ruled")
def test_the_json_has_the_files(run: Run) -> None:
    (found,) = json.loads(run("trace", "AAkALg", "--json").stdout)
    assert (found["rule_state"], found["rules_matched"], found["file_count"]) == ("red", 1, 5)
    first = found["files"][0]
    assert (first["name"], first["rule"], first["state"], first["target"]) == (
        *("a.csv", "Results", "saved", "/srv/import/results/a.csv"),
    )
    assert [each["file_id"] for each in found["steps"] if each["step"] == "file"] == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("ruled")
def test_of_many_files_the_rest_is_counted(run: Run, engine: Engine) -> None:
    def fill(connection: Connection) -> None:
        for place in range(30):
            add_file(connection, 1, f"{place}.csv", **saved(NOW))

    run_writing(engine, fill)
    shown = run("trace", "AAkALg").stdout
    assert shown.count(" saved as ") == 16
    assert "and 15 more files; see: mail-importer delivery list --message 1" in shown
    assert " c.csv could not be saved" in shown


@pytest.mark.usefixtures("account")
def test_a_message_that_no_rule_matched_says_so(run: Run, engine: Engine) -> None:
    commit(engine, sRuleState="amber", nRulesMatched=0)
    assert "checked against the import rules: 0 matched" in run("trace", "AAkALg").stdout
    commit(engine, "BBkALg")
    assert "import rules" not in run("trace", "BBkALg").stdout
