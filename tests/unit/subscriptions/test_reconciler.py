"""Subscriptions at Graph against the held ones: vanished and surplus."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from db.queries.accounts import Account, AccountSettings
from graph.subscriptions import GraphSubscription
from subscriptions.drift import surplus, vanished

NOW = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)
END = NOW + timedelta(days=3)
URL = "https://mail-in.example/notifications"


def _listed(name: str, resource: str) -> GraphSubscription:
    return GraphSubscription(name, resource, "created", URL, None, END)


def _resource(account_id: int) -> str:
    return f"users/u-{account_id}/mailFolders('inbox')/messages"


def _account(account_id: int) -> Account:
    settings = AccountSettings(f"a-{account_id}", "t", "c", f"u-{account_id}", "00" * 20)
    return Account(account_id, settings, enabled=True, removed=False, fingerprint="")


def test_what_graph_has_no_more_is_vanished() -> None:
    """The id alone decides: a subscription that took its place is another."""
    held = ["s-1", "s-2", "s-3"]
    listed = [_listed("s-2", _resource(2)), _listed("s-new", _resource(1))]

    assert vanished(held, listed) == ["s-1", "s-3"]
    assert vanished(held, []) == held
    assert vanished([], listed) == []


@pytest.mark.parametrize(
    ("name", "resource", "is_surplus"),
    [
        pytest.param("s-1", _resource(1), False, id="held"),
        pytest.param("s-x", _resource(1), True, id="beside the one that is held"),
        pytest.param("s-x", _resource(2), False, id="of an account in the middle of its turn"),
        pytest.param("s-x", "/" + _resource(2).upper(), False, id="the same in Graph's letter case"),
        pytest.param("s-x", _resource(9), True, id="of no account, or a disabled one"),
        pytest.param("s-x", "users/u-2/messages", True, id="of another place in the mailbox"),
    ],
)
def test_what_nobody_holds_or_is_about_to_hold_is_surplus(name: str, resource: str, is_surplus: bool) -> None:
    """Account 1 holds s-1, account 2 nothing yet."""
    listed = _listed(name, resource)
    assert surplus([listed], {"s-1"}, [_account(2)]) == ([listed] if is_surplus else [])


def test_what_is_on_the_mailbox_of_an_account_whose_folder_is_a_path_is_left_alone() -> None:
    """The id of the folder is not known yet: the subscription may be the one that was just made."""
    account = _account(2)
    account = replace(account, settings=replace(account.settings, folder="Inbox/Results"))
    made = _listed("s-x", f"users/u-2/mailFolders/{'A' * 120}/messages")
    assert surplus([made, _listed("s-y", _resource(9))], set(), [account]) == [_listed("s-y", _resource(9))]


def test_a_folder_change_makes_the_old_one_surplus_only_when_it_is_held_no_more() -> None:
    """While the account still holds it, its own turn replaces it."""
    old = _listed("s-1", "users/u-1/mailFolders('archive')/messages")
    assert surplus([old], {"s-1"}, []) == []
    assert surplus([old], set(), [_account(1)]) == [old]
