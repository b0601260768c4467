"""Patterns of mail addresses, for the filters of accounts and for import rules.

A pattern is an address (`a@example.com`), a domain (`example.com`: of this domain alone) or subdomains
(`*.example.com`: of all domains below, at any depth, and not of this one). Letter case is ignored; a domain may be
written in Unicode or in its ASCII form (`müller.de`, `xn--mller-kva.de`).
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

import idna

from phrases import Phrase

_SUBDOMAINS: Final = "*."
_DOMAIN: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)+")
_MAX_DOMAIN: Final = 253


class BadAddress(ValueError):
    """The text is no pattern of addresses. Its own text is a phrase that names it."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address in the form in which two are compared. A text that is none has an empty domain, and fits nothing."""

    local: str
    domain: str

    @classmethod
    def of(cls, text: str) -> "Address":
        """The address in the text."""
        local, _, domain = text.strip().rpartition("@")
        return cls(comparable(local), _ascii(domain) or "") if local else cls("", "")


class AddressPattern:
    """One entry of a list of addresses."""

    def __init__(self, text: str) -> None:
        """Raises BadAddress."""
        self.text = text
        bare = text.removeprefix("@")
        self._below = bare.startswith(_SUBDOMAINS)
        local, _, domain = bare.removeprefix(_SUBDOMAINS).rpartition("@")
        self._local = comparable(local)
        known = _ascii(domain)
        if known is None or not _DOMAIN.fullmatch(known) or len(known) > _MAX_DOMAIN or self._is_odd(local):
            raise BadAddress(
                Phrase(
                    "{entry!r} is neither an address (a@example.com) nor a domain (example.com, or *.example.com for "
                    "all domains below it).",
                    entry=text,
                )
            )
        self._domain = known

    def _is_odd(self, local: str) -> bool:
        return "@" in local or (self._below and bool(local))

    def fits(self, address: Address) -> bool:
        """Check whether the pattern fits the address."""
        if self._below:
            return address.domain.endswith(f".{self._domain}")
        return address.domain == self._domain and self._local in {"", address.local}


def comparable(text: str) -> str:
    """Equal for texts that read the same: letter case, and the coding of accents and wide letters, are ignored."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _ascii(domain: str) -> str | None:
    """The DNS form, in lower case; None for a text that is no domain."""
    bare = domain.strip().removesuffix(".").lower()
    if bare.isascii() or len(bare) > _MAX_DOMAIN:
        return bare or None
    try:
        # Not Python's own idna, which takes straße.de for strasse.de: that is another domain.
        return idna.encode(bare, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None
