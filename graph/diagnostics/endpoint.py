"""The validation of a notification address, as Graph performs it before it creates a subscription.

Source: docs/graph.md, section 2;
https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation
"""

import ssl
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from graph.diagnostics.explanation import Timeouts
from graph.diagnostics.failures import Failure, HostUnreached
from graph.diagnostics.host import Host
from phrases import Phrase

_TIMEOUTS: Final = Timeouts(connect=5.0, answer=10.0, total=10.0)
"""Graph waits 10 seconds for the response."""
_MAX_BYTES: Final = 8192
_GATEWAY: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_CLOSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


async def answer_to_validation(url: str, token: str, tls: ssl.SSLContext) -> None:
    """Send a validation token to the address, and return if it was echoed as Graph requires.

    Args:
        url: without `validationToken`.
        token: any text; Graph's own has blanks and colons.
        tls: the trusted roots.

    Raises:
        HostUnreached: it was not, or the address was not reached; the summary names the response or fault.
    """
    separator = "&" if "?" in url else "?"
    target = URL(f"{url}{separator}validationToken={quote(token, safe='')}", encoded=True)
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    try:
        async with Host(url, is_own=True, timeouts=_TIMEOUTS).exchange("POST", target, tls, headers) as response:
            problem = _problem(response, await _beginning_of(response), token)
    except HostUnreached as unreached:
        if unreached.failure is Failure.HTTP_TIMED_OUT:
            raise _too_late(url) from unreached
        if unreached.failure is Failure.NO_HTTP:
            raise HostUnreached(unreached.failure, unreached.summary, _RUNS) from unreached
        raise
    if problem is not None:
        summary, advice = problem
        raise HostUnreached(Failure.NOT_VALIDATED, Phrase("{url} {problem}.", url=url, problem=summary), advice)


def _too_late(url: str) -> HostUnreached:
    return HostUnreached(
        Failure.HTTP_TIMED_OUT,
        Phrase(
            "{url} gave no answer within {seconds:g} seconds, and Graph waits no longer.",
            url=url,
            seconds=_TIMEOUTS.total,
        ),
        _RUNS,
    )


async def _beginning_of(response: aiohttp.ClientResponse) -> bytes:
    """The body, or a little more than _MAX_BYTES of it, in however many pieces it arrives."""
    body = b""
    while len(body) <= _MAX_BYTES and (piece := await response.content.read(_MAX_BYTES)):
        body += piece
    return body


def _problem(response: aiohttp.ClientResponse, body: bytes, token: str) -> tuple[Phrase, Phrase] | None:
    status = response.status
    if status != HTTPStatus.OK:
        return Phrase("answers {status} to the validation", status=status), _advice_for(status)
    if response.content_type != "text/plain":
        kind = response.content_type
        return Phrase("answers with {kind}, not with the token as plain text", kind=kind), _OTHER
    if body != token.encode():
        return Phrase("does not give the validation token back as it was sent"), _OTHER
    return None


def _advice_for(status: int) -> Phrase:
    if status in _GATEWAY:
        return _RUNS
    if status in _CLOSED:
        return Phrase(
            "A sign-in or firewall stands in front of the receiver: let /notifications and /lifecycle through to "
            "anybody. The receiver itself tells genuine notifications from forged ones."
        )
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Phrase(
            "Graph follows no redirection: set notification_url to where it leads, or have the proxy answer there."
        )
    if status == HTTPStatus.NOT_FOUND:
        return Phrase("Have the proxy pass /notifications and /lifecycle on to the receiver, with these paths.")
    return _OTHER


_RUNS: Final = Phrase(
    "Start the receiver (mail-importer run receiver, or run all), and have the proxy in front of it pass "
    "/notifications and /lifecycle on to receiver_host and receiver_port."
)
_OTHER: Final = Phrase(
    "Something else than the receiver of mail-importer answers there: check notification_url, and what the proxy in "
    "front of the receiver passes on and changes."
)
