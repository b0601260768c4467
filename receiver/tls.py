"""A server's own certificate: loaded, replaced while the process runs, and monitored for expiry."""

import asyncio
import os
import secrets
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from prometheus_client import Gauge

_POLL_SECONDS: Final = 2.0
_EARLY: Final = timedelta(days=30)
"""Time before the end of a certificate in which warnings are logged; of a short-lived one, the last third."""
_REPEATED_AFTER: Final = timedelta(days=1)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

Stamp = tuple[object, ...]
"""A value that changes with the certificate or its key."""


@dataclass(frozen=True, slots=True)
class LoadedCertificate:
    """A TLS context with the certificate that it presents."""

    context: ssl.SSLContext
    certificate: x509.Certificate


class CertificateSource(Protocol):
    """The place of a server's certificate and its key. Calls block for milliseconds."""

    @property
    def names(self) -> list[str]:
        """The files, or the certificate in a store, for the log."""
        ...

    @property
    def remedy(self) -> str:
        """The correction of a certificate that cannot be used, for the log."""
        ...

    @property
    def poll_seconds(self) -> float:
        """Time between two checks for a change."""
        ...

    def stamp(self) -> Stamp:
        """Return a value that differs once certificate or key did. Never raises."""
        ...

    def load(self) -> LoadedCertificate:
        """Load certificate and key.

        Raises:
            OSError, ssl.SSLError: they cannot be read, or do not belong together.
        """
        ...


class PemFiles:
    """Two PEM files: the certificate, followed by those of its issuers, and its private key, unencrypted.

    `role`: `receiver` or `console`, which begins the names of its settings.
    """

    def __init__(self, certificate: Path, key: Path, role: str = "receiver") -> None:
        self._certificate = certificate
        self._key = key
        self._role = role

    @property
    def names(self) -> list[str]:
        """Implement `CertificateSource`."""
        return [str(self._certificate), str(self._key)]

    @property
    def remedy(self) -> str:
        """Implement `CertificateSource`."""
        return (
            f"Correct {self._role}_tls_cert and {self._role}_tls_key (a certificate chain and its unencrypted key, "
            "PEM); a change is noticed."
        )

    @property
    def poll_seconds(self) -> float:
        """Implement `CertificateSource`."""
        return _POLL_SECONDS

    def stamp(self) -> Stamp:
        """Implement `CertificateSource`."""
        return tuple(_stamp_of(path) for path in (self._certificate, self._key))

    def load(self) -> LoadedCertificate:
        """Implement `CertificateSource`."""
        context = tls_context(self._certificate, self._key)
        # Read after the pair was found valid, so that it holds a certificate.
        return LoadedCertificate(context, _first_certificate(self._certificate.read_bytes()))


class ServerCertificate:
    """The certificate that the receiver, or the web console, presents.

    Args:
        source: PEM files, or a store.
        clock: the time now (aware, UTC).
        expires: the gauge of the certificate's end.
        role: `receiver` or `console`, which begins the names of its log events.
        poll_seconds: between two checks for a change; None: as the source needs them.

    Raises:
        OSError, ssl.SSLError: certificate or key cannot be read, or the two do not belong together.
    """

    def __init__(
        self,
        source: CertificateSource,
        *,
        clock: Callable[[], datetime],
        expires: Gauge,
        role: str = "receiver",
        poll_seconds: float | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._expires = expires
        self._role = role
        self._poll_seconds = source.poll_seconds if poll_seconds is None else poll_seconds
        self._due_again: dict[str, datetime] = {}
        self._tried = source.stamp()
        self._load()

    @property
    def context(self) -> ssl.SSLContext:
        """The TLS context of connections from now on; open ones keep theirs."""
        return self._context

    async def watch(self, stop: asyncio.Event, reload: asyncio.Event) -> None:
        """Reload the certificate when it changes, or when `reload` is set, until `stop` is set; warn of its end.

        An unusable pair changes nothing: the receiver keeps the certificate it has, and logs an error, again each day.
        """
        before = self._tried
        while not stop.is_set():
            self._warn_of_end()
            await _first_of(stop, reload, seconds=self._poll_seconds)
            found = self._source.stamp()
            # Two files are not replaced atomically: they are read once two checks in a row found them the same.
            settled = found == before and found != self._tried
            before = found
            if reload.is_set():
                reload.clear()
                self._reload(found)
            elif settled or (self._failed and self._is_due("failed")):
                self._reload(found)

    def _reload(self, stamp: Stamp) -> None:
        self._tried = stamp
        try:
            self._load()
        except OSError as exc:  # ssl.SSLError is one
            self._failed = True
            self._is_due("failed")
            log.error(  # noqa: TRY400  # a traceback does not help an administrator
                self._event("not_reloaded"),
                error=str(exc),
                files=self._source.names,
                detail=f"The certificate of before is presented. {self._source.remedy}",
            )
            return
        log.info(self._event("reloaded"), ends=self._end.isoformat())

    def _load(self) -> None:
        loaded = self._source.load()
        shown = loaded.certificate
        self._context = loaded.context
        self._begin, self._end = shown.not_valid_before_utc, shown.not_valid_after_utc
        self._failed = False
        self._due_again.clear()
        self._expires.set(self._end.timestamp())

    def _warn_of_end(self) -> None:
        now = self._clock()
        early = min(_EARLY, (self._end - self._begin) / 3)
        if now < self._end - early or not self._is_due("ends"):
            return
        log.warning(
            self._event("ended" if now >= self._end else "ends"),
            ends=self._end.isoformat(),
            files=self._source.names,
            detail="Browsers refuse a certificate that has ended, and Microsoft Graph delivers nothing to such an "
            "endpoint. Replace it, with its key; it is read again by itself.",
        )

    def _is_due(self, event: str) -> bool:
        """Return True once, and again a day later."""
        now = self._clock()
        due = self._due_again.get(event)
        # A due time further ahead than the interval means that the clock stepped back.
        if due is not None and now < due <= now + _REPEATED_AFTER:
            return False
        self._due_again[event] = now + _REPEATED_AFTER
        return True

    def _event(self, end: str) -> str:
        return f"{self._role}_certificate_{end}"


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer: Graph needs 1.2, an endpoint with 1.3 alone failed its validation (docs/graph.md, section 3).

    Raises:
        OSError, ssl.SSLError: a file cannot be read, or the two do not belong together.
    """
    for path in (certificate, key):
        path.open("rb").close()  # for an error that names the file: OpenSSL's does not
    context = _server_context()
    context.load_cert_chain(certificate, key, password=_no_password)
    return context


def tls_context_of(chain_pem: bytes, key: CertificateIssuerPrivateKeyTypes) -> ssl.SSLContext:
    """A context like `tls_context`, of a key in memory.

    OpenSSL reads keys from files only, as Python calls it: the file is encrypted with a password of its own, that was
    never stored, and deleted at once.

    Raises:
        OSError: there is no room for temporary files.
        ssl.SSLError: certificate and key do not belong together.
    """
    password = secrets.token_bytes(32).hex().encode()
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    context = _server_context()
    number, name = tempfile.mkstemp(prefix="mail-importer-", suffix=".pem")  # readable for its owner alone
    try:
        with os.fdopen(number, "wb") as file:
            file.write(chain_pem + key_pem)
        context.load_cert_chain(name, password=password)
    finally:
        Path(name).unlink()
    return context


def _server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_password() -> str:
    # OpenSSL would prompt at the terminal, and the process would block.
    raise ssl.SSLError(1, "the private key is encrypted; receiver_tls_key takes an unencrypted one")


def _first_certificate(data: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(data)[0]
    except ValueError as exc:
        # OpenSSL would serve it; clients that check the certificate would refuse it.
        raise ssl.SSLError(1, "the certificate is not formed as RFC 5280 says") from exc


def _stamp_of(path: Path) -> tuple[int, ...]:
    try:
        facts = path.stat()  # of the target of a link: certbot and Kubernetes replace the link
    except OSError:
        return ()
    return facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino


async def _first_of(*events: asyncio.Event, seconds: float) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
