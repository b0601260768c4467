"""`mail-importer certificates convert`."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key, pkcs12

from graph.certificates import Certificate, FolderStore, SoftwareKey, check_key, make_self_signed
from tests.samples.authority import Issued, encrypted, issue

Run = Callable[..., Result]

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
SECRET = "correct horse é"


@pytest.fixture(scope="module")
def made() -> Certificate:
    return make_self_signed("laboratory", now=NOW, key_bits=2048)


@pytest.fixture
def source(made: Certificate) -> Path:
    """`in.pem`, with certificate and key."""
    path = Path("in.pem")
    path.write_bytes((made.private_key_pem or b"") + made.public_pem.encode())
    return path


@pytest.fixture
def secret() -> Path:
    """A file whose first line is the password, with the additions of editors around it."""
    path = Path("secret")
    path.write_bytes(b"\xef\xbb\xbf" + SECRET.encode() + b"\r\nmore\n")
    return path


def converts(run: Run, *arguments: str) -> Result:
    result = run("certificates", "convert", *arguments)
    assert result.exit_code == 0, result.stderr
    assert SECRET not in result.output
    return result


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def in_folder(folder: str, made: Certificate, password: str | None = None) -> bool:
    """Check that a store finds the certificate in the folder, with a key that signs."""
    found = FolderStore(Path(folder), password).find(made.thumbprint)
    check_key(found)
    return found == made


@pytest.mark.parametrize("form", ["pfx", "p12", "pem", "key"])
@pytest.mark.parametrize("encrypts", [True, False])
def test_every_form_with_a_key_is_private_and_found_by_the_store(
    form: str, encrypts: bool, run: Run, source: Path, secret: Path, made: Certificate
) -> None:
    Path("out").mkdir()
    out = f"out/a.{form}"
    options = ("--new-password-file", str(secret)) if encrypts else ("--no-encrypt",)
    result = converts(run, str(source), out, *options)
    assert ("(encrypted)" in result.stderr) == encrypts
    assert mode(out) == 0o600
    if form == "key":
        Path("out/a.cer").write_text(made.public_pem)
    assert in_folder("out", made, SECRET if encrypts else None)
    if encrypts and form in {"pem", "key"}:
        assert b"ENCRYPTED PRIVATE KEY" in Path(out).read_bytes()


@pytest.mark.parametrize("form", ["cer", "crt"])
@pytest.mark.parametrize("der", [True, False])
def test_the_public_part_has_no_key_which_is_reported(
    form: str, der: bool, run: Run, source: Path, made: Certificate
) -> None:
    """Otherwise an administrator with the .cer alone would find the key missing on the server."""
    out = Path(f"a.{form}")
    result = converts(run, str(source), str(out), *(["--der"] if der else []))
    assert "The private key is not in it: keep in.pem." in result.stderr
    data = out.read_bytes()
    load = x509.load_der_x509_certificate if der else x509.load_pem_x509_certificate
    assert load(data).public_bytes(Encoding.PEM).decode() == made.public_pem
    assert b"PRIVATE" not in data
    assert mode(str(out)) & 0o044
    again = converts(run, str(out), f"b.{form}")
    assert "private key" not in again.stderr


@pytest.mark.slow
def test_a_way_through_every_form_loses_nothing(run: Run, source: Path, secret: Path, made: Certificate) -> None:
    """PEM, PFX, key in encrypted DER, put together again with its certificate."""
    password = ("--password-file", str(secret))
    converts(run, str(source), "1.pfx", "--new-password-file", str(secret))
    converts(run, "1.pfx", "2.key", "--der", "--new-password-file", str(secret), *password)
    converts(run, "1.pfx", "2.cer", "--der", *password)
    converts(run, "2.cer", "3.p12", "--key", "2.key", "--new-password-file", str(secret), *password)
    Path("end").mkdir()
    converts(run, "3.p12", "end/4.pem", *password)
    assert in_folder("end", made)
    key = load_der_private_key(Path("2.key").read_bytes(), SECRET.encode())
    assert isinstance(key, rsa.RSAPrivateKey)
    assert isinstance(made.key, SoftwareKey)
    assert key.private_numbers() == made.key.key.private_numbers()


@pytest.mark.parametrize(
    ("options", "algorithm", "mac", "reads"),
    [
        ((), "PBES2, PBKDF2, AES-256-CBC", "MAC: sha256", ()),
        (("--legacy",), "pbeWithSHA1And3-KeyTripleDES-CBC", "MAC: sha1", ("-legacy",)),
    ],
)
def test_openssl_reads_a_pfx_and_finds_it_encrypted_as_promised(
    options: tuple[str, ...], algorithm: str, mac: str, reads: tuple[str, ...], run: Run, source: Path, secret: Path
) -> None:
    converts(run, str(source), "a.pfx", "--new-password-file", str(secret), *options)
    openssl_password = Path("plain")
    openssl_password.write_text(SECRET, "utf-8")
    reported = openssl("pkcs12", "-in", "a.pfx", "-passin", f"file:{openssl_password}", "-info", "-nodes", *reads)
    assert reported.count(algorithm) == 2
    assert mac in reported
    assert "friendlyName: laboratory" in reported
    assert "BEGIN PRIVATE KEY" in reported


def test_what_openssl_wrote_is_read(run: Run, source: Path, secret: Path, made: Certificate) -> None:
    Path("plain").write_text(SECRET, "utf-8")
    openssl("pkcs12", "-export", "-in", str(source), "-out", "a.pfx", "-passout", "file:plain")
    Path("end").mkdir()
    converts(run, "a.pfx", "end/a.pem", "--password-file", str(secret))
    assert in_folder("end", made)


@pytest.fixture
def company() -> list[Issued]:
    """A certificate of a company's authority, the authority, and its root."""
    root = issue("root", ec.generate_private_key(ec.SECP256R1()), authority=True)
    between = issue("between", ec.generate_private_key(ec.SECP256R1()), root, authority=True)
    return [issue("leaf", rsa.generate_private_key(public_exponent=65537, key_size=2048), between), between, root]


def test_the_chain_goes_along_in_its_order_and_its_loss_is_said(run: Run, company: list[Issued]) -> None:
    leaf, between, root = company
    Path("leaf.cer").write_bytes(leaf.pem)
    Path("leaf.key").write_bytes(leaf.key_pem)
    Path("all.crt").write_bytes(root.pem + between.pem)
    converts(run, "leaf.cer", "a.pfx", "--key", "leaf.key", "--chain", "all.crt", "--no-encrypt")
    store = pkcs12.load_pkcs12(Path("a.pfx").read_bytes(), None)
    assert store.cert is not None
    assert store.cert.certificate == leaf.certificate
    assert [each.certificate for each in store.additional_certs] == [between.certificate, root.certificate]
    converts(run, "a.pfx", "a.pem")
    assert x509.load_pem_x509_certificates(Path("a.pem").read_bytes()) == [each.certificate for each in company]
    lost = converts(run, "a.pem", "a.cer")
    assert "2 other certificates are not in it." in lost.stderr


def test_the_certificate_is_the_keys_or_the_one_that_issued_none(run: Run, company: list[Issued]) -> None:
    """The order in the file does not matter."""
    Path("chain.pem").write_bytes(b"".join(each.pem for each in reversed(company)))
    converts(run, "chain.pem", "a.cer")
    assert x509.load_pem_x509_certificate(Path("a.cer").read_bytes()) == company[0].certificate
    Path("between.key").write_bytes(company[1].key_pem)
    converts(run, "chain.pem", "b.pem", "--key", "between.key")
    assert x509.load_pem_x509_certificates(Path("b.pem").read_bytes())[0] == company[1].certificate


def test_nothing_is_overwritten_unless_forced(run: Run, source: Path, made: Certificate) -> None:
    """A file readable by other users must not be readable with a key in it, not for a moment."""
    Path("end").mkdir()
    out = Path("end/a.pem")
    out.write_text("precious")
    out.chmod(0o644)
    refused = run("certificates", "convert", str(source), str(out))
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert out.read_text() == "precious"
    with out.open() as reader:
        converts(run, str(source), str(out), "--force")
        assert reader.read() == "precious"  # a reader that had it open does not see the key
    assert mode(str(out)) == 0o600
    assert in_folder("end", made)
    assert list(Path("end").iterdir()) == [out]


def test_a_file_may_replace_itself(run: Run, source: Path, secret: Path, made: Certificate) -> None:
    converts(run, str(source), str(source), "--force", "--new-password-file", str(secret))
    assert b"ENCRYPTED" in source.read_bytes()
    assert in_folder(".", made, SECRET)


@pytest.mark.slow
def test_the_password_of_the_store_serves_both_ways(
    run: Run, source: Path, made: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It encrypts the output, and the store opens it."""
    monkeypatch.setenv("MAIL_IMPORTER_CERTIFICATE_PASSWORD", SECRET)
    Path("end").mkdir()
    converts(run, str(source), "end/a.pfx")
    assert in_folder("end", made, SECRET)
    converts(run, "end/a.pfx", "a.key")
    assert b"BEGIN PRIVATE KEY" in Path("a.key").read_bytes()


@pytest.mark.parametrize("form", ["a.pfx", "a.pem", "a.key"])
@pytest.mark.parametrize(("password", "said"), [(None, "no password is set"), ("wrong", "wrong password")])
def test_what_does_not_open_is_reported_and_nothing_is_written(
    password: str | None, said: str, form: str, run: Run, source: Path, secret: Path
) -> None:
    converts(run, str(source), form, "--new-password-file", str(secret))
    options = []
    if password is not None:
        Path("wrong").write_text(password)
        options = ["--password-file", "wrong"]
    result = run("certificates", "convert", form, "b.pem", *options)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "--password-file" in result.stderr
    assert form in result.stderr
    assert not Path("b.pem").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["in.cer", "out.pfx"], "no private key to write to out.pfx"),
        (["in.cer", "out.key"], "no private key to write to out.key"),
        (["other.key", "out.pfx", "--no-encrypt"], "no certificate to write to out.pfx"),
        (["in.cer", "out.pem", "--key", "other.key"], "belongs to none of the certificates"),
        (["in.pem", "out.pem", "--key", "other.key"], "several private keys"),
        (["rubbish.pem", "out.pem"], "rubbish.pem: holds no certificate"),
        (["in.pem", "no/such/folder/out.pem"], "cannot be written"),
        (["in.pem", "out.pem", "--password-file", "empty"], "empty is empty"),
        (["in.pem", "out.pem", "--password-file", "binary"], "binary cannot be read"),
    ],
)
def test_what_cannot_be_done_is_reported_in_full(
    arguments: list[str], said: str, run: Run, source: Path, made: Certificate
) -> None:
    assert source.exists()
    Path("in.cer").write_text(made.public_pem)
    Path("other.key").write_bytes(issue("x", rsa.generate_private_key(public_exponent=65537, key_size=2048)).key_pem)
    Path("rubbish.pem").write_text("nothing")
    Path("empty").write_text("\n")
    Path("binary").write_bytes(b"\xff\xff")
    result = run("certificates", "convert", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert not list(Path().glob("out.*"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["in.pem", "out.txt"],
        ["in.pem", "out.pem", "--der"],
        ["in.pem", "out.pfx", "--der", "--no-encrypt"],
        ["in.pem", "out.pem", "--legacy"],
        ["in.pem", "out.cer", "--encrypt"],
        ["in.pem", "out.cer", "--new-password-file", "secret"],
        ["in.pem", "out.pem", "--no-encrypt", "--new-password-file", "secret"],
        ["in.pem", "out.pfx"],  # its password is not given
        ["none.pem", "out.pem"],
    ],
)
def test_what_makes_no_sense_is_wrong_usage(arguments: list[str], run: Run, source: Path, secret: Path) -> None:
    assert source.exists()
    assert secret.exists()
    result = run("certificates", "convert", *arguments)
    assert result.exit_code == 2
    assert not list(Path().glob("out.*"))


def test_no_option_takes_a_password(run: Run) -> None:
    """It would be in the list of processes, and in the shell's history."""
    options = re.findall(r"--[a-z-]*pass[a-z-]*(?: [A-Z]+)?", run("certificates", "convert", "--help").stdout)
    assert set(options) == {
        "--password-file",
        "--password-file FILE",
        "--new-password-file",
        "--new-password-file FILE",
    }


AT_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, *sys.argv[1:]])))"


def typed(*arguments: str, answers: list[tuple[str, str]]) -> str:
    """Run the command at a terminal; return its output, with each answer typed once it was requested."""
    command = [sys.executable, "-c", AT_A_TERMINAL, "-m", "console", "certificates", "convert", *arguments]
    shown, waiting = "", list(answers)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), 4096):
            shown += data.decode()
            if waiting and waiting[0][0] in shown:
                process.stdin.write(waiting.pop(0)[1].encode() + b"\n")
                process.stdin.flush()
    assert process.returncode == 0, shown
    return shown


@pytest.mark.slow
def test_at_a_terminal_passwords_are_asked_for_and_not_shown(source: Path, tmp_path: Path, made: Certificate) -> None:
    (tmp_path / "end").mkdir()
    new = [("New password of a.pfx", SECRET), ("Repeat for confirmation", SECRET)]
    shown = typed(str(source), "a.pfx", answers=new)
    shown += typed("a.pfx", "end/b.pem", answers=[("Password of a.pfx", SECRET)])
    assert SECRET not in shown
    assert in_folder("end", made)


def test_an_encrypted_key_in_der_needs_its_password(run: Run, made: Certificate, secret: Path) -> None:
    Path("a.key").write_bytes(encrypted(made, SECRET, Encoding.DER))
    assert "no password is set" in run("certificates", "convert", "a.key", "b.key").stderr
    converts(run, "a.key", "b.key", "--password-file", str(secret))
    key = made.key
    assert isinstance(key, SoftwareKey)
    public = key.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert openssl("pkey", "-in", "b.key", "-pubout") == public


def test_what_was_written_is_stated_as_json(run: Run, source: Path, made: Certificate) -> None:
    result = converts(run, str(source), "a.pem", "--json")
    assert (json.loads(result.stdout), result.stderr) == (
        {
            "file": "a.pem",
            "action": "written",
            "thumbprint": made.thumbprint,
            "private_key": True,
            "encrypted": False,
            "other_certificates": 0,
        },
        "",
    )
