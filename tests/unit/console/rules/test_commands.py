"""`mail-importer rules`."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Engine, insert, update

from db.engine import run_reading, run_writing
from db.queries import accounts
from db.queries import rules as table
from db.queries.accounts import AccountSettings
from db.tables import email_rule
from rules.rule import Container, Rule, SavedBody, SubjectKind
from tests.unit.console.conftest import NOW, Run

RESULTS: Final = ("rules", "add", "results", "--folder", "/imports/results")

Stored = Callable[[], list[Rule]]


@pytest.fixture
def stored(engine: Engine) -> Stored:
    """Contents of the table."""
    return lambda: [each.rule for each in run_reading(engine, table.every)]


@pytest.fixture
def laboratory(engine: Engine) -> int:
    """An account of that name."""
    settings = AccountSettings("laboratory", "t", "c", "u", "AB" * 20)
    return run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))


def listed(run: Run) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run("rules", "list", "--json").stdout)
    return rows


def test_add_stores_what_was_given_and_the_defaults(run: Run, stored: Stored) -> None:
    result = run(*RESULTS)
    assert (result.exit_code, result.stdout) == (0, "")
    assert stored() == [Rule("results", "/imports/results", 1, position=1, active_since=NOW)]


def test_add_stores_every_option(run: Run, stored: Stored, laboratory: int) -> None:
    options = [
        *("--account", "Laboratory", "--sender", " lab.example ", "--sender", "a@b.example"),
        *("--recipient", "x+*@y.example"),
        *("--subject-matches", "^Results", "--body", '"well 7" lead', "--attachment", "*.csv", "--attachment", "*.csv"),
        *("--size-least", "1kB", "--size-most", "10MB", "--has-attachments", "yes"),
        *("--file-name", "{received:%Y%m%d}_{name}", "--no-save-attachments", "--unpack", "zip", "--unpack", "item"),
        *("--save-body", "both", "--save-original", "--save-metadata", "--position", "1", "--disabled"),
    ]  # fmt: skip
    run(*RESULTS)
    assert run("rules", "add", "second", "--folder", "D:\\imports", *options).exit_code == 0
    assert stored()[0] == Rule(
        "second",
        "D:\\imports",
        rule_id=2,
        enabled=False,
        account_id=laboratory,
        position=1,
        senders=("lab.example", "a@b.example"),
        recipients=("x+*@y.example",),
        subject_kind=SubjectKind.MATCHES,
        subjects=("^Results",),
        body_words=('"well 7" lead',),
        attachment_names=("*.csv",),
        size_least=1024,
        size_most=10 * 1024**2,
        has_attachments=True,
        file_name="{received:%Y%m%d}_{name}",
        save_attachments=False,
        unpack=frozenset({Container.ZIP, Container.ITEM}),
        save_body=SavedBody.BOTH,
        save_original=True,
        save_metadata=True,
        active_since=NOW,
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--folder", "imports"], "--folder: 'imports' is not absolute"),
        (["--folder", "/imports/../etc"], "--folder: '/imports/../etc' has .."),
        (["--folder", ""], "'--folder': It is empty."),
        (["--sender", "lab example"], "--sender: 'lab example' is neither an address"),
        (["--recipient", "@"], "--recipient"),
        (["--subject-matches", "("], "--subject-matches: '(' is no regular expression"),
        (["--subject", "a", "--subject-is", "b"], "exclude each other"),
        (["--subject", " "], "It is empty."),
        (["--body", '"'], "--body: A double quote is missing"),
        (["--attachment", "a/b.csv"], "--attachment: 'a/b.csv' has a path separator"),
        (["--size-least", "much"], "'much' is no size"),
        (["--size-least", "2MB", "--size-most", "1MB"], "--size-least: No attachment has at least"),
        (["--file-name", "{nonsense}"], "--file-name: '{nonsense}' is no placeholder"),
        (["--file-name", "../{name}"], "--file-name"),
        (["--file-name", "{name.__class__}"], "--file-name"),
        (["--file-name", "a/{name}"], "--file-name"),
        (["--no-save-attachments"], "The rule saves nothing"),
        (["--unpack", "rar"], "--unpack"),
        (["--unpack", "none", "--unpack", "zip"], "none excludes the others."),
        (["--position", "0"], "--position"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_wrong_usage_that_names_the_option(
    run: Run, stored: Stored, options: list[str], named: str
) -> None:
    result = run(*RESULTS, *options)
    assert result.exit_code == 2
    assert named in " ".join(result.stderr.split())
    assert stored() == []


def test_all_that_is_wrong_is_reported_at_once(run: Run, stored: Stored) -> None:
    result = run(
        *RESULTS, "--folder", "x", "--sender", "?", "--size-least", "2", "--size-most", "1", "--file-name", "{x}"
    )
    for option in ("--folder: ", "--sender: ", "--size-least: ", "--file-name: "):
        assert option in result.stderr
    assert stored() == []


def test_an_unknown_account_is_reported_with_the_command_that_lists_them(run: Run, stored: Stored) -> None:
    result = run(*RESULTS, "--account", "nowhere")
    assert result.exit_code == 1
    assert "no account named 'nowhere'. See: mail-importer accounts list" in result.stderr
    assert stored() == []


def test_a_name_is_taken_in_any_letter_case(run: Run, stored: Stored) -> None:
    run(*RESULTS)
    result = run("rules", "add", "RESULTS", "--folder", "/imports")
    assert (result.exit_code, len(stored())) == (1, 1)
    assert "A rule named 'results' exists already." in result.stderr


@pytest.mark.usefixtures("engine")
def test_a_rule_without_a_condition_is_added_and_reported(run: Run, laboratory: int) -> None:
    assert "It has no condition: it fits all mail." in run(*RESULTS).stderr
    result = run("rules", "add", "two", "--folder", "/imports", "--account", "laboratory")
    assert "It has no condition: it fits all mail of its account." in result.stderr
    result = run("rules", "add", "three", "--folder", "/imports", "--subject", "Results")
    assert "no condition" not in result.stderr
    assert laboratory


class TestFolders:
    """The folder is checked where this host delivers."""

    @pytest.mark.usefixtures("engine")
    def test_a_host_that_delivers_nothing_says_so(self, run: Run) -> None:
        assert "This host delivers nothing: delivery_roots is not set." in run(*RESULTS).stderr

    @pytest.mark.parametrize("folder", ["/imports/results", "/imports//results/", "/second/a"])
    def test_a_folder_below_a_root_is_accepted(
        self, run: Run, stored: Stored, monkeypatch: pytest.MonkeyPatch, folder: str
    ) -> None:
        monkeypatch.setenv("MAIL_IMPORTER_DELIVERY_ROOTS", "/imports;/second")
        result = run(*RESULTS, "--folder", folder)
        assert result.exit_code == 0
        assert "delivery_roots" not in result.stderr
        assert len(stored()) == 1

    @pytest.mark.parametrize("folder", ["/imports2/results", "/", "/Imports/results", "D:\\imports\\results"])
    def test_any_other_is_refused_with_the_roots(
        self, run: Run, stored: Stored, monkeypatch: pytest.MonkeyPatch, folder: str
    ) -> None:
        monkeypatch.setenv("MAIL_IMPORTER_DELIVERY_ROOTS", "/imports;/second")
        result = run(*RESULTS, "--folder", folder)
        assert result.exit_code == 2
        assert "is not below one of the delivery_roots of this host: /imports; /second" in " ".join(
            result.stderr.split()
        )
        assert stored() == []


def test_update_changes_what_is_given_and_keeps_the_rest(run: Run, stored: Stored) -> None:
    run(*RESULTS, "--sender", "a.example", "--subject", "x", "--size-most", "5", "--file-name", "{name}")
    result = run("rules", "update", "Results", "--subject-is", "y", "--size-most", "any", "--save-original", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "rule_id": 1,
        "name": "results",
        "action": "changed",
        "changes": {
            "subject_is": {"before": None, "after": "y"},
            "size_most": {"before": 5, "after": "any"},
            "save_original": {"before": False, "after": True},
        },
    }
    [rule] = stored()
    assert (rule.senders, rule.subject_kind, rule.subjects) == (("a.example",), SubjectKind.IS, ("y",))
    assert (rule.size_most, rule.file_name) == (None, "{name}")


def test_update_empties_parts(run: Run, stored: Stored, laboratory: int) -> None:
    run(*RESULTS, "--account", "laboratory", "--sender", "a.example", "--subject", "x", "--file-name", "{name}")
    run("rules", "update", "results", "--unpack", "zip", "--save-body", "text")
    emptying = ["--all-accounts", "--no-conditions", "--no-file-name", "--unpack", "none", "--save-body", "none"]
    assert run("rules", "update", "results", *emptying, "--recipient", "b.example").exit_code == 0
    assert stored() == [Rule("results", "/imports/results", 1, position=1, recipients=("b.example",), active_since=NOW)]
    assert laboratory


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "mail-importer rules update --help"),
        (["--account", "laboratory", "--all-accounts"], "--account and --all-accounts exclude each other."),
        (["--file-name", "{name}", "--no-file-name"], "--file-name and --no-file-name exclude each other."),
        (["--size-least", "6"], "--size-least"),
    ],
)
def test_a_change_that_cannot_be_right_is_wrong_usage(run: Run, stored: Stored, options: list[str], named: str) -> None:
    run(*RESULTS, "--size-most", "5")
    before = stored()
    result = run("rules", "update", "results", *options)
    assert result.exit_code == 2
    assert named in result.stderr
    assert stored() == before


def test_a_rule_can_be_renamed_and_moved_at_once(run: Run, stored: Stored) -> None:
    run(*RESULTS)
    run("rules", "add", "other", "--folder", "/imports")
    assert run("rules", "update", "other", "--rename", "Other", "--position", "1").exit_code == 0
    assert [each.name for each in stored()] == ["Other", "results"]
    assert run("rules", "update", "other", "--rename", "RESULTS").exit_code == 1


def test_several_rules_are_switched_together_or_not_at_all(run: Run, stored: Stored) -> None:
    run(*RESULTS)
    run("rules", "add", "other", "--folder", "/imports")
    assert run("rules", "disable", "results", "nowhere").exit_code == 1
    assert all(each.enabled for each in stored())
    result = run("rules", "disable", "results", "OTHER", "--json")
    assert json.loads(result.stdout) == [
        {"rule_id": 1, "name": "results", "action": "disabled"},
        {"rule_id": 2, "name": "other", "action": "disabled"},
    ]
    assert not any(each.enabled for each in stored())
    assert run("rules", "enable", "other").exit_code == 0
    assert [each.enabled for each in stored()] == [False, True]


def test_remove_prompts_and_removes_all_or_none(run: Run, stored: Stored) -> None:
    run(*RESULTS)
    run("rules", "add", "other", "--folder", "/imports")
    result = run("rules", "remove", "results", "Other", typed="n\n")
    assert (result.exit_code, len(stored())) == (1, 2)
    assert "'results', 'other'" in result.stderr
    assert run("rules", "remove", "results", "nowhere", "--yes").exit_code == 1
    assert len(stored()) == 2
    assert run("rules", "remove", "results", "Other", "--yes").exit_code == 0
    assert stored() == []


def test_move_reports_the_place(run: Run, stored: Stored) -> None:
    run(*RESULTS)
    run("rules", "add", "other", "--folder", "/imports")
    result = run("rules", "move", "results", "9", "--json")
    assert json.loads(result.stdout) == {"rule_id": 1, "name": "results", "action": "moved", "position": 2}
    assert [each.name for each in stored()] == ["other", "results"]


def test_list_and_show_have_everything(run: Run, laboratory: int) -> None:
    run(*RESULTS, "--account", "laboratory", "--sender", "a.example", "--size-most", "5", "--has-attachments", "no")
    [row] = listed(run)
    assert row == json.loads(run("rules", "show", "RESULTS", "--json").stdout)
    assert (row["name"], row["position"], row["account_id"], row["account"]) == ("results", 1, laboratory, "laboratory")
    assert (row["active_since"], row["problem"]) == ("2026-03-31T12:00:00Z", None)
    shown = run("rules", "list").stdout
    for part in ("results", "laboratory", "--sender a.example --size-most 5 --has-attachments no", "/imports/results"):
        assert part in shown


@pytest.mark.usefixtures("engine")
def test_no_rules_and_unknown_rules_are_reported(run: Run) -> None:
    assert "There are no rules. Add one" in run("rules", "list").stderr
    for command in (
        ["show", "x"],
        ["update", "x", "--subject", "y"],
        ["enable", "x"],
        ["move", "x", "1"],
        ["export", "x"],
    ):
        result = run("rules", *command)
        assert result.exit_code == 1
        assert "There is no rule named 'x'. See: mail-importer rules list" in result.stderr


class TestOfOtherPrograms:
    """Rules that another program wrote hurt no other."""

    def test_a_rule_that_cannot_be_read_is_listed_with_its_problem(self, run: Run, engine: Engine) -> None:
        run(*RESULTS)
        run("rules", "add", "other", "--folder", "/imports")
        with engine.begin() as connection:
            connection.execute(update(email_rule).where(email_rule.c.sName == "other").values(sUnpack="rar"))
        whole, broken = listed(run)
        assert whole["problem"] is None
        assert "sUnpack holds 'rar'" in broken["problem"]
        assert "mail-importer rules update other" in broken["problem"]
        assert "sUnpack holds 'rar'" in run("rules", "update", "other", "--subject", "x").stderr
        assert run("rules", "update", "other", "--unpack", "zip").exit_code == 0
        assert listed(run)[1]["problem"] is None

    def test_a_rule_that_cannot_be_applied_is_listed_with_its_problem(self, run: Run, engine: Engine) -> None:
        run(*RESULTS)
        with engine.begin() as connection:
            connection.execute(update(email_rule).values(sSubjectKind="matches", sSubject="("))
        [row] = listed(run)
        assert "subject_matches: '(' is no regular expression" in row["problem"]
        assert "subject_matches" in run("rules", "enable", "results").stderr

    def test_a_rule_of_a_removed_account_is_shown_as_such(self, run: Run, laboratory: int) -> None:
        run(*RESULTS, "--account", "laboratory")
        run("accounts", "remove", "laboratory", "--yes")
        assert listed(run)[0]["account"] == f"(removed, {laboratory})"

    def test_history_has_what_they_did(self, run: Run, engine: Engine) -> None:
        run(*RESULTS)
        with engine.begin() as connection:
            connection.execute(update(email_rule).values(sFolder="/elsewhere"))
        rows = json.loads(run("rules", "history", "results", "--json").stdout)
        assert [(each["action"], each["who"] is None) for each in rows] == [("added", False), ("found", True)]
        assert rows[1]["changes"] == {"folder": {"before": "/imports/results", "after": "/elsewhere"}}


@pytest.mark.usefixtures("engine")
def test_history_is_kept_of_removed_rules(run: Run) -> None:
    assert "There are no rules, and there were none." in run("rules", "history").stderr
    run(*RESULTS)
    run("rules", "update", "results", "--rename", "new")
    run("rules", "remove", "new", "--yes")
    for name in ("Results", "new"):
        rows = json.loads(run("rules", "history", name, "--json").stdout)
        assert [each["action"] for each in rows] == ["added", "changed", "removed"]
    assert "name: results → new" in run("rules", "history").stdout
    unknown = run("rules", "history", "x")
    assert unknown.exit_code == 1
    assert "There is no rule named 'x', and there was none." in unknown.stderr


@pytest.mark.slow
def test_many_rules_are_listed_and_exported_within_seconds(run: Run, engine: Engine) -> None:
    rows = [
        {
            "sName": f"rule {number}",
            "bEnabled": True,
            "nPosition": number + 1,
            "sFolder": "/imports",
            "sSenders": f"lab{number}@example.com",
            "sSubjectKind": "contains",
            "sSubject": f"Results {number}",
            "sAttachmentNames": "*.csv",
            "dtActiveSince": NOW - timedelta(days=1),
        }
        for number in range(10_000)
    ]
    with engine.begin() as connection:
        connection.execute(insert(email_rule), rows)
    assert len(listed(run)) == 10_000
    assert run("rules", "export").stdout.count("[[rule]]") == 10_000
