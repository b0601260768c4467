"""Headers of every answer, proof that a form is of this console, and the addresses under which it answers.

Sources: OWASP cheat sheets on HTTP headers, CSRF and sessions; Fetch metadata (https://www.w3.org/TR/fetch-metadata/).
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from console.setting_values import Network, address_of, is_loopback
from console.web.tokens import derived, is_derived

CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "X-CSRF-Token"
_CSRF: Final = "csrf"
_UNKNOWN: Final = "unknown"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
_HSTS: Final = "max-age=31536000"


def add_headers(answer: web.StreamResponse, *, is_secure: bool) -> None:
    """Add the headers that every answer has; one that a page set itself stays. `is_secure`: the browser came by TLS."""
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    if is_secure:
        answer.headers["Strict-Transport-Security"] = _HSTS
    answer.headers.pop(hdrs.SERVER, None)


def csrf_token(browser_id: str) -> str:
    """The token of the forms of a browser."""
    return derived(browser_id, _CSRF)


def has_csrf_token(given: str, browser_id: str) -> bool:
    """True if the form came from a page that this browser was sent."""
    return is_derived(given, browser_id, _CSRF)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of the console: `public_url` (scheme, host, port), and hosts that name it, in lower case.

    `proxies`: networks of reverse proxies whose `X-Forwarded-For` is believed, beside those on this host.
    """

    public_url: str | None
    hosts: frozenset[str]
    proxies: Collection[Network] = ()

    @property
    def is_secure(self) -> bool:
        """True if browsers reach it by TLS."""
        return self.public_url is not None and self.public_url.startswith("https://")

    def is_own(self, request: web.Request) -> bool:
        """True if the request names this console as its host: a page of another name may not use it (DNS rebinding)."""
        name = host_in(request.host)
        return name in self.hosts or is_loopback(name)

    def is_same_origin(self, request: web.Request) -> bool:
        """True if a form was sent by a page of this console, as far as the browser says where it came from."""
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None and site != "same-origin":
            return False
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None:
            return True  # no browser; the token decides
        try:
            return urlsplit(origin).netloc.lower() == request.host.lower()
        except ValueError:
            return False

    def client(self, request: web.Request) -> str:
        """The address of the browser; behind proxies that are known, the one that they forward for.

        What cannot be read is no address of this host, which may do more than others.
        """
        address = request.remote or _UNKNOWN
        forwarded = [each for line in request.headers.getall("X-Forwarded-For", []) for each in line.split(",")]
        for each in reversed(forwarded):
            if not self.is_proxy(address):
                break
            said = _plain(each.strip())
            if said is None:
                return _UNKNOWN
            if is_loopback(said) and not is_loopback(address):
                break  # the proxy's own host, not this one
            address = said
        return address

    def is_proxy(self, address: str) -> bool:
        """True of an address that may speak for browsers: of this host, or one of `proxies`."""
        if is_loopback(address):
            return True
        known = address_of(address)
        return known is not None and any(known in each for each in self.proxies)


def host_in(text: str) -> str:
    """The host of `host:port`, in lower case, without the brackets of IPv6."""
    if text.startswith("["):
        return text[1:].partition("]")[0].lower()
    return text.partition(":")[0].lower()


def _plain(text: str) -> str | None:
    """The address in a forwarded entry, with or without port; None: it is none."""
    for candidate in (text, host_in(text)):
        try:
            return str(ipaddress.ip_address(candidate))
        except ValueError:
            continue
    return None
