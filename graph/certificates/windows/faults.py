"""The meaning of Windows error codes for the administrator.

Source: https://learn.microsoft.com/windows/win32/com/com-error-codes-4.
"""

from dataclasses import dataclass
from typing import Final

from graph.certificates.windows.native import NativeError
from graph.errors import CertificateError, CertificateFault
from phrases import Phrase

E_ACCESSDENIED: Final = 0x8007_0005
NTE_PERM: Final = 0x8009_0010
NTE_BAD_KEY_STATE: Final = 0x8009_000B
NTE_BAD_PROV_TYPE: Final = 0x8009_0014
NTE_BAD_PUBLIC_KEY: Final = 0x8009_0015
NTE_BAD_KEYSET: Final = 0x8009_0016
NTE_PROV_TYPE_NOT_DEF: Final = 0x8009_0017
NTE_KEYSET_NOT_DEF: Final = 0x8009_0019
NTE_SILENT_CONTEXT: Final = 0x8009_0022
NTE_NOT_SUPPORTED: Final = 0x8009_0029
CRYPT_E_NOT_FOUND: Final = 0x8009_2004
CRYPT_E_NO_KEY_PROPERTY: Final = 0x8009_200B


_OF_KEYS: Final = frozenset({"CryptAcquireCertificatePrivateKey", "NCryptSignHash"})


@dataclass(frozen=True, slots=True)
class _Meaning:
    fault: CertificateFault
    problem: Phrase
    """A predicate: it follows "The private key of certificate …"."""
    advice: Phrase


_GIVE_ACCESS: Final = Phrase(
    "Give the user that the service runs as the right to read it: for LocalMachine in certlm.msc, Personal, "
    "Certificates, All Tasks, Manage Private Keys; for CurrentUser import the .pfx file as that user. If the key is "
    "gone, import the .pfx file again."
)
_FORBIDDEN: Final = _Meaning(
    CertificateFault.KEY_UNREADABLE,
    Phrase("may not be used by the user of this process (access is denied)"),
    _GIVE_ACCESS,
)
_OLD_PROVIDER: Final = _Meaning(
    CertificateFault.KEY_UNREADABLE,
    Phrase(
        "is kept by a cryptographic service provider of the old kind (CSP), which does not sign as Entra ID requires"
    ),
    Phrase(
        'Import the .pfx file again into a key storage provider: certutil -csp "Microsoft Software Key Storage '
        'Provider" -importpfx FILE.pfx'
    ),
)
_MEANINGS: Final = {
    CRYPT_E_NO_KEY_PROPERTY: _Meaning(
        CertificateFault.KEY_MISSING,
        Phrase("is not in the store, only the public part of the certificate is"),
        Phrase(
            "Import the .pfx file with the private key (Import-PfxCertificate). If the key was made on this machine: "
            "certutil -repairstore my THUMBPRINT"
        ),
    ),
    NTE_BAD_KEYSET: _Meaning(
        CertificateFault.KEY_UNREADABLE,
        Phrase("may not be used by the user of this process, or is no longer there (the key set does not exist)"),
        _GIVE_ACCESS,
    ),
    NTE_PERM: _FORBIDDEN,
    E_ACCESSDENIED: _FORBIDDEN,
    NTE_BAD_PUBLIC_KEY: _Meaning(
        CertificateFault.KEY_MISMATCH,
        Phrase("belongs to another certificate"),
        Phrase("Remove the certificate from the store, and import the .pfx file with its own private key."),
    ),
    NTE_SILENT_CONTEXT: _Meaning(
        CertificateFault.KEY_UNREADABLE,
        Phrase("requires a PIN or consent at every use, which a service cannot answer"),
        Phrase("Import it without strong protection, or allow the device to sign without a prompt."),
    ),
    NTE_NOT_SUPPORTED: _Meaning(
        CertificateFault.SIGNING_FAILED,
        Phrase("is kept by a provider that cannot sign by RSASSA-PSS with SHA-256, as Entra ID requires"),
        Phrase(
            "Use a key of the Microsoft Software Key Storage Provider or of the Microsoft Platform Crypto Provider, or "
            "a newer provider for the device."
        ),
    ),
    NTE_BAD_PROV_TYPE: _OLD_PROVIDER,
    NTE_PROV_TYPE_NOT_DEF: _OLD_PROVIDER,
    NTE_KEYSET_NOT_DEF: _OLD_PROVIDER,
}


_LOOK_UP: Final = Phrase("Look the code up (certutil -error CODE), and try: certutil -verifystore my THUMBPRINT")
_UNKNOWN: Final = _Meaning(CertificateFault.KEY_UNREADABLE, Phrase("cannot be opened"), _LOOK_UP)
_NO_SIGNATURE: Final = _Meaning(CertificateFault.SIGNING_FAILED, Phrase("does not sign"), _LOOK_UP)
_NOT_EXPORTABLE: Final = _Meaning(
    CertificateFault.KEY_UNREADABLE,
    Phrase("may not be exported, and TLS of this program needs it"),
    Phrase(
        'Import the .pfx file again with "Mark this key as exportable" (Import-PfxCertificate -Exportable), or let IIS '
        "be the TLS front: it uses keys that are not exportable."
    ),
)
_OF_EXPORT: Final = {
    CRYPT_E_NOT_FOUND: _MEANINGS[CRYPT_E_NO_KEY_PROPERTY],
    NTE_BAD_KEY_STATE: _NOT_EXPORTABLE,
    NTE_NOT_SUPPORTED: _NOT_EXPORTABLE,
    NTE_PERM: _NOT_EXPORTABLE,
}


def of_export(error: NativeError, thumbprint: str, store: str) -> CertificateError:
    """The error for a key of a certificate that could not be exported."""
    if error.function != "PFXExportCertStoreEx":
        return of_store(error, store)
    meaning = _OF_EXPORT.get(error.code) or _MEANINGS.get(error.code) or _UNKNOWN
    return _key_error(error, thumbprint, store, meaning)


def of_key(error: NativeError, thumbprint: str, store: str) -> CertificateError:
    """The error for a key of a certificate that could not be opened, or did not sign."""
    if error.function not in _OF_KEYS:
        return of_store(error, store)
    signing = error.function == "NCryptSignHash"
    meaning = _MEANINGS.get(error.code) or (_NO_SIGNATURE if signing else _UNKNOWN)
    return _key_error(error, thumbprint, store, meaning)


def _key_error(error: NativeError, thumbprint: str, store: str, meaning: _Meaning) -> CertificateError:
    return CertificateError(
        Phrase(
            "The private key of certificate {thumbprint} in {store} {problem} ({function}: 0x{code:08X}).",
            thumbprint=thumbprint,
            store=store,
            problem=meaning.problem,
            function=error.function,
            code=error.code,
        ),
        advice=meaning.advice,
        fault=meaning.fault,
    )


def of_store(error: NativeError, store: str) -> CertificateError:
    """The error for a store that could not be opened or searched."""
    return CertificateError(
        Phrase(
            "The certificate store {store} cannot be opened ({function}: 0x{code:08X}).",
            store=store,
            function=error.function,
            code=error.code,
        ),
        advice=Phrase(
            "Correct the setting certificate_store, for example windows:LocalMachine/My, or the rights of the user "
            "that the service runs as."
        ),
        fault=CertificateFault.STORE_UNREADABLE,
    )
