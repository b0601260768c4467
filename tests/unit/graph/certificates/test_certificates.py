import base64
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from graph.certificates import (
    Certificate,
    FolderStore,
    Trust,
    check_key,
    check_usable,
    make_self_signed,
    normalise_thumbprint,
    trust_in,
    write_pair,
)
from graph.errors import CertificateError, CertificateFault
from graph.transport import load_roots
from tests.doubles.scripted_graph import NOW, make_mailbox
from tests.samples.authority import Issued, issue

PASSWORD = "correct horse"


def key_of(certificate: Certificate) -> rsa.RSAPrivateKey:
    assert certificate.private_key_pem is not None
    key = serialization.load_pem_private_key(certificate.private_key_pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def public(certificate: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.public_pem.encode())


@pytest.fixture(scope="module")
def other(self_signed: Certificate) -> Certificate:
    """A certificate of another key; keys of tests come from a small stock."""
    while True:
        made = make_self_signed("another", now=NOW, key_bits=2048)
        if public_key(made) != public_key(self_signed):
            return made


def public_key(certificate: Certificate) -> PublicKeyTypes:
    return x509.load_pem_x509_certificate(certificate.public_pem.encode()).public_key()


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
    secret = BestAvailableEncryption(PASSWORD.encode())
    der_key_encrypted = key_of(made).private_bytes(Encoding.DER, PrivateFormat.PKCS8, secret)
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
        "encrypted key in der": {"a.cer": cert, "a.key": der_key_encrypted},
        "pfx": {"a.PFX": pfx(PASSWORD)},
        "p12 without password": {"a.p12": pfx(None)},
        "cer der and key pem": {"a.cer": der, "b.key": key},
        "crt pem and key der": {"a.crt": cert, "zz.key": der_key},
        "two pem": {"a.pem": cert, "b.pem": key},
    }
    for name, data in files[form].items():
        (folder / name).write_bytes(data)


@pytest.mark.slow
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
        "encrypted key in der",
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


def wrapped(form: str, made: Certificate) -> tuple[str, bytes]:
    """A file with certificate and key in the forms of other sources: its name, its bytes."""
    cert, key = made.public_pem.encode(), pem_key(made)
    pfx = base64.b64encode(
        pkcs12.serialize_key_and_certificates(b"x", key_of(made), public(made), None, NoEncryption())
    )
    locked = pkcs12.serialize_key_and_certificates(
        b"x", key_of(made), public(made), None, BestAvailableEncryption(PASSWORD.encode())
    )
    text = (cert + key).decode()
    secret = {"contentType": "application/x-pkcs12", "value": pfx.decode()}
    one_line = b"-----BEGIN CERTIFICATE----- " + b" ".join(cert.split(b"\n")[1:-2]) + b" -----END CERTIFICATE-----"
    return {
        "key vault secret": ("a.pfx", pfx),
        "with a line break at its end": ("a.pfx", pfx + b"\r\n"),
        "in lines": ("a.p12", base64.encodebytes(base64.b64decode(pfx)).replace(b"\n", b"\r\n")),
        "with a mark": ("a.pfx", b"\xef\xbb\xbf" + pfx),
        "by PowerShell": ("a.pfx", pfx.decode().encode("utf-16")),
        "in a .pem": ("a.pem", pfx),
        "encrypted": ("a.pfx", base64.b64encode(locked)),
        "pfx in a .pem": ("a.pem", base64.b64decode(pfx)),
        "pem in a .pfx": ("a.pfx", cert + key),
        "az keyvault secret show": (
            "a.pfx",
            json.dumps(secret, indent=2).encode(),
        ),
        "az with PEM": ("a.pem", json.dumps({"contentType": "application/x-pem-file", "value": text}).encode()),
        "az --query value": ("a.pfx", b'"' + pfx + b'"\n'),
        "base64 of base64": ("a.pfx", base64.b64encode(pfx)),
        "base64 of PEM": ("a.pem", base64.b64encode(cert + key)),
        "literal line breaks": ("a.pem", text.replace("\n", "\\n").encode()),
        "literal line breaks of Windows": ("a.pem", text.replace("\n", "\\r\\n").encode()),
        "quoted, with literal line breaks": ("a.pem", json.dumps(text).encode()),
        "indented": ("a.pem", ("tls: |\n" + text.replace("\n", "\n    ")).encode()),
        "of an old Macintosh": ("a.pem", (cert + key).replace(b"\n", b"\r")),
        "with a mark, PEM": ("a.pem", b"\xef\xbb\xbf" + cert + key),
        "blanks for line breaks": ("a.pem", one_line + b"\n" + key),
        "trusted": ("a.pem", trusted(made) + key),
        "PKCS#7": ("a.pem", pkcs7.serialize_certificates([public(made)], Encoding.PEM) + key),
    }[form]


def trusted(made: Certificate) -> bytes:
    """Output of `openssl x509 -trustout -addtrust clientAuth`: the certificate, then X509_CERT_AUX."""
    uses = b"\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"
    content = base64.encodebytes(public(made).public_bytes(Encoding.DER) + uses)
    return b"-----BEGIN TRUSTED CERTIFICATE-----\n" + content + b"-----END TRUSTED CERTIFICATE-----\n"


WRAPPED = (
    *("key vault secret", "with a line break at its end", "in lines", "with a mark", "by PowerShell", "in a .pem"),
    *("encrypted", "pfx in a .pem", "pem in a .pfx", "az keyvault secret show", "az with PEM", "az --query value"),
    *("base64 of base64", "base64 of PEM", "literal line breaks", "literal line breaks of Windows"),
    *("quoted, with literal line breaks", "indented", "of an old Macintosh", "with a mark, PEM"),
    *("blanks for line breaks", "trusted", "PKCS#7"),
)


@pytest.mark.slow
@pytest.mark.parametrize("form", WRAPPED)
def test_what_a_file_is_wrapped_in_is_removed(form: str, tmp_path: Path, self_signed: Certificate) -> None:
    """Azure Key Vault gives a PFX as base64 text; others give JSON, literal line breaks, marks, OpenSSL's own form."""
    name, data = wrapped(form, self_signed)
    (tmp_path / name).write_bytes(data)
    found = FolderStore(tmp_path, PASSWORD).find(self_signed.thumbprint)
    assert key_of(found).private_numbers() == key_of(self_signed).private_numbers()


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_wrapped_file_that_is_encrypted_is_named_so(
    password: str | None, tmp_path: Path, self_signed: Certificate
) -> None:
    """Its wrapper does not hide that a password is missing, or wrong."""
    name, data = wrapped("encrypted", self_signed)
    (tmp_path / name).write_bytes(data)
    fault = CertificateFault.PASSWORD_WRONG if password else CertificateFault.PASSWORD_MISSING
    assert "certificate_password" in refusal(tmp_path, self_signed.thumbprint, password, fault=fault)


@pytest.mark.parametrize("form", ["base64 of DER", "az keyvault certificate show", "PKCS#7 in DER", "PKCS#7 in base64"])
def test_a_certificate_without_key_is_read_however_it_is_wrapped(
    form: str, tmp_path: Path, self_signed: Certificate
) -> None:
    """Forms that Key Vault and the portal give to upload, and that authorities send."""
    der = public(self_signed).public_bytes(Encoding.DER)
    bag = pkcs7.serialize_certificates([public(self_signed)], Encoding.DER)
    data = {
        "base64 of DER": base64.b64encode(der),
        "az keyvault certificate show": json.dumps({"cer": base64.b64encode(der).decode(), "id": "x"}).encode(),
        "PKCS#7 in DER": bag,
        "PKCS#7 in base64": base64.encodebytes(bag),
    }[form]
    (tmp_path / "a.cer").write_bytes(data)
    assert FolderStore(tmp_path).expiry(self_signed.thumbprint) == self_signed.not_after


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.pem", b"", "is empty"),
        ("a.pfx", b"\0\0\0\0", "is empty"),
        ("a.pfx", b"\xfe\xed\xfe\xed" + bytes(40), "keytool -importkeystore -srckeystore a.pfx"),
        ("a.cer", b"<!DOCTYPE html><title>Sign in</title>", "is HTML or XML"),
        ("a.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n", "is cut off: -----BEGIN CERTIFICATE-----"),
        (
            "a.pem",
            b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
            "is a certificate request",
        ),
        ("a.pem", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "holds a public key only"),
        (
            "a.key",
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
            "ssh-keygen -p -m PKCS8",
        ),
        (
            "a.pem",
            b"-----BEGIN TRUSTED CERTIFICATE-----\nMAMC\n-----END TRUSTED CERTIFICATE-----\n",
            "its certificate is damaged",
        ),
        ("a.pem", b"-----BEGIN PKCS7-----\nMAMC\n-----END PKCS7-----\n", "its certificate is damaged"),
        ("a.pem", b'{"value": null}', "holds no certificate that can be read"),
        ("a.pem", b'{"value": ' + b"[" * 5000, "holds no certificate that can be read"),
        ("a.pem", b"QUJDREVGRw==", "holds no certificate that can be read"),
    ],
)
def test_what_a_file_is_instead_is_said(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    """The form is named instead of guessed; and no content of a file makes the store fail."""
    (tmp_path / name).write_bytes(data)
    [entry] = FolderStore(tmp_path).list()
    assert entry.problem is not None
    assert said in str(entry.problem)


def test_no_key_shows_in_a_repr(tmp_path: Path, self_signed: Certificate) -> None:
    write_pair(self_signed, tmp_path, "a")
    found = FolderStore(tmp_path).find(self_signed.thumbprint)
    assert "PRIVATE" not in repr(found) + repr(FolderStore(tmp_path, PASSWORD))
    assert PASSWORD not in repr(FolderStore(tmp_path, PASSWORD))


def refusal(
    folder: Path, thumbprint: str, password: str | None = None, *, fault: CertificateFault = CertificateFault.NOT_FOUND
) -> str:
    """Return the text; it must have this fault."""
    with pytest.raises(CertificateError) as caught:
        FolderStore(folder, password).find(thumbprint)
    assert caught.value.fault is fault
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
    """A watch gets the end of a certificate also if its key is missing, in any spelling of its thumbprint."""
    write_pair(self_signed, tmp_path, "a")
    if not with_key:
        (tmp_path / "a.pem").unlink()
    expiry = FolderStore(tmp_path).expiry("\u200e" + self_signed.thumbprint.lower())
    assert expiry == self_signed.not_after
    assert expiry.tzinfo == UTC


def test_what_is_not_there_has_no_expiry(tmp_path: Path, self_signed: Certificate) -> None:
    """A missing certificate, a missing folder and an invalid thumbprint raise the same errors as when it is needed."""
    for folder, thumbprint in ((tmp_path, self_signed.thumbprint), (tmp_path / "none", "ab" * 20), (tmp_path, "x")):
        with pytest.raises(CertificateError):
            FolderStore(folder).expiry(thumbprint)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    text = refusal(tmp_path / "none", "ab" * 20, fault=CertificateFault.STORE_UNREADABLE)
    assert "certificate_store" in text
    assert FolderStore(tmp_path / "none").list()[0].problem


def test_only_the_public_part_is_said(tmp_path: Path, self_signed: Certificate) -> None:
    (tmp_path / "a.cer").write_text(self_signed.public_pem)
    text = refusal(tmp_path, self_signed.thumbprint, fault=CertificateFault.KEY_MISSING)
    assert "only the public part" in text
    assert "a.cer" in text


@pytest.mark.parametrize("key_file", ["a.pem", "a.key"])
def test_a_key_of_another_certificate_is_said(
    key_file: str, tmp_path: Path, self_signed: Certificate, other: Certificate
) -> None:
    (tmp_path / "a.pem").write_text(self_signed.public_pem)
    with (tmp_path / key_file).open("ab") as file:
        file.write(pem_key(other))
    text = refusal(tmp_path, self_signed.thumbprint, fault=CertificateFault.KEY_MISMATCH)
    assert f"{key_file} belongs to another certificate" in text


def test_a_key_that_signs_for_another_certificate_is_found_out(self_signed: Certificate, other: Certificate) -> None:
    """A trial signature shows it, for a key in a file and for one that never leaves a device."""
    check_key(self_signed)
    for key, fault in ((other.key, CertificateFault.KEY_MISMATCH), (None, CertificateFault.KEY_MISSING)):
        with pytest.raises(CertificateError) as caught:
            check_key(replace(self_signed, key=key))
        assert caught.value.fault is fault


@pytest.mark.slow
@pytest.mark.parametrize("form", ["encrypted pem", "pfx", "encrypted key in der"])
@pytest.mark.parametrize(
    ("password", "said", "fault"),
    [
        ("wrong", "wrong password", CertificateFault.PASSWORD_WRONG),
        (None, "no password is set", CertificateFault.PASSWORD_MISSING),
    ],
)
def test_a_password_that_does_not_open_is_reported_without_showing_it(
    password: str | None, said: str, fault: CertificateFault, form: str, tmp_path: Path, self_signed: Certificate
) -> None:
    """It holds for a .pfx file, too, of which nothing can be read without: it may be the one that is searched for."""
    write_form(form, tmp_path, self_signed)
    text = refusal(tmp_path, self_signed.thumbprint, password, fault=fault)
    assert said in text
    assert "certificate_password" in text
    assert PASSWORD not in text


AS_NOBODY = """
import os, sys
from pathlib import Path
from graph.certificates import FolderStore
from graph.errors import CertificateError
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
for entry in FolderStore(Path(sys.argv[1])).list():
    print("list", entry.path.name, entry.error and entry.error.fault.value, entry.problem)
try:
    FolderStore(Path(sys.argv[1])).find(sys.argv[2])
except CertificateError as error:
    print("find", error.fault.value, error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may read, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("mode", [0o000, 0o600])
def test_a_key_file_of_another_user_is_said(mode: int, open_folder: Path, self_signed: Certificate) -> None:
    """Run as uid 65534: the certificate is found by its public part, and the owner of the key file is named."""
    key_file, _ = write_pair(self_signed, open_folder / "store", "a")
    key_file.parent.chmod(0o755)
    key_file.chmod(mode)
    command = [sys.executable, "-c", AS_NOBODY, str(key_file.parent), self_signed.thumbprint]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    find = next(line for line in done.stdout.splitlines() if line.startswith("find"))
    assert find.startswith("find keyUnreadable")
    for part in (str(key_file), "another user", "owner root", f"mode {mode:04o}", "chown"):
        assert part in find
    assert "list a.pem keyUnreadable" in done.stdout
    assert "list a.cer keyUnreadable" in done.stdout


def test_a_key_that_is_not_rsa_is_refused(tmp_path: Path) -> None:
    elliptic = issue("ec", ec.generate_private_key(ec.SECP256R1()))
    elliptic.write(tmp_path / "a.pem")
    assert "not RSA" in refusal(tmp_path, elliptic.thumbprint, fault=CertificateFault.KEY_NOT_RSA)
    [entry] = FolderStore(tmp_path).list()
    assert entry.error is not None
    assert entry.error.fault is CertificateFault.KEY_NOT_RSA


def test_the_list_bears_every_bad_file_with_its_reason(tmp_path: Path, self_signed: Certificate) -> None:
    write_pair(self_signed, tmp_path, "good")
    for name in ("a.pem", "b.pfx", "c.cer", "d.key", "e.crt"):
        (tmp_path / name).write_bytes(b"\x00rubbish")
    (tmp_path / "f.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "g.pem").write_bytes(b"x" * 2_000_000)
    (tmp_path / "h.txt").write_bytes(b"not ours")
    (tmp_path / "i.pem").mkdir()
    pipes = set() if sys.platform == "win32" else {"j.pem"}
    for name in pipes:
        os.mkfifo(tmp_path / name)
    entries = FolderStore(tmp_path).list()
    bad = {entry.path.name for entry in entries if entry.problem and entry.path}
    assert bad == {"a.pem", "b.pfx", "c.cer", "d.key", "e.crt", "f.pem", "g.pem"} | pipes
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
    if sys.platform != "win32":  # the rights of the folder decide there
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


@pytest.fixture(scope="module")
def between(company: Issued) -> Issued:
    """An authority that the company's root certified."""
    return issue("between", ec.generate_private_key(ec.SECP256R1()), company, authority=True)


def in_store(folder: Path, leaf: Issued, *chain: Issued) -> Certificate:
    leaf.write(folder / "leaf.pem", *chain)
    return FolderStore(folder).find(leaf.thumbprint)


STRICT = make_mailbox(secure_certificate_access=True)


def test_a_certificate_of_the_companys_authority_is_trusted(
    tmp_path: Path, company: Issued, between: Issued, self_signed: Certificate
) -> None:
    found = in_store(tmp_path, issue("leaf", key_of(self_signed), between), between)
    check_usable(found, now=NOW, application=STRICT.application, roots=[company.certificate])
    assert trust_in(found, now=NOW, roots=[company.certificate]) is Trust.TRUSTED
    with pytest.raises(CertificateError, match=r"Support.*bSecureCertificateAccess") as caught:
        check_usable(found, now=NOW, application=STRICT.application, roots=[public(self_signed)])
    assert caught.value.fault is CertificateFault.NOT_TRUSTED
    assert trust_in(found, now=NOW, roots=[public(self_signed)]) is Trust.NOT_TRUSTED


def test_the_authority_between_must_be_there(
    tmp_path: Path, company: Issued, between: Issued, self_signed: Certificate
) -> None:
    found = in_store(tmp_path, issue("leaf", key_of(self_signed), between))
    with pytest.raises(CertificateError, match="does not chain"):
        check_usable(found, now=NOW, application=STRICT.application, roots=[company.certificate])


def test_who_is_no_authority_cannot_issue(
    tmp_path: Path, company: Issued, between: Issued, self_signed: Certificate
) -> None:
    false = issue("false", ec.generate_private_key(ec.SECP256R1()), between)
    found = in_store(tmp_path, issue("leaf", key_of(self_signed), false), false, between)
    with pytest.raises(CertificateError, match="does not chain"):
        check_usable(found, now=NOW, application=STRICT.application, roots=[company.certificate])


@pytest.mark.parametrize(("days_ago", "said"), [(20, "between expired on"), (-5, "between is not valid before")])
def test_all_of_the_chain_must_be_in_date(
    days_ago: int, said: str, tmp_path: Path, company: Issued, self_signed: Certificate
) -> None:
    begins = NOW - timedelta(days=days_ago)
    stale = issue("between", ec.generate_private_key(ec.SECP256R1()), company, authority=True, begins=begins, days=10)
    found = in_store(tmp_path, issue("leaf", key_of(self_signed), stale), stale)
    with pytest.raises(CertificateError, match=said) as caught:
        check_usable(found, now=NOW, application=STRICT.application, roots=[company.certificate])
    assert caught.value.fault is CertificateFault.NOT_TRUSTED


def usage(**allowed: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    more = ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in (*names, *more)})


CLIENT, SERVER, ANY = (
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
)


@pytest.mark.parametrize(
    ("extensions", "problem"),
    [
        ((), None),
        ((usage(digital_signature=True), x509.ExtendedKeyUsage([SERVER, CLIENT])), None),
        ((x509.ExtendedKeyUsage([ANY]),), None),
        ((usage(key_encipherment=True),), "lacks digitalSignature"),
        ((usage(digital_signature=True), x509.ExtendedKeyUsage([SERVER])), "lacks client authentication"),
    ],
)
def test_a_trusted_certificate_must_be_meant_for_signing_in(
    extensions: tuple[x509.ExtensionType, ...],
    problem: str | None,
    tmp_path: Path,
    company: Issued,
    self_signed: Certificate,
) -> None:
    """Only its restrictions count; and if a self-signed one is accepted, its purpose is not checked."""
    found = in_store(tmp_path, issue("leaf", key_of(self_signed), company, extensions=extensions))
    check_usable(found, now=NOW, application=make_mailbox().application, roots=())
    if problem is None:
        check_usable(found, now=NOW, application=STRICT.application, roots=[company.certificate])
        return
    with pytest.raises(CertificateError, match=f"Support.*{problem}.*bSecureCertificateAccess = 1") as caught:
        check_usable(found, now=NOW, application=STRICT.application, roots=[company.certificate])
    assert caught.value.fault is CertificateFault.WRONG_USAGE


def test_a_self_signed_one_needs_the_column_at_zero_or_a_place_among_the_roots(
    tmp_path: Path, self_signed: Certificate, company: Issued
) -> None:
    check_usable(self_signed, now=NOW, application=make_mailbox().application, roots=())
    strict = make_mailbox(secure_certificate_access=True)
    for roots in ((), (company.certificate,)):
        with pytest.raises(CertificateError, match=r"Support.*self-signed.*bSecureCertificateAccess = 1") as caught:
            check_usable(self_signed, now=NOW, application=strict.application, roots=roots)
        assert caught.value.fault is CertificateFault.SELF_SIGNED
        assert trust_in(self_signed, now=NOW, roots=roots) is Trust.SELF_SIGNED
    bundle = tmp_path / "extra.pem"
    bundle.write_text(self_signed.public_pem)
    check_usable(self_signed, now=NOW, application=strict.application, roots=load_roots(bundle))


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize(
    ("shift", "said", "fault"),
    [
        (timedelta(days=731), "expired", CertificateFault.EXPIRED),
        (timedelta(days=-1), "not valid before", CertificateFault.NOT_YET_VALID),
    ],
)
def test_out_of_date_is_refused_in_either_case(
    secure: bool, shift: timedelta, said: str, fault: CertificateFault, self_signed: Certificate
) -> None:
    with pytest.raises(CertificateError, match=said) as caught:
        check_usable(
            self_signed,
            now=NOW + shift,
            application=make_mailbox(secure_certificate_access=secure).application,
            roots=(),
        )
    assert caught.value.fault is fault


def test_the_systems_roots_are_found_and_a_bad_bundle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert len(load_roots()) > 10
    (tmp_path / "x.pem").write_text("nothing")
    for bundle in (tmp_path / "none.pem", tmp_path / "x.pem"):
        with pytest.raises(ValueError, match="ca_bundle"):
            load_roots(bundle)
