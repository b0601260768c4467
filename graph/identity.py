"""Identities that Azure and Kubernetes give to a workload: sign-in without a certificate.

A *managed identity* is asked for at an endpoint of the host (IMDS, App Service, Container Apps, Azure Arc); msal knows
their protocols and detects the environment. A *workload identity* is a token in a file that Kubernetes replaces before
it ends. Both sign an application in by *federation*: their token is its client assertion, where the application has a
federated credential with that issuer and subject. A managed identity also has tokens of its own for a service of Azure.

Sources: https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity,
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token,
https://learn.microsoft.com/azure/app-service/overview-managed-identity,
https://azure.github.io/azure-workload-identity/docs/.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import jwt
import msal  # type: ignore[import-untyped]  # msal ships no types

from availability import Service
from graph.application import Application
from graph.errors import MAX_RETRY_AFTER, GraphUnavailable, SignInRefused
from graph.msal_replay import Exchange, NextRequest, Replay, Request, send
from graph.responses import retry_after_seconds, sanitize
from graph.transport import connection_fault_of
from phrases import Phrase
from threads import DaemonThreads

AUDIENCES: Final = {
    "global": "api://AzureADTokenExchange",
    "usgov": "api://AzureADTokenExchangeUSGov",
    "dod": "api://AzureADTokenExchangeUSGov",
    "china": "api://AzureADTokenExchangeChina",
}
"""The audience of the managed identity's token in an exchange, by cloud."""
_DELAYS: Final = (1.0, 2.0)
"""Waits before another request of the same sign-in; callers repeat the sign-in itself."""
_PASSING: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses with which the endpoint asks for a repeat: not ready, being updated, throttled; beside those of a fault."""
_UPDATE_SECONDS: Final = 70.0
"""The longest update of IMDS, which answers 410 meanwhile."""
_MAX_TOKEN_BYTES: Final = 64 * 1024
_FILE_SECONDS: Final = 10.0

OwnTokens = Callable[[str], Awaitable[tuple[str, float]]]
"""Returns a token for a resource, and its life in seconds. Raises SignInRefused, GraphUnavailable."""


class Identity(Protocol):
    """The identity of this workload."""

    def own_tokens(self, application: Application) -> OwnTokens | None:
        """Return what issues tokens where the application is the identity itself, without an exchange.

        None: it is another application, which the identity signs in by `assertion`.
        """
        ...

    async def assertion(self, application: Application) -> str:
        """Return the token that signs the application in by federation.

        Raises:
            SignInRefused, GraphUnavailable
        """
        ...


class ManagedIdentity:
    """The managed identity of this host; an `Identity`.

    Its endpoint is on the host and is never asked for through a proxy, as Microsoft demands.

    Args:
        client_id: of a user-assigned identity; None: the system-assigned one.
        audience: of tokens for an exchange, one of `AUDIENCES`.
        connect_seconds: maximum for one connection to the endpoint.
        read_seconds: maximum for one response.
        sleep: waits between requests.
    """

    def __init__(
        self,
        client_id: str | None = None,
        *,
        audience: str = AUDIENCES["global"],
        connect_seconds: float = 5.0,
        read_seconds: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client_id = client_id
        self._audience = audience
        self._timeout = aiohttp.ClientTimeout(
            total=connect_seconds + read_seconds, sock_connect=connect_seconds, sock_read=read_seconds
        )
        self._sleep = sleep
        # Azure Arc writes the answer to its challenge into a file.
        self._threads = DaemonThreads("managed identity", limit=4)

    async def assertion(self, application: Application) -> str:
        """Implement `Identity`."""
        return (await self._issued(application, self._audience))[0]

    def own_tokens(self, application: Application) -> OwnTokens | None:
        """Implement `Identity`; an application without client id is the identity itself."""
        client_id = application.client_id.strip().lower()
        is_itself = not client_id or client_id == (self._client_id or "").strip().lower()
        return partial(self._issued, application) if is_itself else None

    async def _issued(self, application: Application, resource: str) -> tuple[str, float]:
        for delay in _DELAYS:
            try:
                return await self._token(resource, application)
            except GraphUnavailable as error:
                if error.status is None or (error.retry_after or 0.0) > delay:
                    raise  # no answer: a repeat takes as long again
            await self._sleep(delay)
        return await self._token(resource, application)

    async def _token(self, resource: str, application: Application) -> tuple[str, float]:
        talk = Exchange()
        loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        ) as session:
            answer = await self._asked(loop, resource, application, talk)
            while isinstance(answer, Request):
                try:
                    talk.answers.append(await send(session, answer))
                except (aiohttp.ClientError, OSError, ValueError) as reason:
                    raise _no_endpoint(application, answer.url, reason) from reason
                answer = await self._asked(loop, resource, application, talk)
        if "access_token" not in answer:
            raise self._refused(application, answer, talk)
        return str(answer["access_token"]), float(answer.get("expires_in") or 0)

    async def _asked(
        self, loop: asyncio.AbstractEventLoop, resource: str, application: Application, talk: Exchange
    ) -> dict[str, Any] | Request:
        try:
            async with asyncio.timeout(_FILE_SECONDS):
                return await loop.run_in_executor(self._threads, self._ask, resource, application, talk)
        except TimeoutError as reason:
            raise GraphUnavailable(
                Phrase("The managed identity of this host did not serve {mailbox} in time.", mailbox=application),
                why=Phrase("the managed identity did not answer in time"),
                service=Service.CREDENTIALS,
            ) from reason

    def _ask(self, resource: str, application: Application, talk: Exchange) -> dict[str, Any] | Request:
        """msal's result, an error as a dict included, or the request it needs first."""
        chosen = (
            msal.SystemAssignedManagedIdentity()
            if self._client_id is None
            else msal.UserAssignedManagedIdentity(client_id=self._client_id)
        )
        try:
            # A new object for every request: msal would replay a refusal, and its cache is that of `TokenSource`.
            client = msal.ManagedIdentityClient(chosen, http_client=Replay(talk.answers))
            answer: dict[str, Any] = client.acquire_token_for_client(resource=resource) or {}
        except NextRequest as question:
            return question.request
        except (ValueError, KeyError, TypeError, OSError, RuntimeError) as reason:
            raise self._refused(application, talk.last_object(), talk) from reason
        return answer

    def _refused(
        self, application: Application, answer: dict[str, Any], talk: Exchange
    ) -> SignInRefused | GraphUnavailable:
        status = talk.last.status_code if talk.last is not None else None
        said = sanitize(answer.get("error_description") or answer.get("error"), 300)
        detail = Phrase.verbatim(said.rstrip(".")) if said else Phrase("no reason given")
        if status is not None and (status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR):
            headers = {name.lower(): value for name, value in talk.last.headers.items()} if talk.last else {}
            wait = _UPDATE_SECONDS if status == HTTPStatus.GONE else None
            return GraphUnavailable(
                Phrase(
                    "The managed identity of this host did not serve {mailbox} (status {status}: {reply}). This passes "
                    "by itself; if it lasts, check that the identity is assigned to this host.",
                    mailbox=application,
                    status=status,
                    reply=detail,
                ),
                retry_after=min(retry_after_seconds(headers) or wait or 0.0, MAX_RETRY_AFTER) or None,
                status=status,
                detail=detail,
                why=Phrase("the managed identity is not served"),
                service=Service.CREDENTIALS,
            )
        named = Phrase("the system-assigned one") if self._client_id is None else Phrase.verbatim(self._client_id)
        return SignInRefused(
            Phrase(
                "The managed identity ({identity}) gave no token for {mailbox}: {reply}.",
                identity=named,
                mailbox=application,
                reply=detail,
            ),
            advice=Phrase(
                "Assign the identity to this host (az vm identity assign, az containerapp identity assign, az webapp "
                "identity assign), and correct the setting managed_identity_client_id: the client id of a "
                "user-assigned identity, or nothing for the system-assigned one."
            ),
            status=status,
            code=sanitize(answer.get("error"), 100) or None,
            detail=detail,
        )


class WorkloadIdentity:
    """The token that Kubernetes projects into a file; an `Identity`. The file is read at each sign-in.

    `file`: the variable AZURE_FEDERATED_TOKEN_FILE.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._threads = DaemonThreads("workload identity", limit=4)

    def own_tokens(self, application: Application) -> None:
        """Implement `Identity`; it has none."""

    async def assertion(self, application: Application) -> str:
        """Implement `Identity`."""
        try:
            async with asyncio.timeout(_FILE_SECONDS):
                found = await asyncio.get_running_loop().run_in_executor(self._threads, self._read)
        except TimeoutError as reason:
            raise GraphUnavailable(
                Phrase(
                    "The token file {file} of the workload identity could not be read for {mailbox} in time.",
                    file=self._file,
                    mailbox=application,
                ),
                why=Phrase("the token file of the workload identity could not be read in time"),
                service=Service.CREDENTIALS,
            ) from reason
        except (OSError, ValueError) as reason:
            raise self._unreadable(application, reason) from reason
        if found.count(".") != 2:  # the form of a JSON Web Token
            raise self._unreadable(application, ValueError("it holds no token"))
        return found

    def _read(self) -> str:
        with self._file.open("rb") as file:
            return file.read(_MAX_TOKEN_BYTES).decode("ascii").strip()

    def _unreadable(self, application: Application, reason: Exception) -> SignInRefused:
        why = reason.strerror if isinstance(reason, OSError) and reason.strerror else "it holds no token"
        return SignInRefused(
            Phrase(
                "The token file {file} of the workload identity cannot be used for {mailbox}: {why}.",
                file=self._file,
                mailbox=application,
                why=why,
            ),
            advice=Phrase(
                'Check that the pod has the label azure.workload.identity/use: "true" and a service account with the '
                "annotation azure.workload.identity/client-id, and that AZURE_FEDERATED_TOKEN_FILE names the file."
            ),
            code="tokenFile",
        )


def shown(assertion: str) -> Phrase:
    """Issuer, subject and audience of a token, which the federated credential must repeat exactly."""
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        claims = {}
    return Phrase(
        "issuer {issuer}, subject {subject}, audience {audience}",
        issuer=sanitize(claims.get("iss"), 200) or "?",
        subject=sanitize(claims.get("sub"), 200) or "?",
        audience=sanitize(_first(claims.get("aud")), 200) or "?",
    )


def _first(audience: object) -> object:
    return audience[0] if isinstance(audience, list) and audience else audience


def _no_endpoint(application: Application, url: str, reason: Exception) -> GraphUnavailable:
    what, _ = connection_fault_of(reason)
    return GraphUnavailable(
        Phrase(
            "This host has no managed identity that answers for {mailbox}: {endpoint}: {what}. Run it on a host of "
            "Azure with an identity assigned, or sign in with a certificate (settings graph_credential, "
            "servicebus_credential, database_credential).",
            mailbox=application,
            endpoint=url.partition("?")[0],
            what=what,
        ),
        why=Phrase("the managed identity: {why}", why=what),
        service=Service.CREDENTIALS,
    )
