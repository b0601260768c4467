"""The transport common to sign-in and Graph calls: TLS, trusted roots, proxy."""

import contextlib
import os
import re
import socket
import ssl
import warnings
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from phrases import Phrase


def tls_context(ca_bundle: Path | None = None) -> ssl.SSLContext:
    """Build a context for TLS 1.2 or newer, trusting the system's roots and those of `ca_bundle`.

    REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE are ignored; SSL_CERT_FILE and SSL_CERT_DIR relocate the system's roots, as
    for every program on OpenSSL.

    Raises:
        ValueError: the bundle cannot be read; the text names the setting.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle is not None:
        try:
            context.load_verify_locations(cafile=ca_bundle)
        except OSError as reason:  # ssl.SSLError is one too
            raise _bad_bundle(ca_bundle, reason) from reason
    return context


def session_for(
    url: str,
    tls: ssl.SSLContext,
    timeout: aiohttp.ClientTimeout,
    *,
    connections: int = 100,
    trace: Sequence[aiohttp.TraceConfig] = (),
    socket_factory: aiohttp.SocketFactoryType | None = None,
) -> aiohttp.ClientSession:
    """Open the HTTP session for the one service of `url`, with the proxy as set now; the caller closes it.

    Its connections are kept until then: its end waits for those, and would leave others open.

    Sign-in, Graph and the checks of both take it from here, so that a check goes the way that it stands for. `trace`
    and `socket_factory` are for the checks: they watch, and change nothing.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=tls,
            limit=connections,
            keepalive_timeout=60,
            socket_factory=socket_factory,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
        proxy=proxy_for(url),
        trace_configs=list(trace),
    )


def connection_error_of(reason: BaseException) -> Phrase:
    """The system's reason for which a connection was not made: refused, no such name, no route."""
    error = reason.os_error if isinstance(reason, aiohttp.ClientConnectorError) else reason
    if isinstance(reason, TimeoutError):
        return Phrase("no answer in time")
    if isinstance(error, OSError) and error.errno is not None:
        # A resolver's numbers are not the system's, and asyncio puts the address into the text.
        refused = isinstance(error, socket.gaierror) or error.errno < 0
        return Phrase.verbatim(str(error.strerror) if refused else os.strerror(error.errno))
    # Several addresses, each with an error of its own, which asyncio joins to one text.
    numbers = re.findall(r"\[Errno (\d+)\]", str(error))
    return Phrase.verbatim(os.strerror(int(numbers[-1])) if numbers else type(error).__name__)


def connection_fault_of(reason: Exception) -> tuple[Phrase, Phrase]:
    """The cause for which a service was not reached, and the remedy."""
    # TLS first: an untrusted certificate is a ValueError, too.
    if isinstance(reason, aiohttp.ClientSSLError | ssl.SSLError):
        return (
            Phrase("its TLS certificate is not trusted, or TLS failed"),
            Phrase("If a proxy inspects TLS, put its root into the setting ca_bundle."),
        )
    if isinstance(reason, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError | ValueError):
        return Phrase("the proxy did not connect"), Phrase("Check HTTPS_PROXY and NO_PROXY.")
    if isinstance(reason, TimeoutError):
        return Phrase("it did not answer in time"), Phrase("Check the network and HTTPS_PROXY.")
    why = connection_error_of(reason)
    return Phrase("no connection ({why})", why=why), Phrase("Check the network, DNS and HTTPS_PROXY.")


def load_roots(ca_bundle: Path | None = None) -> tuple[x509.Certificate, ...]:
    """Load the system's trusted roots and the certificates of `ca_bundle`, for `certificates.check_usable`.

    Raises:
        ValueError: the bundle cannot be read; the text names the setting.
    """
    with warnings.catch_warnings():
        # Some system roots have a serial number of zero, which cannot be corrected here.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        system = ssl.create_default_context().get_ca_certs(binary_form=True)
        found = [_parsed(der) for der in system] if system else _roots_of_folder(ssl.get_default_verify_paths().capath)
    # On Windows intermediate authorities are among them, which establish no trust.
    roots = [root for root in found if root is not None and root.subject == root.issuer]
    if ca_bundle is not None:
        # Parsed separately: get_ca_certs() omits certificates not marked as an authority, and a self-signed certificate
        # that an administrator trusts by name is not marked.
        try:
            roots.extend(x509.load_pem_x509_certificates(ca_bundle.read_bytes()))
        except (OSError, ValueError) as reason:
            raise _bad_bundle(ca_bundle, reason) from reason
    return tuple(roots)


def proxy_for(url: str) -> str | None:
    """The proxy HTTPS_PROXY (or the system's settings) names for `url`; None without one or when NO_PROXY excepts it.

    Determined once per connection pool and not left to the libraries: with `trust_env` aiohttp uses two threads per
    request, and both it and requests let ~/.netrc interfere with the Authorization header.
    """
    parts = urlsplit(url)
    if parts.hostname and (proxy_bypass(parts.hostname) or proxy_bypass(parts.netloc.rpartition("@")[2])):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    return proxy


def _parsed(der: bytes) -> x509.Certificate | None:
    # System stores hold roots that a stricter parser refuses; one of them must not invalidate the rest.
    with contextlib.suppress(ValueError, x509.InvalidVersion):
        return x509.load_der_x509_certificate(der)
    return None


def _roots_of_folder(folder: str | None) -> list[x509.Certificate | None]:
    """Read the folder of roots; OpenSSL reads it only during verification, so the context has none of them yet."""
    roots: list[x509.Certificate | None] = []
    if folder is None:
        return roots
    for path in sorted(Path(folder).glob("*")):
        with contextlib.suppress(OSError, ValueError, x509.InvalidVersion):
            roots.extend(x509.load_pem_x509_certificates(path.read_bytes()))
    return roots


def _bad_bundle(ca_bundle: Path, reason: Exception) -> ValueError:
    return ValueError(
        Phrase(
            "The setting ca_bundle names {ca_bundle}, which is not a readable PEM file of certificates: {reason}",
            ca_bundle=ca_bundle,
            reason=reason,
        )
    )
