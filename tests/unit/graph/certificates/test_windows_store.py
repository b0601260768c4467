"""The stores of Windows, against a stand-in of its libraries."""

import ctypes
import sys
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from graph.certificates import Certificate, SoftwareKey, check_key, check_usable, make_self_signed
from graph.certificates.windows import native
from graph.certificates.windows.store import StoreName, WindowsStore
from graph.errors import CertificateError, CertificateFault
from tests.doubles.scripted_graph import NOW, make_mailbox
from tests.doubles.windows import Windows
from tests.samples.authority import Issued, issue

MACHINE, USER = ("LocalMachine", "My"), ("CurrentUser", "My")


@pytest.fixture
def windows() -> Iterator[Windows]:
    machine = Windows({MACHINE: [], USER: []})
    yield machine
    assert machine.left_open == 0  # after any failure


def store_of(windows: Windows, name: str = "windows:LocalMachine/My") -> WindowsStore:
    return WindowsStore(StoreName.parse(name), windows.native())


def public(certificate: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.public_pem.encode())


def key_of(certificate: Certificate) -> rsa.RSAPrivateKey:
    assert isinstance(certificate.key, SoftwareKey)
    return certificate.key.key


def refused(store: WindowsStore, thumbprint: str) -> CertificateError:
    with pytest.raises(CertificateError) as caught:
        store.find(thumbprint)
    return caught.value


def test_the_structures_are_laid_out_as_on_64_bit_windows() -> None:
    """A DWORD before a pointer leaves a gap of four bytes; the C compiler of Windows does the same."""
    context, blob, pss = native.CertContext, native.Blob, native.PssPadding
    assert ctypes.sizeof(context) == 40
    assert [getattr(context, name).offset for name in ("encoded", "encoded_size", "info", "store")] == [8, 16, 24, 32]
    assert (ctypes.sizeof(blob), blob.data.offset) == (16, 8)
    assert (ctypes.sizeof(pss), pss.salt_size.offset) == (16, 8)


def test_a_key_of_the_store_signs_without_leaving_it(windows: Windows, self_signed: Certificate) -> None:
    """It is found in any spelling of its thumbprint; and the calls are those that Windows documents, in their order."""
    windows.put(public(self_signed), key_of(self_signed))
    store = store_of(windows)
    found = store.find("\u200e" + self_signed.thumbprint.lower())
    assert found == self_signed
    assert found.private_key_pem is None
    windows.calls.clear()
    check_key(found)
    assert windows.calls == [
        ("CertOpenStore", 10, "0x2c000", "My"),
        ("CertFindCertificateInStore", "0x10001", "0x10000", self_signed.thumbprint),
        ("CryptAcquireCertificatePrivateKey", "0x40044"),
        ("NCryptSignHash", "SHA256", 32, "0x48"),
        ("NCryptSignHash", "SHA256", 32, "0x48"),
        ("NCryptFreeObject",),
        ("CertFreeCertificateContext",),
        ("CertCloseStore",),
    ]
    assert store.expiry(self_signed.thumbprint) == self_signed.not_after
    assert repr(store) == "WindowsStore('windows:LocalMachine/My')"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("windows:LocalMachine/My", "windows:LocalMachine/My"),
        (" WINDOWS:currentuser\\MY ", "windows:CurrentUser/My"),
        ("windows: LocalMachine / WebHosting", "windows:LocalMachine/WebHosting"),
    ],
)
def test_the_name_of_a_store_is_read_as_people_write_it(text: str, name: str) -> None:
    assert str(StoreName.parse(text)) == name


@pytest.mark.parametrize("text", ["windows:", "windows:My", "windows:Machine/My", "windows:LocalMachine/", "x"])
def test_what_names_no_store_is_reported(text: str) -> None:
    with pytest.raises(ValueError, match="windows:LocalMachine/My"):
        StoreName.parse(text)


def test_a_certificate_that_is_nowhere_is_answered_with_what_is_there(
    windows: Windows, self_signed: Certificate
) -> None:
    windows.put(public(self_signed), key_of(self_signed))
    error = refused(store_of(windows), "AB" * 20)
    assert error.fault is CertificateFault.NOT_FOUND
    for part in ("AB" * 20, "windows:LocalMachine/My", self_signed.thumbprint, self_signed.subject):
        assert part in error.summary
    assert "Import-PfxCertificate" in error.advice


@pytest.mark.parametrize(("wanted", "where"), [("LocalMachine", "CurrentUser"), ("CurrentUser", "LocalMachine")])
def test_a_certificate_in_the_other_store_is_found_out(
    wanted: str, where: str, windows: Windows, self_signed: Certificate
) -> None:
    """The commonest mistake with a service: the administrator double-clicked the file, and it went to the user's."""
    windows.put(public(self_signed), key_of(self_signed), store=(where, "My"))
    error = refused(store_of(windows, f"windows:{wanted}/My"), self_signed.thumbprint)
    assert error.fault is CertificateFault.IN_OTHER_STORE
    assert f"not in windows:{wanted}/My, but in windows:{where}/My" in error.summary
    assert where in error.advice


def test_another_store_that_cannot_be_read_is_no_trouble(windows: Windows) -> None:
    windows.denied[USER] = 5
    assert refused(store_of(windows), "AB" * 20).fault is CertificateFault.NOT_FOUND


@pytest.mark.parametrize(
    ("code", "fault", "said"),
    [
        (0x8009200B, CertificateFault.KEY_MISSING, "only the public part"),
        (0x80090016, CertificateFault.KEY_UNREADABLE, "key set does not exist"),
        (0x80090010, CertificateFault.KEY_UNREADABLE, "access is denied"),
        (0x80070005, CertificateFault.KEY_UNREADABLE, "access is denied"),
        (0x80090015, CertificateFault.KEY_MISMATCH, "belongs to another certificate"),
        (0x80090022, CertificateFault.KEY_UNREADABLE, "PIN"),
        (0x80090014, CertificateFault.KEY_UNREADABLE, "old kind"),
        (0x8009FFFF, CertificateFault.KEY_UNREADABLE, "0x8009FFFF"),
    ],
)
def test_each_reason_why_a_key_does_not_open_has_its_own_words(
    code: int, fault: CertificateFault, said: str, windows: Windows, self_signed: Certificate
) -> None:
    held = windows.put(public(self_signed), key_of(self_signed))
    held.acquiring_fails = code
    store = store_of(windows)
    error = refused(store, self_signed.thumbprint)
    assert error.fault is fault
    for part in (said, f"0x{code:08X}", self_signed.thumbprint, "windows:LocalMachine/My"):
        assert part in error.summary
    assert error.advice
    assert store.expiry(self_signed.thumbprint) == self_signed.not_after
    [entry] = store.list()
    assert entry.certificate is not None
    assert not entry.certificate.has_private_key
    assert entry.error is not None
    assert entry.error.fault is fault


def test_only_the_public_part_was_imported(windows: Windows, self_signed: Certificate) -> None:
    windows.put(public(self_signed), None)
    assert refused(store_of(windows), self_signed.thumbprint).fault is CertificateFault.KEY_MISSING


def test_the_key_of_another_certificate_is_found_out(windows: Windows, self_signed: Certificate) -> None:
    other = make_self_signed("other", now=NOW, key_bits=3072)  # whose key is surely another
    windows.put(public(self_signed), key_of(other))
    assert refused(store_of(windows), self_signed.thumbprint).fault is CertificateFault.KEY_MISMATCH


@pytest.mark.parametrize(
    ("code", "fault", "said"),
    [
        (0x80090029, CertificateFault.SIGNING_FAILED, "RSASSA-PSS"),
        (0x80090010, CertificateFault.KEY_UNREADABLE, "access is denied"),
        (0x80090020, CertificateFault.SIGNING_FAILED, "does not sign"),
    ],
)
def test_a_key_that_opens_and_does_not_sign_is_reported(
    code: int, fault: CertificateFault, said: str, windows: Windows, self_signed: Certificate
) -> None:
    held = windows.put(public(self_signed), key_of(self_signed))
    found = store_of(windows).find(self_signed.thumbprint)
    held.signing_fails = code
    with pytest.raises(CertificateError, match=said) as caught:
        check_key(found)
    assert caught.value.fault is fault
    assert "NCryptSignHash" in str(caught.value)


def test_a_certificate_removed_since_it_was_found_is_reported(windows: Windows, self_signed: Certificate) -> None:
    windows.put(public(self_signed), key_of(self_signed))
    found = store_of(windows).find(self_signed.thumbprint)
    windows.stores[MACHINE].clear()
    with pytest.raises(CertificateError) as caught:
        check_key(found)
    assert caught.value.fault is CertificateFault.NOT_FOUND


@pytest.mark.parametrize("code", [2, 0x80070005])
def test_a_store_that_does_not_open_is_named(code: int, windows: Windows) -> None:
    windows.denied[MACHINE] = code
    store = store_of(windows)
    error = refused(store, "AB" * 20)
    assert error.fault is CertificateFault.STORE_UNREADABLE
    assert "windows:LocalMachine/My" in error.summary
    [entry] = store.list()
    assert entry.certificate is None
    assert entry.problem == error.summary


def test_the_list_has_every_certificate_with_what_is_wrong(windows: Windows, self_signed: Certificate) -> None:
    other = make_self_signed("another", now=NOW, key_bits=2048)
    windows.put(public(self_signed), key_of(self_signed))
    windows.put(public(other), None)
    broken = windows.put(public(other), None)
    broken.der = b"no certificate"
    entries = store_of(windows).list()
    found = [
        (entry.certificate.subject, entry.certificate.has_private_key, entry.error and entry.error.fault)
        for entry in entries
        if entry.certificate
    ]
    assert found == [("CN=another", False, CertificateFault.KEY_MISSING), (self_signed.subject, True, None)]


def test_a_key_that_is_not_rsa_is_refused(windows: Windows, company: Issued, self_signed: Certificate) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = issue("elliptic", key, company)
    windows.put(leaf.certificate, key_of(self_signed)).public = (
        key_of(self_signed)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    error = refused(store_of(windows), leaf.thumbprint)
    assert error.fault is CertificateFault.KEY_NOT_RSA


def test_the_authorities_between_come_from_the_machine(
    windows: Windows, company: Issued, self_signed: Certificate
) -> None:
    """Import-PfxCertificate puts them into the store CA, where a chain of the company's finds them."""
    between = issue("between", ec.generate_private_key(ec.SECP256R1()), company, authority=True)
    leaf = issue("leaf", key_of(self_signed), between)
    windows.put(leaf.certificate, key_of(self_signed))
    windows.put(between.certificate, None, store=("LocalMachine", "CA"))
    found = store_of(windows).find(leaf.thumbprint)
    mailbox = make_mailbox(secure_certificate_access=True)
    check_usable(found, now=NOW, application=mailbox.application, roots=[company.certificate])
    windows.stores.pop(("LocalMachine", "CA"))
    with pytest.raises(CertificateError, match="does not chain"):
        check_usable(
            store_of(windows).find(leaf.thumbprint),
            now=NOW,
            application=mailbox.application,
            roots=[company.certificate],
        )


@pytest.mark.skipif(sys.platform == "win32", reason="there it is possible")
def test_elsewhere_than_on_windows_it_is_reported_that_there_is_no_such_store() -> None:
    with pytest.raises(ValueError, match="on Windows only"):
        native.load()
