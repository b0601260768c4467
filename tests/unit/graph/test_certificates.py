import os
import stat
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from graph.certificates import (
    Certificate,
    FolderStore,
    check_usable,
    make_self_signed,
    normalise_thumbprint,
    write_pair,
)
from graph.errors import CertificateError
from graph.transport import load_roots
from tests.unit.graph.scripted import NOW, make_mailbox

PASSWORD = "correct horse"


def key_of(certificate: Certificate) -> rsa.RSAPrivateKey:
    assert certificate.private_key_pem is not None
    key = serialization.load_pem_private_key(certificate.private_key_pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def public(certificate: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.public_pem.encode())


def sha1(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 (a thumbprint is defined so)


@pytest.fixture(scope="module")
def other() -> Certificate:
    return make_self_signed("another", now=NOW, key_bits=2048)


@pytest.mark.parametrize(
    "pasted",
    [
        "ab" * 20,
        "AB:" * 19 + "AB",
        "\u200e" + "ab " * 20,
        "\ufeffAB-" + "ab" * 19,
        "AB\u00a0" * 20,
        "A\u200bB" * 20,
        "\u200fab\u202c\n" * 20,
        "sha1 Fingerprint=" + "AB:" * 19 + "AB",
        "SHA1 Fingerprint=" + "AB:" * 19 + "AB",
        "Thumbprint " + "ab" * 20,
        "AB\u2011" * 20,
    ],
)
def test_a_thumbprint_is_read_however_it_was_pasted(pasted: str) -> None:
    assert normalise_thumbprint(pasted) == "AB" * 20


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("", "0 hexadecimal digits"),
        ("ab" * 19, "38 hexadecimal digits"),
        ("ab" * 32, "SHA-256"),
        ("sha256 Fingerprint=" + "AB:" * 31 + "AB", "SHA-256"),
        ("ab" * 19 + "aO", "'O'"),
    ],
)
def test_what_is_wrong_with_a_thumbprint_is_said(pasted: str, said: str) -> None:
    with pytest.raises(CertificateError, match=said):
        normalise_thumbprint(pasted)


def pem_key(certificate: Certificate, password: str | None = None) -> bytes:
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key_of(certificate).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def write_form(form: str, folder: Path, made: Certificate) -> None:
    cert, key = made.public_pem.encode(), pem_key(made)
    der = public(made).public_bytes(Encoding.DER)
    der_key = key_of(made).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    old_key = key_of(made).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    def pfx(password: str | None) -> bytes:
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return pkcs12.serialize_key_and_certificates(b"x", key_of(made), public(made), None, encryption)

    files: dict[str, dict[str, bytes]] = {
        "certificate first": {"a.pem": cert + key},
        "key first": {"a.pem": key + cert},
        "old key form": {"a.pem": old_key + cert},
        "with talk around": {"a.pem": b"Bag Attributes\n" + key + b"\nsubject=x\n" + cert},
        "windows line ends": {"a.pem": (key + cert).replace(b"\n", b"\r\n")},
        "utf-16": {"a.pem": (key + cert).decode().encode("utf-16")},
        "encrypted pem": {"a.pem": cert + pem_key(made, PASSWORD)},
        "pfx": {"a.PFX": pfx(PASSWORD)},
        "p12 without password": {"a.p12": pfx(None)},
        "cer der and key pem": {"a.cer": der, "b.key": key},
        "crt pem and key der": {"a.crt": cert, "zz.key": der_key},
        "two pem": {"a.pem": cert, "b.pem": key},
    }
    for name, data in files[form].items():
        (folder / name).write_bytes(data)


@pytest.mark.parametrize(
    "form",
    [
        "certificate first",
        "key first",
        "old key form",
        "with talk around",
        "windows line ends",
        "utf-16",
        "encrypted pem",
        "pfx",
        "p12 without password",
        "cer der and key pem",
        "crt pem and key der",
        "two pem",
    ],
)
def test_every_form_of_file_gives_certificate_and_key(form: str, tmp_path: Path, self_signed: Certificate) -> None:
    write_form(form, tmp_path, self_signed)
    store = FolderStore(tmp_path, PASSWORD)
    found = store.find(self_signed.thumbprint.lower())
    assert found == self_signed
    assert found.private_key_pem is not None
    assert key_of(found).private_numbers() == key_of(self_signed).private_numbers()
    assert [entry.problem for entry in store.list()] == [None]
    listed = store.list()[0].certificate
    assert listed is not None
    assert listed.has_private_key
    assert listed.private_key_pem is None


def test_no_key_shows_in_a_repr(tmp_path: Path, self_signed: Certificate) -> None:
    write_pair(self_signed, tmp_path, "a")
    found = FolderStore(tmp_path).find(self_signed.thumbprint)
    assert "PRIVATE" not in repr(found) + repr(FolderStore(tmp_path, PASSWORD))
    assert PASSWORD not in repr(FolderStore(tmp_path, PASSWORD))


def refusal(folder: Path, thumbprint: str, password: str | None = None) -> str:
    with pytest.raises(CertificateError) as caught:
        FolderStore(folder, password).find(thumbprint)
    return str(caught.value)


def test_a_missing_certificate_is_answered_with_what_is_there(
    tmp_path: Path, self_signed: Certificate, other: Certificate
) -> None:
    write_pair(other, tmp_path, "other")
    (tmp_path / "bad.pem").write_bytes(b"nothing")
    text = refusal(tmp_path, self_signed.thumbprint)
    for part in (str(tmp_path), self_signed.thumbprint, other.thumbprint, "bad.pem"):
        assert part in text


@pytest.mark.parametrize("with_key", [True, False])
def test_the_expiry_needs_no_key(with_key: bool, tmp_path: Path, self_signed: Certificate) -> None:
    """A watch learns how long a certificate lives also where its key is missing, however its thumbprint was pasted."""
    write_pair(self_signed, tmp_path, "a")
    if not with_key:
        (tmp_path / "a.pem").unlink()
    expiry = FolderStore(tmp_path).expiry("\u200e" + self_signed.thumbprint.lower())
    assert expiry == self_signed.not_after
    assert expiry.tzinfo == UTC


def test_what_is_not_there_has_no_expiry(tmp_path: Path, self_signed: Certificate) -> None:
    """A missing certificate, a missing folder and a thumbprint that is none are told as when it is needed."""
    for folder, thumbprint in ((tmp_path, self_signed.thumbprint), (tmp_path / "none", "ab" * 20), (tmp_path, "x")):
        with pytest.raises(CertificateError):
            FolderStore(folder).expiry(thumbprint)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "certificate_store" in refusal(tmp_path / "none", "ab" * 20)
    assert FolderStore(tmp_path / "none").list()[0].problem


def test_only_the_public_part_is_said(tmp_path: Path, self_signed: Certificate) -> None:
    (tmp_path / "a.cer").write_text(self_signed.public_pem)
    assert "only the public part" in refusal(tmp_path, self_signed.thumbprint)


def test_a_key_of_another_certificate_is_said(tmp_path: Path, self_signed: Certificate, other: Certificate) -> None:
    (tmp_path / "a.pem").write_bytes(self_signed.public_pem.encode() + pem_key(other))
    assert "belongs to another certificate" in refusal(tmp_path, self_signed.thumbprint)


@pytest.mark.parametrize(("password", "said"), [("wrong", "wrong password"), (None, "no password is set")])
def test_a_password_that_does_not_open_is_said_without_showing_it(
    password: str | None, said: str, tmp_path: Path, self_signed: Certificate
) -> None:
    (tmp_path / "a.pem").write_bytes(self_signed.public_pem.encode() + pem_key(self_signed, PASSWORD))
    text = refusal(tmp_path, self_signed.thumbprint, password)
    assert said in text
    (tmp_path / "a.pem").unlink()
    write_form("pfx", tmp_path, self_signed)
    assert said in refusal(tmp_path, self_signed.thumbprint, password)


def test_a_file_of_another_user_is_said(
    tmp_path: Path, self_signed: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(self_signed, tmp_path, "a")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "another user" in refusal(tmp_path, self_signed.thumbprint)


def test_a_key_that_is_not_rsa_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    cert = issue("ec", key, "ec", key, authority=False)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "a.pem").write_bytes(cert.public_bytes(Encoding.PEM) + pem)
    assert "not RSA" in refusal(tmp_path, sha1(cert))


def test_the_list_bears_every_bad_file_with_its_reason(tmp_path: Path, self_signed: Certificate) -> None:
    write_pair(self_signed, tmp_path, "good")
    for name in ("a.pem", "b.pfx", "c.cer", "d.key", "e.crt"):
        (tmp_path / name).write_bytes(b"\x00rubbish")
    (tmp_path / "f.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "g.pem").write_bytes(b"x" * 2_000_000)
    (tmp_path / "h.txt").write_bytes(b"not ours")
    (tmp_path / "i.pem").mkdir()
    os.mkfifo(tmp_path / "j.pem")
    entries = FolderStore(tmp_path).list()
    bad = {entry.path.name for entry in entries if entry.problem and entry.path}
    assert bad == {"a.pem", "b.pfx", "c.cer", "d.key", "e.crt", "f.pem", "g.pem", "j.pem"}
    assert [entry.certificate.thumbprint for entry in entries if entry.certificate] == [self_signed.thumbprint]


def test_a_changed_folder_is_noticed_and_an_unchanged_file_is_not_read_again(
    tmp_path: Path, self_signed: Certificate, other: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    reads: list[str] = []
    read = Path.read_bytes

    def counted(path: Path) -> bytes:
        reads.append(path.name)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    write_pair(self_signed, tmp_path, "a")
    store.find(self_signed.thumbprint)
    store.find(self_signed.thumbprint)
    assert sorted(reads) == ["a.cer", "a.pem"]
    (tmp_path / "a.pem").write_bytes(other.public_pem.encode() + pem_key(other))
    assert store.find(other.thumbprint) == other
    (tmp_path / "a.pem").unlink()
    with pytest.raises(CertificateError):
        store.find(other.thumbprint)


def test_a_written_pair_is_private_and_never_overwrites(tmp_path: Path, self_signed: Certificate) -> None:
    both, cer = write_pair(self_signed, tmp_path / "new", "mail")
    assert stat.S_IMODE(both.stat().st_mode) == 0o600
    assert b"PRIVATE" not in cer.read_bytes()
    with pytest.raises(FileExistsError):
        write_pair(self_signed, tmp_path / "new", "mail")
    with pytest.raises(ValueError, match="name of a file"):
        write_pair(self_signed, tmp_path, "../x")


@pytest.mark.parametrize(("name", "bits"), [("", 2048), ("x" * 65, 2048), ("x", 1024)])
def test_a_certificate_that_could_not_serve_is_not_made(name: str, bits: int) -> None:
    with pytest.raises(ValueError, match="certificate"):
        make_self_signed(name, now=NOW, key_bits=bits)


# --- check_usable ---

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def issue(
    name: str, key: Key, issuer: str, issuer_key: CertificateIssuerPrivateKeyTypes, *, authority: bool
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def company() -> tuple[x509.Certificate, x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Root, authority between, and the latter's key."""
    root_key, between_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = issue("root", root_key, "root", root_key, authority=True)
    return root, issue("between", between_key, "root", root_key, authority=True), between_key


def in_store(folder: Path, key: Key, *chain: x509.Certificate) -> Certificate:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "leaf.pem").write_bytes(pem + b"".join(cert.public_bytes(Encoding.PEM) for cert in chain))
    return FolderStore(folder).find(sha1(chain[0]))


Company = tuple[x509.Certificate, x509.Certificate, ec.EllipticCurvePrivateKey]


def test_a_certificate_of_the_companys_authority_is_trusted(
    tmp_path: Path, company: Company, self_signed: Certificate
) -> None:
    root, between, between_key = company
    leaf = issue("leaf", key_of(self_signed), "between", between_key, authority=False)
    found = in_store(tmp_path, key_of(self_signed), leaf, between)
    mailbox = make_mailbox(secure_certificate_access=True)
    check_usable(found, now=NOW, mailbox=mailbox, roots=[root])
    with pytest.raises(CertificateError, match=r"Support.*bSecureCertificateAccess"):
        check_usable(found, now=NOW, mailbox=mailbox, roots=[public(self_signed)])


def test_the_authority_between_must_be_there(tmp_path: Path, company: Company, self_signed: Certificate) -> None:
    root, _, between_key = company
    leaf = issue("leaf", key_of(self_signed), "between", between_key, authority=False)
    found = in_store(tmp_path, key_of(self_signed), leaf)
    with pytest.raises(CertificateError, match="does not chain"):
        check_usable(found, now=NOW, mailbox=make_mailbox(secure_certificate_access=True), roots=[root])


def test_who_is_no_authority_cannot_issue(tmp_path: Path, company: Company, self_signed: Certificate) -> None:
    root, _, between_key = company
    false_key = ec.generate_private_key(ec.SECP256R1())
    false = issue("false", false_key, "between", between_key, authority=False)
    leaf = issue("leaf", key_of(self_signed), "false", false_key, authority=False)
    found = in_store(tmp_path, key_of(self_signed), leaf, false, company[1])
    with pytest.raises(CertificateError, match="does not chain"):
        check_usable(found, now=NOW, mailbox=make_mailbox(secure_certificate_access=True), roots=[root])


def test_a_self_signed_one_needs_the_column_at_zero_or_a_place_among_the_roots(
    tmp_path: Path, self_signed: Certificate, company: Company
) -> None:
    check_usable(self_signed, now=NOW, mailbox=make_mailbox(), roots=())
    strict = make_mailbox(secure_certificate_access=True)
    for roots in ((), (company[0],)):
        with pytest.raises(CertificateError, match="self-signed"):
            check_usable(self_signed, now=NOW, mailbox=strict, roots=roots)
    bundle = tmp_path / "extra.pem"
    bundle.write_text(self_signed.public_pem)
    check_usable(self_signed, now=NOW, mailbox=strict, roots=load_roots(bundle))


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize(
    ("shift", "said"), [(timedelta(days=731), "expired"), (timedelta(days=-1), "not valid before")]
)
def test_out_of_date_is_refused_in_either_case(
    secure: bool, shift: timedelta, said: str, self_signed: Certificate
) -> None:
    with pytest.raises(CertificateError, match=said):
        check_usable(self_signed, now=NOW + shift, mailbox=make_mailbox(secure_certificate_access=secure), roots=())


def test_the_systems_roots_are_found_and_a_bad_bundle_is_named(tmp_path: Path) -> None:
    assert len(load_roots()) > 10
    (tmp_path / "x.pem").write_text("nothing")
    for bundle in (tmp_path / "none.pem", tmp_path / "x.pem"):
        with pytest.raises(ValueError, match="ca_bundle"):
            load_roots(bundle)
