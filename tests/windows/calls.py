"""Calls of Windows that the product itself does not need: to import a certificate with its key, and to make keys."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from graph.certificates.windows.native import CURRENT_USER, PROVIDER_SYSTEM, Blob

_EXPORTABLE: Final = 0x1  # CRYPT_EXPORTABLE
_OF_USER: Final = 0x1000  # CRYPT_USER_KEYSET
_REPLACE: Final = 3  # CERT_STORE_ADD_REPLACE_EXISTING
_RSA_FULL_PRIVATE: Final = 0x3341_5352  # BCRYPT_RSAFULLPRIVATE_MAGIC
_POINTER: Final = ctypes.c_void_p
_DWORD: Final = ctypes.c_uint32


def _library(name: str) -> ctypes.CDLL:
    if sys.platform != "win32":
        raise ImportError("the libraries of Windows are on Windows only")
    return ctypes.WinDLL(name, use_last_error=True)


_crypt32 = _library("crypt32")
_ncrypt = _library("ncrypt")
_crypt32.PFXImportCertStore.argtypes = [ctypes.POINTER(Blob), ctypes.c_wchar_p, _DWORD]
_crypt32.PFXImportCertStore.restype = _POINTER
_crypt32.CertOpenStore.restype = _POINTER
_crypt32.CertOpenStore.argtypes = [_POINTER, _DWORD, _POINTER, _DWORD, ctypes.c_wchar_p]
_crypt32.CertCloseStore.argtypes = [_POINTER, _DWORD]
_crypt32.CertEnumCertificatesInStore.argtypes = [_POINTER, _POINTER]
_crypt32.CertEnumCertificatesInStore.restype = _POINTER
_crypt32.CertAddCertificateContextToStore.argtypes = [_POINTER, _POINTER, _DWORD, _POINTER]
_crypt32.CertFindCertificateInStore.argtypes = [_POINTER, _DWORD, _DWORD, _DWORD, _POINTER, _POINTER]
_crypt32.CertFindCertificateInStore.restype = _POINTER
_crypt32.CertDeleteCertificateFromStore.argtypes = [_POINTER]
_ncrypt.NCryptImportKey.argtypes = [
    *(ctypes.c_size_t, ctypes.c_size_t, ctypes.c_wchar_p, _POINTER, _POINTER, ctypes.c_char_p, _DWORD, _DWORD)
]
_ncrypt.NCryptOpenStorageProvider.argtypes = [_POINTER, ctypes.c_wchar_p, _DWORD]
_ncrypt.NCryptFreeObject.argtypes = [ctypes.c_size_t]


@contextmanager
def imported(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> Iterator[None]:
    """Import certificate and key into CurrentUser/My, as Import-PfxCertificate -Exportable does; remove them after."""
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2000)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303  # all that Windows reads since it has PKCS#12
        .build(b"secret")
    )
    data = pkcs12.serialize_key_and_certificates(b"test", key, certificate, None, encryption)
    buffer = ctypes.create_string_buffer(data, len(data))
    blob = Blob(len(data), ctypes.addressof(buffer))
    loose = _succeeded(_crypt32.PFXImportCertStore(ctypes.byref(blob), "secret", _EXPORTABLE | _OF_USER))
    found = _succeeded(_crypt32.CertEnumCertificatesInStore(loose, None))
    with _store() as store:
        _succeeded(_crypt32.CertAddCertificateContextToStore(store, found, _REPLACE, None))
    try:
        yield
    finally:
        with _store() as store:
            _remove(store, certificate.fingerprint(hashes.SHA1()))  # noqa: S303  # the thumbprint is defined so
        _crypt32.CertCloseStore(loose, 0)


@contextmanager
def cng_key(key: rsa.RSAPrivateKey) -> Iterator[int]:
    """Yield the handle of the key, imported into the Microsoft Software Key Storage Provider, not persisted."""
    provider, handle = ctypes.c_size_t(), ctypes.c_size_t()
    name = "Microsoft Software Key Storage Provider"
    assert _ncrypt.NCryptOpenStorageProvider(ctypes.byref(provider), name, 0) == 0
    blob = _rsa_blob(key)
    kind = "RSAFULLPRIVATEBLOB"
    status = _ncrypt.NCryptImportKey(provider, 0, kind, None, ctypes.byref(handle), blob, len(blob), 0)
    assert status == 0, f"0x{status & 0xFFFF_FFFF:08X}"
    try:
        yield handle.value
    finally:
        _ncrypt.NCryptFreeObject(handle)
        _ncrypt.NCryptFreeObject(provider)


def _rsa_blob(key: rsa.RSAPrivateKey) -> bytes:
    """BCRYPT_RSAKEY_BLOB and the numbers, big-endian."""
    numbers = key.private_numbers()
    public = numbers.public_numbers
    size, half = key.key_size // 8, key.key_size // 16
    header = (_RSA_FULL_PRIVATE, key.key_size, 3, size, half, half)
    parts: tuple[tuple[int, int], ...] = (
        (public.e, 3),
        (public.n, size),
        (numbers.p, half),
        (numbers.q, half),
        (numbers.dmp1, half),
    )
    parts += ((numbers.dmq1, half), (numbers.iqmp, half), (numbers.d, size))
    return b"".join(
        (*(word.to_bytes(4, "little") for word in header), *(n.to_bytes(width, "big") for n, width in parts))
    )


@contextmanager
def _store() -> Iterator[int]:
    store = _succeeded(_crypt32.CertOpenStore(PROVIDER_SYSTEM, 0, None, CURRENT_USER, "My"))
    try:
        yield store
    finally:
        _crypt32.CertCloseStore(store, 0)  # writes it


def _remove(store: int, sha1: bytes) -> None:
    buffer = ctypes.create_string_buffer(sha1, len(sha1))
    wanted = Blob(len(sha1), ctypes.addressof(buffer))
    found = _crypt32.CertFindCertificateInStore(store, 0x10001, 0, 0x10000, ctypes.addressof(wanted), None)
    if found:
        _crypt32.CertDeleteCertificateFromStore(found)


def _succeeded(result: int) -> int:
    assert result, "a call of Windows failed"
    return result
