"""The validation of notification URLs before a subscription is made (docs/graph.md, section 2)."""

import asyncio
import ssl
from http import HTTPStatus
from itertools import cycle
from urllib.parse import quote, quote_plus

import aiohttp
from yarl import URL

from simulator.calls import GraphError, Operation
from simulator.faults import FaultKind, Faults, Subject
from simulator.identifiers import Identifiers

_MAX_BYTES = 8_192
_OPENING = "Validation: Testing client application reachability for subscription"


class Handshake:
    """Sends `validationToken` to a URL and demands it back, decoded, as plain text, within ten seconds."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        identifiers: Identifiers,
        faults: Faults,
        timeout_secs: float,
    ) -> None:
        self.performed = 0
        self._session = session
        self._identifiers = identifiers
        self._faults = faults
        self._timeout = aiohttp.ClientTimeout(total=timeout_secs)
        # A space in a query may be written either way, and a receiver has to read both (docs/graph.md, section 2).
        self._plus = cycle((False, True))

    async def validate(self, url: str, operation: Operation) -> None:
        """Validate one URL.

        Raises:
            GraphError: 400 `ValidationError`, with the texts of docs/graph.md, section 1.
        """
        subject = Subject(operation)
        if self._faults.strike(FaultKind.VALIDATION_SKIPPED, subject):
            return
        if self._faults.strike(FaultKind.VALIDATION_TIMED_OUT, subject):
            raise _refused("Subscription validation request timed out.")
        token = f"{_OPENING} Request-Id: {self._identifiers.guid()}"
        encoded = quote_plus(token) if next(self._plus) else quote(token, safe="")
        if self._faults.strike(FaultKind.VALIDATION_WRONG_TOKEN, subject):
            token += "?"
        self.performed += 1
        separator = "&" if "?" in url else "?"
        try:
            async with self._session.post(
                URL(f"{url}{separator}validationToken={encoded}", encoded=True),
                headers={"Content-Type": "text/plain; charset=utf-8"},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                _check(response, await response.content.read(_MAX_BYTES), token)
        except TimeoutError as exc:
            raise _refused("Subscription validation request timed out.") from exc
        except (aiohttp.ClientSSLError, ssl.SSLError) as exc:
            text = "Subscription validation request failed. Could not create SSL/TLS secure channel."
            raise _refused(text) from exc
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as exc:
            text = "Notification endpoint must respond with 200 OK to validation request."
            raise _refused(f"Subscription validation request failed. {text}") from exc


def _check(response: aiohttp.ClientResponse, body: bytes, token: str) -> None:
    if response.status != HTTPStatus.OK:
        try:
            phrase = HTTPStatus(response.status).phrase.replace(" ", "")
        except ValueError:
            phrase = str(response.status)
        raise _refused(f"Subscription validation request failed. HTTP status code is '{phrase}'.")
    if response.content_type != "text/plain":
        raise _refused("Subscription validation request failed. Response content type must be 'text/plain'.")
    if body != token.encode():
        text = "Subscription validation request failed. Response must exactly match validationToken query parameter."
        raise _refused(text)


def _refused(text: str) -> GraphError:
    return GraphError(400, "ValidationError", text)
