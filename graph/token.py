"""Access tokens for Graph, by certificate, from the sign-in service of the account's tenant.

msal sends the assertion that the certificate's key signs (graph.md section 9). Around it: one sign-in at a time per
tenant, application and certificates; tokens renewed before they expire; failures remembered for a moment, so that a
fault of one account does not become a flood of sign-ins.

An account may name two certificates, the *current* and the *next*: when one does not serve, the other is used, and is
kept to until it fails in turn.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

import msal  # type: ignore[import-untyped]  # msal ships no types
import requests
import requests.adapters
import structlog
from cryptography import x509
from msal.exceptions import MsalServiceError  # type: ignore[import-untyped]  # as above

from graph import aadsts
from graph.answers import harmless, retry_after_seconds
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
from graph.mailbox import Mailbox
from graph.transport import load_roots, proxy_for, tls_context
from phrases import Phrase

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_EARLY_SECONDS: Final = 300.0
_RETRY_EARLY_SECONDS: Final = 30.0
_TOO_MANY_REQUESTS: Final = 429
_USUAL_LIFE_SECONDS: Final = 3599


@dataclass(frozen=True, slots=True)
class _Key:
    """What one token serves: a change of anything in it means another sign-in."""

    tenant_id: str
    client_id: str
    thumbprints: tuple[str, ...]
    """The current certificate's and, if there is one, the next one's; normalised."""
    secure_certificate_access: bool


class Certificates(Protocol):
    """Where certificates come from: a `certificates.CertificateStore`."""

    def find(self, thumbprint: str) -> Certificate:
        """The certificate with its key, or CertificateError. May block."""
        ...


@dataclass(slots=True)
class _Held:
    """A token; times are of the monotonic clock."""

    token: str = field(repr=False)
    thumbprint: str
    """Of the certificate it was obtained with, normalised."""
    obtained: float
    refresh_at: float
    expires: float
    after_rejection: bool = False
    """Obtained because Graph answered 401 to the one before."""


@dataclass(frozen=True, slots=True)
class _Failure:
    until: float
    error: GraphError
    mailbox: Mailbox
    """Of the account that met with it first."""


class TokenSource:
    """Tokens per tenant, application and certificates.

    Args:
        certificates: where the accounts' certificates are found, by thumbprint.
        authority_url: for example `https://login.microsoftonline.com`; https only.
        graph_url: for example `https://graph.microsoft.com`; the scope is its `/.default`.
        ca_bundle: PEM file of extra roots, for the connection and for `bSecureCertificateAccess`.
        connect_seconds: at most, for one connection to the sign-in service.
        read_seconds: at most, for one answer.
        failures_remembered_seconds: a failed sign-in is not repeated sooner; its error is raised again meanwhile.
        monotonic: seconds, for the life of tokens.
        now: aware time, for the validity of certificates and assertions.

    Raises:
        ValueError: `ca_bundle` cannot be read.

    For a test of an account's settings use an object of its own, so that nothing remembered is reported.
    """

    def __init__(
        self,
        certificates: Certificates,
        *,
        authority_url: str,
        graph_url: str,
        ca_bundle: Path | None = None,
        connect_seconds: float = 10.0,
        read_seconds: float = 30.0,
        failures_remembered_seconds: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._certificates = certificates
        self._authority_url = authority_url.rstrip("/")
        self._scope = f"{graph_url.rstrip('/')}/.default"
        self._ca_bundle = ca_bundle
        self._tls = tls_context(ca_bundle)
        self._timeouts = (connect_seconds, read_seconds)
        self._remember_seconds = failures_remembered_seconds
        self._monotonic = monotonic
        self._now = now
        self._held: dict[_Key, _Held] = {}
        self._failed: dict[_Key, _Failure] = {}
        self._serving: dict[_Key, str] = {}
        """The thumbprint that served last, where there are two to choose from."""
        self._locks: dict[_Key, asyncio.Lock] = {}
        self._roots: tuple[x509.Certificate, ...] | None = None

    def __repr__(self) -> str:
        return f"TokenSource({self._authority_url!r}, tokens={len(self._held)})"

    async def token(self, mailbox: Mailbox) -> str:
        """A token of the mailbox's application, good for minutes at least. Usually without a wait.

        Five minutes before a token expires one caller fetches the next while the others go on with the old one; if that
        fails, the old one serves until its end.

        When the certificate is at fault and the account names a next one, the sign-in is repeated with that; later
        ones begin with the one that served last. If neither serves, the error tells of both.

        Raises:
            CertificateError: the certificate is missing or may not be used.
            SignInRefused: the sign-in service said no; `advice` says what to do.
            GraphUnavailable: the sign-in service could not be reached or is overloaded.
        """
        key = _key(mailbox)
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
            return await self._renewed(mailbox, key, held)

    async def expiring(self, mailbox: Mailbox) -> tuple[str, float]:
        """A token as from `token`, and how many seconds it is good for.

        Raises:
            CertificateError, SignInRefused, GraphUnavailable: as `token`.
        """
        token = await self.token(mailbox)
        return token, max(0.0, self._held[_key(mailbox)].expires - self._monotonic())

    async def fresh(self, mailbox: Mailbox, rejected: str) -> str:
        """A token other than `rejected`, which Graph answered with 401.

        If another caller has replaced it already, that one. One that was itself fetched so, seconds ago, is returned as
        it is: Graph's answer will not change, and the 401s of many calls must not become as many sign-ins.

        Raises:
            CertificateError, SignInRefused, GraphUnavailable: as `token`.
        """
        key = _key(mailbox)
        async with self._lock(key):
            held = self._held.get(key)
            if held is not None and self._monotonic() < held.expires:
                if held.token != rejected:
                    return held.token
                if held.after_rejection and self._monotonic() - held.obtained < self._remember_seconds:
                    return held.token
            self._held.pop(key, None)
            token = await self._renewed(mailbox, key, None)
            self._held[key].after_rejection = True
            return token

    def certificate_in_use(self, mailbox: Mailbox) -> str | None:
        """The normalised thumbprint of the certificate that the mailbox's token was obtained with.

        None while no token is held: before the first call, after the last one has expired, and when the account's
        thumbprints have changed since.
        """
        held = self._held.get(_key(mailbox))
        return held.thumbprint if held is not None and self._monotonic() < held.expires else None

    def _lock(self, key: _Key) -> asyncio.Lock:
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    async def _renewed(self, mailbox: Mailbox, key: _Key, held: _Held | None) -> str:
        """The token of a new sign-in, or the one held if that fails and it is still good. The key's lock is held."""
        try:
            self._raise_remembered(mailbox, key)
            renewed = await self._signed_in(mailbox, key)
        except GraphError as error:
            moment = self._monotonic()
            if held is not None and moment < held.expires:
                held.refresh_at = min(moment + _RETRY_EARLY_SECONDS, held.expires)
                log.warning(
                    "token_renewal_failed", account=mailbox.account_name, reason=str(error), left=held.expires - moment
                )
                return held.token
            if key not in self._failed:
                self._failed[key] = _Failure(moment + self._remember_seconds, error, mailbox)
            raise
        self._held[key] = renewed
        return renewed.token

    async def _signed_in(self, mailbox: Mailbox, key: _Key) -> _Held:
        """A sign-in with the certificate that served last, then with the other if that one is at fault."""
        first = self._serving.get(key, key.thumbprints[0])
        other = next((thumbprint for thumbprint in key.thumbprints if thumbprint != first), None)
        try:
            return await asyncio.to_thread(self._sign_in, replace(mailbox, thumbprint=first))
        except (CertificateError, SignInRefused) as error:
            if other is None or not _about_certificate(error):
                raise
            refused = error
        try:
            held = await asyncio.to_thread(self._sign_in, replace(mailbox, thumbprint=other))
        except (CertificateError, SignInRefused) as error:
            current, following = (refused, error) if first == key.thumbprints[0] else (error, refused)
            raise _neither_serves(current, following) from error
        self._serving[key] = other
        # Once, since the next sign-in begins with the other.
        log.warning("certificate_fell_over", account=mailbox.account_name, **{"from": first, "to": other})
        return held

    def _raise_remembered(self, mailbox: Mailbox, key: _Key) -> None:
        failure = self._failed.get(key)
        if failure is None:
            return
        if self._monotonic() < failure.until:
            # A copy: one exception raised in many tasks would gather all their tracebacks.
            raise failure.error.of_another(str(failure.mailbox), str(mailbox)) from None
        del self._failed[key]

    # --- In a thread ---

    def _sign_in(self, mailbox: Mailbox) -> _Held:
        certificate = self._usable_certificate(mailbox)
        began = self._monotonic()
        with _Session(self._authority_url, self._tls, self._timeouts) as session:
            answer = self._ask(mailbox, certificate, session)
            if "access_token" not in answer:
                _refuse(mailbox, answer, session)
        life = float(answer.get("expires_in") or _USUAL_LIFE_SECONDS)
        early = min(_EARLY_SECONDS, life / 2)
        return _Held(
            token=str(answer["access_token"]),
            thumbprint=certificate.thumbprint,
            obtained=began,
            refresh_at=began + life - early,
            expires=began + life,
        )

    def _usable_certificate(self, mailbox: Mailbox) -> Certificate:
        try:
            certificate = self._certificates.find(mailbox.thumbprint)
        except CertificateError as error:
            raise _needed_by(mailbox, error) from error
        if mailbox.secure_certificate_access and self._roots is None:
            self._roots = load_roots(self._ca_bundle)
        check_usable(certificate, now=self._now(), mailbox=mailbox, roots=self._roots or ())
        return certificate

    def _ask(self, mailbox: Mailbox, certificate: Certificate, session: "_Session") -> dict[str, Any]:
        """msal's answer, an error as a dict included; what it raises becomes ours."""
        key = certificate.key
        if key is None:
            raise CertificateError(
                Phrase(
                    "Certificate {thumbprint} of {mailbox} has no private key here.",
                    thumbprint=certificate.thumbprint,
                    mailbox=mailbox,
                ),
                advice=Phrase("Put the private key into the certificate store."),
                fault=CertificateFault.KEY_MISSING,
            )

        def assertion(context: Mapping[str, str]) -> str:
            return client_assertion(
                certificate, key, client_id=mailbox.client_id, token_url=context["token_endpoint"], now=self._now()
            )

        try:
            # A new object for every sign-in: msal cannot be forced past its token cache, and it replays a refusal for
            # 60 seconds (graph.md section 9). Instance discovery would ask Microsoft whether the authority is genuine;
            # ours comes from the settings.
            application = msal.ConfidentialClientApplication(
                mailbox.client_id,
                client_credential={"client_assertion": assertion},
                authority=f"{self._authority_url}/{mailbox.tenant_id}",
                http_client=session,
                instance_discovery=False,
            )
            answer: dict[str, Any] = application.acquire_token_for_client([self._scope]) or {}
        except requests.RequestException as reason:
            raise _unreachable(mailbox, self._authority_url, reason) from reason
        except CertificateError as error:
            # Out of the assertion; it is a ValueError, too.
            raise _needed_by(mailbox, error) from error
        except (MsalServiceError, RuntimeError) as reason:
            raise _overloaded(mailbox, session) from reason
        except (ValueError, KeyError) as reason:
            # Discovery of an unknown tenant ends here (graph.md section 9), and so does an answer that is not JSON.
            _refuse(mailbox, session.last_error(), session, reason)
        return answer


def _key(mailbox: Mailbox) -> _Key:
    return _Key(
        mailbox.tenant_id,
        mailbox.client_id,
        _thumbprints(mailbox.thumbprint, mailbox.next_thumbprint),
        mailbox.secure_certificate_access,
    )


@lru_cache(maxsize=16_384)
def _thumbprints(current: str, following: str | None) -> tuple[str, ...]:
    """The thumbprints to sign in with, each once. Remembered, since every call of Graph asks."""
    pasted = [current] if following is None or not following.strip() else [current, following]
    return tuple(dict.fromkeys(_normal(text) for text in pasted))


def _normal(thumbprint: str) -> str:
    try:
        return normalise_thumbprint(thumbprint)
    except CertificateError:
        return thumbprint  # the certificate store says what is wrong with it, when it is asked for


def _needed_by(mailbox: Mailbox, error: CertificateError) -> CertificateError:
    summary = Phrase.joined(error.summary, Phrase("Needed by {mailbox}.", mailbox=mailbox))
    return CertificateError(summary, advice=error.advice, fault=error.fault)


def _about_certificate(error: CertificateError | SignInRefused) -> bool:
    """Whether another certificate may serve; whatever else is wrong would be wrong with that one, too."""
    return isinstance(error, CertificateError) or error.aadsts in aadsts.CERTIFICATE


def _neither_serves(
    current: CertificateError | SignInRefused, following: CertificateError | SignInRefused
) -> AccountError:
    """One error of two, of the current certificate's kind and with its facts and advice."""
    summary = Phrase(
        "{current} The next certificate does not serve either: {following}",
        current=current.summary,
        following=following.summary,
    )
    if isinstance(current, SignInRefused):
        return SignInRefused(summary, advice=current.advice, aadsts=current.aadsts, **current.facts)
    return CertificateError(summary, advice=current.advice, fault=current.fault, **current.facts)


class _Adapter(requests.adapters.HTTPAdapter):
    """Our TLS context and time-outs; requests would add certifi's roots, and REQUESTS_CA_BUNDLE's."""

    def __init__(self, context: ssl.SSLContext, timeouts: tuple[float, float]) -> None:
        self._context = context
        self._timeouts = timeouts
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: object) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: object) -> Any:  # noqa: ANN401 (the signature of requests)
        return super().proxy_manager_for(proxy, ssl_context=self._context, **options)

    def cert_verify(self, conn: Any, *_: object, **__: object) -> None:  # noqa: ANN401 (the signature of requests)
        conn.cert_reqs = "CERT_REQUIRED"  # and no more: the context knows whom to trust

    def close(self) -> None:
        # urllib3 closes the connections of a cleared pool only when the garbage is collected; msal's objects, which
        # point at each other in circles, put that off.
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in list(manager.pools.keys()):
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]  # noqa: ANN401 (all options of requests but one go through)
        return super().send(request, **{**options, "timeout": self._timeouts})


class _Session(requests.Session):
    """The HTTP client msal uses for one sign-in; remembers the last answer, of which msal may lose the reason."""

    def __init__(self, url: str, context: ssl.SSLContext, timeouts: tuple[float, float]) -> None:
        super().__init__()
        self.trust_env = False  # else ~/.netrc signs in, and REQUESTS_CA_BUNDLE decides whom we trust
        # The sign-in service never redirects; a portal does, and must not get the assertion.
        self.max_redirects = 0
        self.mount("https://", _Adapter(context, timeouts))
        if proxy := proxy_for(url):
            self.proxies = {"https": proxy}
        self.last: requests.Response | None = None
        self.hooks["response"].append(self._keep)

    def _keep(self, response: requests.Response, *_: object, **__: object) -> None:
        self.last = response

    def last_error(self) -> dict[str, Any]:
        """The JSON object of the last answer; empty when there was none or it was something else."""
        try:
            body = json.loads(self.last.text) if self.last is not None else {}
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def _refuse(
    mailbox: Mailbox, answer: Mapping[str, Any], session: _Session, reason: Exception | None = None
) -> NoReturn:
    """Raise what the sign-in service's refusal means."""
    codes = [code for code in answer.get("error_codes") or () if isinstance(code, int)]
    status = session.last.status_code if session.last is not None else None
    if (
        aadsts.is_transient(codes)
        or answer.get("error") in {"temporarily_unavailable", "server_error"}
        or status == _TOO_MANY_REQUESTS
        or (status is not None and not answer.get("error"))
    ):
        raise _overloaded(mailbox, session) from reason
    code = codes[0] if codes else None
    detail = harmless(answer.get("error_description") or answer.get("error"), 300)
    said = Phrase.verbatim(detail.rstrip(".")) if detail else Phrase("no reason given")
    if status is None:
        said = Phrase("the authority is not a valid https address with a tenant")
    raise SignInRefused(
        Phrase(
            "Sign-in for {mailbox}, tenant {tenant_id}, application {client_id}, certificate {thumbprint} was "
            "refused: {said}.",
            mailbox=mailbox,
            tenant_id=mailbox.tenant_id,
            client_id=mailbox.client_id,
            thumbprint=mailbox.thumbprint,
            said=said,
        ),
        advice=aadsts.advice_for(code),
        aadsts=code,
        status=status,
        code=harmless(answer.get("error"), 100) or None,
        request_id=harmless(answer.get("correlation_id"), 100) or None,
        detail=detail or said,
    ) from reason


def _overloaded(mailbox: Mailbox, session: _Session) -> GraphUnavailable:
    status = session.last.status_code if session.last is not None else None
    answer = session.last_error()
    said = harmless(answer.get("error_description") or answer.get("error"), 300) or Phrase(
        "no JSON; is there a proxy between?"
    )
    headers = {name.lower(): value for name, value in session.last.headers.items()} if session.last is not None else {}
    return GraphUnavailable(
        Phrase(
            "The sign-in service did not serve {mailbox} (status {status}: {said}). This passes by itself.",
            mailbox=mailbox,
            status=status,
            said=said,
        ),
        retry_after=retry_after_seconds(headers),
        status=status,
        code=harmless(answer.get("error"), 100) or None,
        detail=said,
    )


def _unreachable(mailbox: Mailbox, authority_url: str, reason: requests.RequestException) -> GraphUnavailable:
    if isinstance(reason, requests.exceptions.ProxyError):
        what, advice = Phrase("the proxy did not connect"), Phrase("Check HTTPS_PROXY and NO_PROXY.")
    elif isinstance(reason, requests.exceptions.SSLError):
        what = Phrase("its TLS certificate is not trusted, or TLS failed")
        advice = Phrase("If a proxy inspects TLS, put its root into the setting ca_bundle.")
    elif isinstance(reason, requests.exceptions.Timeout):
        what, advice = Phrase("it did not answer in time"), Phrase("Check the network and HTTPS_PROXY.")
    else:
        what, advice = Phrase("no connection"), Phrase("Check the network, DNS and HTTPS_PROXY.")
    return GraphUnavailable(
        Phrase(
            "The sign-in service {authority_url} cannot be reached for {mailbox}: {what}. {advice}",
            authority_url=authority_url,
            mailbox=mailbox,
            what=what,
            advice=advice,
        )
    )
