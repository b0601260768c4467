"""The accounts, and the conditions of each."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from threading import Event
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, delete, literal_column, select, text, update

from db.engine import run_writing
from db.errors import AccountExists, AccountNotFound, AccountRemoved, AccountUnreadable
from db.queries import accounts, installation, mailbox_addresses, subscriptions
from db.queries.accounts import AccountSettings, Condition
from db.queries.schedule import NEVER, SUBSCRIPTIONS
from db.tables import (
    account_condition,
    account_settings,
    folder_sync,
    mailbox_address,
    message,
    subscription_schedule,
)
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
EARLIER: Final = NOW - timedelta(days=1)
LATER: Final = NOW + timedelta(hours=1)


def settings(name: str, **changed: Any) -> AccountSettings:  # noqa: ANN401  # passed through
    made = AccountSettings(
        name,
        tenant_id="tenant",
        client_id="client",
        user_id=f"{name}@example.com",
        thumbprint="AB" * 20,
        secure_certificate_access=False,
        folder="Inbox/Prüfberichte",
        after_import="move",
        move_to_folder="Erledigt",
    )
    return replace(made, **changed)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def due(connection: Connection, account_id: int) -> object:
    schedule = subscription_schedule.c
    return connection.scalar(select(schedule.dtDue).where(schedule.nAccountID == account_id))


def test_account_is_kept_as_it_was_added(connection: Connection) -> None:
    """A new account is enabled, has all given settings, and is due for its subscription."""
    number = accounts.add(connection, settings("laboratory"), now=NOW)
    found = accounts.by_name(connection, "laboratory")
    assert (found.account_id, found.settings) == (number, settings("laboratory"))
    assert found.enabled
    assert not found.removed
    assert due(connection, number) == NOW


def test_accounts_are_listed_by_name(connection: Connection) -> None:
    """An operator finds an account in an ordered list."""
    for name in ("c", "a", "b"):
        accounts.add(connection, settings(name), now=NOW)
    assert [each.settings.name for each in accounts.every(connection)] == ["a", "b", "c"]


def test_a_page_of_accounts_begins_behind_a_name_and_has_those_searched_for(connection: Connection) -> None:
    for each in ("c", "a", "b", "100%"):
        accounts.add(connection, settings(each), now=NOW)
    found = accounts.by_name(connection, "b")
    mailbox_addresses.note(connection, found, "Labor_1@riviere.example", now=NOW)
    accounts.mark_removed(connection, "c", now=NOW)

    def names(**wanted: Any) -> list[str]:  # noqa: ANN401  # passed through
        return [each.settings.name for each in accounts.page(connection, limit=2, **wanted)]

    assert names() == ["100%", "a"]
    assert names(after="100%") == ["a", "b"]
    assert names(after="b") == []
    assert names(search="LABOR_1@") == ["b"]
    assert names(search="A@example") == ["a"]
    assert names(search="0%") == ["100%"]
    assert names(search="laborX1") == []
    assert names(removed=True) == ["c (removed, 1)"]
    assert accounts.addresses(connection, [found.account_id, 99]) == {found.account_id: "Labor_1@riviere.example"}


def test_groups_of_the_web_console_are_kept_with_the_settings(connection: Connection) -> None:
    accounts.add(connection, settings("a", console_access=("Laboratory", "IT")), now=NOW)
    assert accounts.by_name(connection, "a").settings.console_access == ("Laboratory", "IT")
    accounts.change(connection, "a", settings("a"), now=NOW)
    assert accounts.by_name(connection, "a").settings.console_access == ()
    assert connection.scalar(select(account_settings.c.sConsoleAccess)) is None


def test_name_is_taken_once(connection: Connection) -> None:
    """A second account of a name is refused, and the first stays as it is."""
    accounts.add(connection, settings("a"), now=NOW)
    with pytest.raises(AccountExists, match="'a' exists already"):
        accounts.add(connection, replace(settings("a"), user_id="other@example.com"), now=NOW)
    assert [each.settings for each in accounts.every(connection)] == [settings("a")]


def test_folder_is_imported_once(connection: Connection) -> None:
    """A second account on the same folder of the same mailbox is refused: they would compete for the subscription."""
    accounts.add(connection, settings("a"), now=NOW)
    with pytest.raises(AccountExists, match="'a' imports this folder"):
        accounts.add(connection, replace(settings("b"), user_id="A@EXAMPLE.com"), now=NOW)


def test_unknown_name_shows_where_to_look(connection: Connection) -> None:
    """Every command on a missing account names the command that lists them."""
    for call in (
        lambda: accounts.by_name(connection, "nobody"),
        lambda: accounts.set_enabled(connection, "nobody", True, now=NOW),
        lambda: accounts.mark_removed(connection, "nobody", now=NOW),
    ):
        with pytest.raises(AccountNotFound, match=r"no account named 'nobody'.*accounts list"):
            call()


@pytest.mark.parametrize("enabled", [False, True])
def test_switching_has_the_subscription_follow(connection: Connection, enabled: bool) -> None:
    """An account switched on or off is due at once, whatever its schedule was."""
    number = accounts.add(connection, settings("a"), now=NOW)
    accounts.set_enabled(connection, "a", enabled, now=LATER)
    assert accounts.by_name(connection, "a").enabled is enabled
    assert due(connection, number) == LATER


def imported(connection: Connection, account_id: int, graph_id: str = "AAMk") -> None:
    connection.execute(
        message.insert().values(nAccountID=account_id, sGraphMessageID=graph_id, bHasAttachments=False, dtImported=NOW)
    )


def knows(connection: Connection, account_id: int, user_id: str, address: str) -> None:
    """The address of an account's mailbox is known."""
    connection.execute(
        mailbox_address.insert().values(nAccountID=account_id, sUserID=user_id, sAddress=address, dtLearned=NOW)
    )


def test_removed_account_frees_its_name_and_keeps_its_row_and_messages(connection: Connection) -> None:
    """The name can be reused at once, by another mailbox; what only the manager needs goes with the subscription."""
    old = accounts.add(connection, settings("a"), now=NOW)
    imported(connection, old)
    accounts.set_condition(connection, Condition(old, "processor", "Forbidden", "", NOW, LATER))
    assert accounts.mark_removed(connection, "a", now=LATER) == f"a (removed, {old})"

    assert accounts.every(connection) == []
    assert accounts.conditions(connection) == []
    removed = accounts.by_id(connection, [old])[old]
    assert (removed.removed, removed.removed_at, removed.enabled) == (True, LATER, False)
    assert accounts.every_removed(connection) == [removed]
    assert due(connection, old) == LATER
    new = accounts.add(connection, settings("a", user_id="other@example.com"), now=LATER)
    assert new != old

    assert accounts.retire(connection, old)
    assert set(accounts.by_id(connection, [old, new])) == {old, new}
    assert list(connection.scalars(select(account_condition.c.nAccountID))) == []
    assert due(connection, old) is None
    assert accounts.imported_counts(connection) == {old: 1}
    assert accounts.imported_count(connection, old) == 1
    assert accounts.changed(connection, now=LATER, limit=5) == []


def test_only_a_removed_account_is_retired(connection: Connection) -> None:
    """One that was taken up meanwhile keeps its schedule."""
    number = accounts.add(connection, settings("a"), now=NOW)
    assert not accounts.retire(connection, number)
    assert not accounts.retire(connection, number + 1)
    accounts.purge(connection, number)
    assert accounts.by_name(connection, "a").account_id == number
    assert due(connection, number) == NOW


def test_what_another_program_left_of_an_account_is_deleted(connection: Connection) -> None:
    """Its row is gone, and with it the way to its mailbox."""
    number = accounts.add(connection, settings("a"), now=NOW)
    connection.execute(delete(account_settings).where(account_settings.c.nAccountID == number))
    accounts.purge(connection, number)
    assert due(connection, number) is None


@pytest.mark.parametrize("retired", [False, True])
def test_the_same_mailbox_and_folder_takes_up_a_removed_account(connection: Connection, retired: bool) -> None:
    """Number, start of imports and the knowledge of mail stay; the settings are the new ones, and the pass is full."""
    number = accounts.add(connection, settings("a", import_since=EARLIER), now=NOW)
    imported(connection, number)
    accounts.mark_removed(connection, "a", now=NOW)
    if retired:
        accounts.retire(connection, number)
    again = settings("b", user_id="A@Example.com", tenant_id="TENANT", client_id="other", thumbprint="CD" * 20)
    assert accounts.add(connection, again, now=LATER) == number

    account = accounts.by_name(connection, "b")
    assert (account.enabled, account.removed, account.removed_at) == (True, False, None)
    assert account.settings == replace(again, import_since=EARLIER)
    assert accounts.every_removed(connection) == []
    assert due(connection, number) == LATER
    sync = connection.execute(select(folder_sync).where(folder_sync.c.nAccountID == number)).one()
    assert (sync.sLink, sync.bFullPass, sync.bGap, sync.dtDue) == (None, True, True, LATER)
    assert accounts.imported_counts(connection) == {number: 1}
    assert not accounts.retire(connection, number)


@pytest.mark.parametrize(
    ("folder", "other", "same"),
    [
        ("Inbox", "inbox", True),
        ("Inbox/Prüfberichte", " INBOX / Pru\u0308fberichte/", True),
        ("Inbox", "Archive", False),
        ("Inbox/A", "A", False),
    ],
)
def test_folders_are_the_same_in_any_spelling(connection: Connection, folder: str, other: str, same: bool) -> None:
    number = accounts.add(connection, settings("a", folder=folder), now=NOW)
    accounts.mark_removed(connection, "a", now=NOW)
    assert (accounts.add(connection, settings("a", folder=other), now=LATER) == number) is same


ID: Final = "bbbbbbbb-cccc-dddd-eeee-ffffffffffff"


@pytest.mark.parametrize(
    ("before", "after", "address", "same"),
    [
        (ID, "A@Example.com", "a@example.com", True),
        ("a@example.com", ID, "A@example.com", True),
        (ID, "b@example.com", "a@example.com", False),
        (ID, "a@example.com", None, False),
        ("a@example.com", "b@example.com", "a@example.com", False),
        (ID, ID.upper(), None, True),
        (ID, ID.replace("b", "a"), "a@example.com", False),
    ],
)
def test_a_mailbox_is_known_by_its_address_and_its_id(
    connection: Connection, before: str, after: str, address: str | None, same: bool
) -> None:
    number = accounts.add(connection, settings("a", user_id=before), now=NOW)
    if address is not None:
        knows(connection, number if before == ID else number + 100, ID, address)
    accounts.mark_removed(connection, "a", now=NOW)
    accounts.retire(connection, number)
    assert (accounts.add(connection, settings("a", user_id=after), now=LATER) == number) is same


def test_another_tenant_takes_up_nothing(connection: Connection) -> None:
    number = accounts.add(connection, settings("a"), now=NOW)
    accounts.mark_removed(connection, "a", now=NOW)
    assert accounts.add(connection, settings("a", tenant_id="other"), now=NOW) != number


def test_of_several_removed_accounts_the_latest_is_taken_up(connection: Connection) -> None:
    """Older programs, and other ones, may leave several."""
    first, second = (
        accounts.add(connection, settings(name, user_id=f"{name}@example.com"), now=NOW) for name in ("a", "b")
    )
    accounts.mark_removed(connection, "b", now=NOW)
    accounts.mark_removed(connection, "a", now=LATER)
    connection.execute(update(account_settings).values(sUserID="c@example.com"))
    assert accounts.add(connection, settings("c"), now=LATER) == first
    assert [each.account_id for each in accounts.every_removed(connection)] == [second]


@pytest.mark.parametrize(
    ("since", "purged", "expected"),
    [
        (None, None, EARLIER),
        (accounts.EVERYTHING, None, accounts.EVERYTHING),
        (LATER, None, LATER),
        (accounts.EVERYTHING, NOW, NOW),
        (LATER, NOW, LATER),
        (None, NOW, EARLIER),
    ],
)
def test_purged_mail_stays_away_from_an_account_that_is_taken_up(
    connection: Connection, since: datetime | None, purged: datetime | None, expected: datetime
) -> None:
    """The start of imports stays, or is the one given; mail that was purged is not imported in any case."""
    number = accounts.add(connection, settings("a", import_since=EARLIER), now=NOW)
    connection.execute(update(account_settings).values(dtPurgedBefore=purged))
    accounts.mark_removed(connection, "a", now=NOW)
    assert accounts.add(connection, settings("a", import_since=since), now=LATER) == number
    account = accounts.by_name(connection, "a")
    assert (account.settings.import_since, account.purged_before) == (expected, purged)


def test_taking_up_refuses_what_adding_refuses(connection: Connection) -> None:
    """A name in use, that of a removed account, or a folder that another account imports."""
    number = accounts.add(connection, settings("a"), now=NOW)
    accounts.mark_removed(connection, "a", now=NOW)
    accounts.add(connection, settings("b"), now=NOW)
    with pytest.raises(AccountExists, match="'b' exists already"):
        accounts.add(connection, settings("b", user_id="a@example.com"), now=NOW)
    for user_id in ("a@example.com", "c@example.com"):
        with pytest.raises(AccountExists, match="is the name of a removed account"):
            accounts.add(connection, settings(f"a (removed, {number})", user_id=user_id), now=NOW)
    with pytest.raises(AccountExists, match="is the name of a removed account"):
        accounts.change(connection, "b", settings(f"a (removed, {number})", user_id="b@example.com"), now=NOW)
    assert [each.account_id for each in accounts.every_removed(connection)] == [number]


def test_a_removed_account_says_how_it_is_taken_up_again(connection: Connection) -> None:
    """Under its former name and its present one; for reading it is found by the latter."""
    number = accounts.add(connection, settings("100%_a"), now=NOW)
    present = accounts.mark_removed(connection, "100%_a", now=NOW)
    for name in ("100%_a", present):
        for call in (
            partial(accounts.by_name, connection, name),
            partial(accounts.set_enabled, connection, name, True, now=NOW),
            partial(accounts.change, connection, name, settings("x"), now=NOW),
            partial(accounts.mark_removed, connection, name, now=NOW),
        ):
            with pytest.raises(AccountRemoved, match=r"was removed.*accounts add"):
                call()
    assert accounts.with_removed(connection, present).account_id == number
    with pytest.raises(AccountRemoved, match=re.escape(f"it is called '{present}' now")):
        accounts.with_removed(connection, "100%_a")
    for name in ("100", "100xxa", f"100%_a (removed, {number + 1})"):
        with pytest.raises(AccountNotFound, match="There is no account named"):
            accounts.with_removed(connection, name)


def test_nothing_works_for_a_removed_account_that_another_program_enabled(connection: Connection) -> None:
    """Whatever its row holds beside the time of its removal."""
    number = accounts.add(connection, settings("a", user_id=ID), now=NOW)
    application = ("tenant", "client")
    accounts.set_condition(connection, Condition(number, "sweep", "Forbidden", "", NOW, LATER))
    in_use: list[Callable[[], int]] = [
        lambda: len(accounts.certificate_uses(connection)),
        lambda: len(accounts.applications(connection)),
        lambda: len(accounts.unsubscribed(connection, application)),
        lambda: int(accounts.one_of_application(connection, application) is not None),
        lambda: installation.enabled_accounts(connection),
        lambda: len(installation.conditions(connection)),
        lambda: len(installation.conditions_of(connection, [number])),
        lambda: len(installation.account_states(connection)),
        lambda: len(mailbox_addresses.missing(connection, but=(), limit=5)),
        lambda: len(accounts.conditions(connection)),
    ]
    use = accounts.certificate_uses(connection)[0]
    assert [each() for each in in_use] == [1] * len(in_use)
    accounts.mark_removed(connection, "a", now=NOW)
    connection.execute(update(account_settings).values(bEnabled=True))
    assert [each() for each in in_use] == [0] * len(in_use)
    assert accounts.names_using(connection, use) == {}
    assert installation.removed(connection, [number, number + 1]) == {number}


def test_long_names_can_be_removed(connection: Connection) -> None:
    """Two removed accounts of one long name do not collide."""
    name = "x" * 200
    for _ in range(2):
        accounts.add(connection, settings(name), now=NOW)
        accounts.mark_removed(connection, name, now=NOW)
    assert accounts.every(connection) == []


def test_applications_of_enabled_accounts(connection: Connection) -> None:
    """Each tenant and client that is in use is named once."""
    for name, client in [("a", "one"), ("b", "one"), ("c", "two")]:
        accounts.add(connection, replace(settings(name), client_id=client), now=NOW)
    accounts.set_enabled(connection, "c", False, now=NOW)
    assert accounts.applications(connection) == [("tenant", "one")]
    found = accounts.one_of_application(connection, ("tenant", "one"))
    assert found is not None
    assert found.settings.client_id == "one"
    assert len(accounts.unsubscribed(connection, ("tenant", "one"))) == 2


def test_condition_keeps_since_when(connection: Connection) -> None:
    """The same condition again keeps its beginning; another one begins now; a role has one at a time."""
    first = Condition(1, "processor", "Forbidden", "403", NOW, NOW)
    accounts.set_condition(connection, first)
    again = replace(first, detail="403 again", since=LATER, next_attempt=LATER)
    accounts.set_condition(connection, again)
    assert accounts.conditions(connection) == [replace(again, since=NOW)]

    other = replace(again, reason="CertificateMissing", detail="gone")
    accounts.set_condition(connection, other)
    assert accounts.conditions(connection) == [other]


def test_conditions_of_roles_and_accounts_are_apart(connection: Connection) -> None:
    """A success of one role does not concern the other, nor another account."""
    for number, role in [(1, "processor"), (1, "subscriptions"), (2, "processor")]:
        accounts.set_condition(connection, Condition(number, role, "Forbidden", "", NOW, LATER))
    accounts.clear_condition(connection, 1, "processor")
    assert [(each.account_id, each.role) for each in accounts.conditions(connection)] == [
        (1, "subscriptions"),
        (2, "processor"),
    ]


def test_account_added_or_changed_by_another_program(connection: Connection) -> None:
    """A row written directly into the table shows, until it is served in its present state."""
    number = accounts.add(connection, settings("a"), now=NOW)
    connection.execute(subscription_schedule.delete())
    assert accounts.changed(connection, now=LATER, limit=10) == [number]

    def serve() -> None:
        accounts.make_due(connection, number, now=NOW)
        assert accounts.changed(connection, now=NOW, limit=10) == []  # it is due anyway
        [lease] = SUBSCRIPTIONS.claim(connection, [number], owner="one", now=NOW, lease=LATER - NOW)
        served = accounts.by_id(connection, [number])[number].fingerprint
        subscriptions.note_served(connection, number, served=served, served_with="with")
        SUBSCRIPTIONS.release(connection, lease, due=NEVER, failures=0)
        assert accounts.changed(connection, now=LATER, limit=10) == []

    serve()
    assert accounts.changed(connection, now=LATER, limit=10, served_with="with") == []
    assert accounts.changed(connection, now=LATER, limit=10, served_with="other") == [number]
    changes: list[dict[str, object]] = [
        {"sFolder": "Archive"},
        {"sCertificateThumbprint": "CD" * 20},
        {"sNextCertificateThumbprint": "EF" * 20},
        {"bSecureCertificateAccess": True},
        {"sUserID": "another"},
        {"sTenantID": "another"},
        {"sClientID": "another"},
        {"bEnabled": False},
        {"dtRemoved": NOW},
    ]
    for change in changes:
        connection.execute(account_settings.update().values(**change))
        assert accounts.changed(connection, now=LATER, limit=10) == [number], change
        serve()


def test_an_account_that_does_not_say_imports_from_now_or_from_its_first_import(connection: Connection) -> None:
    """An upgrade neither imports a whole folder nor leaves a gap since the older version stopped."""
    fresh = accounts.add(connection, settings("a"), now=NOW)
    accounts.settle_import_since(connection, fresh, now=NOW)
    accounts.settle_import_since(connection, fresh, now=LATER)
    assert accounts.by_id(connection, [fresh])[fresh].settings.import_since == NOW
    older = accounts.add(connection, settings("b", user_id="b"), now=NOW)
    connection.execute(
        message.insert().values(nAccountID=older, sGraphMessageID="x", bHasAttachments=False, dtImported=EARLIER)
    )
    accounts.settle_import_since(connection, older, now=NOW)
    assert accounts.by_id(connection, [older])[older].settings.import_since == EARLIER


def test_changed_settings_are_due_at_once(connection: Connection) -> None:
    """Name, folder, certificate: all but the number; and the guards of `add` hold."""
    number = accounts.add(connection, settings("a"), now=NOW)
    accounts.add(connection, settings("b", user_id="shared", folder="Archive"), now=NOW)
    other = settings("c", folder="Results", next_thumbprint="CD" * 20)
    accounts.change(connection, "a", other, now=LATER)
    assert accounts.by_name(connection, "c").settings == other
    assert due(connection, number) == LATER
    with pytest.raises(AccountExists, match="imports this folder"):
        accounts.change(connection, "c", settings("c", user_id="shared", folder="archive"), now=LATER)
    with pytest.raises(AccountExists, match="named 'b' exists"):
        accounts.change(connection, "c", settings("b", folder="Results"), now=LATER)
    with pytest.raises(AccountNotFound):
        accounts.change(connection, "a", other, now=LATER)
    assert accounts.by_name(connection, "c").settings == other


# Rows spoilt by another program: SQLite accepts any value in any column, and PostgreSQL has times that Python has not.

_ON_SQLITE: Final = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""Its columns accept values of any type."""

_SPOILT: Final = [
    ("dtImportSince", "'2026-11-29 25:00'"),
    ("dtImportSince", "7"),
    ("dtPurgedBefore", "x'00ff'"),
    ("sFolder", "x'00ff'"),
    ("sTenantID", "x'00ff'"),
    ("sMoveToFolder", "x'00ff'"),
    ("sFilterSubjectsDenied", "x'00ff'"),
    ("nFilterSizeLeast", "'many'"),
]


def _spoil(connection: Connection, number: int, column: str, value: str) -> None:
    spoilt = update(account_settings).where(account_settings.c.nAccountID == number)
    connection.execute(spoilt.values({column: literal_column(value)}))


@pytest.mark.parametrize(
    ("database_kind", "column", "value"),
    [*(("sqlite", *each) for each in _SPOILT), ("postgresql", "dtImportSince", "'infinity'")],
    indirect=["database_kind"],
)
def test_a_row_that_cannot_be_read_hurts_no_other(connection: Connection, column: str, value: str) -> None:
    """It is there, neither disabled nor removed, and shows its fault."""
    good = accounts.add(connection, settings("good"), now=NOW)
    bad = accounts.add(connection, settings("bad", tenant_id="other"), now=NOW)
    _spoil(connection, bad, column, value)

    found = {each.account_id: each for each in accounts.every(connection)}
    assert found[good].settings == settings("good")
    assert found[good].unreadable_because is None
    why = found[bad].unreadable_because
    assert why is not None
    assert column in why
    assert found[bad].enabled
    assert not found[bad].removed
    assert accounts.by_id(connection, [good, bad]) == found
    with pytest.raises(AccountUnreadable, match=column):
        accounts.usable(connection, "bad")
    assert accounts.usable(connection, "good") == found[good]


@_ON_SQLITE
def test_text_that_is_no_text_hurts_no_other(connection: Connection) -> None:
    """Bytes that are no UTF-8 are read with marks in their place."""
    good = accounts.add(connection, settings("good"), now=NOW)
    bad = accounts.add(connection, settings("bad", user_id="x"), now=NOW)
    _spoil(connection, bad, "sUserID", "CAST(x'ff41' AS TEXT)")
    found = accounts.by_id(connection, [good, bad])
    assert found[good].settings == settings("good")
    assert found[bad].settings.user_id == "\ufffdA"


@_ON_SQLITE
@pytest.mark.parametrize("value", ["x'ff41'", "CAST(x'ff41' AS TEXT)"])
def test_a_row_with_bytes_that_are_no_text_is_served_once_for_each_change(connection: Connection, value: str) -> None:
    """The row acted on is compared by its bytes, not by the marks in their place."""
    number = accounts.add(connection, settings("bad"), now=NOW)
    _spoil(connection, number, "sUserID", value)
    [lease] = SUBSCRIPTIONS.claim(connection, [number], owner="one", now=NOW, lease=LATER - NOW)
    served = accounts.by_id(connection, [number])[number].fingerprint
    subscriptions.note_served(connection, number, served=served, served_with="with")
    SUBSCRIPTIONS.release(connection, lease, due=NEVER, failures=0)
    assert accounts.changed(connection, now=LATER, limit=10) == []

    _spoil(connection, number, "sUserID", "'user'")
    assert accounts.changed(connection, now=LATER, limit=10) == [number]
    # A turn that began before this change acted on the earlier row.
    subscriptions.note_served(connection, number, served=served, served_with="with")
    assert accounts.changed(connection, now=LATER, limit=10) == [number]


@_ON_SQLITE
def test_a_change_repairs_what_it_gives_and_leaves_the_rest(connection: Connection) -> None:
    """A column that cannot be read is overwritten only by a value that was given."""
    number = accounts.add(connection, settings("bad", import_since=NOW), now=NOW)
    _spoil(connection, number, "dtImportSince", "'2026-11-29 25:00'")

    accounts.change(connection, "bad", replace(accounts.by_name(connection, "bad").settings, folder="archive"), now=NOW)
    assert accounts.by_name(connection, "bad").unreadable
    assert accounts.by_name(connection, "bad").settings.folder == "archive"
    read = accounts.by_name(connection, "bad").settings
    accounts.change(connection, "bad", replace(read, import_since=accounts.EVERYTHING), now=NOW)
    assert accounts.usable(connection, "bad").settings.import_since == accounts.EVERYTHING


@_ON_SQLITE
def test_a_condition_that_cannot_be_read_hurts_no_other(connection: Connection) -> None:
    """Its times are long ago, so that the account is tried at once."""
    accounts.set_condition(connection, Condition(1, "processor", "AccessDenied", "why", NOW, LATER))
    accounts.set_condition(connection, Condition(2, "processor", "X", "y", NOW, LATER))
    connection.execute(
        text(
            'UPDATE "tblAccountCondition" SET "dtSince" = \'gestern\', "dtNextAttempt" = \'morgen\', '
            '"sDetail" = x\'00\' WHERE "nAccountID" = 2'
        )
    )
    first, second = accounts.conditions(connection)
    assert first.next_attempt == LATER
    assert second.next_attempt < EARLIER


def _while_taken_up(engine: Engine, work: Callable[[Connection], object]) -> tuple[int, object]:
    """Take up a removed account, and meanwhile begin another transaction; return the number, and what that gives."""
    with engine.begin() as connection:
        number = accounts.add(connection, settings("a"), now=NOW)
        accounts.mark_removed(connection, "a", now=NOW)
    begun = Event()

    def other() -> object:
        def begin(connection: Connection) -> object:
            begun.set()
            return work(connection)

        return run_writing(engine, begin)

    with ThreadPoolExecutor(1) as threads, engine.begin() as connection:
        assert accounts.add(connection, settings("b", user_id="a@example.com"), now=LATER) == number
        other_result = threads.submit(other)
        begun.wait(0.5)  # SQLite does not begin a second one
        _, waiting = wait([other_result], timeout=0.2)
        assert waiting, "the second one did not wait for the first"
        connection.commit()
        return number, _result(other_result)


def _result(future: "Future[object]") -> object:
    try:
        return future.result(timeout=20)
    except AccountExists as exc:
        return type(exc)


def test_an_account_that_is_taken_up_is_not_retired_meanwhile(database_engine: Engine) -> None:
    """Its schedules would be gone, and with them the pass that finds what it missed."""
    number, retired = _while_taken_up(database_engine, lambda c: accounts.retire(c, 1))
    assert (number, retired) == (1, False)
    with database_engine.begin() as connection:
        assert due(connection, number) == LATER


def test_a_removed_account_is_taken_up_once(database_engine: Engine) -> None:
    """Of two operators the second one is told that the folder is imported already."""
    again = settings("c", user_id="a@example.com")
    _, result = _while_taken_up(database_engine, lambda c: accounts.add(c, again, now=LATER))
    assert result is AccountExists
    with database_engine.begin() as connection:
        assert [each.settings.name for each in accounts.every(connection)] == ["b"]
