"""The Windows calls, and nothing else: `crypt32.dll` for stores and certificates, `ncrypt.dll` for keys.

Types have the widths of Windows on every system (DWORD is 32 bits, `ctypes.wintypes` follows the C compiler's long), so
that tests elsewhere have the layout of Windows. Every opened handle is closed, also after an error.

Sources: https://learn.microsoft.com/windows/win32/api/wincrypt/ and
https://learn.microsoft.com/windows/win32/api/ncrypt/nf-ncrypt-ncryptsignhash.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from phrases import Phrase

if TYPE_CHECKING:
    CertContextPointer = ctypes._Pointer["CertContext"]  # noqa: SLF001  # the type has no public name

BOOL: Final = ctypes.c_int32
DWORD: Final = ctypes.c_uint32
STATUS: Final = ctypes.c_int32
STORE: Final = ctypes.c_void_p
KEY: Final = ctypes.c_size_t
"""HCRYPTPROV_OR_NCRYPT_KEY_HANDLE, a ULONG_PTR."""

PROVIDER_MEMORY: Final = 2  # CERT_STORE_PROV_MEMORY
ADD_ALWAYS: Final = 4  # CERT_STORE_ADD_ALWAYS
# REPORT_NO_PRIVATE_KEY | REPORT_NOT_ABLE_TO_EXPORT_PRIVATE_KEY | EXPORT_PRIVATE_KEYS
EXPORT_WITH_KEY: Final = 0x7
PROVIDER_SYSTEM: Final = 10  # CERT_STORE_PROV_SYSTEM_W
CURRENT_USER: Final = 0x0001_0000  # CERT_SYSTEM_STORE_CURRENT_USER
LOCAL_MACHINE: Final = 0x0002_0000  # CERT_SYSTEM_STORE_LOCAL_MACHINE
READ_ONLY: Final = 0x8000  # CERT_STORE_READONLY_FLAG
OPEN_EXISTING: Final = 0x4000  # CERT_STORE_OPEN_EXISTING_FLAG
ENCODING: Final = 0x0001_0001  # X509_ASN_ENCODING | PKCS_7_ASN_ENCODING
FIND_SHA1: Final = 0x0001_0000  # CERT_FIND_SHA1_HASH
ACQUIRE_COMPARED: Final = 0x4  # CRYPT_ACQUIRE_COMPARE_KEY_FLAG
ACQUIRE_SILENTLY: Final = 0x40  # CRYPT_ACQUIRE_SILENT_FLAG
ACQUIRE_BY_CNG: Final = 0x0004_0000  # CRYPT_ACQUIRE_ONLY_NCRYPT_KEY_FLAG
PAD_PSS: Final = 0x8  # BCRYPT_PAD_PSS
SIGN_SILENTLY: Final = 0x40  # NCRYPT_SILENT_FLAG
SHA256_SIZE: Final = 32

CRYPT_E_NOT_FOUND: Final = 0x8009_2004


class CertContext(ctypes.Structure):
    """CERT_CONTEXT."""

    _fields_ = (
        ("encoding", DWORD),
        ("encoded", ctypes.c_void_p),
        ("encoded_size", DWORD),
        ("info", ctypes.c_void_p),
        ("store", STORE),
    )
    encoded: int
    encoded_size: int


class Blob(ctypes.Structure):
    """CRYPT_HASH_BLOB."""

    _fields_ = (("size", DWORD), ("data", ctypes.c_void_p))


class PssPadding(ctypes.Structure):
    """BCRYPT_PSS_PADDING_INFO."""

    _fields_ = (("hash_name", ctypes.c_wchar_p), ("salt_size", DWORD))


class NativeError(Exception):
    """A call failed.

    Attributes:
        function: its name.
        code: the result of GetLastError, or the status it returned; 32 bits, unsigned.
    """

    def __init__(self, function: str, code: int) -> None:
        super().__init__(f"{function} failed with 0x{code:08X}")
        self.function = function
        self.code = code


class Native:
    """Stores, certificates and keys by the calls of two libraries. Safe to use from several threads.

    Args:
        crypt32: `crypt32.dll`.
        ncrypt: `ncrypt.dll`.
        last_error: GetLastError of this thread.
    """

    def __init__(self, crypt32: ctypes.CDLL, ncrypt: ctypes.CDLL, last_error: Callable[[], int]) -> None:
        _declare(crypt32, ncrypt)
        self._crypt32 = crypt32
        self._ncrypt = ncrypt
        self._last_error = last_error

    @contextmanager
    def store(self, location: int, name: str) -> Iterator[int]:
        """Yield the handle of an existing store, opened for reading.

        Raises:
            NativeError: it cannot be opened.
        """
        handle = self._crypt32.CertOpenStore(PROVIDER_SYSTEM, 0, None, location | READ_ONLY | OPEN_EXISTING, name)
        if not handle:
            raise self._failed("CertOpenStore")
        try:
            yield handle
        finally:
            self._crypt32.CertCloseStore(handle, 0)

    @contextmanager
    def certificate(self, store: int, sha1: bytes) -> Iterator["CertContextPointer | None"]:
        """Yield the certificate with this thumbprint; None when the store does not hold it.

        Raises:
            NativeError: the store cannot be searched.
        """
        digest = ctypes.create_string_buffer(sha1, len(sha1))
        wanted = Blob(len(sha1), ctypes.addressof(digest))
        context = self._crypt32.CertFindCertificateInStore(
            store, ENCODING, 0, FIND_SHA1, ctypes.addressof(wanted), None
        )
        if not context:
            error = self._failed("CertFindCertificateInStore")
            if error.code != CRYPT_E_NOT_FOUND:
                raise error
            yield None
            return
        try:
            yield context
        finally:
            self._crypt32.CertFreeCertificateContext(context)

    def certificates(self, store: int) -> list[bytes]:
        """All certificates in the store, in DER."""
        found: list[bytes] = []
        context = self._crypt32.CertEnumCertificatesInStore(store, None)
        while context:
            found.append(encoded(context))
            context = self._crypt32.CertEnumCertificatesInStore(store, context)  # frees the previous one
        return found

    @contextmanager
    def key(self, certificate: "CertContextPointer") -> Iterator[int]:
        """Yield the handle of the certificate's own private key, opened by CNG and without prompting the user.

        Raises:
            NativeError: it cannot be opened, or is another certificate's.
        """
        key, kind, must_free = KEY(), DWORD(), BOOL()
        if not self._crypt32.CryptAcquireCertificatePrivateKey(
            certificate,
            ACQUIRE_BY_CNG | ACQUIRE_SILENTLY | ACQUIRE_COMPARED,
            None,
            ctypes.byref(key),
            ctypes.byref(kind),
            ctypes.byref(must_free),
        ):
            raise self._failed("CryptAcquireCertificatePrivateKey")
        try:
            yield key.value
        finally:
            if must_free.value:
                self._ncrypt.NCryptFreeObject(key)

    def sign(self, key: int, digest: bytes) -> bytes:
        """Return the RSASSA-PSS signature of a SHA-256 digest, with 32 bytes of salt.

        Raises:
            NativeError: the key does not sign.
        """
        padding = PssPadding("SHA256", SHA256_SIZE)
        size = DWORD()
        self._sign(key, padding, digest, None, 0, size)
        signature = ctypes.create_string_buffer(size.value)
        self._sign(key, padding, digest, signature, len(signature), size)
        return signature.raw[: size.value]

    def export(self, certificate: "CertContextPointer", password: str) -> bytes:
        """Return the certificate with its private key as PKCS#12, encrypted with the password.

        Raises:
            NativeError: there is no key, or it may not be exported.
        """
        store = self._crypt32.CertOpenStore(PROVIDER_MEMORY, 0, None, 0, None)
        if not store:
            raise self._failed("CertOpenStore")
        try:
            if not self._crypt32.CertAddCertificateContextToStore(store, certificate, ADD_ALWAYS, None):
                raise self._failed("CertAddCertificateContextToStore")
            exported = Blob(0, None)
            self._export(store, exported, password)
            data = ctypes.create_string_buffer(exported.size)
            exported.data = ctypes.addressof(data)
            self._export(store, exported, password)
            return data.raw[: exported.size]
        finally:
            self._crypt32.CertCloseStore(store, 0)

    def _export(self, store: int, exported: Blob, password: str) -> None:
        done = self._crypt32.PFXExportCertStoreEx(store, ctypes.addressof(exported), password, None, EXPORT_WITH_KEY)
        if not done:
            raise self._failed("PFXExportCertStoreEx")

    def _sign(
        self,
        key: int,
        padding: PssPadding,
        digest: bytes,
        signature: "ctypes.Array[ctypes.c_char] | None",
        length: int,
        size: "ctypes.c_uint32",
    ) -> None:
        status = self._ncrypt.NCryptSignHash(
            key,
            ctypes.addressof(padding),
            digest,
            len(digest),
            signature,
            length,
            ctypes.byref(size),
            PAD_PSS | SIGN_SILENTLY,
        )
        if status:
            raise NativeError("NCryptSignHash", status & 0xFFFF_FFFF)

    def _failed(self, function: str) -> NativeError:
        return NativeError(function, self._last_error() & 0xFFFF_FFFF)


def encoded(certificate: "CertContextPointer") -> bytes:
    """The certificate in DER."""
    return ctypes.string_at(certificate.contents.encoded, certificate.contents.encoded_size)


def load() -> Native:
    """Load the libraries of this Windows.

    Raises:
        ValueError: this system is not Windows.
    """
    if sys.platform != "win32":
        raise ValueError(Phrase("the certificate stores of Windows are on Windows only; name a folder here"))
    return Native(
        ctypes.WinDLL("crypt32", use_last_error=True),
        ctypes.WinDLL("ncrypt", use_last_error=True),
        ctypes.get_last_error,
    )


def _declare(crypt32: ctypes.CDLL, ncrypt: ctypes.CDLL) -> None:
    context = ctypes.POINTER(CertContext)
    pointer = ctypes.c_void_p
    crypt32.CertOpenStore.argtypes = [pointer, DWORD, pointer, DWORD, ctypes.c_wchar_p]
    crypt32.CertOpenStore.restype = STORE
    crypt32.CertCloseStore.argtypes = [STORE, DWORD]
    crypt32.CertCloseStore.restype = BOOL
    crypt32.CertFindCertificateInStore.argtypes = [STORE, DWORD, DWORD, DWORD, pointer, context]
    crypt32.CertFindCertificateInStore.restype = context
    crypt32.CertEnumCertificatesInStore.argtypes = [STORE, context]
    crypt32.CertEnumCertificatesInStore.restype = context
    crypt32.CertFreeCertificateContext.argtypes = [context]
    crypt32.CertFreeCertificateContext.restype = BOOL
    crypt32.CryptAcquireCertificatePrivateKey.argtypes = [
        context,
        DWORD,
        pointer,
        ctypes.POINTER(KEY),
        ctypes.POINTER(DWORD),
        ctypes.POINTER(BOOL),
    ]
    crypt32.CryptAcquireCertificatePrivateKey.restype = BOOL
    crypt32.CertAddCertificateContextToStore.argtypes = [STORE, context, DWORD, pointer]
    crypt32.CertAddCertificateContextToStore.restype = BOOL
    crypt32.PFXExportCertStoreEx.argtypes = [STORE, pointer, ctypes.c_wchar_p, pointer, DWORD]
    crypt32.PFXExportCertStoreEx.restype = BOOL
    ncrypt.NCryptSignHash.argtypes = [
        KEY,
        pointer,
        ctypes.c_char_p,
        DWORD,
        pointer,
        DWORD,
        ctypes.POINTER(DWORD),
        DWORD,
    ]
    ncrypt.NCryptSignHash.restype = STATUS
    ncrypt.NCryptFreeObject.argtypes = [KEY]
    ncrypt.NCryptFreeObject.restype = STATUS
