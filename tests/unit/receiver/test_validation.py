"""The proof of an endpoint that Graph requires (docs/graph.md, section 2)."""

import pytest
from structlog.testing import capture_logs

from receiver.validation import MAX_TOKEN
from tests.unit.receiver.endpoint import Endpoint

SEEN = "Validation: Testing client application reachability for subscription Request-Id: 9c41-0f2a"


@pytest.mark.parametrize("path", ["/notifications", "/lifecycle"])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_both_paths_echo_the_token_by_either_method(endpoint: Endpoint, method: str, path: str) -> None:
    """Both URLs of a subscription are validated; the response is 200, text/plain, the token and nothing else."""
    answer = await endpoint.request(method, f"{path}?validationToken=opaque-123")
    assert (answer.status, answer.text) == (200, "opaque-123")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        (SEEN.replace(" ", "+"), SEEN),
        (SEEN.replace(" ", "%20"), SEEN),
        (SEEN.replace(" ", "+").replace(":", "%3A"), SEEN),
        ("one%2Btwo", "one+two"),
        ("a%26b%3Dc%25d", "a&b=c%d"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", "<script>alert(1)</script>"),
        ("gr%C3%BC%C3%9Fe%20%E2%82%AC", "grüße €"),
        ("", ""),
        ("two%0D%0ASet-Cookie:%20x=1", "two\r\nSet-Cookie: x=1"),
    ],
)
async def test_the_token_comes_back_decoded_and_otherwise_unaltered(
    endpoint: Endpoint, encoded: str, decoded: str
) -> None:
    """Graph compares exactly: `+` and `%20` are spaces, and HTML stays literal because it is no HTML to a browser."""
    answer = await endpoint.request("POST", f"/notifications?validationToken={encoded}")
    assert (answer.status, answer.text) == (200, decoded)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


async def test_a_query_of_our_own_beside_the_token_does_no_harm(endpoint: Endpoint) -> None:
    """Graph keeps the query string of the notification URL."""
    answer = await endpoint.request("POST", "/notifications?tenant=one&validationToken=abc")
    assert (answer.status, answer.text) == (200, "abc")


async def test_graphs_own_request_is_answered(endpoint: Endpoint) -> None:
    """It has an empty body that is called text/plain."""
    answer = await endpoint.request(
        "POST", "/lifecycle?validationToken=abc", b"", Content_Type="text/plain; charset=utf-8"
    )
    assert (answer.status, answer.text) == (200, "abc")


async def test_the_longest_token_is_echoed_and_a_longer_one_refused(endpoint: Endpoint) -> None:
    """No client makes the receiver send long texts of its choice, and a refused one is not called validated."""
    longest = await endpoint.request("POST", f"/notifications?validationToken={'t' * MAX_TOKEN}")
    assert (longest.status, longest.text) == (200, "t" * MAX_TOKEN)
    with capture_logs() as logs:
        longer = await endpoint.request("POST", f"/notifications?validationToken={'t' * (MAX_TOKEN + 1)}")
    assert longer.status == 400
    assert longer.text == f"validationToken is longer than {MAX_TOKEN} characters."
    assert [entry["event"] for entry in logs] == []


async def test_a_token_that_is_no_text_is_answered_clearly(endpoint: Endpoint) -> None:
    """Bytes that are no UTF-8, encoded or raw, get a response and no traceback."""
    encoded = await endpoint.request("POST", "/notifications?validationToken=%ED%A0%80%FF")
    assert encoded.status in {200, 400}
    async with endpoint.connection() as connection:
        await connection.say("POST /notifications?validationToken=\xff HTTP/1.1", "Host: x", "Content-Length: 0")
        assert (await connection.answer()).status in {200, 400}


async def test_the_handshake_queues_nothing_and_needs_no_queue(endpoint: Endpoint) -> None:
    """A subscription can be created while the database is down."""
    lock = endpoint.disk.lock()
    try:
        answer = await endpoint.request("POST", "/notifications?validationToken=abc")
    finally:
        lock.close()
    assert answer.status == 200
    assert await endpoint.queued() == []
