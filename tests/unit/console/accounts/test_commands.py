"""`mail-importer accounts`."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Connection, Engine, insert, literal_column, update

from db.engine import run_reading, run_writing
from db.queries import accounts as table
from db.queries import folders, missed, subscriptions
from db.queries.filters import Filters
from db.queries.schedule import FOLDERS, NEVER, SUBSCRIPTIONS
from db.tables import account_condition, account_settings, message
from phrases import Phrase

Run = Callable[..., Result]

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-aaaaaaaaaaaa"
USER = "bbbbbbbb-cccc-dddd-eeee-ffffffffffff"
THUMBPRINT = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B"
GIVEN = {"name": "laboratory", "tenant-id": TENANT, "client-id": CLIENT, "user-id": USER, "thumbprint": THUMBPRINT}


@pytest.fixture
def add(run: Run) -> Run:
    """Add an account that is valid except for the options of the test."""

    def call(*more: str, **changed: str) -> Result:
        given = GIVEN | {name.replace("_", "-"): value for name, value in changed.items()}
        return run("accounts", "add", *(part for name, value in given.items() for part in (f"--{name}", value)), *more)

    return call


@pytest.fixture
def stored(engine: Engine) -> Callable[[], list[table.Account]]:
    """Contents of the table."""
    return lambda: run_reading(engine, table.every)


Stored = Callable[[], list[table.Account]]


def listed(run: Run) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run("accounts", "list", "--json").stdout)
    return rows


def test_add_stores_what_was_given_and_the_defaults(add: Run, stored: Stored) -> None:
    result = add()
    assert (result.exit_code, result.stdout) == (0, "")
    [account] = stored()
    assert account.enabled
    assert account.settings == table.AccountSettings("laboratory", TENANT, CLIENT, USER, THUMBPRINT, import_since=NOW)


def test_add_stores_every_option(add: Run, stored: Stored) -> None:
    options = ["--no-secure-certificate-access", "--folder", "Inbox/Results", "--after-import", "move"]
    assert add(*options, "--move-to", "Done").exit_code == 0
    assert stored()[0].settings == replace(
        table.AccountSettings("laboratory", TENANT, CLIENT, USER, THUMBPRINT, import_since=NOW),
        secure_certificate_access=False,
        folder="Inbox/Results",
        after_import="move",
        move_to_folder="Done",
    )


@pytest.mark.parametrize("mark", ["\u200e", "\ufeff", "\u00a0"])
def test_a_thumbprint_with_something_invisible_is_stored_bare_which_is_reported(
    mark: str, add: Run, stored: Stored
) -> None:
    spaced = " ".join(THUMBPRINT[at : at + 2] for at in range(0, 40, 2)).lower()
    result = add(thumbprint=f"{mark}{spaced}{mark}")
    assert result.exit_code == 0
    assert stored()[0].settings.thumbprint == THUMBPRINT
    assert f"U+{ord(mark):04X}" in result.stderr


def test_of_blanks_and_colons_in_a_thumbprint_nothing_is_said(add: Run, stored: Stored) -> None:
    result = add(thumbprint=f" {THUMBPRINT.lower()[:20]}:{THUMBPRINT[20:]} ")
    assert stored()[0].settings.thumbprint == THUMBPRINT
    assert "Invisible" not in result.stderr


def test_ids_and_names_are_stored_without_what_surrounds_them(add: Run, stored: Stored) -> None:
    result = add(
        name=" laboratory\u200b", tenant_id=f" {{{TENANT}}}\n", client_id=CLIENT.upper(), user_id=f"\u200e{USER}"
    )
    assert result.exit_code == 0
    assert stored()[0].settings == table.AccountSettings(
        "laboratory", TENANT, CLIENT, USER, THUMBPRINT, import_since=NOW
    )


@pytest.mark.parametrize(
    ("changed", "more", "named"),
    [
        ({"name": ""}, [], "--name"),
        ({"name": " \u200e "}, [], "--name"),
        ({"name": "a\nb"}, [], "--name"),
        ({"name": "x" * 201}, [], "--name"),
        ({"name": "\udcff"}, [], "--name"),
        ({"tenant_id": "contoso.onmicrosoft.com"}, [], "--tenant-id"),
        ({"tenant_id": TENANT[:-1]}, [], "--tenant-id"),
        ({"tenant_id": CLIENT}, [], "--tenant-id"),
        ({"client_id": "mail-importer"}, [], "--client-id"),
        ({"client_id": ""}, [], "--client-id"),
        ({"user_id": " "}, [], "--user-id"),
        ({"user_id": "x" * 321}, [], "--user-id"),
        ({"thumbprint": "12 34"}, [], "--thumbprint"),
        ({"thumbprint": "A" * 64}, [], "SHA-256"),
        ({"folder": ""}, [], "--folder"),
        ({"after-import": "burn"}, [], "--after-import"),
        ({"after-import": "move"}, [], "--move-to"),
        ({}, ["--move-to", "Done"], "--move-to"),
        ({"after-import": "move"}, ["--move-to", " "], "--move-to"),
    ],
)
def test_what_cannot_be_right_is_wrong_usage_that_names_the_option(
    changed: dict[str, str], more: list[str], named: str, add: Run, stored: Stored
) -> None:
    result = add(*more, **changed)
    assert result.exit_code == 2
    assert named in result.stderr
    assert stored() == []


def test_a_user_that_is_no_object_id_is_stored_with_a_warning(add: Run, stored: Stored) -> None:
    result = add(user_id="lab@example.com")
    assert result.exit_code == 0
    assert "object id" in result.stderr
    assert stored()[0].settings.user_id == "lab@example.com"


def test_a_thumbprint_the_store_has_not_is_stored_with_a_warning(add: Run, engine: Engine) -> None:
    assert f"holds no certificate {THUMBPRINT}" in add().stderr
    assert engine is not None


def test_a_second_account_of_a_name_is_refused(add: Run, stored: Stored) -> None:
    add()
    result = add(user_id=TENANT)
    assert result.exit_code == 1
    assert "'laboratory' exists already" in result.stderr
    assert [account.settings.user_id for account in stored()] == [USER]


def test_list_and_show_of_nothing_are_reported(run: Run, engine: Engine) -> None:
    result = run("accounts", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no accounts" in result.stderr
    missing = run("accounts", "show", "laboratory")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "no account named 'laboratory'" in missing.stderr
    assert engine is not None


@pytest.fixture
def busy(add: Run, engine: Engine) -> None:
    """An account with a subscription, a condition and two messages."""
    add()
    [account] = run_reading(engine, table.every)
    run_writing(engine, lambda connection: subscriptions.hold(connection, held(account.account_id), now=NOW))
    condition = table.Condition(
        account.account_id, "processor", "AccessDenied", "Grant Mail.Read.", NOW, NOW + timedelta(minutes=5)
    )
    run_writing(engine, lambda connection: table.set_condition(connection, condition))
    rows = [
        {"nAccountID": account.account_id, "sGraphMessageID": each, "bHasAttachments": False, "dtImported": NOW}
        for each in ("a", "A")
    ]
    run_writing(engine, lambda connection: connection.execute(insert(message), rows))


def held(account_id: int) -> subscriptions.HeldSubscription:
    return subscriptions.HeldSubscription(
        subscription_id="s-1",
        account_id=account_id,
        expires=NOW + timedelta(days=3, hours=4),
        resource="users/x/messages",
        notification_url="https://mail.example.com",
        key_fingerprint="f",
        granted=NOW,
        created=NOW,
    )


@pytest.mark.usefixtures("busy")
def test_list_shows_subscription_trouble_and_count(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    [account] = listed(run)
    assert account["subscription"] == {"id": "s-1", "state": "active", "expires": "2026-04-03T16:00:00Z"}
    assert account["imported"] == 2
    assert [each["reason"] for each in account["conditions"]] == ["AccessDenied"]
    assert "\t3 d 4 h left\t" in run("accounts", "list").stdout


@pytest.mark.usefixtures("busy")
def test_show_prints_what_is_the_matter_and_when_it_is_tried_again(run: Run) -> None:
    out = " ".join(run("accounts", "show", "laboratory").stdout.split())
    for part in (THUMBPRINT, "3 d 4 h left", "Imported 2", "AccessDenied", "Grant Mail.Read.", "12:05:00 UTC"):
        assert part in out
    assert json.loads(run("accounts", "show", "laboratory", "--json").stdout) == listed(run)[0]


@pytest.mark.usefixtures("busy")
def test_what_is_the_matter_is_said_in_the_language_of_the_reader(run: Run, engine: Engine) -> None:
    """The database keeps it in English, and what an older program writes there later stays so."""
    [account] = run_reading(engine, table.every)
    gone = Phrase("The message is no longer in the mailbox.")
    condition = table.Condition(account.account_id, "processor", "X", gone, NOW, NOW)
    run_writing(engine, lambda connection: table.set_condition(connection, condition))
    said = " ".join(run("--language", "fr", "accounts", "show", "laboratory").stdout.split())
    assert "Le message n’est plus" in said
    [in_json] = json.loads(run("--language", "fr", "accounts", "show", "laboratory", "--json").stdout)["conditions"]
    assert in_json["detail"] == gone
    older = update(account_condition).values(sDetail="Another matter.")
    run_writing(engine, lambda connection: connection.execute(older))
    assert "Another matter." in run("--language", "fr", "accounts", "show", "laboratory").stdout


def test_disable_and_enable_switch_and_have_the_subscription_follow(add: Run, run: Run, engine: Engine) -> None:
    add()
    assert run("accounts", "disable", "laboratory").exit_code == 0
    assert [account["enabled"] for account in listed(run)] == [False]
    assert run("accounts", "enable", "laboratory").exit_code == 0
    assert [account["enabled"] for account in listed(run)] == [True]
    assert run_reading(engine, lambda connection: SUBSCRIPTIONS.anything_due(connection, now=NOW))


@pytest.mark.usefixtures("busy")
def test_remove_says_what_it_does_and_takes_the_account_off_the_list(run: Run, engine: Engine) -> None:
    asked = run("accounts", "remove", "laboratory")
    assert (asked.exit_code, asked.stdout) == (2, "")
    for part in (
        "Its subscription at Microsoft Graph is deleted, and its mail is no longer imported.\n",
        "What of it waits in the queue is dropped;",
        "The 2 messages that it imported stay in the database",
        "adding the same mailbox and folder again takes it up.\n",
        f"Remove the account 'laboratory' ({USER})?",
        "add --yes",
    ):
        assert part in asked.stderr
    assert run("accounts", "remove", "laboratory", typed="n\n").exit_code == 1
    [account] = listed(run)
    result = run("accounts", "remove", "laboratory", "--yes")
    assert result.exit_code == 0
    assert f"it is called 'laboratory (removed, {account['account_id']})' now" in result.stderr
    assert "The 2 messages that it imported stay in the database" in result.stderr
    assert listed(run) == []
    assert sum(run_reading(engine, table.imported_counts).values()) == 2


@pytest.fixture
def removed(busy: None, run: Run, stored: Stored) -> str:  # noqa: ARG001  # the account
    """The present name of a removed account with two messages."""
    [account] = stored()
    assert run("accounts", "remove", "laboratory", "--yes").exit_code == 0
    return f"laboratory (removed, {account.account_id})"


def test_removed_accounts_are_listed_with_their_messages(run: Run, removed: str) -> None:
    [row] = json.loads(run("accounts", "list", "--removed", "--json").stdout)
    assert row == {
        "account_id": row["account_id"],
        "name": removed,
        "tenant_id": TENANT,
        "user_id": USER,
        "folder": "Inbox",
        "removed": "2026-03-31T12:00:00Z",
        "imported": 2,
    }
    assert removed in run("accounts", "list", "--removed").stdout


def test_without_removed_accounts_the_list_is_empty(run: Run, add: Run, engine: Engine) -> None:
    assert engine is not None
    assert add().exit_code == 0
    result = run("accounts", "list", "--removed")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No account was removed." in result.stderr


def test_a_removed_account_is_shown_and_its_messages_are_found_by_its_present_name(run: Run, removed: str) -> None:
    shown = json.loads(run("accounts", "show", removed, "--json").stdout)
    assert (shown["name"], shown["removed"], shown["enabled"]) == (removed, "2026-03-31T12:00:00Z", False)
    assert (shown["imported"], shown["conditions"], shown["problems"]) == (2, [], [])
    assert "2026-03-31 12:00:00 UTC" in run("accounts", "show", removed).stdout
    history = json.loads(run("accounts", "history", removed, "--json").stdout)
    assert [each["action"] for each in history] == ["added", "removed"]
    log = json.loads(run("messages", "list", "--account", removed, "--json").stdout)
    assert [each["account"] for each in log] == [removed] * 2
    [traced] = json.loads(run("trace", "a", "--account", removed, "--json").stdout)
    assert traced["account"] == removed
    assert run("db", "purge", "--older-than", "1d", "--account", removed, "--dry-run").exit_code == 0
    assert run("queue", "list", "--account", removed).exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("accounts", "enable"),
        ("accounts", "disable"),
        ("accounts", "update", "--folder", "Archive"),
        ("accounts", "remove", "--yes"),
        ("accounts", "test"),
        ("accounts", "folders"),
        ("accounts", "retry-actions"),
        ("verify",),
        ("import",),
        ("queue", "replay", "--account"),
    ],
    ids=" ".join,
)
def test_what_works_for_an_account_is_refused_of_a_removed_one(run: Run, removed: str, arguments: list[str]) -> None:
    """Under either name, with the way to take it up again."""
    for name in (removed, "laboratory"):
        result = run(*arguments, name)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "was removed" in result.stderr
        assert "mail-importer accounts add" in result.stderr


def test_the_same_mailbox_and_folder_takes_a_removed_account_up(add: Run, removed: str, stored: Stored) -> None:
    """Its start of imports stays, unless one is given, and is said."""
    result = add(name="field")
    assert result.exit_code == 0
    assert f"Account 'field' takes up the removed account '{removed}' with its 2 messages" in result.stderr
    assert "Mail received since 2026-03-31 12:00 UTC is imported, as far as it is not yet" in result.stderr
    [account] = stored()
    assert (account.settings.name, account.enabled) == ("field", True)


@pytest.mark.parametrize(
    ("given", "since"), [("all", table.EVERYTHING), ("2026-03-30", datetime(2026, 3, 30, tzinfo=UTC))]
)
def test_a_start_that_is_given_replaces_that_of_a_removed_account(
    add: Run, removed: str, stored: Stored, given: str, since: datetime
) -> None:
    result = add("--import-since", given)
    assert f"takes up the removed account '{removed}'" in result.stderr
    assert stored()[0].settings.import_since == since


@pytest.mark.parametrize("command", ["enable", "disable", "remove", "show"])
@pytest.mark.parametrize(("name", "status"), [("nobody", 1), ("", 1), ("\udcff", 2)])
def test_an_account_that_is_not_there_fails(command: str, name: str, status: int, run: Run, engine: Engine) -> None:
    result = run("accounts", command, name)
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr
    assert engine is not None


@pytest.mark.parametrize(
    ("given", "since"),
    [
        ("now", NOW),
        ("all", datetime(1900, 1, 1, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("0001-01-01", table.EVERYTHING),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
    ],
)
def test_add_takes_from_when_on_to_import(add: Run, stored: Stored, given: str, since: datetime) -> None:
    """The options are: from now on, everything, or since a date."""
    assert add("--import-since", given).exit_code == 0
    assert stored()[0].settings.import_since == since


@pytest.mark.parametrize(("given", "said"), [("2026-04-01", "in the future"), ("soon", "is not a time")])
def test_an_impossible_date_is_refused(add: Run, given: str, said: str) -> None:
    """The error names the fault of the date."""
    result = add("--import-since", given)
    assert result.exit_code == 2
    assert said in result.stderr


def test_update_changes_what_is_given_and_no_more(add: Run, run: Run, stored: Stored) -> None:
    """A manager is to poll it, too."""
    add()
    before = stored()[0].settings
    other = "AB" * 20
    result = run("accounts", "update", "laboratory", "--folder", "Archive", "--next-thumbprint", other.lower())
    assert result.exit_code == 0, result.stderr
    assert "within seconds" in result.stderr
    assert other in result.stderr  # it is not in the store of this host
    assert stored()[0].settings == replace(before, folder="Archive", next_thumbprint=other)
    run("accounts", "update", "laboratory", "--rename", "labo", "--after-import", "move", "--move-to", "Done")
    run("accounts", "update", "labo", "--thumbprint", other, "--no-next-thumbprint")
    run("accounts", "update", "labo", "--after-import", "read")
    assert stored()[0].settings == replace(
        before, name="labo", folder="Archive", thumbprint=other, after_import="read", move_to_folder=None
    )


def test_an_earlier_date_leads_to_a_full_pass(add: Run, run: Run, engine: Engine) -> None:
    """Mail excluded before is caught up with; a later date changes no imported mail."""
    add("--import-since", "2026-03-01")
    [account] = run_reading(engine, table.every)
    run_writing(engine, lambda c: FOLDERS.seed(c, account.account_id, due=NEVER))
    run("accounts", "update", "laboratory", "--import-since", "2026-03-10")
    assert not run_reading(engine, lambda c: FOLDERS.anything_due(c, now=NOW))
    run("accounts", "update", "laboratory", "--import-since", "all")
    assert run_reading(engine, lambda c: FOLDERS.anything_due(c, now=NOW))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name the settings to change"),
        (["--after-import", "move"], "go together"),
        (["--move-to", "Done"], "go together"),
        (["--client-id", TENANT], "are the same"),
        (["--next-thumbprint", THUMBPRINT], "are the same"),
        (["--next-thumbprint", "AB" * 20, "--no-next-thumbprint"], "exclude each other"),
    ],
)
def test_an_update_that_cannot_be_meant_changes_nothing(
    add: Run, run: Run, stored: Stored, arguments: list[str], said: str
) -> None:
    """Exit status 2, with the fault."""
    add()
    before = stored()
    result = run("accounts", "update", "laboratory", *arguments)
    assert (result.exit_code, stored()) == (2, before)
    assert said in result.stderr


def test_the_next_certificate_made_the_current_one_is_the_next_no_more(add: Run, run: Run, stored: Stored) -> None:
    other = "AB" * 20
    add("--next-thumbprint", other)
    before = stored()[0].settings
    assert run("accounts", "update", "laboratory", "--thumbprint", other).exit_code == 0
    assert stored()[0].settings == replace(before, thumbprint=other, next_thumbprint=None)


@pytest.mark.usefixtures("engine")
def test_update_of_no_account_is_reported(run: Run) -> None:
    """It reports it like the other commands."""
    result = run("accounts", "update", "nobody", "--folder", "Archive")
    assert result.exit_code == 1
    assert "no account named 'nobody'" in result.stderr


def test_show_has_sweeps_and_silence(add: Run, run: Run, engine: Engine) -> None:
    """It shows if the account has a webhook, the time of the last sweep, and the notifications that Graph missed."""
    add()
    [account] = run_reading(engine, table.every)

    def work(connection: Connection) -> None:
        missed.note(connection, (account.account_id, "a"), received=NOW, found=NOW)
        missed.mark_reported(connection, account.account_id, before=NOW, now=NOW)
        FOLDERS.seed(connection, account.account_id, due=NOW)
        [turn] = FOLDERS.claim(connection, [account.account_id], owner="one", now=NOW, lease=timedelta(minutes=1))
        folders.finish(connection, turn, resource="r", link="l", now=NOW)

    run_writing(engine, work)
    shown = " ".join(run("accounts", "show", "laboratory").stdout.split())
    assert "works on sweeps alone, every 60 s" in shown
    assert "1 in 90 days, of mail received until 2026-03-31 12:00:00 UTC" in shown
    found = json.loads(run("accounts", "show", "laboratory", "--json").stdout)
    assert found["missed_notifications"] == {"count": 1, "latest": "2026-03-31T12:00:00Z"}
    assert found["swept"] == found["import_since"] == "2026-03-31T12:00:00Z"


@pytest.mark.usefixtures("busy")
def test_show_names_the_webhook_that_graph_notifies_whatever_this_host_is_set_to(run: Run) -> None:
    assert listed(run)[0]["webhook"] == "https://mail.example.com"
    assert "Webhook https://mail.example.com" in " ".join(run("accounts", "show", "laboratory").stdout.split())


@pytest.mark.usefixtures("engine")
def test_without_a_subscription_the_webhook_is_the_one_that_is_to_be(
    add: Run, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    add()
    [row] = listed(run)
    assert (row["webhook"], row["sweep_seconds"]) == (None, 60)
    monkeypatch.setenv("COLUMNS", "160")
    assert all(part in run("accounts", "list").stdout for part in ("sweeps alone", "every 60 s", "never"))
    monkeypatch.setenv("MAIL_IMPORTER_NOTIFICATION_URL", "https://mail-in.example.com")
    [row] = listed(run)
    assert (row["webhook"], row["sweep_seconds"]) == ("https://mail-in.example.com/notifications", 900)
    assert "alone" not in run("accounts", "show", "laboratory").stdout


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("interval", "seconds"), [("0", 60), ("30", 30), ("900", 60)])
def test_without_an_inbound_address_a_minute_is_the_longest_pause(
    add: Run, run: Run, monkeypatch: pytest.MonkeyPatch, interval: str, seconds: int
) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_SWEEP_INTERVAL", interval)
    add()
    [row] = listed(run)
    assert row["sweep_seconds"] == seconds


# Filters.

FILTERS = [
    *("--allow-sender", "Labor@example.com", "--allow-sender", "*.example.org", "--deny-sender", "news.example.org"),
    *("--allow-subject", "Befund, neu; *", "--deny-subject", "Angebot", "--has-attachments", "yes"),
    *("--size-least", "2kB", "--size-most", "10MB"),
]
STORED = Filters(
    senders_allowed=("Labor@example.com", "*.example.org"),
    senders_denied=("news.example.org",),
    subjects_allowed=("Befund, neu; *",),
    subjects_denied=("Angebot",),
    has_attachments=True,
    size_least=2048,
    size_most=10 * 1024 * 1024,
)


def test_filters_are_stored_and_shown_as_they_were_given(add: Run, run: Run, stored: Stored) -> None:
    """The output may be given again as input."""
    assert add(*FILTERS).exit_code == 0
    assert stored()[0].settings.filters == STORED
    [shown] = listed(run)
    assert shown["filters"] == {
        "senders_allowed": ["Labor@example.com", "*.example.org"],
        "senders_denied": ["news.example.org"],
        "subjects_allowed": ["Befund, neu; *"],
        "subjects_denied": ["Angebot"],
        "has_attachments": True,
        "size_least": 2048,
        "size_most": 10_485_760,
    }
    line = next(each for each in run("accounts", "show", "laboratory").stdout.splitlines() if "Imports only" in each)
    assert "--allow-sender Labor@example.com" in line
    run("accounts", "update", "laboratory", "--no-filters")
    assert "whatever comes" in run("accounts", "show", "laboratory").stdout


def test_filters_that_are_given_replace_their_kind_alone(add: Run, run: Run, stored: Stored) -> None:
    add(*FILTERS)
    options = ("--deny-sender", "example.net", "--has-attachments", "any", "--size-most", "any", "--size-least", "7")
    assert run("accounts", "update", "laboratory", *options).exit_code == 0
    assert stored()[0].settings.filters == replace(
        STORED, senders_denied=("example.net",), has_attachments=None, size_most=None, size_least=7
    )
    run("accounts", "update", "laboratory", "--folder", "Archive")
    assert stored()[0].settings.filters.size_least == 7
    run("accounts", "update", "laboratory", "--no-filters", "--deny-subject", "x")
    assert stored()[0].settings.filters == Filters(subjects_denied=("x",))
    run("accounts", "update", "laboratory", "--no-filters")
    assert stored()[0].settings.filters == Filters()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--allow-sender", "example"), "neither an address"),
        (("--deny-sender", "a@*.example.com"), "neither an address"),
        (("--deny-sender", ""), "empty"),
        (("--allow-subject", "**"), "fits every subject"),
        (("--deny-subject", "a\nb"), "cannot be seen"),
        (("--has-attachments", "perhaps"), "perhaps"),
        (("--size-most", "10 apples"), "is no size"),
        (("--size-most", "-1"), "is no size"),
        (("--size-most", "9999999999GB"), "is no size"),
        (("--size-least", "2MB", "--size-most", "1MB"), "at least 2097152 and at most 1048576"),
    ],
)
def test_a_filter_that_makes_no_sense_is_wrong_usage(
    options: tuple[str, ...], said: str, add: Run, run: Run, stored: Stored
) -> None:
    result = add(*options)
    assert (result.exit_code, stored()) == (2, [])
    assert said in " ".join(result.stderr.replace("│", " ").split())
    add()
    assert run("accounts", "update", "laboratory", *options).exit_code == 2
    assert stored()[0].settings.filters == Filters()


def test_a_bound_that_contradicts_one_of_before_is_wrong_usage(add: Run, run: Run, stored: Stored) -> None:
    add("--size-least", "2MB")
    assert run("accounts", "update", "laboratory", "--size-most", "1MB").exit_code == 2
    assert stored()[0].settings.filters == Filters(size_least=2 * 1024 * 1024)


@pytest.mark.slow
def test_a_row_that_cannot_be_read_ends_no_command_in_a_traceback(run: Run, add: Run, engine: Engine) -> None:
    """The account shows its fault, the others are unaffected, and the command that it names repairs it."""
    add()
    add(name="spoilt", user_id="dddddddd-cccc-dddd-eeee-ffffffffffff")
    row = account_settings.c
    spoil = update(account_settings).where(row.sAccountName == "spoilt").values(dtImportSince=literal_column("'25:00'"))
    run_writing(engine, lambda connection: connection.execute(spoil))
    trouble = insert(account_condition).values(
        nAccountID=2,
        sRole="processor",
        sReason="X",
        sDetail="y",
        dtSince=literal_column("'gestern'"),
        dtNextAttempt=literal_column("'morgen'"),
    )
    run_writing(engine, lambda connection: connection.execute(trouble))

    good, bad = listed(run)
    assert not good["conditions"]
    assert "dtImportSince holds '25:00'" in bad["conditions"][0]["detail"]
    for words in (
        ("accounts", "list"),
        ("accounts", "show", "spoilt"),
        ("accounts", "show", "laboratory"),
        ("accounts", "history", "spoilt"),
        ("accounts", "export"),
        ("accounts", "update", "laboratory", "--folder", "archive"),
        ("accounts", "disable", "spoilt"),
        ("accounts", "enable", "spoilt"),
        ("queue", "status"),
        ("queue", "list"),
    ):
        result = run(*words)
        assert result.exit_code == 0, (words, result.stderr, result.exception)
    assert "dtImportSince holds '25:00'" in " ".join(run("accounts", "show", "spoilt").stdout.split())
    for words in (
        ("verify", "spoilt"),
        ("import", "spoilt"),
        ("accounts", "test", "spoilt"),
        ("accounts", "folders", "spoilt"),
    ):
        result = run(*words)
        assert (result.exit_code, "dtImportSince" in result.stderr) == (1, True), (words, result.stderr)
    assert run("accounts", "update", "spoilt", "--import-since", "all").exit_code == 0
    assert len(listed(run)[1]["conditions"]) == 1


def test_a_command_that_cannot_use_all_of_a_row_names_the_value_and_the_remedy(
    run: Run, add: Run, engine: Engine
) -> None:
    """The export lacks the value, and the update leaves it: both report so, until it is corrected."""
    add()
    row = account_settings.c
    spoil = update(account_settings).where(row.sAccountName == "laboratory").values(sFolder=literal_column("x'ff'"))
    run_writing(engine, lambda connection: connection.execute(spoil))
    why = (
        "The row of account 'laboratory' (number 1) in tblEmailAccountSettings cannot be used: sFolder holds "
        "\"b'\\\\xff'\", which is not text. Correct it, or set all settings again: mail-importer accounts update "
        "laboratory"
    )

    folders_of_it = run("accounts", "folders", "laboratory")
    assert (folders_of_it.exit_code, folders_of_it.stdout) == (1, "")
    exported = run("accounts", "export")
    assert exported.exit_code == 0
    assert "laboratory" in exported.stdout
    updated = run("accounts", "update", "laboratory", "--after-import", "read")
    assert updated.exit_code == 0
    for result in (folders_of_it, exported, updated):
        assert why in " ".join(result.stderr.split())
    corrected = run("accounts", "update", "laboratory", "--folder", "Archive")
    assert (corrected.exit_code, "cannot be used" in corrected.stderr) == (0, False)
    assert "cannot be used" not in run("accounts", "export").stderr


def test_what_a_change_did_is_stated_as_json_too(run: Run, engine: Engine) -> None:
    assert engine is not None

    def stated(*arguments: str) -> dict[str, Any]:
        result = run("accounts", *arguments, "--json")
        assert result.exit_code == 0
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    given = [part for name, value in GIVEN.items() for part in (f"--{name}", value)]
    added = stated("add", *given)
    number = added["account_id"]
    assert added == {"account_id": number, "name": "laboratory", "action": "added"}
    assert stated("update", "laboratory", "--rename", "lab", "--folder", "Archive") == {
        "account_id": number,
        "name": "lab",
        "action": "changed",
        "changes": {
            "name": {"before": "laboratory", "after": "lab"},
            "folder": {"before": "Inbox", "after": "Archive"},
        },
    }
    assert stated("update", "lab", "--folder", "Archive")["action"] == "unchanged"
    assert stated("disable", "lab") == {"account_id": number, "name": "lab", "action": "disabled"}
    assert stated("enable", "lab") == {"account_id": number, "name": "lab", "action": "enabled"}
    nothing = {"actions": 0, "incomplete": 0, "not_called_for": 0}
    assert stated("retry-actions", "lab") == {"name": "lab", "action": "retry-actions", **nothing}
    present = f"lab (removed, {number})"
    removed = {"account_id": number, "name": "lab", "action": "removed", "present_name": present, "messages": 0}
    assert stated("remove", "lab", "--yes") == removed
    assert stated("add", *given, "--folder", "Archive") == {
        "account_id": number,
        "name": "laboratory",
        "action": "taken_up",
        "taken_up": present,
        "messages": 0,
        "import_since": "2026-03-31T12:00:00Z",
    }


# Access in the web console.


def test_access_in_the_web_console_is_given_to_groups_and_to_everyone_again(add: Run, run: Run, stored: Stored) -> None:
    assert (
        add("--console-access", " Laboratory ", "--console-access", "laboratory", "--console-access", "IT").exit_code
        == 0
    )
    assert stored()[0].settings.console_access == ("Laboratory", "IT")
    assert "Laboratory, IT" in run("accounts", "show", "laboratory").stdout
    run("accounts", "update", "laboratory", "--folder", "Archive")
    assert stored()[0].settings.console_access == ("Laboratory", "IT")
    assert run("accounts", "update", "laboratory", "--console-access", "Quality").exit_code == 0
    assert stored()[0].settings.console_access == ("Quality",)
    assert run("accounts", "update", "laboratory", "--no-console-access").exit_code == 0
    assert stored()[0].settings.console_access == ()
    assert "all users" in run("accounts", "show", "laboratory").stdout
    history = run("accounts", "history", "laboratory").stdout
    assert "console_access: Laboratory\nIT → Quality" in history.replace("; ", "\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--console-access", " "), "empty"),
        (("--console-access", "a\nb"), "cannot be seen"),
        (("--console-access", "x" * 201), "200 is the most"),
        (("--console-access", "x", "--no-console-access"), "exclude each other"),
    ],
)
def test_a_group_that_makes_no_sense_is_wrong_usage(options: tuple[str, ...], said: str, add: Run, run: Run) -> None:
    add()
    result = run("accounts", "update", "laboratory", *options)
    assert result.exit_code == 2
    assert said in result.stderr
