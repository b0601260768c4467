"""Patterns of mail addresses, for the filters of accounts and for import rules.

A pattern is an address (`a@example.com`), a domain (`example.com`: of this domain alone) or subdomains
(`*.example.com`: of all domains below, at any depth, and not of this one). Letter case is ignored; a domain may be
written in Unicode or in its ASCII form (`müller.de`, `xn--mller-kva.de`). In the recipients of a rule, `*` before the
@ stands for anything (`lab+*@example.com`).
"""

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import idna

from phrases import Phrase
from rules.texts import comparable
from rules.wildcards import Wildcard

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

    @property
    def text(self) -> str:
        """The address as one text."""
        return f"{self.local}@{self.domain}"


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
            raise BadAddress(_neither(text))
        self._domain = known

    def _is_odd(self, local: str) -> bool:
        return "@" in local or (self._below and bool(local))

    def fits(self, address: Address) -> bool:
        """Check whether the pattern fits the address."""
        if self._below:
            return address.domain.endswith(f".{self._domain}")
        return address.domain == self._domain and self._local in {"", address.local}

    @property
    def key(self) -> str:
        """One of the `keys_of` each address that it fits, and of no other."""
        return f".{self._domain}" if self._below else f"{self._local}@{self._domain}"


class AddressSet:
    """Several patterns, one of which must fit: found by their keys, however many there are.

    `keys`: one of them is among the `keys_of` each address that fits, unless a wildcard of `starred` fits its text.
    """

    def __init__(self, texts: Iterable[str], *, wildcards: bool = False) -> None:
        """Raises BadAddress. `wildcards`: `*` before the @ stands for anything."""
        keys, starred = set(), []
        for text in texts:
            local, _, domain = text.rpartition("@")
            if "*" not in local:
                keys.add(AddressPattern(text).key)
            elif wildcards:
                starred.append(f"{comparable(local)}{_domain_key(text, local, domain)}")
            else:
                raise BadAddress(
                    Phrase(
                        "{entry!r} has * before the @, which stands for itself there. For all addresses of a domain, "
                        "write the domain alone (example.com).",
                        entry=text,
                    )
                )
        self.keys: AbstractSet[str] = frozenset(keys)
        self.starred: Sequence[str] = tuple(starred)
        self._wildcards = tuple(map(Wildcard, starred))

    def fit(self, addresses: Iterable[Address], keys: AbstractSet[str]) -> bool:
        """Check whether one of the addresses, whose keys these are, fits."""
        if not self.keys.isdisjoint(keys):
            return True
        return bool(self._wildcards) and any(self._is_starred(each.text) for each in addresses)

    def fits(self, address: Address) -> bool:
        """Check whether a pattern fits the address."""
        return self.fit((address,), keys_of(address))

    def _is_starred(self, address: str) -> bool:
        return any(each.fits(address) for each in self._wildcards)


def keys_of(address: Address) -> AbstractSet[str]:
    """The keys of all patterns that fit the address, those with `*` before the @ aside."""
    domain = address.domain
    if not domain:
        return frozenset()
    keys = {f"{address.local}@{domain}", f"@{domain}"}
    dot = domain.find(".", max(0, len(domain) - _MAX_DOMAIN - 1))
    while dot >= 0:
        keys.add(domain[dot:])
        dot = domain.find(".", dot + 1)
    return keys


def _domain_key(text: str, local: str, domain: str) -> str:
    if "@" in local or domain.startswith(_SUBDOMAINS):
        raise BadAddress(_neither(text))
    try:
        return AddressPattern(f"@{domain}").key
    except BadAddress as exc:
        raise BadAddress(_neither(text)) from exc


def _neither(text: str) -> Phrase:
    return Phrase(
        "{entry!r} is neither an address (a@example.com) nor a domain (example.com, or *.example.com for all domains "
        "below it).",
        entry=text,
    )


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
