"""Access tokens for Graph, from the sign-in service of the account's tenant, by certificate or by a given identity.

msal builds the requests, with an assertion signed by the certificate's key (docs/graph.md, section 9); aiohttp sends
them, so that an unresponsive sign-in service holds no thread. Around it: one sign-in at a time per tenant, application
and certificates; tokens renewed before they expire; failures cached for a moment, so that a fault of one account does
not become a flood of sign-ins.

An account may name two certificates, the *current* and the *next*: when one is unusable, the other is used until it
fails in turn. With an identity of Azure or Kubernetes (`graph.identity`) no certificate is used.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol, TypeVar, TypeVarTuple, Unpack

import aiohttp
import msal  # type: ignore[import-untyped]  # msal ships no types
import structlog
from cryptography import x509
from msal.exceptions import MsalServiceError  # type: ignore[import-untyped]  # as above

from availability import Availability, Service
from graph import aadsts, identity
from graph.application import Application
from graph.assertion import client_assertion
from graph.certificates import Certificate, check_usable, normalise_thumbprint
from graph.errors import (
    AccountError,
    CertificateError,
    CertificateFault,
    GraphError,
    GraphUnavailable,
    SignInRefused,
)
from graph.identity import Identity
from graph.msal_replay import Answer, Exchange, NextRequest, Replay, Request, send
from graph.responses import retry_after_seconds, sanitize
from graph.transport import connection_fault_of, load_roots, session_for, tls_context
from phrases import Phrase
from threads import DaemonThreads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_EARLY_SECONDS: Final = 300.0
_RETRY_EARLY_SECONDS: Final = 30.0
_TOO_MANY_REQUESTS: Final = 429
_USUAL_LIFE_SECONDS: Final = 3599
_SIGN_INS_OF_A_TENANT: Final = 4
"""Concurrent sign-ins: no tenant's faults occupy more."""
_SIGN_INS_AT_THE_STORE: Final = 8
"""Threads that find certificates and sign; none of them waits for the network."""
_STORE_SECONDS: Final = 30.0
_GRANTS_AWAITED_SECONDS: Final = 300.0
"""Age from which a token that Graph refuses is replaced: permissions granted since are in new ones only."""


@dataclass(frozen=True, slots=True)
class _Key:
    """The key of one token: a change of any field means another sign-in."""

    tenant_id: str
    client_id: str
    thumbprints: tuple[str, ...]
    """The current certificate's and, if there is one, the next one's; normalised. Empty: an identity signs in."""
    secure_certificate_access: bool


class Certificates(Protocol):
    """The source of certificates: a `certificates.CertificateStore`."""

    def find(self, thumbprint: str) -> Certificate:
        """Return the certificate with its key, or raise CertificateError. May block."""
        ...


@dataclass(slots=True)
class _Held:
    """A token; times are of the monotonic clock."""

    token: str = field(repr=False)
    thumbprint: str
    """The thumbprint of the certificate it was obtained with, normalised; empty: an identity signed in."""
    obtained: float
    refresh_at: float
    expires: float
    after_rejection: bool = False
    """Obtained because Graph answered 401 to the previous one."""


@dataclass(frozen=True, slots=True)
class _Failure:
    noted: float
    until: float
    error: GraphError
    application: Application
    """The mailbox of the account in which it occurred first."""


class TokenSource:
    """Tokens per tenant, application and certificates.

    Args:
        certificates: the source of the accounts' certificates, by thumbprint.
        identity: signs in instead of the certificates.
        authority_url: for example `https://login.microsoftonline.com`; https only.
        graph_url: for example `https://graph.microsoft.com`; the scope is its `/.default`.
        ca_bundle: PEM file of extra roots, for the connection and for `bSecureCertificateAccess`.
        connect_seconds: maximum for one connection to the sign-in service.
        read_seconds: maximum for one response.
        failures_remembered_seconds: a failed sign-in is not repeated sooner; its error is raised again meanwhile.
        monotonic: seconds, for the life of tokens.
        now: aware time, for the validity of certificates and assertions.
        availability: learns of answers of the sign-in service, and of failures to get one.

    Raises:
        ValueError: `ca_bundle` cannot be read.

    For a test of an account's settings use a separate object, so that no cached result is reported.
    """

    def __init__(
        self,
        certificates: Certificates,
        *,
        identity: Identity | None = None,
        authority_url: str,
        graph_url: str,
        ca_bundle: Path | None = None,
        connect_seconds: float = 10.0,
        read_seconds: float = 30.0,
        failures_remembered_seconds: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        availability: Availability | None = None,
    ) -> None:
        self._availability = availability
        self._certificates = certificates
        self._identity = identity
        self._authority_url = authority_url.rstrip("/")
        self._resource = graph_url.rstrip("/")
        self._scope = f"{self._resource}/.default"
        self._ca_bundle = ca_bundle
        self._tls = tls_context(ca_bundle)
        self._timeouts = (connect_seconds, read_seconds)
        self._remember_seconds = failures_remembered_seconds
        self._monotonic = monotonic
        self._now = now
        self._held: dict[_Key, _Held] = {}
        self._failed: dict[_Key, _Failure] = {}
        self._serving: dict[_Key, str] = {}
        """The thumbprint that worked last, if there are two."""
        self._locks: dict[_Key, asyncio.Lock] = {}
        self._tenants: dict[str, asyncio.Semaphore] = {}
        self._threads = DaemonThreads("sign-in", limit=_SIGN_INS_AT_THE_STORE)
        self._roots: tuple[x509.Certificate, ...] | None = None

    def __repr__(self) -> str:
        return f"TokenSource({self._authority_url!r}, tokens={len(self._held)})"

    async def token(self, application: Application) -> str:
        """Return a token of the mailbox's application, valid for minutes at least. Usually without a wait.

        Five minutes before a token expires one caller fetches the next while the others keep using the old one; if that
        fails, the old one is used until its end.

        When the certificate is at fault and the account names a next one, the sign-in is repeated with that; later
        ones begin with the one that worked last. If neither works, the error reports both.

        Raises:
            CertificateError: the certificate is missing or may not be used.
            SignInRefused: the sign-in service refused; `advice` has the remedy.
            GraphUnavailable: the sign-in service could not be reached or is overloaded.
        """
        key = self._key(application)
        held = self._held.get(key)
        if held is not None:
            moment = self._monotonic()
            if moment < held.refresh_at:
                return held.token
            if moment < held.expires and self._lock(key).locked():
                return held.token
        async with self._lock(key):
            held = self._held.get(key)
            if held is not None and self._monotonic() < held.refresh_at:
                return held.token
            return await self._renewed(application, key, held)

    async def expiring(self, application: Application) -> tuple[str, float]:
        """Return a token as from `token`, and the seconds until it expires.

        Raises:
            CertificateError, SignInRefused, GraphUnavailable: as `token`.
        """
        token = await self.token(application)
        return token, max(0.0, self._held[self._key(application)].expires - self._monotonic())

    async def fresh(self, application: Application, rejected: str) -> str:
        """Return a token other than `rejected`, which Graph answered with 401.

        If another caller has replaced it already, that one. One that was itself fetched so, seconds ago, is returned
        again: Graph's response will not change, and the 401s of many calls must not become as many sign-ins.

        Raises:
            CertificateError, SignInRefused, GraphUnavailable: as `token`.
        """
        key = self._key(application)
        async with self._lock(key):
            held = self._held.get(key)
            if held is not None and self._monotonic() < held.expires:
                if held.token != rejected:
                    return held.token
                if held.after_rejection and self._monotonic() - held.obtained < self._remember_seconds:
                    return held.token
            self._held.pop(key, None)
            token = await self._renewed(application, key, None)
            self._held[key].after_rejection = True
            return token

    async def newer(self, application: Application, refused: str) -> str | None:
        """Return a token other than `refused`, which Graph answered with 403; None: there is none for now.

        A permission that an administrator grants counts in tokens issued since, and one may be held for over an hour
        (docs/graph.md, section 9). One of some minutes is not replaced: a mailbox that stays refused must not cost a
        sign-in a call.
        """
        key = self._key(application)
        async with self._lock(key):
            held, moment = self._held.get(key), self._monotonic()
            if held is None or moment >= held.expires:
                return None
            if held.token == refused and moment - held.obtained < _GRANTS_AWAITED_SECONDS:
                return None
            token = held.token if held.token != refused else await self._renewed(application, key, held)
            return None if token == refused else token

    async def reach(self) -> None:
        """Ensure that the sign-in service answers, with any status but that of a fault of a server.

        Raises:
            GraphUnavailable: it did not; the caller decides about a retry.
        """
        try:
            async with self._session() as session, session.head(self._authority_url, allow_redirects=False) as response:
                status = response.status
        except (aiohttp.ClientError, OSError, ValueError) as reason:
            raise self._not_reached(*connection_fault_of(reason)) from reason
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # also of a gateway between, which sign-ins count as failures
            what = Phrase("it answers with HTTP status {status}", status=status)
            raise self._not_reached(what, Phrase("Check the network, DNS and HTTPS_PROXY."))
        self._note(Service.SIGN_IN)

    def _not_reached(self, what: Phrase, advice: Phrase) -> GraphUnavailable:
        """The error, recorded."""
        self._note(Service.SIGN_IN, what)
        return GraphUnavailable(
            Phrase(
                "The sign-in service {authority_url} cannot be reached: {what}. {advice}",
                authority_url=self._authority_url,
                what=what,
                advice=advice,
            ),
            why=what,
            service=Service.SIGN_IN,
        )

    def certificate_in_use(self, application: Application) -> str | None:
        """Return the normalised thumbprint of the certificate with which the mailbox's token was obtained.

        None while no token is held: before the first call, after the last one has expired, and when the account's
        thumbprints have changed since.
        """
        held = self._held.get(self._key(application))
        return held.thumbprint or None if held is not None and self._monotonic() < held.expires else None

    def _key(self, application: Application) -> _Key:
        thumbprints = () if self._identity else _thumbprints(application.thumbprint, application.next_thumbprint)
        return _Key(application.tenant_id, application.client_id, thumbprints, application.secure_certificate_access)

    def _lock(self, key: _Key) -> asyncio.Lock:
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    async def _renewed(self, application: Application, key: _Key, held: _Held | None) -> str:
        """Sign in for a new token; return the held one if that fails and it is still valid. The key's lock is held."""
        try:
            self._raise_remembered(application, key)
            renewed = await self._signed_in(application, key)
        except GraphError as error:
            self._note_error(error)
            moment = self._monotonic()
            if held is not None and moment < held.expires:
                pause = max(_RETRY_EARLY_SECONDS, _pause_asked(error))
                held.refresh_at = min(moment + pause, held.expires)
                log.warning(
                    "token_renewal_failed",
                    account=application.account_name,
                    reason=str(error),
                    left=held.expires - moment,
                )
                return held.token
            if key not in self._failed:
                pause = max(self._remember_seconds, _pause_asked(error))
                self._failed[key] = _Failure(moment, moment + pause, error, application)
            raise
        self._note(Service.CREDENTIALS)
        self._note(Service.SIGN_IN)
        self._held[key] = renewed
        return renewed.token

    def _note(self, service: Service, trouble: Phrase | None = None) -> None:
        """Record that a service answers, or why it does not."""
        if self._availability is None:
            return
        if trouble is None:
            self._availability.answered(service)
        else:
            self._availability.failed(service, trouble)

    def _note_error(self, error: GraphError) -> None:
        """Record what a failed sign-in shows: the service that did not answer, or those that did."""
        if isinstance(error, GraphUnavailable):
            self._note(error.service or Service.SIGN_IN, error.why or Phrase("it is overloaded"))
        elif isinstance(error, SignInRefused):
            self._note(Service.SIGN_IN)
        if isinstance(error, AccountError):
            self._note(Service.CREDENTIALS)

    async def _signed_in(self, application: Application, key: _Key) -> _Held:
        """Sign in with the certificate that worked last, then with the other if that one is at fault."""
        if self._identity is not None:
            return await self._sign_in_by(self._identity, application)
        first = self._serving.get(key, key.thumbprints[0])
        other = next((thumbprint for thumbprint in key.thumbprints if thumbprint != first), None)
        try:
            return await self._sign_in(replace(application, thumbprint=first))
        except (CertificateError, SignInRefused) as error:
            if other is None or not _is_certificate_problem(error):
                raise
            refused = error
        try:
            held = await self._sign_in(replace(application, thumbprint=other))
        except (CertificateError, SignInRefused) as error:
            current, following = (refused, error) if first == key.thumbprints[0] else (error, refused)
            raise _neither_serves(current, following) from error
        self._serving[key] = other
        # Once, since the next sign-in begins with the other.
        log.warning("certificate_fell_over", account=application.account_name, **{"from": first, "to": other})
        return held

    def _raise_remembered(self, application: Application, key: _Key) -> None:
        failure = self._failed.get(key)
        if failure is None:
            return
        moment = self._monotonic()
        if moment < failure.until:
            # A copy: one exception raised in many tasks would accumulate all their tracebacks.
            error = failure.error.of_another(str(failure.application), str(application))
            if isinstance(error, GraphUnavailable) and error.retry_after is not None:
                error.retry_after = max(0.0, failure.noted + error.retry_after - moment)
            raise error from None
        del self._failed[key]

    async def _sign_in(self, application: Application) -> _Held:
        """Sign in once with the certificate."""
        talk = Exchange()
        async with self._of_tenant(application.tenant_id), self._session() as session:
            certificate = await self._on_thread(application, self._usable_certificate, application)
            return await self._exchange(session, application, certificate, talk)

    async def _sign_in_by(self, given: Identity, application: Application) -> _Held:
        """Sign in once with the identity, which is the application, or a federated credential of it."""
        async with self._of_tenant(application.tenant_id):
            own_tokens = given.own_tokens(application)
            if own_tokens is not None:
                began = self._monotonic()
                token, life = await own_tokens(self._resource)
                return _held(token, life, began, thumbprint="")
            talk = Exchange(assertion=await given.assertion(application))
            async with self._session() as session:
                return await self._exchange(session, application, None, talk)

    async def _exchange(
        self, session: aiohttp.ClientSession, application: Application, certificate: Certificate | None, talk: Exchange
    ) -> _Held:
        """Exchange the assertion for a token: msal on a thread, called again with each response; HTTP in the loop."""
        began = self._monotonic()
        answer = await self._on_thread(application, self._ask, application, certificate, talk)
        while isinstance(answer, Request):
            talk.answers.append(await self._answer(session, application, answer))
            answer = await self._on_thread(application, self._ask, application, certificate, talk)
        if "access_token" not in answer:
            _refuse(application, answer, talk, federated=certificate is None)
        life = float(answer.get("expires_in") or _USUAL_LIFE_SECONDS)
        thumbprint = "" if certificate is None else certificate.thumbprint
        return _held(str(answer["access_token"]), life, began, thumbprint=thumbprint)

    def _of_tenant(self, tenant_id: str) -> asyncio.Semaphore:
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            tenant = self._tenants[tenant_id] = asyncio.Semaphore(_SIGN_INS_OF_A_TENANT)
        return tenant

    async def _on_thread(self, application: Application, work: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
        """Run work that may block on files, the certificate store or the device that holds a key."""
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        except TimeoutError as reason:
            raise _store_silent(application) from reason

    def _session(self) -> aiohttp.ClientSession:
        """A session for one sign-in, of which there is one an hour."""
        connect, read = self._timeouts
        timeout = aiohttp.ClientTimeout(total=connect + read, sock_connect=connect, sock_read=read)
        return session_for(self._authority_url, self._tls, timeout)

    async def _answer(self, session: aiohttp.ClientSession, application: Application, asked: Request) -> Answer:
        try:
            return await send(session, asked)
        # ValueError: the proxy's address is invalid.
        except (aiohttp.ClientError, OSError, ValueError) as reason:
            raise _unreachable(application, self._authority_url, reason) from reason

    # --- On a thread ---

    def _usable_certificate(self, application: Application) -> Certificate:
        try:
            certificate = self._certificates.find(application.thumbprint)
        except CertificateError as error:
            raise _needed_by(application, error) from error
        if application.secure_certificate_access and self._roots is None:
            self._roots = load_roots(self._ca_bundle)
        check_usable(certificate, now=self._now(), application=application, roots=self._roots or ())
        return certificate

    def _ask(
        self, application: Application, certificate: Certificate | None, talk: Exchange
    ) -> dict[str, Any] | Request:
        """msal's result, an error as a dict included, or the request it needs first; its exceptions are translated.

        `certificate`: signs the assertion; None: `talk` has one.
        """

        def assertion(context: Mapping[str, str]) -> str:
            if talk.assertion is None:
                talk.assertion = self._signed(application, certificate, context["token_endpoint"])
            return talk.assertion

        try:
            # A new object for every sign-in: msal cannot be forced past its token cache, and it replays a refusal for
            # 60 seconds (docs/graph.md, section 9). Instance discovery would check with Microsoft that the authority is
            # genuine; this one is from the settings.
            client = msal.ConfidentialClientApplication(
                application.client_id,
                client_credential={"client_assertion": assertion},
                authority=f"{self._authority_url}/{application.tenant_id}",
                http_client=Replay(talk.answers),
                instance_discovery=False,
            )
            answer: dict[str, Any] = client.acquire_token_for_client([self._scope]) or {}
        except NextRequest as question:
            return question.request
        except CertificateError as error:
            # Raised by the assertion; it is a ValueError, too.
            raise _needed_by(application, error) from error
        except (MsalServiceError, RuntimeError) as reason:
            raise _overloaded(application, talk) from reason
        except (ValueError, KeyError) as reason:
            # Discovery of an unknown tenant ends here (docs/graph.md, section 9), as does a response that is not JSON.
            _refuse(application, talk.last_object(), talk, reason, federated=certificate is None)
        return answer

    def _signed(self, application: Application, certificate: Certificate | None, token_url: str) -> str:
        if certificate is None or certificate.key is None:
            raise CertificateError(
                Phrase(
                    "Certificate {thumbprint} of {mailbox} has no private key here.",
                    thumbprint=application.thumbprint,
                    mailbox=application,
                ),
                advice=Phrase("Put the private key into the certificate store."),
                fault=CertificateFault.KEY_MISSING,
            )
        return client_assertion(
            certificate, certificate.key, client_id=application.client_id, token_url=token_url, now=self._now()
        )


def _held(token: str, life: float, began: float, *, thumbprint: str) -> _Held:
    early = min(_EARLY_SECONDS, life / 2)
    return _Held(token, thumbprint, obtained=began, refresh_at=began + life - early, expires=began + life)


@lru_cache(maxsize=16_384)
def _thumbprints(current: str, following: str | None) -> tuple[str, ...]:
    """The thumbprints to sign in with, each once. Cached, since every call of Graph needs them."""
    pasted = [current] if following is None or not following.strip() else [current, following]
    return tuple(dict.fromkeys(_normal(text) for text in pasted))


def _normal(thumbprint: str) -> str:
    try:
        return normalise_thumbprint(thumbprint)
    except CertificateError:
        return thumbprint  # the certificate store reports the fault when it is requested


def _needed_by(application: Application, error: CertificateError) -> CertificateError:
    summary = Phrase.joined(error.summary, Phrase("Needed by {mailbox}.", mailbox=application))
    return CertificateError(summary, advice=error.advice, fault=error.fault)


def _pause_asked(error: GraphError) -> float:
    """Seconds for which a service that throttles sign-ins wants none; each one meanwhile prolongs it."""
    if isinstance(error, GraphUnavailable) and error.status == _TOO_MANY_REQUESTS:
        return error.retry_after or 0.0
    return 0.0


def _is_certificate_problem(error: CertificateError | SignInRefused) -> bool:
    """True if another certificate may work; any other fault would affect that one, too."""
    return isinstance(error, CertificateError) or error.aadsts in aadsts.CERTIFICATE


def _neither_serves(
    current: CertificateError | SignInRefused, following: CertificateError | SignInRefused
) -> AccountError:
    """Combine two errors into one, of the current certificate's kind and with its facts and advice."""
    summary = Phrase(
        "{current} The next certificate does not serve either: {following}",
        current=current.summary,
        following=following.summary,
    )
    if isinstance(current, SignInRefused):
        return SignInRefused(summary, advice=current.advice, aadsts=current.aadsts, **current.facts)
    return CertificateError(summary, advice=current.advice, fault=current.fault, **current.facts)


def _refuse(
    application: Application,
    answer: Mapping[str, Any],
    talk: Exchange,
    reason: Exception | None = None,
    *,
    federated: bool,
) -> NoReturn:
    """Raise the error for the sign-in service's refusal."""
    codes = [code for code in answer.get("error_codes") or () if isinstance(code, int)]
    status = talk.last.status_code if talk.last is not None else None
    if (
        aadsts.is_transient(codes)
        or answer.get("error") in {"temporarily_unavailable", "server_error"}
        or status == _TOO_MANY_REQUESTS
        or (status is not None and not answer.get("error"))
    ):
        raise _overloaded(application, talk) from reason
    code = codes[0] if codes else None
    detail = sanitize(answer.get("error_description") or answer.get("error"), 300)
    reply = Phrase.verbatim(detail.rstrip(".")) if detail else Phrase("no reason given")
    if status is None:
        reply = Phrase("the authority is not a valid https address with a tenant")
    if federated and talk.assertion is not None:
        credential = Phrase("federated identity ({identity})", identity=identity.shown(talk.assertion))
    else:
        credential = Phrase("certificate {thumbprint}", thumbprint=application.thumbprint)
    raise SignInRefused(
        Phrase(
            "Sign-in for {mailbox}, tenant {tenant_id}, application {client_id}, {credential} was refused: {reply}.",
            mailbox=application,
            tenant_id=application.tenant_id,
            client_id=application.client_id,
            credential=credential,
            reply=reply,
        ),
        advice=aadsts.advice_for(code),
        aadsts=code,
        status=status,
        code=sanitize(answer.get("error"), 100) or None,
        request_id=sanitize(answer.get("correlation_id"), 100) or None,
        detail=detail or reply,
    ) from reason


def _overloaded(application: Application, talk: Exchange) -> GraphUnavailable:
    status = talk.last.status_code if talk.last is not None else None
    answer = talk.last_object()
    reply = sanitize(answer.get("error_description") or answer.get("error"), 300) or Phrase(
        "no JSON; is there a proxy between?"
    )
    headers = {name.lower(): value for name, value in talk.last.headers.items()} if talk.last is not None else {}
    return GraphUnavailable(
        Phrase(
            "The sign-in service did not serve {mailbox} (status {status}: {reply}). This passes by itself.",
            mailbox=application,
            status=status,
            reply=reply,
        ),
        retry_after=retry_after_seconds(headers),
        status=status,
        code=sanitize(answer.get("error"), 100) or None,
        detail=reply,
        service=Service.SIGN_IN,
    )


def _store_silent(application: Application) -> GraphUnavailable:
    return GraphUnavailable(
        Phrase(
            "The certificate store, or the device that holds the key, did not answer {mailbox} within {seconds:g} "
            "seconds.",
            mailbox=application,
            seconds=_STORE_SECONDS,
        ),
        why=Phrase("the certificate store did not answer within {seconds:g} seconds", seconds=_STORE_SECONDS),
        service=Service.CREDENTIALS,
    )


def _unreachable(application: Application, authority_url: str, reason: Exception) -> GraphUnavailable:
    what, advice = connection_fault_of(reason)
    return GraphUnavailable(
        Phrase(
            "The sign-in service {authority_url} cannot be reached for {mailbox}: {what}. {advice}",
            authority_url=authority_url,
            mailbox=application,
            what=what,
            advice=advice,
        ),
        why=what,
        service=Service.SIGN_IN,
    )
