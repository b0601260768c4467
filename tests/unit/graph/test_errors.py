import copy
import json
import pickle
from datetime import UTC, datetime

import pytest

from graph.errors import (
    AccessDenied,
    GraphError,
    GraphUnavailable,
    ItemCorrupt,
    ItemGone,
    ItemUnconvertible,
    MailboxNotFound,
    RequestRejected,
    SignInRefused,
    SubscriptionExists,
    SyncStateLost,
)
from graph.responses import error_from_response, retry_after_seconds
from phrases import Phrase
from tests.doubles.scripted_graph import make_mailbox

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


def answer(
    status: int, code: str = "", message: str = "", headers: dict[str, str] | None = None, **more: object
) -> GraphError:
    body = {"error": {"code": code, "message": message, **more}}
    return error_from_response(
        status, json.dumps(body).encode(), headers or {}, operation="GET /x", mailbox=make_mailbox(), now=NOW
    )


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (429, "TooManyRequests", "", GraphUnavailable),
        (503, "ServiceUnavailable", "Mailbox info is stale", GraphUnavailable),
        (504, "", "", GraphUnavailable),
        (509, "", "", GraphUnavailable),
        (500, "UnknownError", "", GraphUnavailable),
        (502, "", "", GraphUnavailable),
        (403, "ApplicationThrottled", "over its MailboxConcurrency limit.", GraphUnavailable),
        (400, "ErrorTooManyObjectsOpened", "", GraphUnavailable),
        (400, "activityLimitReached", "", GraphUnavailable),
        (400, "ExtensionError", "Operation: Create; Exception: [A task was canceled.]", GraphUnavailable),
        (400, "ExtensionError", "Request has been quarantined by condition", GraphUnavailable),
        (403, "ExtensionError", "Exception: [Status Code: ServiceUnavailable; Reason: x]", GraphUnavailable),
        (400, "ExtensionError", "Exception: [Status Code: 503; Reason: x]", GraphUnavailable),
        (302, "", "", GraphUnavailable),
        (423, "", "", GraphUnavailable),
        (449, "", "", GraphUnavailable),
        (404, "ErrorMailboxStoreUnavailable", "", GraphUnavailable),
        (403, "ErrorMailboxMoveInProgress", "", GraphUnavailable),
        (400, "ErrorInternalServerTransientError", "", GraphUnavailable),
        (400, "ErrorServerBusy", "", GraphUnavailable),
        (409, "ErrorIrresolvableConflict", "", GraphUnavailable),
        (500, "ErrorMimeContentConversionFailed", "", ItemUnconvertible),
        (500, "ErrorContentConversionFailed", "", ItemUnconvertible),
        (400, "ErrorVirusDetected", "", ItemUnconvertible),
        (403, "ExtensionError", "Exception: [Status Code: Forbidden; Reason: x]", AccessDenied),
        (400, "ExtensionError", "Exception: [Status Code: Unauthorized; Reason: x]", AccessDenied),
        (403, "ErrorAccessDenied", "", AccessDenied),
        (401, "InvalidAuthenticationToken", "", AccessDenied),
        (404, "ExtensionError", "The REST API is not yet supported for this mailbox", MailboxNotFound),
        (404, "ErrorInvalidUser", "", MailboxNotFound),
        (404, "Request_ResourceNotFound", "", MailboxNotFound),
        (404, "MailboxNotEnabledForRESTAPI", "", MailboxNotFound),
        (404, "ErrorItemNotFound", "", ItemGone),
        (404, "", "", ItemGone),
        (500, "ErrorCorruptData", "", ItemCorrupt),
        (400, "ErrorInvalidIdMalformed", "", RequestRejected),
        (405, "", "", RequestRejected),
        (413, "", "", RequestRejected),
        (410, "", "", SyncStateLost),
        (400, "SyncStateNotFound", "", SyncStateLost),
        (404, "resyncRequired", "", SyncStateLost),
    ],
)
def test_an_answer_becomes_the_error_that_decides_what_to_do(
    status: int, code: str, message: str, kind: type[GraphError]
) -> None:
    error = answer(status, code, message)
    assert type(error) is kind
    assert error.status == status
    assert error.code == (code or None)
    assert "Support" in str(error)
    assert "GET /x" in str(error)


@pytest.mark.parametrize("status", [400, 404, 423, 500, 503])
def test_a_mailbox_that_is_down_is_distinguished_from_an_item_that_fails(status: int) -> None:
    """Its code decides: a status of 500 alone may be the item's."""
    for code in ("ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable"):
        error = answer(status, code)
        assert isinstance(error, GraphUnavailable)
        assert error.mailbox_down
    plain = answer(500, "ErrorInternalServerError")
    assert isinstance(plain, GraphUnavailable)
    assert not plain.mailbox_down


def test_the_inner_code_counts() -> None:
    assert isinstance(answer(400, "x", "", innerError={"code": "activityLimitReached"}), GraphUnavailable)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410])
@pytest.mark.parametrize("code", ["syncStateNotFound", "SyncStateNotFound", "SYNCSTATENOTFOUND", "ResyncRequired"])
@pytest.mark.parametrize("where", ["code", "innerError", "innererror", "InnerError", "deep"])
def test_a_lost_sync_state_is_known_by_its_code_wherever_it_stands(status: int, code: str, where: str) -> None:
    """Any 40x with one of the two codes, in any letter case and at any depth, means a new delta round."""
    shapes: dict[str, dict[str, object]] = {"deep": {"innerError": {"code": "x", "innererror": {"code": code}}}}
    more = {} if where == "code" else shapes.get(where, {where: {"code": code}})
    body = {"error": {"code": code if where == "code" else "ErrorInvalidRequest", **more}}
    assert isinstance(error_from_response(status, body, {}, operation="GET /x"), SyncStateLost)


@pytest.mark.parametrize("code", ["", "ErrorItemNotFound", "ErrorAccessDenied"])
def test_410_is_a_lost_sync_state_whatever_its_code(code: str) -> None:
    """410 decides before the code does."""
    assert isinstance(answer(410, code), SyncStateLost)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"error": "text"}', b'{"error": {"code": 7}}', b"\xff\xfe"])
def test_a_body_of_any_shape_gives_an_error(body: bytes) -> None:
    assert isinstance(error_from_response(404, body, {}, operation="GET /x"), ItemGone)


def test_the_request_id_is_kept_for_the_support_case() -> None:
    assert answer(503, headers={"Request-Id": "r-1"}).request_id == "r-1"
    assert answer(503, "x", "", innerError={"request-id": "r-2"}).request_id == "r-2"


def test_no_token_of_the_answer_reaches_the_text() -> None:
    said = "IDX14100: eyJhbGciOi.eyJzdWIi.sig is bad; Bearer abc\nmi1.5." + "A" * 43
    error = answer(401, "InvalidAuthenticationToken", said)
    assert "eyJ" not in str(error)
    assert "abc" not in str(error)
    assert "AAAA" not in str(error)
    assert "\n" not in str(error)


def test_a_body_with_a_byte_order_mark_has_its_code() -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"error": {"code": "ErrorInvalidUser"}}).encode()
    assert isinstance(error_from_response(404, body, {}, operation="GET /x"), MailboxNotFound)


def test_a_body_nested_beyond_reading_is_no_error_object() -> None:
    assert error_from_response(404, b"[" * 100_000, {}, operation="GET /x").code is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Mon, 01 Mar 2027 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Mon, 01 Mar 2027 12:00:30 GMT", "date": "Mon, 01 Mar 2027 12:00:10 GMT"}, 20.0),
        ({"retry-after": "Mon, 01 Mar 2027 11:00:00 GMT"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1_000"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "9" * 400}, 1e9),
        ({"retry-after": "Mon, 01 Mar 9999 12:00:00 GMT"}, 1e9),
        ({"retry-after": "Mon, 01 Mar 99999999999999999999 12:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, NOW) == seconds


@pytest.mark.parametrize("asked", ["86400", "9" * 400, "Tue, 02 Mar 2027 12:00:00 GMT"])
def test_no_more_than_ten_minutes_are_waited_because_an_answer_asks(asked: str) -> None:
    """A longer request is reported."""
    error = answer(503, headers={"Retry-After": asked})

    assert isinstance(error, GraphUnavailable)
    assert error.retry_after == 600
    assert error.asked_longer
    assert "It demanded a pause" in str(error)
    enough = answer(503, headers={"Retry-After": "600"})
    assert isinstance(enough, GraphUnavailable)
    assert not enough.asked_longer


def test_only_what_graph_surely_did_not_begin_may_be_repeated() -> None:
    maybe = {status: answer(status) for status in (429, 500, 502, 503, 504)}
    assert {s for s, e in maybe.items() if isinstance(e, GraphUnavailable) and e.outcome_unknown} == {500, 502, 504}


@pytest.mark.parametrize(
    "error",
    [
        SignInRefused(Phrase("It failed."), advice=Phrase("Do this."), aadsts=700027, code="invalid_client"),
        SubscriptionExists(Phrase("There is one."), subscription_id="s", status=409),
        GraphUnavailable(Phrase("Later."), retry_after=3.0),
    ],
)
def test_an_error_survives_copying(error: GraphError) -> None:
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301  # own bytes
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


def test_an_account_error_reports_what_to_do() -> None:
    error = answer(403, "ErrorAccessDenied")
    assert isinstance(error, AccessDenied)
    assert "Mail.Read" in error.advice
    assert str(error) == f"{error.summary} {error.advice}"
