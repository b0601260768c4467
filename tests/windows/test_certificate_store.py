"""The certificate store of Windows by its own libraries. Nothing is left in it."""

from collections.abc import Iterator
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from graph.certificates import Certificate, SoftwareKey, make_self_signed
from graph.certificates.thumbprints import sha1_thumbprint
from graph.certificates.windows.native import load
from graph.certificates.windows.store import StoreName, WindowsStore
from graph.errors import CertificateError, CertificateFault
from tests.doubles.scripted_graph import NOW
from tests.windows.calls import cng_key, imported

_PADDING = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)


@pytest.fixture(scope="module")
def made() -> Certificate:
    return make_self_signed("mail-importer under Windows", now=NOW)


@pytest.fixture(scope="module")
def key(made: Certificate) -> rsa.RSAPrivateKey:
    assert isinstance(made.key, SoftwareKey)
    return made.key.key


@pytest.fixture
def certificate(made: Certificate, key: rsa.RSAPrivateKey) -> Iterator[x509.Certificate]:
    certificate = x509.load_pem_x509_certificate(made.public_pem.encode())
    with imported(certificate, key):
        yield certificate


@pytest.fixture
def store() -> WindowsStore:
    return WindowsStore(StoreName.parse("windows:CurrentUser/My"), load())


def test_a_certificate_is_found_by_its_thumbprint(store: WindowsStore, certificate: x509.Certificate) -> None:
    assert store.expiry(sha1_thumbprint(certificate)) == certificate.not_valid_after_utc
    found = store.find(sha1_thumbprint(certificate))
    assert found.subject == "CN=mail-importer under Windows"
    assert sha1_thumbprint(certificate) in {
        entry.certificate.thumbprint for entry in store.list() if entry.certificate is not None
    }


def test_a_key_of_cng_signs_as_entra_id_requires(key: rsa.RSAPrivateKey) -> None:
    with cng_key(key) as handle:
        signature = load().sign(handle, sha256(b"the assertion").digest())
    key.public_key().verify(signature, b"the assertion", _PADDING, hashes.SHA256())


def test_a_key_of_the_store_signs_without_leaving_it(
    store: WindowsStore, certificate: x509.Certificate, key: rsa.RSAPrivateKey, wine: bool
) -> None:
    if wine:
        pytest.skip("Wine 8 opens keys of the store by CryptoAPI only (CRYPT_ACQUIRE_ONLY_NCRYPT_KEY_FLAG is ignored)")
    signature = store.sign(sha1_thumbprint(certificate), b"the assertion")
    key.public_key().verify(signature, b"the assertion", _PADDING, hashes.SHA256())


def test_a_missing_certificate_is_named(store: WindowsStore, certificate: x509.Certificate) -> None:
    with pytest.raises(CertificateError) as refused:
        store.find("00" * 20)
    assert refused.value.fault is CertificateFault.NOT_FOUND
    assert sha1_thumbprint(certificate) in str(refused.value)


def test_a_store_that_does_not_exist_is_named() -> None:
    [entry] = WindowsStore(StoreName.parse("windows:CurrentUser/NoSuchStore"), load()).list()
    assert entry.error is not None
    assert entry.error.fault is CertificateFault.STORE_UNREADABLE
