"""The HTTP of msal without a network: it names each request, the caller sends it, and msal continues from there.

msal supports only blocking clients, and would hold a thread while the sign-in service does not respond. It is called
again with each response instead, until it reaches its result.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp

_MAX_OF_AN_ANSWER: Final = 1024 * 1024
"""Bytes read of a response of the sign-in service."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request of msal not yet sent to the sign-in service."""

    method: str
    url: str
    body: bytes | None = field(repr=False)
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the sign-in service, in the form that msal reads (its `Response`)."""

    status_code: int
    text: str = field(repr=False)
    headers: Mapping[str, str]


class NextRequest(Exception):
    """msal reached a request without a response."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.url)
        self.request = request


@dataclass(slots=True)
class Exchange:
    """The responses of one sign-in; the assertion is signed once."""

    answers: list[Answer] = field(default_factory=list)
    assertion: str | None = field(default=None, repr=False)

    @property
    def last(self) -> Answer | None:
        """The last response; msal may lose its reason."""
        return self.answers[-1] if self.answers else None

    def last_object(self) -> dict[str, Any]:
        """The JSON object of the last response; empty when there was none or it was no object."""
        try:
            body = json.loads(self.last.text) if self.last is not None else {}
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}


class Replay:
    """The HTTP client of msal, without a network: it replays the responses so far, and stops at the next request.

    msal supports only blocking clients, and would hold a thread while the sign-in service does not respond.
    """

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = iter(answers)

    def get(self, url: str, **options: Any) -> Answer:  # noqa: ANN401  # as msal's HttpClient declares it
        """The response to the discovery of the tenant."""
        return self._next("GET", url, options)

    def post(self, url: str, **options: Any) -> Answer:  # noqa: ANN401  # as msal's HttpClient declares it
        """The response to the request for a token."""
        return self._next("POST", url, options)

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _next(self, method: str, url: str, options: Mapping[str, Any]) -> Answer:
        answer = next(self._answers, None)
        if answer is not None:
            return answer
        headers = dict(options.get("headers") or {})
        body = None
        if options.get("data"):
            body = urlencode(options["data"]).encode("ascii")
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if options.get("params"):
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(options['params'])}"
        raise NextRequest(Request(method, url, body, headers))


async def send(session: aiohttp.ClientSession, asked: Request) -> Answer:
    """Send a request of msal.

    Raises:
        aiohttp.ClientError, OSError, ValueError: no answer; ValueError: the address of the proxy is invalid.
    """
    # The sign-in service never redirects; a portal does, and must not get the assertion.
    async with session.request(
        asked.method, asked.url, data=asked.body, headers=asked.headers, allow_redirects=False
    ) as response:
        text = (await _beginning(response.content)).decode("utf-8", "replace")
        return Answer(response.status, text, dict(response.headers))


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """Read the beginning of a response: those of the sign-in service have a few kilobytes."""
    pieces = bytearray()
    async for piece in content.iter_chunked(_MAX_OF_AN_ANSWER):
        pieces += piece
        if len(pieces) >= _MAX_OF_AN_ANSWER:
            break
    return bytes(pieces[:_MAX_OF_AN_ANSWER])
