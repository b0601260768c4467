"""Genuine and forged items: all security cases of a delivery stand together."""

import pytest
from structlog.testing import capture_logs

from graph.client_state import ClientStateKeys
from tests.unit.receiver.endpoint import NOW, PREVIOUS_SECRET, Endpoint, item

FOREIGN = ClientStateKeys("a-key-that-is-not-ours-0123456789-0123456789")
OURS = ClientStateKeys("the-key-in-use-0123456789-0123456789")


class TestGenuine:
    async def test_a_notification_is_queued_with_all_that_its_processing_needs(self, endpoint: Endpoint) -> None:
        """The proof gives the account, Graph's item the rest."""
        assert (await endpoint.deliver(item(endpoint.state(7), "AAkALg-42"))).status == 202
        (queued,) = await endpoint.queued()
        assert queued.account_id == 7
        assert queued.message_id == "AAkALg-42"
        assert queued.change_type == "created"
        assert queued.etag == 'W/"CQAAABYAAA"'
        assert queued.subscription_id == "0f2a0000-0000-0000-0000-000000000001"
        assert queued.lifecycle_event is None
        assert queued.received == NOW
        assert queued.correlation

    async def test_the_log_leads_from_the_request_to_the_queued_message(self, endpoint: Endpoint) -> None:
        """One correlation id goes from the delivery to the row; two deliveries never share it."""
        with capture_logs() as logs:
            await endpoint.deliver(item(endpoint.state(), "one"), item(endpoint.state(), "two"))
            await endpoint.deliver(item(endpoint.state(), "three"))
        logged = [entry for entry in logs if entry["event"] == "notification_queued"]
        assert sum(entry["count"] for entry in logged) == 3
        first, second = [correlation for entry in logged for correlation in entry["correlations"]]
        one, two, three = [queued.correlation for queued in await endpoint.queued()]
        assert len({one, two, three}) == 3
        assert one.startswith(first)
        assert two.startswith(first)
        assert three.startswith(second)
        assert first != second

    async def test_many_items_of_several_accounts_in_one_body_are_all_queued(self, endpoint: Endpoint) -> None:
        """One POST may hold items of several subscriptions, mailboxes and tenants."""
        items = [item(endpoint.state(account), f"m-{account}-{n}") for n in range(25) for account in (1, 2, 2**63 - 1)]
        assert (await endpoint.deliver(*items)).status == 202
        queued = {(found.account_id, found.message_id) for found in await endpoint.queued()}
        assert queued == {(account, f"m-{account}-{n}") for n in range(25) for account in (1, 2, 2**63 - 1)}
        assert endpoint.outcomes() == {"genuine": 75, "forged": 0, "malformed": 0}

    async def test_an_empty_collection_is_accepted(self, endpoint: Endpoint) -> None:
        """There is nothing to lose in it."""
        assert (await endpoint.deliver()).status == 202

    async def test_what_is_delivered_twice_is_queued_once(self, endpoint: Endpoint) -> None:
        """Graph delivers again items that seem lost; also twice in one body."""
        same = item(endpoint.state())
        assert (await endpoint.deliver(same, same)).status == 202
        assert (await endpoint.deliver(same)).status == 202
        assert (await endpoint.deliver(same, path="/lifecycle")).status == 202
        assert await endpoint.queued_ids() == ["AAkALg-1"]

    async def test_ids_that_differ_in_case_only_are_two_messages(self, endpoint: Endpoint) -> None:
        """Graph's ids are case-sensitive (docs/graph.md, section 7)."""
        await endpoint.deliver(item(endpoint.state(), "AAkALg"), item(endpoint.state(), "aakalg"))
        assert await endpoint.queued_ids() == ["AAkALg", "aakalg"]

    async def test_one_id_in_two_mailboxes_is_two_messages(self, endpoint: Endpoint) -> None:
        """An id means nothing without its account."""
        await endpoint.deliver(item(endpoint.state(1)), item(endpoint.state(2)))
        assert [queued.account_id for queued in await endpoint.queued()] == [1, 2]

    async def test_the_previous_key_is_still_accepted(self, endpoint: Endpoint) -> None:
        """Subscriptions made before the key was changed live for days."""
        assert (await endpoint.deliver(item(ClientStateKeys(PREVIOUS_SECRET).sign(3)))).status == 202
        assert [queued.account_id for queued in await endpoint.queued()] == [3]

    @pytest.mark.parametrize("path", ["/notifications", "/lifecycle"])
    @pytest.mark.parametrize("happened", ["reauthorizationRequired", "subscriptionRemoved", "missed", "new-in-2028"])
    async def test_lifecycle_events_are_queued_on_either_path(
        self, endpoint: Endpoint, path: str, happened: str
    ) -> None:
        """The form seen in production: organizationId for tenantId, nulls for the rest (docs/graph.md, section 4)."""
        lifecycle = {
            "subscriptionId": "0f2a",
            "clientState": endpoint.state(5),
            "lifecycleEvent": happened,
            "organizationId": "9c41",
            "resource": "Subscriptions/0f2a",
            "resourceData": {"@odata.type": "#microsoft.graph.subscription", "id": None},
            "changeType": None,
            "encryptedContent": None,
        }
        assert (await endpoint.deliver(lifecycle, item(endpoint.state(5)), path=path)).status == 202
        first, second = await endpoint.queued()
        assert (first.account_id, first.lifecycle_event, first.subscription_id) == (5, happened, "0f2a")
        assert (first.message_id, first.change_type) == (None, None)
        assert second.message_id == "AAkALg-1"
        assert endpoint.outcomes() == {"genuine": 2, "forged": 0, "malformed": 0}

    async def test_a_lifecycle_event_that_comes_twice_counts_twice(self, endpoint: Endpoint) -> None:
        """`missed` may well happen again: nothing in it distinguishes a repeat from a new one."""
        lifecycle = {"subscriptionId": "0f2a", "clientState": endpoint.state(), "lifecycleEvent": "missed"}
        await endpoint.deliver(lifecycle, path="/lifecycle")
        await endpoint.deliver(lifecycle, path="/lifecycle")
        assert len(await endpoint.queued()) == 2


FORGED = {
    "wrong proof": OURS.sign(1)[:-1] + ("A" if OURS.sign(1)[-1] != "A" else "B"),
    "another account's proof": OURS.sign(1).replace("mi1.1.", "mi1.2."),
    "unknown key": FOREIGN.sign(1),
    "proof cut off": OURS.sign(1)[:-1],
    "proof and more": OURS.sign(1) + "\n",
    "proof with a zero before": OURS.sign(1).replace("mi1.1.", "mi1.01."),
    "other digits": OURS.sign(1).replace("mi1.1.", "mi1.١."),
    "empty": "",
    "null": None,
    "number": 1,
    "true": True,
    "list": [OURS.sign(1)],
    "object": {"clientState": OURS.sign(1)},
    "10,000 characters": "x" * 10_000,
    "proof 200 times": OURS.sign(1) * 200,
    "lone surrogate": "mi1.1.\ud800",
    "NUL": OURS.sign(1) + "\0",
}


class TestForged:
    @pytest.mark.parametrize("state", FORGED.values(), ids=FORGED.keys())
    async def test_a_forger_learns_nothing_and_queues_nothing(self, endpoint: Endpoint, state: object) -> None:
        """The response is that of a genuine one; the item is counted."""
        genuine = await endpoint.deliver()
        forged = await endpoint.deliver(item(state, "AAkALg-forged"))
        assert (forged.status, forged.body) == (genuine.status, genuine.body) == (202, b"")
        assert forged.headers.keys() == genuine.headers.keys()
        assert await endpoint.queued() == []
        assert endpoint.outcomes() == {"genuine": 0, "forged": 1, "malformed": 0}

    @pytest.mark.parametrize("sent", [None, 1, 1.5, True, "text", [], {}, [["clientState", OURS.sign(1)]]], ids=repr)
    async def test_what_has_no_client_state_is_forged(self, endpoint: Endpoint, sent: object) -> None:
        """An item that is no object at all is, too."""
        assert (await endpoint.deliver(sent)).status == 202
        assert await endpoint.queued() == []
        assert endpoint.outcomes() == {"genuine": 0, "forged": 1, "malformed": 0}

    async def test_good_items_are_queued_from_among_bad_ones(self, endpoint: Endpoint) -> None:
        """A bad item does not spoil a body for the others in it."""
        bad = [item(state, "AAkALg-forged") for state in FORGED.values()]
        good = [item(endpoint.state(n), f"good-{n}") for n in range(1, len(bad) + 1)]
        mixed: list[object] = [None, *[one for pair in zip(bad, good, strict=True) for one in pair], "text", []]
        assert (await endpoint.deliver(*mixed)).status == 202
        assert await endpoint.queued_ids() == [f"good-{n}" for n in range(1, len(good) + 1)]
        assert endpoint.outcomes() == {"genuine": len(good), "forged": len(bad) + 3, "malformed": 0}

    async def test_only_the_proof_says_whose_an_item_is(self, endpoint: Endpoint) -> None:
        """Tenant, resource and subscription are claims that any sender can write."""
        claims = item(endpoint.state(4), tenantId="other", resource="Users/other/Messages/x", accountId=9, account=9)
        await endpoint.deliver(claims)
        assert [queued.account_id for queued in await endpoint.queued()] == [4]

    async def test_forgeries_are_logged_at_most_once_a_minute_with_their_number(self, endpoint: Endpoint) -> None:
        """A forger must not fill the disk with the log; the last ones are logged when the receiver ends."""
        with capture_logs() as logs:
            for _ in range(7):
                await endpoint.deliver(item("forged"), item("forged"))
            await endpoint.listener.stop()
        assert [(entry["event"], entry["count"]) for entry in logs] == [
            ("notification_forged", 2),
            ("notification_forged", 12),
        ]
        assert (endpoint.outcomes())["forged"] == 14

    async def test_logs_hold_no_secret_and_nothing_a_forger_wrote(self, endpoint: Endpoint) -> None:
        """Neither clientState, genuine or not, nor ids of forged items, nor bodies that were refused."""
        with capture_logs() as logs:
            await endpoint.deliver(item("forged-state", "forged-id"), item(FOREIGN.sign(1), "forged-id"))
            await endpoint.deliver(item(endpoint.state(), 17), item(endpoint.state(), "genuine-id"))
            await endpoint.post(b'{"value": "forged-body"}')
            await endpoint.post(b"forged-body {")
            lock = endpoint.disk.lock()
            try:
                await endpoint.deliver(item(endpoint.state(), "postponed-id"))
            finally:
                lock.close()
        reported = repr(logs)
        assert {"notification_forged", "notification_malformed", "delivery_refused", "delivery_postponed"} <= {
            entry["event"] for entry in logs
        }
        for never in ("forged-state", "forged-id", "forged-body", "mi1.", endpoint.state()[6:], "the-key"):
            assert never not in reported


def _with_data(data: object) -> dict[str, object]:
    return {"resourceData": data}


MALFORMED: dict[str, dict[str, object]] = {
    "resourceData null": _with_data(None),
    "resourceData a number": _with_data(17),
    "resourceData a list": _with_data([{"id": "AAkALg"}]),
    "resourceData text": _with_data("AAkALg"),
    "resourceData empty": _with_data({}),
    "id a number": _with_data({"id": 17}),
    "id null": _with_data({"id": None}),
    "id empty": _with_data({"id": ""}),
    "id an object": _with_data({"id": {"id": "AAkALg"}}),
    "changeType a number": {"changeType": 17},
    "changeType null": {"changeType": None},
    "changeType a list": {"changeType": ["created"]},
    "everything null": dict.fromkeys(
        ("subscriptionId", "subscriptionExpirationDateTime", "changeType", "tenantId", "resource", "resourceData")
    ),
}

UNUSUAL: dict[str, dict[str, object]] = {
    "unknown changeType": {"changeType": "archived"},
    "unknown properties": {"new": {"in": [2028]}, "encryptedContent": {"data": "x"}},
    "seven fraction digits": {"subscriptionExpirationDateTime": "2027-03-08T09:00:00.1234567+05:30"},
    "no date at all": {"subscriptionExpirationDateTime": "yesterday"},
    "organizationId": {"organizationId": "9c41", "tenantId": None},
    "etag a number": _with_data({"id": "AAkALg-1", "@odata.etag": 5}),
    "subscriptionId a number": {"subscriptionId": 5},
    "nulls for the rest": {"subscriptionId": None, "resource": None, "tenantId": None, "lifecycleEvent": None},
}


class TestMalformed:
    @pytest.mark.parametrize("properties", MALFORMED.values(), ids=MALFORMED.keys())
    async def test_what_is_genuine_but_malformed_is_queued_and_counted(
        self, endpoint: Endpoint, properties: dict[str, object]
    ) -> None:
        """Nothing genuine is lost: the processor decides, and dead-letters it for an operator to see."""
        assert (await endpoint.deliver(item(endpoint.state(6)) | properties)).status == 202
        (queued,) = await endpoint.queued()
        assert queued.account_id == 6
        assert queued.message_id is None or queued.change_type is None
        assert endpoint.outcomes() == {"genuine": 1, "forged": 0, "malformed": 1}

    @pytest.mark.parametrize("without", ["subscriptionId", "changeType", "tenantId", "resource", "resourceData"])
    async def test_what_lacks_a_property_is_queued(self, endpoint: Endpoint, without: str) -> None:
        """A property that Graph calls required may be missing nevertheless."""
        sent = item(endpoint.state())
        del sent[without]
        assert (await endpoint.deliver(sent)).status == 202
        assert len(await endpoint.queued()) == 1

    @pytest.mark.parametrize("properties", UNUSUAL.values(), ids=UNUSUAL.keys())
    async def test_what_is_unusual_is_processed_like_the_rest(
        self, endpoint: Endpoint, properties: dict[str, object]
    ) -> None:
        """Graph may add values and properties at any time."""
        assert (await endpoint.deliver(item(endpoint.state()) | properties)).status == 202
        (queued,) = await endpoint.queued()
        assert queued.message_id == "AAkALg-1"
        assert queued.change_type == properties.get("changeType", "created")
        assert endpoint.outcomes() == {"genuine": 1, "forged": 0, "malformed": 0}

    @pytest.mark.parametrize(
        "message",
        ["x" * 1000, "/+=?#%2F", "ünïcödé-日本-🙂", "\ud800", "a\0b", "'; DROP TABLE tblEmailMessage; --", "\u200eid"],
        ids=["1,000 characters", "path", "unicode", "lone surrogate", "NUL", "SQL", "invisible"],
    )
    async def test_any_text_may_be_an_id(self, endpoint: Endpoint, message: str) -> None:
        """Ids are opaque: they come out of the queue unchanged."""
        assert (await endpoint.deliver(item(endpoint.state(), message))).status == 202
        assert await endpoint.queued_ids() == [message]
