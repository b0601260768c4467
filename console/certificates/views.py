"""Views of a certificate in the store."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509

from console.output import Column
from graph.certificates import Certificate, StoreEntry, Trust, trust_in
from graph.errors import CertificateFault
from phrases import Phrase
from subscriptions.certificates import EARLY

_TRUST: Final = {
    Trust.TRUSTED: Phrase("chains to a trusted root"),
    Trust.SELF_SIGNED: Phrase("self-signed"),
    Trust.NOT_TRUSTED: Phrase("chains to no trusted root"),
}


def colour(row: Mapping[str, Any]) -> str | None:
    """The colour of a row of `facts`, by the state of the certificate."""
    if row["fault"] is not None:
        return "red"
    return "yellow" if row["days_left"] is not None and row["days_left"] < EARLY.days else None


LIST_COLUMNS: Final = (
    Column("thumbprint", Phrase("Thumbprint"), whole=True),
    Column("name", Phrase("Subject"), priority=1),
    Column("days_left", Phrase("Days"), right=True),
    Column("state", Phrase("State"), priority=2, colour=colour),
)
COLUMNS: Final = (
    Column("thumbprint", Phrase("SHA-1 thumbprint")),
    Column("thumbprint_sha256", Phrase("SHA-256 thumbprint")),
    Column("x5t_s256", Phrase("SHA-256, base64url")),
    Column("subject", Phrase("Subject")),
    Column("issuer", Phrase("Issuer")),
    Column("serial", Phrase("Serial number")),
    Column("not_before", Phrase("Good from")),
    Column("not_after", Phrase("Good until")),
    Column("days_left", Phrase("Days left"), colour=colour),
    Column("trust", Phrase("Trust"), lambda trust: _TRUST[trust]),
    Column("private_key", Phrase("Private key here")),
    Column("key_readable", Phrase("Key readable by this user")),
    Column("key_matches", Phrase("Key matches certificate")),
    Column("file", Phrase("File")),
    Column("problem", Phrase("Problem"), lambda problem: problem or Phrase("none"), colour=colour),
)

_CLOSED: Final = frozenset(
    {CertificateFault.KEY_UNREADABLE, CertificateFault.PASSWORD_MISSING, CertificateFault.PASSWORD_WRONG}
)
_THERE: Final = _CLOSED | {CertificateFault.KEY_MISMATCH, CertificateFault.SIGNING_FAILED}
_GOOD: Final = {
    Trust.TRUSTED: Phrase("good"),
    Trust.SELF_SIGNED: Phrase("good (self-signed)"),
    Trust.NOT_TRUSTED: Phrase("good (not trusted)"),
}
_STATES: Final = {
    CertificateFault.STORE_UNREADABLE: Phrase("store not readable"),
    CertificateFault.UNREADABLE: Phrase("of no use"),
    CertificateFault.KEY_MISSING: Phrase("no private key"),
    CertificateFault.KEY_UNREADABLE: Phrase("private key not readable"),
    CertificateFault.KEY_MISMATCH: Phrase("another one's private key"),
    CertificateFault.KEY_NOT_RSA: Phrase("key is not RSA"),
    CertificateFault.PASSWORD_MISSING: Phrase("password not set"),
    CertificateFault.PASSWORD_WRONG: Phrase("wrong password"),
    CertificateFault.SIGNING_FAILED: Phrase("key does not sign"),
    CertificateFault.EXPIRED: Phrase("expired"),
    CertificateFault.NOT_YET_VALID: Phrase("not yet good"),
}
"""Short label of each fault that an entry of a store can have."""


def facts(entry: StoreEntry, now: datetime, roots: Sequence[x509.Certificate]) -> dict[str, Any]:
    """Return one row, with the same keys for every entry.

    `name`: the subject, or else the name of the unusable file. `fault`: the reason it cannot sign in.
    """
    certificate, error = entry.certificate, entry.error
    path = entry.path and entry.path.absolute()
    fault = None if error is None else error.fault
    row: dict[str, Any] = dict.fromkeys(_KEYS)
    if certificate is not None:
        row |= _of_certificate(certificate, now, roots) | _of_key(certificate, fault)
        fault = fault or _out_of_date(certificate, now)
    return row | {
        "name": certificate.subject if certificate is not None else path and path.name,
        "state": _state(row, fault),
        "fault": fault,
        "problem": fault and (_state(row, fault) if error is None else Phrase.joined(error.summary, error.advice)),
        "file": path,
    }


def _of_certificate(certificate: Certificate, now: datetime, roots: Sequence[x509.Certificate]) -> dict[str, Any]:
    return {
        "thumbprint": certificate.thumbprint,
        "thumbprint_sha256": certificate.thumbprint_sha256,
        "x5t_s256": certificate.x5t_s256,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "days_left": (certificate.not_after - now) // timedelta(days=1),
        "self_signed": certificate.self_signed,
        "trust": trust_in(certificate, now=now, roots=roots),
    }


def _state(row: dict[str, Any], fault: CertificateFault | None) -> Phrase:
    if fault is not None:
        return _STATES.get(fault, _STATES[CertificateFault.UNREADABLE])
    return _GOOD[row["trust"]] if row["private_key"] else Phrase("authority")


def _of_key(certificate: Certificate, fault: CertificateFault | None) -> dict[str, bool | None]:
    """Facts of the key; None: unknown, since it is missing, does not open, or does not sign."""
    there, opens = certificate.has_private_key or fault in _THERE, fault not in _CLOSED
    silent = fault is CertificateFault.SIGNING_FAILED
    return {
        "private_key": there,
        "key_readable": opens if there else None,
        "key_matches": fault is not CertificateFault.KEY_MISMATCH if there and opens and not silent else None,
    }


_KEYS: Final = (
    "thumbprint", "thumbprint_sha256", "x5t_s256", "subject", "issuer", "serial", "not_before", "not_after",
    "days_left", "self_signed", "trust", "private_key", "key_readable", "key_matches",
)  # fmt: skip


def _out_of_date(certificate: Certificate, now: datetime) -> CertificateFault | None:
    if now > certificate.not_after:
        return CertificateFault.EXPIRED
    return CertificateFault.NOT_YET_VALID if now < certificate.not_before else None
