"""Checks that an account may sign in with a certificate, and that its key is its own.

`bSecureCertificateAccess` = 1 requires beside the dates: a chain to a trusted root, every certificate of it in date,
and a usage that allows signing in: digitalSignature where the certificate restricts its key usage; client
authentication (1.3.6.1.5.5.7.3.2) or any use (2.5.29.37.0) where it restricts the extended one (RFC 5280, sections
4.2.1.3 and 4.2.1.12). A certificate that restricts nothing may be used for anything.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from graph.application import Application
from graph.certificates.certificate import MAX_CHAIN, PSS, UNREADABLE, Certificate, issuers_among
from graph.errors import CertificateError, CertificateFault, update_command
from phrases import Phrase

_MESSAGE: Final = b"mail-importer tries a key"
_CLIENT_USES: Final = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
_MINUTE: Final = "{:%Y-%m-%d %H:%M}"


class Trust(StrEnum):
    """The origin of the trust in a certificate."""

    TRUSTED = "trusted"
    """A chain to a trusted root; or it is one itself, by name."""
    SELF_SIGNED = "selfSigned"
    NOT_TRUSTED = "notTrusted"


def check_usable(
    certificate: Certificate, *, now: datetime, application: Application, roots: Sequence[x509.Certificate]
) -> None:
    """Return if the account may sign in with this certificate.

    The dates are always checked: the sign-in service refuses an expired one anyway, in words harder to understand. With
    `application.secure_certificate_access` also the module's requirements, over intermediates of `chain_pem`.

    Args:
        certificate: from `CertificateStore.find`.
        now: aware.
        mailbox: of the account.
        roots: trusted unconditionally (`transport.load_roots`).

    Raises:
        CertificateError: it may not; the text names account, thumbprint and reason.
    """
    name = Phrase("Certificate {thumbprint} of {mailbox}", thumbprint=certificate.thumbprint, mailbox=application)
    if now < certificate.not_before:
        raise CertificateError(
            Phrase(
                "{name} is not valid before {moment} UTC.", name=name, moment=_MINUTE.format(certificate.not_before)
            ),
            advice=Phrase("Check the clock of this machine, or wait."),
            fault=CertificateFault.NOT_YET_VALID,
        )
    if now > certificate.not_after:
        raise CertificateError(
            Phrase("{name} expired on {moment} UTC.", name=name, moment=_MINUTE.format(certificate.not_after)),
            advice=Phrase(
                "Create or order a new one, upload it to the application registration and set its thumbprint on the "
                "account."
            ),
            fault=CertificateFault.EXPIRED,
        )
    if application.secure_certificate_access:
        _check_trust(certificate, name, now, application, roots)
        _check_usage(certificate, name, application)


def trust_in(certificate: Certificate, *, now: datetime, roots: Sequence[x509.Certificate]) -> Trust:
    """Determine its trust; TRUSTED: it chains to one of the roots, all of the chain in date at `now` (aware)."""
    if _chain_problem(certificate, now, roots) is None:
        return Trust.TRUSTED
    return Trust.SELF_SIGNED if certificate.self_signed else Trust.NOT_TRUSTED


def check_key(certificate: Certificate) -> None:
    """Return if the key signs, and its signature verifies with the certificate. May block, as the key does.

    Raises:
        CertificateError: it does not.
    """
    if certificate.key is None:
        raise CertificateError(
            Phrase("Certificate {thumbprint} has no private key here.", thumbprint=certificate.thumbprint),
            advice=Phrase("Put the private key into the certificate store."),
            fault=CertificateFault.KEY_MISSING,
        )
    signature = certificate.key.sign(_MESSAGE)
    public = _parsed(certificate).public_key()
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, _MESSAGE, PSS, hashes.SHA256())
            return
    except InvalidSignature:
        pass
    raise CertificateError(
        Phrase(
            "What the private key of certificate {thumbprint} signs does not verify with the certificate: the key is "
            "another one's.",
            thumbprint=certificate.thumbprint,
        ),
        advice=Phrase("Put the certificate's own private key into the certificate store."),
        fault=CertificateFault.KEY_MISMATCH,
    )


def _check_trust(
    certificate: Certificate, name: Phrase, now: datetime, application: Application, roots: Sequence[x509.Certificate]
) -> None:
    problem = _chain_problem(certificate, now, roots)
    if problem is None:
        return
    what = (
        Phrase("{name} is self-signed", name=name)
        if certificate.self_signed
        else Phrase("{name} is issued by {issuer}", name=name, issuer=certificate.issuer)
    )
    raise CertificateError(
        Phrase(
            "{what} and does not chain to a trusted root ({problem}), which bSecureCertificateAccess = 1 demands.",
            what=what,
            problem=problem,
        ),
        advice=Phrase(
            "Use a certificate of a trusted authority, or add its root to the setting ca_bundle (and the certificates "
            "between to the .pem file), or accept a self-signed one by bSecureCertificateAccess = 0 ({update} "
            "--no-secure-certificate-access).",
            update=update_command(application.account_name),
        ),
        fault=CertificateFault.SELF_SIGNED if certificate.self_signed else CertificateFault.NOT_TRUSTED,
    )


def _check_usage(certificate: Certificate, name: Phrase, application: Application) -> None:
    problem = _usage_problem(_parsed(certificate))
    if problem is not None:
        raise CertificateError(
            Phrase(
                "{name} is not made for signing in ({problem}), which bSecureCertificateAccess = 1 demands.",
                name=name,
                problem=problem,
            ),
            advice=Phrase(
                "Order one with the key usage digitalSignature and the extended key usage client authentication, or "
                "accept this one by bSecureCertificateAccess = 0 ({update} --no-secure-certificate-access).",
                update=update_command(application.account_name),
            ),
            fault=CertificateFault.WRONG_USAGE,
        )


def _usage_problem(certificate: x509.Certificate) -> Phrase | None:
    try:
        extensions = certificate.extensions
    except (*UNREADABLE, x509.DuplicateExtension):
        return Phrase("its extensions cannot be read")
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage) and not value.digital_signature:
            return Phrase("its key usage lacks digitalSignature")
        if isinstance(value, x509.ExtendedKeyUsage) and _CLIENT_USES.isdisjoint(value):
            return Phrase("its extended key usage lacks client authentication")
    return None


def _parsed(certificate: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.public_pem.encode())


def _chain_problem(certificate: Certificate, now: datetime, roots: Sequence[x509.Certificate]) -> Phrase | None:
    if not roots:
        return Phrase("no trusted roots are installed")
    leaf = _parsed(certificate)
    between = [x509.load_pem_x509_certificate(pem.encode()) for pem in certificate.chain_pem]
    # The web's profile would refuse certificates that a company's own authority issues for a service: no subject
    # alternative name, no key identifiers. Signatures, dates, path and the right to issue are checked; nothing else.
    authority = (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, _must_be_authority)
        .may_be_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _may_sign_certificates)
    )
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(roots)))
        .time(now)
        .max_chain_depth(MAX_CHAIN)
        .extension_policies(ca_policy=authority, ee_policy=verification.ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        verifier.verify(leaf, between)
    except verification.VerificationError as reason:
        stale = _out_of_date([*issuers_among([*between, *roots], leaf)], now)
        return stale or Phrase.verbatim(str(reason).splitlines()[0][:200])
    return None


def _out_of_date(chain: Sequence[x509.Certificate], now: datetime) -> Phrase | None:
    for issuer in chain:
        subject = issuer.subject.rfc4514_string()
        if now > issuer.not_valid_after_utc:
            moment = _MINUTE.format(issuer.not_valid_after_utc)
            return Phrase("its issuer {subject} expired on {moment} UTC", subject=subject, moment=moment)
        if now < issuer.not_valid_before_utc:
            moment = _MINUTE.format(issuer.not_valid_before_utc)
            return Phrase("its issuer {subject} is not valid before {moment} UTC", subject=subject, moment=moment)
    return None


def _must_be_authority(
    _policy: verification.Policy, _certificate: x509.Certificate, extension: x509.BasicConstraints
) -> None:
    if not extension.ca:
        raise ValueError("an issuer in the chain is not a certificate authority")


def _may_sign_certificates(
    _policy: verification.Policy, _certificate: x509.Certificate, extension: x509.KeyUsage | None
) -> None:
    if extension is not None and not extension.key_cert_sign:
        raise ValueError("an issuer in the chain may not sign certificates")
