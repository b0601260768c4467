"""Identities that Azure or a Kubernetes cluster gives to a host: they sign in without a key of this product.

A *managed identity* gets its tokens from an endpoint on the host (IMDS of a virtual machine; App Service, Container
Apps, Azure Arc by the variables that they set). A *workload identity* is a token in a file that the cluster renews.
Either vouches for an Entra application that trusts it (a *federated credential*), in place of an assertion that is
signed by a certificate; a managed identity also opens services of Azure by itself.

msal builds the requests, aiohttp sends them (`msal_replay.py`); azure-identity would send them by an HTTP stack of its
own, with waits and retries beyond the bounds of this product.

Sources: https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token,
https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import msal  # type: ignore[import-untyped]  # msal ships no types
from msal.managed_identity import ArcPlatformNotSupportedError, ManagedIdentityError  # type: ignore[import-untyped]

from graph.errors import GraphUnavailable, SignInRefused
from graph.msal_replay import Answer, Exchange, NextRequest, Replay, send
from graph.responses import retry_after_seconds, sanitize
from graph.transport import connection_fault_of
from phrases import Phrase
from threads import DaemonThreads

EXCHANGE: Final = "api://AzureADTokenExchange"
"""The audience of a token that vouches for an application; other clouds than the global one have their own."""

_MAX_REQUESTS: Final = 3
"""Azure Arc needs two: a challenge, and the answer to it."""
_THREADS: Final = 2
_FILE_SECONDS: Final = 10.0
_MAX_FILE: Final = 64 * 1024
_PASSING: Final = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS}
)
"""Statuses, beside 5xx, after which IMDS is to be asked again."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """A token and its life in seconds."""

    token: str = field(repr=False)
    seconds: float


class Voucher(Protocol):
    """A source of assertions that stand for an application, instead of those of a certificate."""

    async def assertion(self, used_for: str) -> str:
        """Return an assertion that is valid now.

        `used_for`: what is signed in to, for errors.

        Raises:
            SignInRefused: there is none, until an administrator acts.
            GraphUnavailable: there is none now.
        """
        ...


class ManagedIdentity:
    """The managed identity of this host.

    Args:
        client_id: that of a user-assigned identity; None: the system-assigned one.
        audience: of the token that vouches for an application: `EXCHANGE`, or that of another cloud.
        connect_seconds: maximum for one connection to the endpoint.
        read_seconds: maximum for one response.
    """

    def __init__(
        self,
        client_id: str | None,
        *,
        audience: str = EXCHANGE,
        connect_seconds: float = 3.0,
        read_seconds: float = 30.0,
    ) -> None:
        self._client_id = client_id
        self._audience = audience
        self._timeouts = (connect_seconds, read_seconds)
        self._threads = DaemonThreads("managed-identity", limit=_THREADS)

    def __repr__(self) -> str:
        return f"ManagedIdentity({self._client_id!r})"

    async def assertion(self, used_for: str) -> str:
        """Implement `Voucher`."""
        return (await self.token(self._audience, used_for)).token

    async def token(self, resource: str, used_for: str) -> Obtained:
        """Return a new token of the identity for a resource, for example `https://servicebus.azure.net`.

        Raises:
            SignInRefused: the host has no such identity.
            GraphUnavailable: the endpoint cannot be reached, or is overloaded.
        """
        talk = Exchange()
        try:
            async with self._session() as session:
                while True:
                    answer = await self._on_thread(resource, used_for, talk)
                    if not isinstance(answer, NextRequest):
                        break
                    if len(talk.answers) == _MAX_REQUESTS:
                        raise self._refused(used_for, {}, talk)
                    talk.answers.append(await send(session, answer.request))
        except (aiohttp.ClientError, OSError) as reason:
            raise self._unreachable(used_for, reason) from reason
        if answer.get("access_token"):
            return Obtained(str(answer["access_token"]), max(0.0, float(answer.get("expires_in") or 0)))
        raise self._refused(used_for, answer, talk)

    async def _on_thread(self, resource: str, used_for: str, talk: Exchange) -> Mapping[str, Any] | NextRequest:
        """Azure Arc's secret is a file, which may block."""
        try:
            async with asyncio.timeout(_FILE_SECONDS):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, self._ask, resource, used_for, talk)
        except TimeoutError as reason:
            raise self._unreachable(used_for, reason) from reason

    def _ask(self, resource: str, used_for: str, talk: Exchange) -> Mapping[str, Any] | NextRequest:
        """msal's result, an error as a dict included, or the request that it needs first."""
        identity = (
            msal.SystemAssignedManagedIdentity()
            if self._client_id is None
            else msal.UserAssignedManagedIdentity(client_id=self._client_id)
        )
        try:
            # A new object each time: it would return a cached token, and repeat a refusal for seconds.
            client = msal.ManagedIdentityClient(identity, http_client=Replay(talk.answers))
            found: dict[str, Any] = client.acquire_token_for_client(resource=resource)
        except NextRequest as question:
            return question
        except (ManagedIdentityError, ArcPlatformNotSupportedError) as reason:
            raise self._refused(used_for, {"error_description": str(reason)}, talk) from reason
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}  # a response that is none of such an endpoint
        return found

    def _session(self) -> aiohttp.ClientSession:
        """A session without a proxy: the endpoint is on this host, and none but this host may ask it."""
        connect, read = self._timeouts
        timeout = aiohttp.ClientTimeout(total=connect + read, sock_connect=connect, sock_read=read)
        return aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    @property
    def _named(self) -> Phrase:
        if self._client_id is None:
            return Phrase("The system-assigned managed identity of this host")
        return Phrase("The managed identity {client_id}", client_id=self._client_id)

    def _refused(self, used_for: str, answer: Mapping[str, Any], talk: Exchange) -> SignInRefused | GraphUnavailable:
        last = talk.last
        status = None if last is None else last.status_code
        detail = sanitize(answer.get("error_description") or answer.get("error") or "", 300)
        reply = Phrase.verbatim(detail.rstrip(".")) if detail else Phrase("no reason given")
        if last is not None and (last.status_code in _PASSING or last.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR):
            return _overloaded(used_for, last, self._named, reply)
        return SignInRefused(
            Phrase(
                "{identity} got no token for {used_for}: {reply}.", identity=self._named, used_for=used_for, reply=reply
            ),
            advice=Phrase(
                "Assign the identity to this host (in the Azure portal: Identity), and set managed_identity_client_id "
                "to its client id, or to none for the system-assigned one."
            ),
            status=status,
            code=sanitize(answer.get("error") or "", 100) or None,
            detail=detail or reply,
        )

    def _unreachable(self, used_for: str, reason: Exception) -> GraphUnavailable:
        what, _ = connection_fault_of(reason)
        return GraphUnavailable(
            Phrase(
                "The endpoint of managed identities cannot be reached for {used_for}: {what}. Only hosts of Azure and "
                "of Azure Arc have one; elsewhere sign in with a certificate (graph_credential, database_credential, "
                "servicebus_credential).",
                used_for=used_for,
                what=what,
            ),
            why=what,
        )


def _overloaded(used_for: str, last: Answer, identity: Phrase, reply: Phrase) -> GraphUnavailable:
    return GraphUnavailable(
        Phrase(
            "{identity} got no token for {used_for} (status {status}: {reply}). This passes by itself.",
            identity=identity,
            used_for=used_for,
            status=last.status_code,
            reply=reply,
        ),
        retry_after=retry_after_seconds({name.lower(): value for name, value in last.headers.items()}),
        status=last.status_code,
        why=Phrase("it answers with HTTP status {status}", status=last.status_code),
    )


class WorkloadIdentity:
    """The token file of a workload, which the cluster replaces before the token expires.

    https://learn.microsoft.com/azure/aks/workload-identity-overview

    Args:
        token_file: the value of AZURE_FEDERATED_TOKEN_FILE.
    """

    def __init__(self, token_file: Path) -> None:
        self._token_file = token_file
        self._threads = DaemonThreads("workload-identity", limit=1)

    def __repr__(self) -> str:
        return f"WorkloadIdentity({str(self._token_file)!r})"

    async def assertion(self, used_for: str) -> str:
        """Implement `Voucher`; the file is read at each call."""
        try:
            async with asyncio.timeout(_FILE_SECONDS):
                content = await asyncio.get_running_loop().run_in_executor(self._threads, self._content)
        except TimeoutError as reason:
            raise GraphUnavailable(
                Phrase(
                    "The token file {path} of the workload identity, needed by {used_for}, was not read within "
                    "{seconds:g} seconds.",
                    path=self._token_file,
                    used_for=used_for,
                    seconds=_FILE_SECONDS,
                )
            ) from reason
        except (OSError, ValueError) as reason:
            why = Phrase.verbatim(str(reason.strerror)) if isinstance(reason, OSError) else Phrase.of(reason)
            raise SignInRefused(
                Phrase(
                    "The token file {path} of the workload identity, needed by {used_for}, cannot be used: {why}.",
                    path=self._token_file,
                    used_for=used_for,
                    why=why,
                ),
                advice=Phrase(
                    "Give the pod the label azure.workload.identity/use and a service account with a federated "
                    "credential; AZURE_FEDERATED_TOKEN_FILE names the file."
                ),
            ) from reason
        return content

    def _content(self) -> str:
        with self._token_file.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
        if len(content) > _MAX_FILE:
            raise ValueError(Phrase("it is larger than {most} bytes", most=_MAX_FILE))
        token = content.decode("ascii", "replace").strip()
        if token.count(".") != 2 or not token.isascii():  # a JWT has three parts
            raise ValueError(Phrase("it holds no token"))
        return token
