"""A stand-in of `crypt32.dll` and `ncrypt.dll`: the certificate stores of a Windows machine, in memory.

Its functions are C functions, called through ctypes like Windows's own: their declarations are exercised, and
handles, structures and buffers are those of 64-bit Windows. Keys are software keys, which sign the data passed to
NCryptSignHash. Everything opened must be closed again: `left_open`.

Written from https://learn.microsoft.com/windows/win32/api/wincrypt/ and .../api/ncrypt/.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from cryptography.x509 import Certificate

from graph.certificates.windows.native import Native

FILE_NOT_FOUND: Final = 2
BUFFER_TOO_SMALL: Final = 0x80090028
CERTIFICATE_NOT_FOUND: Final = 0x80092004
NO_KEY_PROPERTY: Final = 0x8009200B
NOT_SUPPORTED: Final = 0x80090029
BAD_PUBLIC_KEY: Final = 0x80090015
BAD_KEY_STATE: Final = 0x8009000B
"""A key that may not be exported."""

_LOCATIONS: Final = {1: "CurrentUser", 2: "LocalMachine"}
_PSS, _SILENT = 0x8, 0x40
_MEMORY, _ADD_ALWAYS = 2, 4
_ADDRESS = ctypes.c_void_p
_DWORD = ctypes.c_uint32


class _Context(ctypes.Structure):
    _fields_ = (("a", _DWORD), ("der", ctypes.c_void_p), ("size", _DWORD), ("b", _ADDRESS), ("c", _ADDRESS))


class _Blob(ctypes.Structure):
    _fields_ = (("size", _DWORD), ("data", ctypes.c_void_p))


class _Pss(ctypes.Structure):
    _fields_ = (("name", ctypes.c_wchar_p), ("salt", _DWORD))


@dataclass
class Held:
    """A certificate in a store, and the behaviour of its key."""

    der: bytes
    sha1: bytes
    public: bytes
    key: rsa.RSAPrivateKey | None
    acquiring_fails: int = 0
    signing_fails: int = 0
    exporting_fails: int = 0


@dataclass
class Windows:
    """One machine. `calls`: each function called, with its arguments; `denied`: the code by which stores refuse."""

    stores: dict[tuple[str, str], list[Held]] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    denied: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.error = 0
        self._next = 0x1000
        self._opened: dict[int, tuple[str, str]] = {}
        self._contexts: dict[int, tuple[_Context, Any, Held, int]] = {}
        self._keys: dict[int, Held] = {}
        self._memory: dict[int, list[Held]] = {}
        self._exported: bytes = b""

    def put(
        self,
        certificate: Certificate,
        key: rsa.RSAPrivateKey | None,
        *,
        store: tuple[str, str] = ("LocalMachine", "My"),
    ) -> Held:
        """Import a certificate, with its key or without."""
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        held = Held(
            certificate.public_bytes(serialization.Encoding.DER),
            certificate.fingerprint(hashes.SHA1()),  # noqa: S303  # the thumbprint is defined so
            certificate.public_key().public_bytes(serialization.Encoding.DER, spki),
            key,
        )
        self.stores.setdefault(store, []).append(held)
        return held

    @property
    def left_open(self) -> int:
        """Number of handles and certificates not closed."""
        return len(self._opened) + len(self._contexts) + len(self._keys) + len(self._memory)

    def native(self) -> Native:
        """The product's interface to it."""
        address, number, wide = _ADDRESS, _DWORD, ctypes.c_size_t
        crypt32 = SimpleNamespace(
            CertOpenStore=_function(self._open, address, address, number, address, number, ctypes.c_wchar_p),
            CertCloseStore=_function(self._close, ctypes.c_int32, address, number),
            CertFindCertificateInStore=_function(
                self._find, address, address, number, number, number, address, address
            ),
            CertEnumCertificatesInStore=_function(self._each, address, address, address),
            CertFreeCertificateContext=_function(self._free_certificate, ctypes.c_int32, address),
            CertAddCertificateContextToStore=_function(self._add, ctypes.c_int32, address, address, number, address),
            PFXExportCertStoreEx=_function(
                self._export, ctypes.c_int32, address, address, ctypes.c_wchar_p, address, number
            ),
            CryptAcquireCertificatePrivateKey=_function(
                self._acquire, ctypes.c_int32, address, number, address, address, address, address
            ),
        )
        ncrypt = SimpleNamespace(
            NCryptSignHash=_function(
                self._sign, ctypes.c_int32, wide, address, address, number, address, number, address, number
            ),
            NCryptFreeObject=_function(self._free_key, ctypes.c_int32, wide),
        )
        # Signed, like the value of ctypes.get_last_error.
        return Native(
            cast("ctypes.CDLL", crypt32), cast("ctypes.CDLL", ncrypt), lambda: ctypes.c_int32(self.error).value
        )

    # --- The functions ---

    def _open(self, provider: int, _encoding: int, _legacy: int | None, flags: int, name: str) -> int:
        if provider == _MEMORY:
            handle = self._handle()
            self._memory[handle] = []
            return handle
        place = (_LOCATIONS[flags >> 16], name)
        self.calls.append(("CertOpenStore", provider, f"{flags:#x}", name))
        error = self.denied.get(place, 0 if place in self.stores else FILE_NOT_FOUND)
        if error:
            return self._failed(error)
        handle = self._handle()
        self._opened[handle] = place
        return handle

    def _close(self, store: int, _flags: int) -> int:
        self.calls.append(("CertCloseStore",))
        if self._memory.pop(store, None) is None:
            del self._opened[store]
        return 1

    def _add(self, store: int, context: int, disposition: int, _added: int | None) -> int:
        assert disposition == _ADD_ALWAYS
        self._memory[store].append(self._contexts[context][2])
        return 1

    def _export(self, store: int, blob: int, password: str, _parameter: int | None, flags: int) -> int:
        self.calls.append(("PFXExportCertStoreEx", flags))
        [held] = self._memory[store]
        if held.key is None or held.exporting_fails:
            return self._failed(held.exporting_fails or CERTIFICATE_NOT_FOUND)
        room = _Blob.from_address(blob)
        if room.data is None:
            self._exported = _pfx(held, password)
            room.size = len(self._exported) + 8  # Windows promises no exact size
            return 1
        ctypes.memmove(room.data, self._exported, len(self._exported))
        room.size = len(self._exported)
        return 1

    def _find(self, store: int, encoding: int, _flags: int, kind: int, blob: int, _previous: int | None) -> int:
        wanted = _Blob.from_address(blob)
        sha1 = ctypes.string_at(wanted.data, wanted.size)
        self.calls.append(("CertFindCertificateInStore", f"{encoding:#x}", f"{kind:#x}", sha1.hex().upper()))
        for at, held in enumerate(self.stores[self._opened[store]]):
            if held.sha1 == sha1:
                return self._context(held, at)
        return self._failed(CERTIFICATE_NOT_FOUND)

    def _each(self, store: int, previous: int | None) -> int:
        at = self._contexts.pop(previous)[3] + 1 if previous else 0
        held = self.stores[self._opened[store]]
        return self._context(held[at], at) if at < len(held) else self._failed(CERTIFICATE_NOT_FOUND)

    def _free_certificate(self, context: int) -> int:
        self.calls.append(("CertFreeCertificateContext",))
        del self._contexts[context]
        return 1

    def _acquire(self, context: int, flags: int, _parameters: int, key: int, kind: int, must_free: int) -> int:
        self.calls.append(("CryptAcquireCertificatePrivateKey", f"{flags:#x}"))
        held = self._contexts[context][2]
        if held.acquiring_fails or held.key is None:
            return self._failed(held.acquiring_fails or NO_KEY_PROPERTY)
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        if held.key.public_key().public_bytes(serialization.Encoding.DER, spki) != held.public:
            return self._failed(BAD_PUBLIC_KEY)
        handle = self._handle()
        self._keys[handle] = held
        ctypes.c_size_t.from_address(key).value = handle
        _DWORD.from_address(kind).value = 0xFFFFFFFF
        ctypes.c_int32.from_address(must_free).value = 1
        return 1

    def _sign(
        self, key: int, pss: int, digest: int, digest_size: int, out: int | None, room: int, size: int, flags: int
    ) -> int:
        reported = _Pss.from_address(pss)
        self.calls.append(("NCryptSignHash", reported.name, reported.salt, f"{flags:#x}"))
        held = self._keys[key]
        assert held.key is not None
        if held.signing_fails:
            return _status(held.signing_fails)
        length = held.key.key_size // 8
        _DWORD.from_address(size).value = length
        if flags != _PSS | _SILENT or reported.name != "SHA256":
            return _status(NOT_SUPPORTED)
        if out is None:
            return 0
        if room < length:
            return _status(BUFFER_TOO_SMALL)
        pad = padding.PSS(padding.MGF1(hashes.SHA256()), reported.salt)
        signature = held.key.sign(ctypes.string_at(digest, digest_size), pad, Prehashed(hashes.SHA256()))
        ctypes.memmove(out, signature, length)
        return 0

    def _free_key(self, key: int) -> int:
        self.calls.append(("NCryptFreeObject",))
        del self._keys[key]
        return 0

    def _context(self, held: Held, at: int) -> int:
        data = ctypes.create_string_buffer(held.der, len(held.der))
        context = _Context(1, ctypes.addressof(data), len(held.der), None, None)
        address = ctypes.addressof(context)
        self._contexts[address] = (context, data, held, at)
        return address

    def _handle(self) -> int:
        self._next += 8
        return self._next

    def _failed(self, error: int) -> int:
        self.error = error
        return 0


def _pfx(held: Held, password: str) -> bytes:
    """As Windows writes it: SHA-1 and 3DES."""
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2000)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303  # as Windows does
        .build(password.encode())
    )
    certificate = x509.load_der_x509_certificate(held.der)
    return pkcs12.serialize_key_and_certificates(None, held.key, certificate, None, encryption)


def _status(code: int) -> int:
    return ctypes.c_int32(code).value


def _function(python: Callable[..., int], result: Any, *parameters: Any) -> Any:  # noqa: ANN401  # types of C
    return ctypes.CFUNCTYPE(result, *parameters)(python)
