"""The talk with Entra's sign-in service: msal makes the requests, aiohttp sends them, a certificate proves the console.

As `graph.token` does for accounts: an unresponsive service holds no thread, and a thread works on files and keys only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar, TypeVarTuple

import aiohttp
import msal  # type: ignore[import-untyped]  # msal ships no types
from msal.exceptions import MsalServiceError  # type: ignore[import-untyped]  # as above

from console.web.entra_errors import EntraSignInError, SignInMisconfigured, SignInUnavailable, overloaded, refuse
from graph.application import Application
from graph.assertion import client_assertion
from graph.certificates import Certificate, SigningKey, check_usable
from graph.errors import CertificateError, CertificateFault, GraphUnavailable
from graph.msal_replay import Answer, Exchange, NextRequest, Replay, Request, send
from graph.token import Certificates
from graph.transport import connection_fault_of, session_for, tls_context
from phrases import Phrase
from threads import DaemonThreads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
MsalClient = Any  # msal ships no types

_CALLS_AT_ONCE: Final = 8
_MAX_REQUESTS: Final = 3
_STORE_SECONDS: Final = 30.0
_TOTAL_SECONDS: Final = 90.0
"""Of one call of msal with all its requests, and of the wait for a turn."""
_DISCOVERY_SECONDS: Final = 3600.0


class EntraExchange:
    """Calls of the sign-in service for one application; at most eight at once, the others wait.

    Args: as `entra.EntraSignIn`.

    Raises:
        ValueError: `ca_bundle` cannot be read.
    """

    def __init__(
        self,
        certificates: Certificates,
        *,
        authority_url: str,
        tenant_id: str,
        client_id: str,
        thumbprint: str,
        ca_bundle: Path | None,
        connect_seconds: float,
        read_seconds: float,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self.root = f"{authority_url}/{tenant_id}"
        self._certificates = certificates
        self._authority_url = authority_url
        self._application = Application(
            account_name="console",
            used_for=Phrase("the console"),
            tenant_id=tenant_id,
            client_id=client_id,
            thumbprint=thumbprint,
            # Only Entra has to trust it: the key never leaves this host, and Entra has the public part.
            secure_certificate_access=False,
        )
        self._tls = tls_context(ca_bundle)
        self._timeout = aiohttp.ClientTimeout(
            total=connect_seconds + read_seconds, sock_connect=connect_seconds, sock_read=read_seconds
        )
        self._monotonic = monotonic
        self._now = now
        self._threads = DaemonThreads("console-sign-in", limit=_CALLS_AT_ONCE)
        self._turns = asyncio.Semaphore(_CALLS_AT_ONCE)
        self._discovery: tuple[float, Answer] | None = None

    async def call(
        self, ask: Callable[[MsalClient], Any], refused: Callable[[Phrase, int | None], EntraSignInError]
    ) -> dict[str, Any]:
        """Return the result of a method of msal, which has no error.

        Raises:
            EntraSignInError: as `refused` makes it, or what `entra_errors.refuse` raises.
        """
        talk = Exchange()
        result = await self._in_turn(lambda session: self._talk(session, ask, talk))
        if "error" in result:
            refuse(result, talk.last.status_code if talk.last is not None else None, refused)
        return result

    async def key_set(self) -> Mapping[str, Any]:
        """Return the public keys of tokens' signatures, as JSON.

        Raises:
            SignInUnavailable: there was no such answer.
        """
        url = f"{self.root}/discovery/v2.0/keys"
        asked = Request("GET", url, None, {"Accept": "application/json"})
        answer = await self._in_turn(lambda session: self._sent(session, asked))
        values = Exchange([answer]).last_object()
        if answer.status_code != HTTPStatus.OK or "keys" not in values:
            raise overloaded(answer.status_code)
        return values

    async def _in_turn(self, work: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(_TOTAL_SECONDS), self._turns, self._session() as session:
                return await work(session)
        except TimeoutError as reason:
            raise self._unreachable(reason) from reason

    def _session(self) -> aiohttp.ClientSession:
        return session_for(self._authority_url, self._tls, self._timeout)

    async def _talk(
        self, session: aiohttp.ClientSession, ask: Callable[[MsalClient], Any], talk: Exchange
    ) -> dict[str, Any]:
        if self._discovery is not None and self._monotonic() - self._discovery[0] < _DISCOVERY_SECONDS:
            talk.answers.append(self._discovery[1])
        certificate, key = await self._on_thread(self._certificate)
        for _ in range(_MAX_REQUESTS):
            result = await self._on_thread(self._ask, ask, certificate, key, talk)
            if not isinstance(result, Request):
                return result
            talk.answers.append(await self._sent(session, result))
            if len(talk.answers) == 1 and talk.answers[0].status_code == HTTPStatus.OK:
                self._discovery = self._monotonic(), talk.answers[0]
        raise overloaded(None)

    async def _sent(self, session: aiohttp.ClientSession, asked: Request) -> Answer:
        try:
            return await send(session, asked)
        # ValueError: the proxy's address is invalid.
        except (aiohttp.ClientError, OSError, ValueError) as reason:
            raise self._unreachable(reason) from reason

    def _unreachable(self, reason: Exception) -> SignInUnavailable:
        what, advice = connection_fault_of(reason)
        return SignInUnavailable(
            Phrase(
                "The sign-in service {authority_url} cannot be reached: {what}.",
                authority_url=self._authority_url,
                what=what,
            ),
            advice=advice,
        )

    async def _on_thread(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run work that may block on files, the certificate store or the device that holds a key."""
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        except TimeoutError as reason:
            raise SignInUnavailable(
                Phrase("The certificate store did not answer within {seconds:.0f} seconds.", seconds=_STORE_SECONDS),
                advice=Phrase("Check the setting certificate_store, and the device that holds the key."),
            ) from reason

    # --- On a thread ---

    def _certificate(self) -> tuple[Certificate, SigningKey]:
        try:
            certificate = self._certificates.find(self._application.thumbprint)
            check_usable(certificate, now=self._now(), application=self._application, roots=())
        except CertificateError as reason:
            raise _without_certificate(reason) from reason
        except GraphUnavailable as reason:  # a Key Vault
            raise SignInUnavailable(Phrase.of(reason), advice=Phrase("Try again.")) from reason
        if certificate.key is None:
            raise SignInMisconfigured(
                Phrase(
                    "Certificate {thumbprint} of the console has no private key here.",
                    thumbprint=certificate.thumbprint,
                ),
                advice=Phrase("Put the private key into the certificate store."),
            )
        return certificate, certificate.key

    def _ask(
        self, ask: Callable[[MsalClient], Any], certificate: Certificate, key: SigningKey, talk: Exchange
    ) -> dict[str, Any] | Request:
        """msal's result, or the request that it needs first."""

        def assertion(context: Mapping[str, str]) -> str:
            if talk.assertion is None:
                talk.assertion = client_assertion(
                    certificate,
                    key,
                    client_id=self._application.client_id,
                    token_url=context["token_endpoint"],
                    now=self._now(),
                )
            return talk.assertion

        try:
            # A new object each time: msal keeps tokens, and replays refusals for 60 seconds (docs/graph.md, section 9).
            client = msal.ConfidentialClientApplication(
                self._application.client_id,
                client_credential={"client_assertion": assertion},
                authority=self.root,
                http_client=Replay(talk.answers),
                instance_discovery=False,
            )
            result: dict[str, Any] = ask(client) or {}
        except NextRequest as question:
            return question.request
        except CertificateError as reason:
            raise _without_certificate(reason) from reason
        except GraphUnavailable as reason:  # a Key Vault, which signs
            raise SignInUnavailable(Phrase.of(reason), advice=Phrase("Try again.")) from reason
        except (MsalServiceError, RuntimeError, ValueError, KeyError, TypeError, IndexError):
            # msal reads claims, and compares the nonce, of a token that is not verified yet: that is decided here.
            result = talk.last_object()
            if "id_token" not in result:
                return {"error": "", **result}
        return result


def _without_certificate(reason: CertificateError) -> SignInMisconfigured:
    advice = reason.advice
    if reason.fault is CertificateFault.EXPIRED:
        advice = Phrase(
            "Make a new one with 'mail-importer certificates new', upload its .cer file to the console's application "
            "registration and set console_thumbprint."
        )
    return SignInMisconfigured(
        Phrase("The console cannot prove itself to Entra: {reason}", reason=reason.summary), advice=advice
    )
