"""Many rules by a file, all of them or none."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine, update

from db.engine import run_reading, run_writing
from db.queries import accounts
from db.queries import rules as table
from db.queries.accounts import AccountSettings
from db.tables import email_rule
from rules.rule import Rule, SubjectKind
from tests.unit.console.conftest import NOW, Run

TWO: Final = """
[[rule]]
name = "one"
folder = "/imports/one"
senders = ["a.example", "b.example"]
size_most = "10MB"

[[rule]]
name = "two"
folder = '\\\\server\\share\\two'
enabled = false
subject_is = "Results"
unpack = ["zip"]
save_original = true
"""

Stored = Callable[[], list[Rule]]


@pytest.fixture
def stored(engine: Engine) -> Stored:
    """Contents of the table."""
    return lambda: [each.rule for each in run_reading(engine, table.every)]


def toml_file(text: str, name: str = "rules.toml") -> str:
    Path(name).write_text(text, "utf-8")
    return name


def without_numbers(rules: list[Rule]) -> list[Rule]:
    return [replace(each, rule_id=0) for each in rules]


def test_a_file_adds_what_is_not_there_and_changes_what_is(run: Run, stored: Stored) -> None:
    run("rules", "add", "TWO", "--folder", "/imports", "--body", "lead")
    result = run("rules", "import", toml_file(TWO), "--json")
    assert result.exit_code == 0, result.stderr
    reported = [(each["place"], each["name"], each["action"]) for each in json.loads(result.stdout)]
    assert reported == [("rule 1 ('one')", "one", "added"), ("rule 2 ('two')", "TWO", "changed")]
    two, one = stored()
    assert (one.senders, one.size_most, one.enabled) == (("a.example", "b.example"), 10 * 1024**2, True)
    assert (two.folder, two.enabled, two.body_words) == ("\\\\server\\share\\two", False, ("lead",))
    assert (two.subject_kind, two.subjects) == (SubjectKind.IS, ("Results",))


def test_a_file_that_is_imported_twice_changes_nothing(run: Run, stored: Stored) -> None:
    run("rules", "import", toml_file(TWO))
    before = stored()
    result = run("rules", "import", toml_file(TWO), "--json")
    assert [each["action"] for each in json.loads(result.stdout)] == ["unchanged", "unchanged"]
    assert stored() == before
    assert len(json.loads(run("rules", "history", "--json").stdout)) == 2


def test_a_dry_run_shows_the_same_and_changes_nothing(run: Run, stored: Stored) -> None:
    result = run("rules", "import", toml_file(TWO), "--dry-run", "--json")
    assert [each["action"] for each in json.loads(result.stdout)] == ["added", "added"]
    assert "dry run" in result.stderr
    assert stored() == []


def test_all_that_is_wrong_is_reported_with_its_rule_and_key_and_nothing_is_changed(run: Run, stored: Stored) -> None:
    file = toml_file(
        TWO
        + """
[[rule]]
name = "three"
folder = "imports"
senders = ["?"]
subject_matches = ["("]
file_name = "{nonsense}"

[[rule]]
name = "four"
folder = ["/imports"]
colour = "red"
has_attachments = "perhaps"

[[rule]]
folder = "/imports"

[[rule]]
name = "ONE"
account = "nowhere"
folder = "/imports"
"""
    )
    result = run("rules", "import", file)
    assert result.exit_code == 1
    for said in (
        "rule 4 ('four'): there is no setting colour.",
        "rule 4 ('four'): folder is a list, where one value belongs.",
        "rule 4 ('four'): has_attachments: 'perhaps'",
        "rule 5: it has no name.",
        "rule 6 ('ONE'): the name 'ONE' is in rule 1 ('one'), too.",
    ):
        assert said in result.stderr
    assert stored() == []


def test_an_error_in_the_last_rule_changes_nothing(run: Run, stored: Stored) -> None:
    """Also an error that shows only beside what is stored."""
    run("rules", "add", "last", "--folder", "/imports", "--size-most", "5")
    before = stored()
    result = run(
        "rules",
        "import",
        toml_file(
            TWO
            + """
[[rule]]
name = "three"
folder = "imports"
senders = ["?"]
subject_matches = ["("]
file_name = "{nonsense}"

[[rule]]
name = "four"
account = "nowhere"
folder = "/imports"

[[rule]]
name = "five"

[[rule]]
name = "last"
size_least = 6
"""
        ),
    )
    assert result.exit_code == 1
    for said in (
        "rule 3 ('three'): folder: 'imports' is not absolute",
        "rule 3 ('three'): senders: '?'",
        "rule 3 ('three'): subject_matches: '('",
        "rule 3 ('three'): file_name: '{nonsense}'",
        "rule 4 ('four'): account: There is no account named 'nowhere'",
        "rule 5 ('five'): A new rule needs folder as well.",
        "rule 6 ('last'): size_least: No attachment",
    ):
        assert said in result.stderr
    assert stored() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rule]\n", "It is not TOML"),
        (f"[[rule]]\nsize_least = {'9' * 5000}\n", "It is not TOML"),
        ('[[account]]\nname = "a"\n', "There is something else in it than tables [[rule]]."),
        ('rule = "a"\n', "There is something else in it than tables [[rule]]."),
        ('[[rule]]\nname = "a"\nfolder = {a = 1}\n', "folder is a table"),
        ('[[rule]]\nname = "a"\nfolder = "/a"\nsubjects = ["a"]\nsubject_is = ["b"]\n', "exclude each other"),
    ],
)
def test_a_file_of_another_form_is_refused(run: Run, stored: Stored, text: str, said: str) -> None:
    result = run("rules", "import", toml_file(text))
    assert result.exit_code == 1
    assert said in result.stderr
    assert stored() == []


def test_a_folder_outside_the_roots_of_this_host_is_refused(
    run: Run, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_DELIVERY_ROOTS", "/imports")
    result = run("rules", "import", toml_file(TWO))
    assert result.exit_code == 1
    assert "rule 2 ('two'): folder: " in result.stderr
    assert stored() == []


def test_what_is_exported_can_be_imported_elsewhere(run: Run, stored: Stored, engine: Engine) -> None:
    settings = AccountSettings("laboratory", "t", "c", "u", "AB" * 20)
    run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))
    run("rules", "import", toml_file(TWO))
    run(
        "rules",
        "add",
        "three",
        "--folder",
        "/imports",
        "--account",
        "laboratory",
        "--subject-matches",
        "^a",
        "--body",
        "x y",
    )
    run("rules", "update", "three", "--file-name", "{name}", "--has-attachments", "no", "--save-body", "html")
    before = stored()
    assert run("rules", "export", "--output", "all.toml").exit_code == 0
    run("rules", "remove", "one", "two", "three", "--yes")
    assert run("rules", "import", "all.toml").exit_code == 0
    assert without_numbers(stored()) == without_numbers(before)


def test_an_exported_rule_takes_away_what_was_added_since(run: Run, stored: Stored) -> None:
    run("rules", "import", toml_file(TWO))
    before = stored()
    run("rules", "export", "--output", "all.toml")
    run(
        "rules",
        "update",
        "one",
        "--subject",
        "x",
        "--file-name",
        "{name}",
        "--has-attachments",
        "yes",
        "--unpack",
        "zip",
    )
    run("rules", "update", "two", "--size-most", "5", "--save-body", "text")
    assert run("rules", "import", "all.toml").exit_code == 0
    assert stored() == before


def test_positions_of_a_file_are_those_of_the_list(run: Run, stored: Stored) -> None:
    run("rules", "add", "zero", "--folder", "/imports")
    file = toml_file(
        TWO.replace('name = "one"', 'name = "one"\nposition = 2').replace('name = "two"', 'name = "two"\nposition = 1')
    )
    assert run("rules", "import", file).exit_code == 0
    assert [each.name for each in stored()] == ["two", "one", "zero"]


def test_some_rules_can_be_exported(run: Run, stored: Stored) -> None:
    run("rules", "import", toml_file(TWO))
    out = run("rules", "export", "TWO").stdout
    assert 'name = "two"' in out
    assert 'name = "one"' not in out
    assert len(stored()) == 2


@pytest.mark.usefixtures("engine")
def test_an_export_does_not_overwrite_unless_forced(run: Run) -> None:
    Path("all.toml").write_text("mine")
    assert run("rules", "export", "--output", "all.toml").exit_code == 1
    assert Path("all.toml").read_text() == "mine"
    assert run("rules", "export", "--output", "all.toml", "--force").exit_code == 0


def test_a_rule_that_cannot_be_read_is_left_out_of_the_export(run: Run, engine: Engine) -> None:
    """Without one of its conditions it would save files of other mail."""
    run("rules", "import", toml_file(TWO))
    with engine.begin() as connection:
        connection.execute(update(email_rule).where(email_rule.c.sName == "two").values(sUnpack="rar"))
    result = run("rules", "export")
    assert result.exit_code == 1
    assert 'name = "one"' in result.stdout
    assert 'name = "two"' not in result.stdout
    assert "sUnpack holds 'rar'" in result.stderr


def test_a_rule_of_a_removed_account_is_not_imported_for_all(run: Run, stored: Stored, engine: Engine) -> None:
    settings = AccountSettings("laboratory", "t", "c", "u", "AB" * 20)
    run_writing(engine, lambda connection: accounts.add(connection, settings, now=NOW))
    run("rules", "add", "one", "--folder", "/imports", "--account", "laboratory")
    run("accounts", "remove", "laboratory", "--yes")
    run("rules", "export", "--output", "all.toml")
    before = stored()
    assert run("rules", "import", "all.toml").exit_code == 1
    assert stored() == before
