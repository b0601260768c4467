"""The accounts, and in what condition each is."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import Connection, Engine, select

from db import accounts, subscriptions
from db.accounts import AccountSettings, Condition
from db.errors import AccountExists, AccountNotFound
from db.tables import message, subscription_schedule
from tests.clock import SettableClock

NOW: Final = SettableClock()()
LATER: Final = NOW + timedelta(hours=1)


def settings(name: str) -> AccountSettings:
    return AccountSettings(
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


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


def due(connection: Connection, account_id: int) -> object:
    schedule = subscription_schedule.c
    return connection.scalar(select(schedule.dtDue).where(schedule.nAccountID == account_id))


def test_account_is_kept_as_it_was_added(connection: Connection) -> None:
    """A new account is enabled, has all that was said of it, and is due for its subscription."""
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
    """A second account on the same folder of the same mailbox is refused: they would fight for the subscription."""
    accounts.add(connection, settings("a"), now=NOW)
    with pytest.raises(AccountExists, match="'a' imports this folder"):
        accounts.add(connection, replace(settings("b"), user_id="A@EXAMPLE.com"), now=NOW)


def test_unknown_name_says_where_to_look(connection: Connection) -> None:
    """Every command on an account that is not there says so."""
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
    """The name can be taken anew at once; what was imported stays, under its number, which nobody gets again."""
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
    """Only what was removed is purged."""
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
    assert len(accounts.of_application(connection, "tenant", "one")) == 2


def test_condition_keeps_since_when(connection: Connection) -> None:
    """The same trouble again is the same trouble since then; another one begins now; a role has one at a time."""
    first = Condition(1, "processor", "Forbidden", "403", NOW, NOW)
    accounts.set_condition(connection, first)
    again = replace(first, detail="403 again", since=LATER, next_attempt=LATER)
    accounts.set_condition(connection, again)
    assert accounts.conditions(connection) == [replace(again, since=NOW)]

    other = replace(again, reason="CertificateMissing", detail="gone")
    accounts.set_condition(connection, other)
    assert accounts.conditions(connection) == [other]


def test_conditions_of_roles_and_accounts_are_apart(connection: Connection) -> None:
    """What works again for one role says nothing of the other, nor of another account."""
    for number, role in [(1, "processor"), (1, "subscriptions"), (2, "processor")]:
        accounts.set_condition(connection, Condition(number, role, "Forbidden", "", NOW, LATER))
    accounts.clear_condition(connection, 1, "processor")
    assert [(each.account_id, each.role) for each in accounts.conditions(connection)] == [
        (1, "subscriptions"),
        (2, "processor"),
    ]


def test_account_added_by_another_program(connection: Connection) -> None:
    """A row that somebody wrote straight into the table gets its turn."""
    number = accounts.add(connection, settings("a"), now=NOW)
    connection.execute(subscription_schedule.delete())
    assert subscriptions.unscheduled(connection)
    subscriptions.seed(connection, now=LATER)
    assert not subscriptions.unscheduled(connection)
    assert due(connection, number) == LATER
