"""The certificates of a Windows store."""

import builtins
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from graph.certificates.certificate import UNREADABLE, Certificate, described, issuers_among
from graph.certificates.inventory import inventory, not_rsa
from graph.certificates.store import StoreEntry
from graph.certificates.thumbprints import normalise_thumbprint, sha1_thumbprint
from graph.certificates.windows import faults
from graph.certificates.windows.exported import ExportedPair, key_in
from graph.certificates.windows.native import CURRENT_USER, LOCAL_MACHINE, Native, NativeError, encoded
from graph.errors import CertificateError, CertificateFault
from phrases import Phrase

_PREFIX: Final = "windows:"
"""The prefix of a setting that names a Windows store."""

_LOCATIONS: Final = {"LocalMachine": LOCAL_MACHINE, "CurrentUser": CURRENT_USER}
_NAME: Final = re.compile(r"windows:\s*(localmachine|currentuser)\s*[/\\]\s*(\w+)\s*", re.IGNORECASE | re.ASCII)
_NAMELESS: Final = ("", frozenset[str]())
_AUTHORITIES: Final = "CA"
"""The store of the authorities between a certificate and its root."""


@dataclass(frozen=True, slots=True)
class StoreName:
    """The name of a Windows store."""

    location: str
    """`LocalMachine` or `CurrentUser`."""
    name: str
    """For example `My`, which the dialogs call Personal."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `windows:LocalMachine/My`, in any case and with either slash.

        Raises:
            ValueError: it is something else.
        """
        found = _NAME.fullmatch(text.strip())
        if found is None:
            raise ValueError(Phrase("it is neither windows:LocalMachine/My nor windows:CurrentUser/My"))
        location = next(each for each in _LOCATIONS if each.lower() == found[1].lower())
        return cls(location, "My" if found[2].lower() == "my" else found[2])

    @property
    def other(self) -> Self:
        """The store of the same name in the other location."""
        return replace(self, location=next(each for each in _LOCATIONS if each != self.location))

    def __str__(self) -> str:
        return f"{_PREFIX}{self.location}/{self.name}"


class WindowsStore:
    """A Windows store; a `CertificateStore`.

    Nothing stays open between calls, so that certificates and rights may change while the program runs.
    """

    def __init__(self, name: StoreName, native: Native) -> None:
        self._name = name
        self._native = native

    def __repr__(self) -> str:
        return f"WindowsStore({str(self._name)!r})"

    @property
    def name(self) -> str:
        """For example `windows:LocalMachine/My`."""
        return str(self._name)

    def find(self, thumbprint: str) -> Certificate:
        """Implement `CertificateStore`; the key stays in the store, and signs there."""
        found = self._found(thumbprint)
        self._check_key(found)
        key = WindowsKey(self, sha1_thumbprint(found))
        return described(found, has_private_key=True, key=key, chain=issuers_among(self._authorities(), found))

    def expiry(self, thumbprint: str) -> datetime:
        """Implement `CertificateStore`."""
        return self._found(thumbprint).not_valid_after_utc

    def list(self) -> builtins.list[StoreEntry]:
        """Implement `CertificateStore`; sorted by subject."""
        try:
            held = self._held(self._name)
            authorities = self._authorities()
        except CertificateError as error:
            return [StoreEntry(None, None, error)]
        entries = [self._entry(found, authorities) for found in held]
        return sorted(entries, key=lambda entry: entry.certificate.subject if entry.certificate else "")

    def sign(self, thumbprint: str, message: bytes) -> bytes:
        """Return the PS256 signature by the key of a certificate of this store (normalised thumbprint).

        Raises:
            CertificateError: certificate or key are gone, or the key does not sign.
        """
        with self._key(thumbprint) as key:
            return self._native.sign(key, sha256(message).digest())

    def export(self, thumbprint: str) -> ExportedPair:
        """Return the certificate with its key, for a server's TLS; the key has to be exportable.

        Raises:
            CertificateError: there is none, or its key cannot be exported.
        """
        wanted = normalise_thumbprint(thumbprint)
        password = secrets.token_hex(32)
        try:
            with (
                self._native.store(_LOCATIONS[self._name.location], self._name.name) as store,
                self._native.certificate(store, bytes.fromhex(wanted)) as found,
            ):
                if found is None:
                    raise self._missing(wanted)
                certificate = x509.load_der_x509_certificate(encoded(found))
                key = key_in(self._native.export(found, password), password)
        except NativeError as error:
            raise faults.of_export(error, wanted, self.name) from error
        except UNREADABLE as reason:
            raise _damaged(wanted, self.name) from reason
        return ExportedPair(certificate, tuple(issuers_among(self._authorities(), certificate)), key)

    def of_same_names(self, known: x509.Certificate | None, thumbprint: str) -> builtins.list[x509.Certificate]:
        """Return the certificate, and those of the same subject and DNS names: its renewals. The latest end is first.

        `known`: the certificate as it was found before, should it be gone.

        Raises:
            CertificateError: neither is there, or the store cannot be opened.
        """
        held = self._held(self._name)
        wanted = normalise_thumbprint(thumbprint)
        own = next((each for each in held if sha1_thumbprint(each) == wanted), known)
        if own is None:
            raise self._missing(wanted)
        same = [each for each in held if sha1_thumbprint(each) == wanted or _names(each) == _names(own) != _NAMELESS]
        return sorted(same, key=lambda each: each.not_valid_after_utc, reverse=True)

    def key_opens(self, certificate: x509.Certificate) -> bool:
        """Return True if the user of this process may use the key of a certificate of this store."""
        try:
            with self._key(sha1_thumbprint(certificate)):
                return True
        except CertificateError:
            return False

    def _entry(self, found: x509.Certificate, authorities: builtins.list[x509.Certificate]) -> StoreEntry:
        chain = issuers_among(authorities, found)
        try:
            self._check_key(found)
        except CertificateError as error:
            there = error.fault is CertificateFault.KEY_NOT_RSA
            return StoreEntry(None, described(found, has_private_key=there, chain=chain), error)
        return StoreEntry(None, described(found, has_private_key=True, chain=chain))

    def _check_key(self, found: x509.Certificate) -> None:
        thumbprint = sha1_thumbprint(found)
        with self._key(thumbprint):
            if not isinstance(found.public_key(), rsa.RSAPublicKey):
                raise not_rsa(thumbprint, self.name)

    @contextmanager
    def _key(self, thumbprint: str) -> Iterator[int]:
        try:
            with (
                self._native.store(_LOCATIONS[self._name.location], self._name.name) as store,
                self._native.certificate(store, bytes.fromhex(thumbprint)) as certificate,
            ):
                if certificate is None:
                    raise self._missing(thumbprint)
                with self._native.key(certificate) as key:
                    yield key
        except NativeError as error:
            raise faults.of_key(error, thumbprint, self.name) from error

    def _found(self, thumbprint: str) -> x509.Certificate:
        wanted = normalise_thumbprint(thumbprint)
        found = self._searched(self._name, wanted)
        if found is None:
            raise self._missing(wanted)
        return found

    def _searched(self, name: StoreName, thumbprint: str) -> x509.Certificate | None:
        try:
            with (
                self._native.store(_LOCATIONS[name.location], name.name) as store,
                self._native.certificate(store, bytes.fromhex(thumbprint)) as certificate,
            ):
                return None if certificate is None else x509.load_der_x509_certificate(encoded(certificate))
        except NativeError as error:
            raise faults.of_store(error, str(name)) from error
        except UNREADABLE as reason:
            raise _damaged(thumbprint, str(name)) from reason

    def _missing(self, thumbprint: str) -> CertificateError:
        other = self._name.other
        try:
            elsewhere = self._searched(other, thumbprint) is not None
        except CertificateError:
            elsewhere = False  # an unreadable store is not worth recommending
        if elsewhere:
            return CertificateError(
                Phrase(
                    "Certificate {thumbprint} is not in {store}, but in {other}.",
                    thumbprint=thumbprint,
                    store=self.name,
                    other=other,
                ),
                advice=Phrase(
                    "Import the .pfx file into {store} (a service needs LocalMachine), or set certificate_store to "
                    "{other} where the service runs as the user that imported it.",
                    store=self.name,
                    other=other,
                ),
                fault=CertificateFault.IN_OTHER_STORE,
            )
        held = ((found, found.subject.rfc4514_string()) for found in self._held(self._name))
        return CertificateError(
            Phrase.joined(
                Phrase("Certificate {thumbprint} is not in {store}.", thumbprint=thumbprint, store=self.name),
                inventory(held),
            ),
            advice=Phrase(
                "Import the .pfx file with certificate and private key there (Import-PfxCertificate), or correct the "
                "thumbprint of the account."
            ),
            fault=CertificateFault.NOT_FOUND,
        )

    def _held(self, name: StoreName) -> builtins.list[x509.Certificate]:
        """The certificates in the store, without those the library cannot read, which could not be identified."""
        try:
            with self._native.store(_LOCATIONS[name.location], name.name) as store:
                everything = self._native.certificates(store)
        except NativeError as error:
            raise faults.of_store(error, str(name)) from error
        return [parsed for der in everything if (parsed := _parsed(der)) is not None]

    def _authorities(self) -> builtins.list[x509.Certificate]:
        found = self._held(self._name)
        try:
            return [*found, *self._held(replace(self._name, name=_AUTHORITIES))]
        except CertificateError:
            return found  # a machine without intermediate authorities has no such store


@dataclass(frozen=True, slots=True)
class WindowsKey:
    """The key of a certificate in the store; a `SigningKey`. It is opened for each signature, and stays there."""

    _store: WindowsStore
    _thumbprint: str

    def sign(self, message: bytes) -> bytes:
        """Implement `SigningKey`."""
        return self._store.sign(self._thumbprint, message)


def _damaged(thumbprint: str, store: str) -> CertificateError:
    return CertificateError(
        Phrase(
            "Certificate {thumbprint} in {store} is damaged or of an unknown kind.", thumbprint=thumbprint, store=store
        ),
        advice=Phrase("Make another with 'mail-importer certificates new'."),
        fault=CertificateFault.UNREADABLE,
    )


def _names(certificate: x509.Certificate) -> tuple[str, frozenset[str]]:
    """Its subject and DNS names."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, *UNREADABLE):
        found = frozenset()
    return certificate.subject.rfc4514_string(), found


def _parsed(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE:
        return None
