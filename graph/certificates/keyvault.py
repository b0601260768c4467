"""The certificates of an Azure Key Vault, whose keys sign in the vault and are never exported.

The libraries of Microsoft call it; they are an extra of the installation, `azure`. Each version of a certificate has a
thumbprint of its own, so that one that an account still names is found after a renewal. Once it is known, a
signature is one request: the vault itself refuses to sign with a version that was disabled or deleted meanwhile.
Nothing here waits for long: callers repeat what failed for a while.

Sources: https://learn.microsoft.com/rest/api/keyvault/certificates, https://learn.microsoft.com/rest/api/keyvault/keys,
https://learn.microsoft.com/azure/key-vault/general/rbac-guide.
"""

import builtins
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.certificates import CertificateClient, CertificateProperties
from azure.keyvault.keys import KeyOperation, KeyType
from azure.keyvault.keys import KeyVaultKey as Key
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter

from availability import Service
from graph.certificates.certificate import PSS, UNREADABLE, Certificate, described
from graph.certificates.inventory import inventory, not_rsa
from graph.certificates.store import StoreEntry
from graph.certificates.thumbprints import normalise_thumbprint
from graph.errors import CertificateError, CertificateFault, GraphError, GraphUnavailable, SignInRefused
from graph.responses import retry_after_seconds, sanitize
from graph.transport import connection_fault_of
from phrases import Phrase

PREFIX: Final = "keyvault:"
"""The prefix of a setting that names a vault."""

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,22}[a-z0-9]", re.IGNORECASE | re.ASCII)
_KEY_PATH: Final = re.compile(r"/keys/[0-9A-Za-z-]{1,127}/[0-9A-Za-z]{1,64}/?", re.ASCII)
_HTTPS: Final = 443
_MAX_CAUSES: Final = 50
"""Errors within an error that are examined; they may name each other in a circle."""
_MAX_VERSIONS: Final = 5_000
"""Versions of certificates that are read of a vault."""
_FRESH_SECONDS: Final = 300.0
_AGAIN_SECONDS: Final = 10.0
"""Least age of the list when an unknown thumbprint has it read again."""
_WAIT_SECONDS: Final = 20.0
"""The longest wait for another thread that lists the versions."""
_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 10.0
_BY_FIREWALL: Final = "ForbiddenByFirewall"
_BY_STATE: Final = frozenset({"CertificateDisabled", "KeyDisabled", "KeyExpired", "KeyNotYetValid"})
"""Codes of a version that is not to be used, for each that may."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Issue = Callable[[], tuple[str, float]]
"""A token for vaults, and its life in seconds. Blocks; raises GraphError."""


def vault_url(text: str, domain: str) -> str:
    """The https address of the vault that `keyvault:NAME` or `keyvault:https://NAME.DOMAIN` names.

    Raises:
        ValueError: it is neither.
    """
    name = text.strip()[len(PREFIX) :].strip().rstrip("/")
    if _NAME.fullmatch(name):
        return f"https://{name.lower()}.{domain}"
    parts = urlsplit(name)
    host = parts.hostname or ""
    # To another host the token of the identity must not be sent: one of Azure demands it for its own domain.
    is_vault = host.endswith(f".{domain}") or host in _LOOPBACK
    if parts.scheme == "https" and is_vault and not parts.path and not parts.query and parts.username is None:
        return name
    raise ValueError(
        Phrase(
            "it is neither keyvault:NAME, with 3 to 24 letters, digits and dashes, nor keyvault:https://NAME.{domain}",
            domain=domain,
        )
    )


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of a certificate in the vault."""

    name: str
    version: str
    enabled: bool
    thumbprint: str


@dataclass(frozen=True, slots=True)
class _Loaded:
    certificate: x509.Certificate
    key_id: str


class KeyVaultStore:
    """A Key Vault; a `CertificateStore`.

    The list of versions is kept for five minutes; contents of a version never change and are kept as well.

    Args:
        url: https address of the vault.
        issue: tokens of the identity that may read certificates and sign.
        tls: trusted roots.
        proxy: URL of the proxy for the vault.
        monotonic: seconds, for the age of the list.
    """

    def __init__(
        self,
        url: str,
        issue: Issue,
        *,
        tls: ssl.SSLContext,
        proxy: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._credential = _Credential(issue)
        self._tls = tls
        self._proxy = proxy
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._listed: tuple[float, dict[str, _Version]] | None = None
        self._failed: tuple[float, GraphUnavailable] | None = None
        """The failure of the last listing, and the time until which it counts."""
        self._loaded: dict[str, _Loaded] = {}

    def __repr__(self) -> str:
        return f"KeyVaultStore({self._url!r})"

    @property
    def name(self) -> str:
        """For example `keyvault:https://gateway.vault.azure.net`."""
        return f"{PREFIX}{self._url}"

    def find(self, thumbprint: str) -> Certificate:
        """Implement `CertificateStore`; the key stays in the vault, and signs there.

        Raises:
            GraphUnavailable: the vault does not answer for now.
        """
        wanted = normalise_thumbprint(thumbprint)
        version = self._known(wanted) or self._version(wanted)
        found = self._content(version)
        if not version.enabled:
            raise self._disabled(version)
        return described(found.certificate, has_private_key=True, key=self._key(version, found))

    def _known(self, thumbprint: str) -> _Version | None:
        """The version, if it was usable when it was read: its content never changes."""
        version = None if self._listed is None else self._listed[1].get(thumbprint)
        return version if version is not None and version.enabled and thumbprint in self._loaded else None

    def _key(self, version: _Version, found: _Loaded) -> "KeyVaultKey":
        """The key of a version.

        Raises:
            CertificateError: it is not one that Entra accepts, or the vault named none of its own.
        """
        public = found.certificate.public_key()
        if not isinstance(public, rsa.RSAPublicKey):
            raise not_rsa(version.thumbprint, self.name)
        if not _is_key_of(self._url, found.key_id):
            raise CertificateError(
                Phrase(
                    "Certificate {thumbprint} in {store} has no key in that vault (version {version} of {name}).",
                    thumbprint=version.thumbprint,
                    store=self.name,
                    version=version.version,
                    name=version.name,
                ),
                advice=Phrase(
                    "Its creation was not completed, or it was imported without its key: see az keyvault certificate "
                    "show, then make or import it anew."
                ),
                fault=CertificateFault.KEY_MISSING,
            )
        return KeyVaultKey(self, found.key_id, version.thumbprint, public)

    def expiry(self, thumbprint: str) -> datetime:
        """Implement `CertificateStore`."""
        try:
            return self._content(self._version(normalise_thumbprint(thumbprint))).certificate.not_valid_after_utc
        except GraphUnavailable as error:
            raise self._silent(error) from error

    def list(self) -> builtins.list[StoreEntry]:
        """Implement `CertificateStore`; sorted by subject."""
        try:
            versions = self._versions()
        except CertificateError as error:
            return [StoreEntry(None, None, error)]
        except GraphUnavailable as error:
            return [StoreEntry(None, None, self._silent(error))]
        entries = [self._entry(each) for each in versions.values()]
        return sorted(entries, key=lambda entry: entry.certificate.subject if entry.certificate else "")

    def sign(self, key: "KeyVaultKey", message: bytes) -> bytes:
        """Return the PS256 signature by a key of the vault, which gets the digest of the message only.

        Raises:
            CertificateError: the key may not be used, or does not sign.
            GraphUnavailable: the vault does not answer for now.
        """
        try:
            with (
                self._calling("sign"),
                self._session() as options,
                CryptographyClient(key.described, self._credential, **options) as client,
            ):
                return client.sign(SignatureAlgorithm.ps256, sha256(message).digest()).signature
        except CertificateError:
            self._loaded.pop(key.thumbprint, None)  # what was known of it no longer holds
            raise

    def _entry(self, version: _Version) -> StoreEntry:
        try:
            found = self._content(version)
        except CertificateError as error:
            return StoreEntry(None, None, error)
        except GraphUnavailable as error:
            return StoreEntry(None, None, self._silent(error))
        problem = None
        try:
            if not version.enabled:
                raise self._disabled(version)
            self._key(version, found)
        except CertificateError as error:
            problem = error
        return StoreEntry(None, described(found.certificate, has_private_key=version.enabled), problem)

    def _version(self, thumbprint: str) -> _Version:
        found = self._versions().get(thumbprint) or self._versions(_AGAIN_SECONDS, stale=False).get(thumbprint)
        if found is not None:
            return found
        held = []
        for each in islice(self._versions().values(), 20):
            try:
                held.append((self._content(each).certificate, each.name))
            except CertificateError:
                continue  # what is missing is another one
            except GraphUnavailable:
                break  # each of the others would wait as long
        raise CertificateError(
            Phrase.joined(
                Phrase("Certificate {thumbprint} is not in {store}.", thumbprint=thumbprint, store=self.name),
                inventory(held),
            ),
            advice=Phrase(
                "Create it there (az keyvault certificate create) or import it (az keyvault certificate import), or "
                "correct the thumbprint of the account."
            ),
            fault=CertificateFault.NOT_FOUND,
        )

    def _versions(self, fresh_seconds: float = _FRESH_SECONDS, *, stale: bool = True) -> dict[str, _Version]:
        """The versions, by thumbprint. One thread lists them; with `stale` the others go on with the former list.

        So do all while the vault does not answer: to sign needs it anyway.
        """
        known = self._listed
        if known is not None and self._monotonic() - known[0] < fresh_seconds:
            return known[1]
        use_known = known is not None and stale
        if not (self._lock.acquire(blocking=False) if use_known else self._lock.acquire(timeout=_WAIT_SECONDS)):
            if known is not None and use_known:
                return known[1]
            raise self._unavailable(Phrase("it did not answer in time"))
        try:
            known = self._listed
            if known is not None and self._monotonic() - known[0] < fresh_seconds:
                return known[1]
            self._raise_remembered()
            return self._list_anew()
        except GraphUnavailable:
            if use_known and known is not None:
                return known[1]
            raise
        finally:
            self._lock.release()

    def _list_anew(self) -> dict[str, _Version]:
        try:
            with self._calling("list"), self._session() as options, self._client(options) as client:
                found = {each.thumbprint: each for each in islice(_all_versions(client), _MAX_VERSIONS)}
        except GraphUnavailable as error:
            self._failed = self._monotonic() + _AGAIN_SECONDS, error
            raise
        self._failed = None
        self._listed = self._monotonic(), found
        held = self._loaded.copy()  # in one step: other threads add to it meanwhile
        self._loaded = {each: loaded for each, loaded in held.items() if each in found}
        return found

    def _raise_remembered(self) -> None:
        """Raise the failure of a listing again for a while: each of many accounts would wait for as long."""
        if self._failed is not None and self._monotonic() < self._failed[0]:
            error = self._failed[1]
            raise error.of_another(self.name, self.name) from None  # a copy: tracebacks would accumulate

    def _content(self, version: _Version) -> _Loaded:
        loaded = self._loaded.get(version.thumbprint)
        if loaded is not None:
            return loaded
        with self._calling("get"), self._session() as options, self._client(options) as client:
            got = client.get_certificate_version(version.name, version.version)
        try:
            loaded = _Loaded(x509.load_der_x509_certificate(bytes(got.cer or b"")), got.key_id or "")
        except UNREADABLE as reason:
            raise CertificateError(
                Phrase(
                    "Certificate {thumbprint} in {store} is damaged or of an unknown kind.",
                    thumbprint=version.thumbprint,
                    store=self.name,
                ),
                advice=Phrase("Make another with az keyvault certificate create."),
                fault=CertificateFault.UNREADABLE,
            ) from reason
        self._loaded[version.thumbprint] = loaded
        return loaded

    def _client(self, options: dict[str, Any]) -> CertificateClient:
        return CertificateClient(self._url, self._credential, **options)

    @contextmanager
    def _session(self) -> Iterator[dict[str, Any]]:
        """The options of a client; its connections last as long as the context."""
        with requests.Session() as session:
            yield self._options(session)

    def _options(self, session: requests.Session) -> dict[str, Any]:
        session.trust_env = False
        session.mount("https://", _Adapter(self._tls))
        session.hooks["response"] = [_read_challenge]
        if self._proxy is not None:
            session.proxies = {"https": self._proxy}
        return {
            "transport": RequestsTransport(
                session=session,
                session_owner=False,
                use_env_settings=False,
                connection_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
            ),
            # A demanded pause is left to the caller, whose thread is one of few.
            "retry_total": 1,
            "retry_status": 0,
            "retry_backoff_factor": 0.1,
            "logging_enable": False,
            # The vault names the resource of its tokens; a stand-in on this host may name Microsoft's.
            "verify_challenge_resource": urlsplit(self._url).hostname not in _LOOPBACK,
        }

    @contextmanager
    def _calling(self, operation: str) -> Iterator[None]:
        try:
            yield
        except SignInRefused as error:
            # For the callers of a store: the identity that opens it is one of its faults.
            fault = CertificateFault.KEY_UNREADABLE if operation == "sign" else CertificateFault.STORE_UNREADABLE
            raise CertificateError(error.summary, advice=error.advice, fault=fault, **error.facts) from error
        except GraphError:
            raise  # of the sign-in
        except (AzureError, OSError, ValueError) as reason:
            self._explain(operation, reason)

    def _explain(self, operation: str, reason: Exception) -> NoReturn:
        status = reason.status_code if isinstance(reason, HttpResponseError) else None
        detail = sanitize(_message_of(reason), 300)
        if isinstance(reason, ResourceNotFoundError):
            raise CertificateError(
                Phrase("The certificate or its key is no longer in {store}.", store=self.name),
                advice=Phrase("Restore it (az keyvault certificate recover), or name another on the account."),
                fault=CertificateFault.KEY_UNREADABLE,
            ) from reason
        if isinstance(reason, ClientAuthenticationError):
            raise self._not_accepted(detail) from reason
        if status == HTTPStatus.FORBIDDEN:
            raise self._forbidden(operation, detail, _inner_code_of(reason)) from reason
        passing = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
        if status is not None and status not in passing and status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise CertificateError(
                Phrase("{store} refused to {operation}: {reply}.", store=self.name, operation=operation, reply=detail),
                advice=Phrase("Check the certificate in the portal: enabled, and its key of type RSA."),
                fault=CertificateFault.SIGNING_FAILED if operation == "sign" else CertificateFault.STORE_UNREADABLE,
                status=status,
            ) from reason
        response = getattr(reason, "response", None)
        headers = {name.lower(): value for name, value in response.headers.items()} if response is not None else {}
        why = Phrase("status {status}", status=status) if status else _unreached(reason, self._url)
        raise self._unavailable(why, retry_after=retry_after_seconds(headers), status=status) from reason

    def _unavailable(
        self, why: Phrase, *, retry_after: float | None = None, status: int | None = None
    ) -> GraphUnavailable:
        text = Phrase(
            "The Key Vault {store} does not answer ({why}). This passes by itself; if it lasts, check network, DNS, "
            "the firewall or private endpoint of the vault, and HTTPS_PROXY.",
            store=self.name,
            why=why,
        )
        named = Phrase("the Key Vault {store}: {why}", store=self.name, why=why)
        return GraphUnavailable(text, retry_after=retry_after, status=status, why=named, service=Service.CREDENTIALS)

    def _not_accepted(self, detail: str) -> CertificateError:
        return CertificateError(
            Phrase(
                "{store} does not accept the token of this process: {reply}.",
                store=self.name,
                reply=detail.rstrip(".") or Phrase("no reason given"),
            ),
            advice=Phrase(
                "The identity must be of the tenant of the vault, and both of the cloud that the setting cloud names."
            ),
            fault=CertificateFault.STORE_UNREADABLE,
        )

    def _forbidden(self, operation: str, detail: str, code: str) -> CertificateError:
        signing = operation == "sign"
        if code in _BY_STATE:
            return CertificateError(
                Phrase(
                    "{store} does not use the certificate or its key: {reply}.",
                    store=self.name,
                    reply=detail.rstrip("."),
                ),
                advice=Phrase("Enable that version in the portal, or set the thumbprint of another on the account."),
                fault=CertificateFault.KEY_UNREADABLE,
            )
        if code == _BY_FIREWALL:
            return CertificateError(
                Phrase("The firewall of {store} refuses this host.", store=self.name),
                advice=Phrase(
                    "Admit its address (az keyvault network-rule add), or give the vault a private endpoint in the "
                    "network of this host."
                ),
                fault=CertificateFault.STORE_UNREADABLE,
            )
        role = "Key Vault Crypto User" if signing else "Key Vault Reader"
        return CertificateError(
            Phrase(
                "{store} does not allow this process to {operation}: {reply}.",
                store=self.name,
                operation=operation,
                reply=detail.rstrip(".") or Phrase("no reason given"),
            ),
            advice=Phrase(
                "Give its identity the role {role}: az role assignment create --role '{role}' --assignee PRINCIPAL "
                "--scope VAULT-ID. A new one counts after some minutes; the vault's firewall must admit this host.",
                role=role,
            ),
            fault=CertificateFault.KEY_UNREADABLE if signing else CertificateFault.STORE_UNREADABLE,
        )

    def _disabled(self, version: _Version) -> CertificateError:
        return CertificateError(
            Phrase(
                "Certificate {thumbprint} in {store} is disabled (version {version} of {name}).",
                thumbprint=version.thumbprint,
                store=self.name,
                version=version.version,
                name=version.name,
            ),
            advice=Phrase("Enable that version in the portal, or set the thumbprint of another on the account."),
            fault=CertificateFault.KEY_UNREADABLE,
        )

    def _silent(self, error: GraphUnavailable) -> CertificateError:
        return CertificateError(Phrase.of(error), advice=Phrase("Try again."), fault=CertificateFault.STORE_UNREADABLE)


@dataclass(frozen=True, slots=True)
class KeyVaultKey:
    """The key of a certificate in the vault; a `SigningKey`. It stays there."""

    _store: KeyVaultStore
    _key_id: str
    thumbprint: str
    _public: rsa.RSAPublicKey

    @property
    def described(self) -> Key:
        """The key as the SDK reads it of the vault, which is not asked for it again."""
        numbers = self._public.public_numbers()
        parts = {
            name: value.to_bytes(-(-value.bit_length() // 8)) for name, value in (("n", numbers.n), ("e", numbers.e))
        }
        return Key(self._key_id, jwk={"kid": self._key_id, "kty": KeyType.rsa, "key_ops": [KeyOperation.sign], **parts})

    def sign(self, message: bytes) -> bytes:
        """Implement `SigningKey`; the signature is verified, as Entra would blame the application for another's."""
        signature = self._store.sign(self, message)
        try:
            self._public.verify(signature, message, PSS, hashes.SHA256())
        except InvalidSignature as reason:
            raise CertificateError(
                Phrase(
                    "The key of {store} that signed is not that of certificate {thumbprint}.",
                    store=self._store.name,
                    thumbprint=self.thumbprint,
                ),
                advice=Phrase("Make another with az keyvault certificate create."),
                fault=CertificateFault.KEY_MISMATCH,
            ) from reason
        return signature


class _Credential:
    """Satisfies `TokenCredential`."""

    def __init__(self, issue: Issue) -> None:
        self._issue = issue

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401  # the SDK's own
        token, seconds = self._issue()
        return AccessToken(token, int(time.time() + seconds))


class _Adapter(HTTPAdapter):
    """Connections with the trusted roots of the product."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  # as requests declares it
        """Override `HTTPAdapter`."""
        super().init_poolmanager(*args, **options, ssl_context=self._tls)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401  # as requests declares it
        """Override `HTTPAdapter`."""
        return super().proxy_manager_for(proxy, **options, ssl_context=self._tls)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ANN401  # as requests declares it
        """Override `HTTPAdapter`: the context verifies, with no other roots beside."""


def _read_challenge(response: requests.Response, **_: Any) -> None:  # noqa: ANN401  # as requests declares it
    """Read what the SDK leaves of a challenge, so that its connection serves the request that follows."""
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        response.content  # noqa: B018  # reads it


def _all_versions(client: CertificateClient) -> Iterator[_Version]:
    for certificate in client.list_properties_of_certificates():
        try:
            for each in client.list_properties_of_certificate_versions(certificate.name or ""):
                if each.x509_thumbprint:
                    yield _version_of(each)
        except ResourceNotFoundError:
            continue  # it was deleted meanwhile


def _version_of(properties: CertificateProperties) -> _Version:
    return _Version(
        properties.name or "",
        properties.version or "",
        properties.enabled is not False,
        bytes(properties.x509_thumbprint or b"").hex().upper(),
    )


def _is_key_of(vault: str, key_id: str) -> bool:
    """True for the id of a version of a key in that vault: to another host no token is sent."""
    expected, named = urlsplit(vault), urlsplit(key_id)
    try:
        same = (named.hostname, named.port or _HTTPS) == (expected.hostname, expected.port or _HTTPS)
    except ValueError:  # the port is none
        return False
    return same and named.scheme == "https" and _KEY_PATH.fullmatch(named.path) is not None


def _unreached(reason: Exception, url: str) -> Phrase:
    """The cause of a failed connection, of which the libraries keep the error of the system somewhere inside."""
    chain = list(islice(_causes(reason), _MAX_CAUSES))
    if any(isinstance(each, requests.exceptions.ProxyError) for each in chain):
        return Phrase("the proxy did not connect")
    for kind in (socket.gaierror, ssl.SSLError, TimeoutError, OSError):
        found = next((each for each in chain if isinstance(each, kind) and each.errno is not None), None)
        if isinstance(found, socket.gaierror):
            host = urlsplit(url).hostname
            if found.errno == socket.EAI_AGAIN:
                return Phrase("no DNS server answers when asked for {host}", host=host)
            return Phrase("DNS knows no host named {host}", host=host)
        if found is not None:
            return connection_fault_of(found)[0]
    if any(isinstance(each, requests.Timeout) for each in chain):
        return Phrase("it did not answer in time")
    return Phrase("it cannot be reached")


def _causes(reason: BaseException) -> Iterator[BaseException]:
    """An error and those within it: its cause, or what a library put into its arguments."""
    waiting = [reason]
    while waiting:
        each = waiting.pop(0)
        yield each
        named = (getattr(each, name, None) for name in ("inner_exception", "reason"))
        inner = (each.__cause__, each.__context__, *named, *each.args)
        waiting += [found for found in inner if isinstance(found, BaseException)]


def _inner_code_of(reason: Exception) -> str:
    """The code beside the text of a refusal, such as ForbiddenByFirewall; empty without one."""
    inner = getattr(getattr(reason, "error", None), "innererror", None)
    return str((inner or {}).get("code", "")) if isinstance(inner, dict) else ""


def _message_of(reason: Exception) -> str:
    error = getattr(reason, "error", None)
    return str(getattr(error, "message", None) or getattr(reason, "message", None) or type(reason).__name__)
