"""Subscriptions at Graph that no account holds."""

import pytest

from subscriptions.drift import surplus


def _resource(account_id: int) -> str:
    return f"users/u-{account_id}/mailFolders('inbox')/messages"


@pytest.mark.parametrize(
    ("name", "resource", "is_surplus"),
    [
        pytest.param("s-1", _resource(1), False, id="held"),
        pytest.param("s-x", _resource(1), True, id="beside the one that is held"),
        pytest.param("s-x", _resource(2), False, id="of an account in the middle of its turn"),
        pytest.param("s-x", "/" + _resource(2).upper(), False, id="the same in Graph's letter case"),
        pytest.param("s-x", _resource(9), True, id="of no account, or a disabled one"),
        pytest.param("s-x", "users/u-2/messages", True, id="of another place in the mailbox"),
        pytest.param("s-x", "", True, id="of nothing"),
    ],
)
def test_what_nobody_holds_or_is_about_to_hold_is_surplus(name: str, resource: str, is_surplus: bool) -> None:
    """Account 1 holds s-1, account 2 nothing yet."""
    assert surplus({name: resource}, {"s-1"}, [("u-2", "Inbox")]) == ([name] if is_surplus else [])


def test_what_is_on_the_mailbox_of_an_account_whose_folder_is_a_path_is_left_alone() -> None:
    """The id of the folder is not known yet: the subscription may be the one that was just made."""
    listed = {"s-x": f"users/u-2/mailFolders/{'A' * 120}/messages", "s-y": _resource(9)}
    assert surplus(listed, set(), [("u-2", "Inbox/Results")]) == ["s-y"]


def test_a_folder_change_makes_the_old_one_surplus_only_when_it_is_held_no_more() -> None:
    """While the account still holds it, its own turn replaces it."""
    old = {"s-1": "users/u-1/mailFolders('archive')/messages"}
    assert surplus(old, {"s-1"}, []) == []
    assert surplus(old, set(), [("u-1", "Inbox")]) == ["s-1"]
