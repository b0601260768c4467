"""Desired, held and existing subscriptions, turned into actions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from db.queries.subscriptions import HeldSubscription, LifecycleRequests
from graph.subscriptions import GraphSubscription
from subscriptions.plan import (
    Action,
    Adopt,
    Create,
    Delete,
    DesiredSubscription,
    Renew,
    is_ours,
    plan,
    renewal_due,
    same_resource,
)

NOW = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)
URL = "https://mail-in.example/notifications"
LIFECYCLE = "https://mail-in.example/lifecycle"
RESOURCE = "users/u-1/mailFolders('inbox')/messages"
KEY, OLD_KEY = "0123456789ab", "ba9876543210"
WANTED = DesiredSubscription(RESOURCE, URL, LIFECYCLE, KEY)
LIFE = timedelta(minutes=9000)
HELD = HeldSubscription("s-held", 1, NOW + LIFE, RESOURCE, URL, KEY, granted=NOW, created=NOW)
FOUND = GraphSubscription("s-found", RESOURCE, "created", URL, LIFECYCLE, NOW + LIFE)


def _plan(
    wanted: DesiredSubscription | None,
    held: HeldSubscription | None = None,
    *actual: GraphSubscription,
    attempt: str | None = None,
    requests: LifecycleRequests | None = None,
) -> list[Action]:
    return plan(wanted, held, actual, requests=requests or LifecycleRequests(attempt_fingerprint=attempt), now=NOW)


@pytest.mark.parametrize(
    ("held", "actual", "attempt", "expected"),
    [
        pytest.param(None, [], None, [Create()], id="nothing there"),
        pytest.param(None, [], KEY, [Create()], id="an attempt that made none"),
        pytest.param(HELD, [], KEY, [], id="all is well"),
        pytest.param(HELD, [], OLD_KEY, [], id="what is held needs no proof"),
        pytest.param(None, [FOUND], KEY, [Adopt(FOUND), Renew("s-found")], id="made, and not noted: ours"),
        pytest.param(None, [FOUND], None, [Delete("s-found"), Create()], id="made with nobody knows which key"),
        pytest.param(None, [FOUND], OLD_KEY, [Delete("s-found"), Create()], id="made with another key"),
        pytest.param(HELD, [FOUND], KEY, [Delete("s-found")], id="a surplus one beside it"),
    ],
)
def test_an_enabled_account_gets_exactly_one(
    held: HeldSubscription | None, actual: list[GraphSubscription], attempt: str | None, expected: list[Action]
) -> None:
    """The initial state does not matter."""
    assert _plan(WANTED, held, *actual, attempt=attempt) == expected


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        pytest.param(
            LifecycleRequests(reauthorize=NOW), [Renew("s-held")], id="to be reauthorized: renewed, which is both"
        ),
        pytest.param(LifecycleRequests(recreate=True), [Delete("s-held"), Create()], id="does not notify"),
        pytest.param(LifecycleRequests(reauthorize=NOW, recreate=True), [Delete("s-held"), Create()], id="both"),
    ],
)
def test_what_graph_or_its_silence_asks_for_is_done_at_once(
    requests: LifecycleRequests, expected: list[Action]
) -> None:
    """The action comes long before the due time."""
    assert _plan(WANTED, HELD, requests=requests) == expected


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(replace(HELD, notification_url="https://old.example/notifications"), id="another address"),
        pytest.param(replace(HELD, key_fingerprint=OLD_KEY), id="another key"),
    ],
)
def test_one_that_stands_in_the_way_is_deleted_first(held: HeldSubscription) -> None:
    """Graph refuses two on one resource."""
    assert _plan(WANTED, held, attempt=KEY) == [Delete("s-held"), Create()]


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(replace(HELD, resource="users/u-1/mailFolders('archive')/messages"), id="another folder"),
        pytest.param(replace(HELD, expires=NOW), id="expired"),
    ],
)
def test_one_that_is_not_in_the_way_is_deleted_once_its_successor_is_there(held: HeldSubscription) -> None:
    """Nothing falls between then, and nothing depends on the deletion."""
    assert _plan(WANTED, held, attempt=KEY) == [Create(), Delete("s-held")]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(replace(FOUND, change_type="created,updated"), id="more kinds of change"),
        pytest.param(replace(FOUND, lifecycle_url=None), id="no lifecycle address, which cannot be added"),
        pytest.param(replace(FOUND, lifecycle_url="https://old.example/lifecycle"), id="another lifecycle address"),
        pytest.param(replace(FOUND, expires=NOW + timedelta(minutes=4)), id="about to expire"),
        pytest.param(replace(FOUND, notification_url="https://mail-in.example/old"), id="another address"),
    ],
)
def test_one_that_does_not_fit_is_not_adopted(found: GraphSubscription) -> None:
    """It is deleted and recreated."""
    assert _plan(WANTED, None, found, attempt=KEY) == [Delete("s-found"), Create()]


def test_of_several_the_one_that_lives_longest_is_adopted() -> None:
    """The others are deleted before."""
    longer = replace(FOUND, id="s-longer", expires=FOUND.expires + timedelta(minutes=1))
    shorter = replace(FOUND, id="s-shorter", expires=FOUND.expires - timedelta(minutes=1))

    actions = _plan(WANTED, None, FOUND, longer, shorter, attempt=KEY)

    assert actions == [Delete("s-found"), Delete("s-shorter"), Adopt(longer), Renew("s-longer")]


@pytest.mark.parametrize(
    ("held", "actual", "expected"),
    [
        (None, [], []),
        (HELD, [], [Delete("s-held")]),
        (None, [FOUND], [Delete("s-found")]),
        (HELD, [FOUND, replace(FOUND, id="s-held")], [Delete("s-found"), Delete("s-held")]),
    ],
)
def test_an_account_that_shall_have_none_keeps_none(
    held: HeldSubscription | None, actual: list[GraphSubscription], expected: list[Action]
) -> None:
    """The account is disabled or removed."""
    assert _plan(None, held, *actual) == expected


@pytest.mark.parametrize(
    ("left", "expected"),
    [(0.5, []), (0.44, []), (0.43, [Renew("s-held")]), (0.33, [Renew("s-held")]), (0.01, [Renew("s-held")])],
)
def test_it_is_renewed_when_a_third_of_its_life_is_left(left: float, expected: list[Action]) -> None:
    """It may be up to a tenth earlier, because the turns of many accounts are spread."""
    held = replace(HELD, granted=NOW - LIFE * (1 - left), expires=NOW + LIFE * left)
    assert _plan(WANTED, held) == expected


@pytest.mark.parametrize("minutes", [45, 4230, 10_000])
@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_renewal_is_due_with_a_third_left_and_never_later(minutes: int, jitter: float) -> None:
    """Jitter only makes it earlier, by at most a tenth of the life."""
    life = timedelta(minutes=minutes)

    due = renewal_due(NOW, NOW + life, jitter=jitter)

    assert NOW + life * (2 / 3 - 0.1) - timedelta(seconds=1) <= due <= NOW + life * (2 / 3) + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (RESOURCE, RESOURCE.upper(), True),
        (RESOURCE, f"/{RESOURCE}", True),
        (RESOURCE, "Users/u-1/mailFolders('Inbox')/messages", True),
        (RESOURCE, "users/u-2/mailFolders('inbox')/messages", False),
        (RESOURCE, "users/u-1/mailFolders('archive')/messages", False),
        (RESOURCE, "users/u-1/messages", False),
    ],
)
def test_resources_are_compared_without_letter_case(one: str, other: str, same: bool) -> None:
    """Graph's varies."""
    assert same_resource(one, other) is same


@pytest.mark.parametrize(("url", "ours"), [(URL, True), ("https://other.example/notifications", False), ("", False)])
def test_what_delivers_elsewhere_is_another_installations(url: str, ours: bool) -> None:
    """Test and production may share an application."""
    assert is_ours(replace(FOUND, notification_url=url), URL) is ours
