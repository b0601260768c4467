"""`mail-importer rules test` and `apply`: what the delivery would do, and what it is asked to do."""

import asyncio
import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine, select, update

from db.engine import Database
from db.queries.messages import MessageStore
from db.records import MessageRecord
from db.tables import account_settings, email_file, email_rule, message
from tests.doubles.rule_mail import attached, mail
from tests.unit.console.conftest import NOW, Run

RESULTS: Final = ("rules", "add", "results", "--folder", "/imports", "--sender", "example.com", "--attachment", "*.csv")
OTHER: Final = ("rules", "add", "other", "--folder", "D:\\imports", "--subject-is", "other", "--save-original")
MAIL: Final = b"""\
From: Lab <lab@example.com>
To: importer@example.com
Subject: =?utf-8?q?R=C3=A9sultats?=
Date: Sun, 29 Mar 2026 10:00:00 +0200
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Lead 42
--b
Content-Type: text/csv
Content-Disposition: attachment; filename="r.csv"

a;b
--b--
"""

Import = Callable[..., None]


@pytest.fixture
def imported(engine: Engine) -> Import:
    """Import messages of account 1, received an hour ago, which a delivery has checked since."""

    async def save(records: tuple[MessageRecord, ...]) -> None:
        database = Database(engine)
        store = MessageStore(database, clock=lambda: NOW - timedelta(hours=1))
        for each in records:
            await store.save(each)
        await store.close()
        await database.close()

    def call(*records: MessageRecord, checked: bool = True) -> None:
        asyncio.run(save(records))
        if checked:
            with engine.begin() as connection:
                connection.execute(update(message).values(nRulesMatched=0, sRuleState="amber"))

    with engine.begin() as connection:
        connection.execute(
            account_settings.insert().values(
                sAccountName="laboratory",
                sTenantID="t",
                sClientID="c",
                sUserID="u",
                sCertificateThumbprint="p",
                bSecureCertificateAccess=True,
                sFolder="Inbox",
                sAfterImport="none",
                bEnabled=True,
            )
        )
    return call


def received(graph_id: str, *attachments: Any, **facts: Any) -> MessageRecord:  # noqa: ANN401  # any field
    return mail(graph_id, attachments, **({"received": NOW - timedelta(hours=1)} | facts))


def trial_rows(run: Run, *arguments: str) -> list[dict[str, Any]]:
    result = run("rules", "test", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def files(engine: Engine) -> list[tuple[str, str, int]]:
    columns = email_file.c
    with engine.connect() as connection:
        rows = connection.execute(select(columns.sFileName, columns.sState, columns.nRun).order_by(columns.nFileID))
        return [(row[0], row[1], row[2]) for row in rows]


class TestTest:
    def test_one_message_has_the_verdict_of_each_rule_and_the_files(self, run: Run, imported: Import) -> None:
        run(*RESULTS)
        run(*OTHER)
        imported(received("m1", attached(0, "r.csv"), attached(1, "r.txt"), attached(2, "big.csv", None)))
        for wanted in ("1", "m1", "<m1@example.com>"):
            results, other = trial_rows(run, "--message", wanted)
            assert (results["rule"], results["matches"], results["failed"]) == ("results", True, None)
            assert [(each["path"], each["state"]) for each in results["files"]] == [
                ("/imports/r.csv", "new"),
                ("/imports/big.csv", "missing"),
            ]
            assert "larger than the import allows" in results["files"][1]["problem"]
            assert (other["matches"], other["failed"], other["files"]) == (False, "subject", [])
        shown = run("rules", "test", "other", "--message", "1").stdout
        assert "the subject" in shown
        assert "results" not in shown

    def test_lists_of_archives_are_read(self, run: Run, imported: Import) -> None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("in/a.csv", "x;y")
            file.writestr("b.txt", "t")
        run(*RESULTS, "--unpack", "zip")
        imported(received("m1", attached(0, "z.zip", archive.getvalue(), content_type="application/zip")))
        [row] = trial_rows(run, "--message", "1")
        assert [(each["part"], each["path"]) for each in row["files"]] == [("zip", "/imports/a.csv")]

    def test_of_many_messages_the_matches_are_listed_and_counted(self, run: Run, imported: Import) -> None:
        run(*RESULTS)
        run(*OTHER)
        many = [received(f"m{number}", attached(0, "r.csv")) for number in range(25)]
        imported(*many, received("old", attached(0, "r.csv"), received=NOW - timedelta(days=40)))
        assert len(trial_rows(run)) == 25
        assert len(trial_rows(run, "--since", "60d")) == 26
        result = run("rules", "test", "--since", "1d", "--limit", "3", "--json")
        assert len(json.loads(result.stdout)) == 3
        assert "Rule 'results' matches 25 of 25 messages." in result.stderr
        assert "Rule 'other' matches 0 of 25 messages." in result.stderr
        assert "22 more matches are not listed" in result.stderr

    def test_nothing_is_changed(self, run: Run, imported: Import, engine: Engine) -> None:
        run(*RESULTS)
        imported(received("m1", attached(0, "r.csv")), checked=False)
        trial_rows(run)
        trial_rows(run, "--message", "1")
        assert files(engine) == []
        with engine.connect() as connection:
            assert connection.scalars(select(message.c.nRulesMatched)).all() == [None]

    def test_a_rule_is_active_for_mail_imported_since_it_was_enabled(
        self, run: Run, imported: Import, engine: Engine
    ) -> None:
        run(*RESULTS)
        imported(received("m1", attached(0, "r.csv")))
        assert trial_rows(run)[0]["active"] is False
        with engine.begin() as connection:
            connection.execute(update(email_rule).values(dtActiveSince=NOW - timedelta(days=1)))
        assert trial_rows(run)[0]["active"] is True
        run("rules", "disable", "results")
        assert trial_rows(run)[0]["active"] is False

    @pytest.mark.usefixtures("imported")
    def test_a_mail_in_a_file_is_of_any_account(self, run: Run) -> None:
        Path("a.eml").write_bytes(MAIL)
        run(*RESULTS, "--account", "laboratory", "--body", "lead 42", "--subject", "resultats", "--save-original")
        run("rules", "update", "results", "--subject", "résultats")
        [row] = trial_rows(run, "--eml", "a.eml")
        assert (row["message_id"], row["subject"], row["matches"]) == (None, "Résultats", True)
        assert [each["path"] for each in row["files"]] == ["/imports/r.csv", "/imports/Résultats.eml"]

    @pytest.mark.usefixtures("engine")
    def test_what_cannot_be_tested_is_reported(self, run: Run) -> None:
        Path("b.eml").write_text("no mail")
        for arguments, status, said in (
            (["--message", "1", "--since", "1d"], 2, "exclude each other"),
            (["--eml", "b.eml"], 1, "The file is no mail"),
            (["--eml", "c.eml"], 2, "c.eml"),
            (["--message", "4711"], 1, "There is no imported message with that id."),
            (["nowhere"], 1, "There is no rule named 'nowhere'."),
            (["--since", "tomorrow"], 2, "is not a time"),
        ):
            result = run("rules", "test", *arguments)
            assert (result.exit_code, said in result.stderr) == (status, True), result.stderr
        assert "There is no such mail." in run("rules", "test").stderr

    def test_a_rule_that_cannot_be_applied_is_left_out_unless_it_is_named(
        self, run: Run, imported: Import, engine: Engine
    ) -> None:
        run(*RESULTS)
        run(*OTHER)
        imported(received("m1", attached(0, "r.csv")))
        with engine.begin() as connection:
            connection.execute(update(email_rule).where(email_rule.c.sName == "other").values(sUnpack="rar"))
        result = run("rules", "test", "--json")
        assert "sUnpack holds 'rar'" in result.stderr
        assert [each["rule"] for each in json.loads(result.stdout)] == ["results"]
        assert run("rules", "test", "other").exit_code == 1


class TestApply:
    def test_files_of_earlier_mail_are_recorded_once(self, run: Run, imported: Import, engine: Engine) -> None:
        run(*RESULTS)
        imported(received("m1", attached(0, "r.csv")), received("m2"))
        dry = run("rules", "apply", "--since", "1d", "--dry-run", "--json")
        facts = {"messages": 2, "matched": 1, "files": 1, "unchecked": 0}
        assert json.loads(dry.stdout) == {"action": "planned", **facts}
        assert files(engine) == []
        assert json.loads(run("rules", "apply", "--since", "1d", "--yes", "--json").stdout) == {
            "action": "applied",
            **facts,
        }
        assert files(engine) == [("r.csv", "pending", 0)]
        assert json.loads(run("rules", "apply", "--since", "1d", "--yes", "--json").stdout)["files"] == 0
        assert trial_rows(run)[0]["files"][0]["state"] == "pending"
        assert len(files(engine)) == 1

    def test_again_saves_once_more(self, run: Run, imported: Import, engine: Engine) -> None:
        run(*RESULTS)
        imported(received("m1", attached(0, "r.csv")))
        run("rules", "apply", "--since", "1d", "--yes")
        assert run("rules", "apply", "--since", "1d", "--again", "--yes").exit_code == 0
        assert files(engine) == [("r.csv", "pending", 0), ("r.csv", "pending", 1)]

    def test_disabled_rules_are_applied_if_they_are_named(self, run: Run, imported: Import, engine: Engine) -> None:
        run(*RESULTS, "--disabled")
        imported(received("m1", attached(0, "r.csv")))
        run("rules", "apply", "--since", "1d", "--yes")
        assert files(engine) == []
        run("rules", "apply", "--since", "1d", "--rule", "RESULTS", "--yes")
        assert files(engine) == [("r.csv", "pending", 0)]

    def test_it_prompts_with_the_numbers_and_is_recorded(self, run: Run, imported: Import, engine: Engine) -> None:
        run(*RESULTS)
        imported(received("m1", attached(0, "r.csv")))
        result = run("rules", "apply", "--since", "1d", typed="n\n")
        assert result.exit_code == 1
        assert "Save 1 file of 1 messages?" in result.stderr
        assert files(engine) == []
        run("rules", "apply", "--since", "1d", "--rule", "results", "--yes")
        [row] = json.loads(run("queue", "audit", "--json").stdout)
        assert (row["action"], row["messages"]) == ("rules apply", 1)

    def test_messages_that_the_delivery_has_yet_to_check_are_left_out(
        self, run: Run, imported: Import, engine: Engine
    ) -> None:
        """Checked against some rules, they would never be checked against the others."""
        run(*RESULTS)
        imported(received("m1", attached(0, "r.csv")), checked=False)
        result = run("rules", "apply", "--since", "1d", "--yes")
        assert result.exit_code == 0
        assert "1 message was left out: the delivery has yet to check it." in result.stderr
        assert files(engine) == []

    @pytest.mark.usefixtures("engine")
    def test_a_time_is_needed(self, run: Run) -> None:
        assert run("rules", "apply").exit_code == 2
        assert run("rules", "apply", "--since", "1d", "--rule", "nowhere").exit_code == 1
