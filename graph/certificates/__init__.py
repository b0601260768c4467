"""Certificates: found by the thumbprint the administrator pasted, validated, created and converted.

Faults are reported in plain words, since a certificate that does not work is the most frequent fault of a new
installation. A `CertificateStore` holds them: a folder of files, or a store of Windows.

Sources: docs/graph.md, section 9; Entra accepts RSA certificates only
(https://learn.microsoft.com/en-us/entra/identity-platform/certificate-credentials).
"""

from graph.certificates.certificate import Certificate, SigningKey, SoftwareKey
from graph.certificates.folder import FolderStore
from graph.certificates.self_signed import make_self_signed, write_pair
from graph.certificates.store import CertificateStore, StoreEntry
from graph.certificates.thumbprints import invisible_signs, normalise_thumbprint
from graph.certificates.validation import Trust, check_key, check_usable, trust_in

__all__ = [
    "Certificate",
    "CertificateStore",
    "FolderStore",
    "SigningKey",
    "SoftwareKey",
    "StoreEntry",
    "Trust",
    "check_key",
    "check_usable",
    "invisible_signs",
    "make_self_signed",
    "normalise_thumbprint",
    "trust_in",
    "write_pair",
]
