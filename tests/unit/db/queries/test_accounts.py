"""The accounts, and the conditions of each."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, literal_column, select, text, update

from db.errors import AccountExists, AccountNotFound, AccountUnreadable
from db.queries import accounts, subscriptions
from db.queries.accounts import AccountSettings, Condition
from db.queries.schedule import NEVER, SUBSCRIPTIONS
from db.tables import account_settings, message, subscription_schedule
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


def test_removed_account_frees_its_name_and_keeps_its_messages(connection: Connection) -> None:
    """The name can be reused at once; imported mail stays, under its number, which is never given again."""
    old = accounts.add(connection, settings("a"), now=NOW)
    connection.execute(
        message.insert().values(nAccountID=old, sGraphMessageID="AAMk", bHasAttachments=False, dtImported=NOW)
    )
    accounts.set_condition(connection, Condition(old, "processor", "Forbidden", "", NOW, LATER))
    accounts.mark_removed(connection, "a", now=LATER)

    assert accounts.every(connection) == []
    with pytest.raises(AccountNotFound):
        accounts.by_name(connection, "a")
    assert accounts.by_id(connection, [old])[old].removed
    assert not accounts.by_id(connection, [old])[old].enabled
    assert due(connection, old) == LATER
    new = accounts.add(connection, settings("a"), now=LATER)

    accounts.purge(connection, old)
    assert list(accounts.by_id(connection, [old, new])) == [new]
    assert accounts.conditions(connection) == []
    assert due(connection, old) is None
    assert accounts.imported_counts(connection) == {old: 1}

    accounts.mark_removed(connection, "a", now=LATER)
    accounts.purge(connection, new)
    assert accounts.add(connection, settings("a"), now=LATER) not in (old, new)


def test_purge_spares_an_account_that_lives(connection: Connection) -> None:
    """Only a removed account is purged."""
    number = accounts.add(connection, settings("a"), now=NOW)
    accounts.purge(connection, number)
    assert accounts.by_name(connection, "a").account_id == number


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
