"""Many accounts by a file, all of them or none; and the history of changes."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine, update

from db.engine import run_reading
from db.queries import accounts as table
from db.tables import account_settings
from tests.unit.console.conftest import CLIENT, TENANT, THUMBPRINT, USER, Run

OTHER: Final = USER.replace("b", "d")
HEADING: Final = "name,tenant_id,client_id,user_id,thumbprint,secure_certificate_access"
LABORATORY: Final = f"laboratory,{TENANT},{CLIENT},{USER},{THUMBPRINT},no"
FIELD: Final = f"field,{TENANT},{CLIENT},{OTHER},{THUMBPRINT},no"

Stored = Callable[[], list[table.Account]]


@pytest.fixture
def stored(engine: Engine) -> Stored:
    """Contents of the table."""
    return lambda: run_reading(engine, table.every)


def csv_file(*lines: str, name: str = "accounts.csv", encoding: str = "utf-8") -> str:
    Path(name).write_bytes("\r\n".join(lines).encode(encoding))
    return name


@pytest.mark.slow
def test_a_file_adds_what_is_not_there_and_changes_what_is(run: Run, stored: Stored) -> None:
    assert run("accounts", "import", csv_file(HEADING, LABORATORY)).exit_code == 0
    result = run("accounts", "import", csv_file(f"{HEADING},folder", f"{LABORATORY},Archive", f"{FIELD},"), "--json")
    assert result.exit_code == 0, result.stderr
    reported = {each["name"]: (each["place"], each["action"]) for each in json.loads(result.stdout)}
    assert reported == {"laboratory": ("line 2", "changed"), "field": ("line 3", "added")}
    field, laboratory = stored()
    assert (laboratory.settings.folder, laboratory.settings.user_id, laboratory.enabled) == ("Archive", USER, True)
    assert (field.settings.folder, field.settings.user_id) == ("Inbox", OTHER)


def test_what_the_file_does_not_name_stays(run: Run, stored: Stored) -> None:
    run("accounts", "import", csv_file(f"{HEADING},folder,enabled", f"{LABORATORY},Archive,no"))
    result = run("accounts", "import", csv_file(HEADING, LABORATORY), "--json")
    assert [each["action"] for each in json.loads(result.stdout)] == ["unchanged"]
    assert [(each.settings.folder, each.enabled) for each in stored()] == [("Archive", False)]


def test_an_empty_cell_takes_away_what_need_not_be_and_leaves_the_rest(run: Run, stored: Stored) -> None:
    """The import date, above all, is left: moved to now, older mail would never be caught up with."""
    names = f"{HEADING},folder,import_since,next_thumbprint,senders_denied,console_access"
    file = csv_file(names, f'{LABORATORY},Archive,2026-01-31,{THUMBPRINT[::-1]},riviere.example,"Laboratory\nIT"')
    assert run("accounts", "import", file).exit_code == 0
    assert stored()[0].settings.console_access == ("Laboratory", "IT")
    assert '"Laboratory\nIT"' in run("accounts", "export").stdout.replace("\r", "")
    assert run("accounts", "import", csv_file(names, f"{LABORATORY},,,,,")).exit_code == 0
    [account] = stored()
    assert (account.settings.folder, account.settings.import_since) == ("Archive", datetime(2026, 1, 31, tzinfo=UTC))
    assert (account.settings.next_thumbprint, account.settings.filters.senders_denied) == (None, ())
    assert account.settings.console_access == ()


def test_a_dry_run_shows_the_same_and_changes_nothing(run: Run, stored: Stored) -> None:
    result = run("accounts", "import", csv_file(HEADING, LABORATORY), "--dry-run")
    assert result.exit_code == 0
    assert "laboratory" in result.stdout
    assert "dry run" in result.stderr
    assert stored() == []


def test_all_that_is_wrong_is_reported_with_its_line_and_nothing_is_changed(run: Run, stored: Stored) -> None:
    file = csv_file(
        f"{HEADING},colour,tested",
        f"{LABORATORY},,",
        f"field,{TENANT},nonsense,{OTHER},{THUMBPRINT[1:]},perhaps,blue,",
        f",{TENANT},{CLIENT},{OTHER},{THUMBPRINT},no,,",
        f"Laboratory,{TENANT},{CLIENT},{OTHER},{THUMBPRINT},no,,",
    )
    result = run("accounts", "import", file)
    assert result.exit_code == 1
    for said in (
        "line 2: there is no setting colour, tested.",
        "line 3: client_id: 'nonsense' is not an id",
        "line 3: thumbprint: The certificate thumbprint is not usable: it has 39",
        "line 3: secure_certificate_access: 'perhaps'",
        "line 4: name is empty.",
    ):
        assert said in result.stderr
    assert stored() == []


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (LABORATORY.replace("laboratory", "LABORATORY"), "line 3: the name 'LABORATORY' is in line 2, too."),
        (LABORATORY.replace("laboratory", "field"), "line 3, account 'field': The account 'laboratory' imports this"),
        (FIELD.replace("field", "field").replace(TENANT, CLIENT), "--tenant-id and --client-id are the same"),
    ],
)
def test_accounts_that_exclude_each_other_are_refused_together(
    run: Run, stored: Stored, second: str, said: str
) -> None:
    result = run("accounts", "import", csv_file(HEADING, LABORATORY, second))
    assert result.exit_code == 1
    assert said in result.stderr
    assert stored() == []


def test_a_new_account_needs_what_add_asks_for(run: Run, stored: Stored) -> None:
    result = run("accounts", "import", csv_file("name,user_id", f"laboratory,{USER}"))
    assert result.exit_code == 1
    assert "A new account needs tenant_id, client_id, thumbprint as well." in result.stderr
    assert stored() == []


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "cp1252"), ("\t", "utf-8")], ids=["comma", "excel", "tab"]
)
def test_what_spreadsheets_save_is_read(run: Run, stored: Stored, delimiter: str, encoding: str) -> None:
    lines = [line.replace(",", delimiter) for line in (HEADING, LABORATORY.replace("laboratory", "Évry n° 2"))]
    result = run("accounts", "import", csv_file(*lines, encoding=encoding))
    assert result.exit_code == 0, result.stderr
    assert [each.settings.name for each in stored()] == ["Évry n° 2"]


@pytest.mark.parametrize("form", ["csv", "toml"])
def test_what_is_exported_can_be_imported_elsewhere(run: Run, stored: Stored, form: str) -> None:
    run(
        "accounts",
        "import",
        csv_file(f"{HEADING},after_import,move_to,enabled", f'{LABORATORY},move,"In/Done, 2026",no'),
    )
    run("accounts", "import", csv_file(HEADING, FIELD))
    before = {each.settings.name: (each.settings, each.enabled) for each in stored()}
    assert run("accounts", "export", "--output", f"all.{form}").exit_code == 0
    for name in before:
        run("accounts", "remove", name, "--yes")
    assert stored() == []
    assert run("accounts", "import", f"all.{form}").exit_code == 0
    assert {each.settings.name: (each.settings, each.enabled) for each in stored()} == before


@pytest.mark.usefixtures("engine")
def test_an_export_does_not_overwrite_unless_forced(run: Run) -> None:
    Path("all.csv").write_text("mine")
    result = run("accounts", "export", "--output", "all.csv")
    assert (result.exit_code, Path("all.csv").read_text()) == (1, "mine")
    assert "--force" in result.stderr
    assert run("accounts", "export", "--output", "all.csv", "--force").exit_code == 0
    assert Path("all.csv").read_text() != "mine"


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("accounts.csv", "tenant_id,client_id\n", 1, "no heading with a column 'name'"),
        ("accounts.csv", "name,folder,folder\n", 1, "a column twice: folder"),
        ("accounts.csv", "name\nlaboratory,more\n", 1, "Line 2 has 2 cells, the heading 1."),
        ("accounts.csv", 'name\n"laboratory\n', 1, "is not CSV"),
        ("accounts.toml", "[[account]\n", 1, "It is not TOML"),
        ("accounts.toml", "[accounts]\nname = 'x'\n", 1, "something else in it than tables [[account]]"),
        ("accounts.toml", "account = 'x'\n", 1, "something else in it than tables [[account]]"),
        ("accounts.txt", "name\n", 2, "shows no format"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_reason(
    run: Run, name: str, content: str, status: int, said: str
) -> None:
    Path(name).write_text(content)
    result = run("accounts", "import", name)
    assert (result.exit_code, said in result.stderr) == (status, True), result.stderr


def test_history_shows_who_changed_what_also_of_removed_accounts(run: Run, engine: Engine) -> None:
    run("accounts", "import", csv_file(HEADING, LABORATORY))
    run("accounts", "update", "laboratory", "--folder", "Archive")
    with engine.begin() as connection:
        connection.execute(update(account_settings).values(sFolder="Elsewhere"))
    run("accounts", "remove", "laboratory", "--yes")
    found = json.loads(run("accounts", "history", "laboratory", "--json").stdout)
    assert [(each["action"], each["account"], each["who"] is None) for each in found] == [
        ("added", "laboratory", False),
        ("changed", "laboratory", False),
        ("found", "laboratory", True),
        ("removed", "laboratory", False),
    ]
    assert found[1]["changes"] == {"folder": {"before": "Inbox", "after": "Archive"}}
    assert datetime.fromisoformat(found[0]["changed"]) == datetime(2026, 3, 31, 12, tzinfo=UTC)
    run("accounts", "import", csv_file(HEADING, LABORATORY))
    run("accounts", "update", "laboratory", "--folder", "Archive", "--after-import", "read")
    shown = run("accounts", "history").stdout
    assert "\ufffd" not in shown
    assert shown.splitlines()[-1].split("\t")[-1] == "folder: Inbox → Archive; after_import: none → read"
    assert "folder: Inbox" in shown
    assert "another program" in shown


@pytest.mark.parametrize(
    ("column", "value", "action", "changes"),
    [
        pytest.param("sSettings", "'[1]'", "changed", {"sSettings": "[1]"}, id="no object"),
        pytest.param("sSettings", "'by hand'", "changed", {"sSettings": "by hand"}, id="no JSON"),
        pytest.param("sSettings", "x'ff'", "changed", {"sSettings": r"b'\xff'"}, id="no text"),
        pytest.param("sSettings", """'{"sAccountName": [1]}'""", "changed", {"name": "[1]"}, id="nested"),
        pytest.param("sAction", "'touched'", "touched", {"name": "laboratory"}, id="unknown action"),
        pytest.param("sAction", "x'ff'", r"b'\xff'", {"name": "laboratory"}, id="no action"),
        pytest.param("dtChanged", "'gestern'", "changed", {"name": "laboratory"}, id="no time"),
    ],
)
def test_history_shows_a_row_that_another_program_wrote_and_the_others(
    run: Run,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    column: str,
    value: str,
    action: str,
    changes: dict[str, str],
) -> None:
    """Unreadable values appear as text; SQLite accepts any value."""
    monkeypatch.setenv("COLUMNS", "160")
    run("accounts", "import", csv_file(HEADING, FIELD))
    row = {
        "nAccountID": "9",
        "dtChanged": "'2026-03-31 12:00:00'",
        "sAction": "'changed'",
        "sSettings": """'{"sAccountName": "laboratory"}'""",
        column: value,
    }
    names = ", ".join(f'"{name}"' for name in row)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f'INSERT INTO "tblEmailAccountChange" ({names}) VALUES ({", ".join(row.values())})'  # noqa: S608  # own values
        )
    run("accounts", "update", "field", "--folder", "Results")

    result = run("accounts", "history", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert sorted(each["action"] for each in found if each["account_id"] == 1) == ["added", "changed"]
    (odd,) = [each for each in found if each["account_id"] == 9]
    assert odd["action"] == action
    assert {name: each["after"] for name, each in odd["changes"].items()} == changes
    shown = run("accounts", "history")
    assert shown.exit_code == 0, shown.stderr
    assert "folder: Inbox → Results" in shown.stdout
    assert len([line for line in shown.stdout.splitlines() if action in line]) >= 1
    named = run("accounts", "history", "field", "--json")
    assert (named.exit_code, len(json.loads(named.stdout))) == (0, 2), named.stderr


def test_history_shows_a_time_that_cannot_be_read_as_it_is_stored(run: Run, engine: Engine) -> None:
    run("accounts", "import", csv_file(HEADING, LABORATORY))
    with engine.begin() as connection:
        connection.exec_driver_sql('UPDATE "tblEmailAccountSettings" SET "dtImportSince" = \'25:00\'')
    added, found = json.loads(run("accounts", "history", "laboratory", "--json").stdout)
    assert (added["action"], found["action"]) == ("added", "found")
    assert found["changes"]["import_since"]["after"] == "25:00"
    assert "→ 25:00" in run("accounts", "history", "laboratory").stdout


@pytest.mark.usefixtures("engine")
def test_history_of_nothing_is_reported(run: Run) -> None:
    unknown = run("accounts", "history", "nobody")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "no account named 'nobody'" in unknown.stderr
    assert "There are no accounts" in run("accounts", "history").stderr


def test_a_file_takes_up_removed_accounts_and_says_so(run: Run, stored: Stored) -> None:
    """A dry run does, too, and changes nothing."""
    file = csv_file(f"{HEADING},import_since", f"{LABORATORY},2026-01-31")
    run("accounts", "import", file)
    [before] = stored()
    run("accounts", "remove", "laboratory", "--yes")
    again = csv_file(HEADING, LABORATORY.replace("laboratory", "again"), FIELD)
    assert "takes up the removed account" in run("accounts", "import", again, "--dry-run").stderr
    assert stored() == []
    result = run("accounts", "import", again, "--json")
    assert [(each["name"], each["action"]) for each in json.loads(result.stdout)] == [
        ("again", "taken_up"),
        ("field", "added"),
    ]
    assert result.stderr.count("takes up the removed account") == 1
    taken_up = {each.settings.name: each for each in stored()}["again"]
    assert (taken_up.account_id, taken_up.settings.import_since) == (
        before.account_id,
        datetime(2026, 1, 31, tzinfo=UTC),
    )
    assert "taken up again" in run("accounts", "history", "again").stdout
