"""`mail-importer certificates`."""

import json
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from graph.certificates import Certificate, make_self_signed, write_pair
from tests.doubles.windows import Windows
from tests.samples.authority import encrypted, issue

Run = Callable[..., Result]

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
STRANGER = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B"


@pytest.fixture
def certificate() -> Certificate:
    """A certificate in the store, with a short key because it is quick to make."""
    made = make_self_signed("laboratory", now=NOW, key_bits=2048)
    write_pair(made, Path("certificates"), "laboratory")
    return made


@pytest.mark.slow
def test_new_writes_a_pair_and_prints_both_thumbprints_and_what_to_upload(run: Run) -> None:
    result = run("certificates", "new", "--subject", "mail importer/production", "--json")
    assert result.exit_code == 0
    made = json.loads(result.stdout)
    public = x509.load_pem_x509_certificate(Path(made["upload"]).read_bytes())
    key = public.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 3072
    assert public.subject.rfc4514_string() == "CN=mail importer/production"
    assert (public.not_valid_after_utc - NOW).days == 730
    assert (len(made["thumbprint"]), len(made["thumbprint_sha256"])) == (40, 64)
    assert stat.S_IMODE(Path(made["file"]).stat().st_mode) == 0o600
    assert made["upload"] in result.stderr
    listed = json.loads(run("certificates", "list", "--json").stdout)
    assert [each["thumbprint"] for each in listed] == [made["thumbprint"]]


@pytest.mark.parametrize("subject", ["", "  ", "x" * 65])
def test_new_refuses_a_name_no_certificate_can_have(subject: str, run: Run) -> None:
    result = run("certificates", "new", "--subject", subject)
    assert result.exit_code == 2
    assert "--subject" in result.stderr
    assert not Path("certificates").exists()


@pytest.mark.slow
def test_new_reports_when_the_store_cannot_be_written(run: Run) -> None:
    Path("certificates").write_text("a file is in the way")
    result = run("certificates", "new", "--subject", "x")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_list_shows_certificates_and_files_of_no_use(run: Run, certificate: Certificate) -> None:
    Path("certificates/broken.pem").write_text("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
    result = run("certificates", "list", "--json")
    by_file = {Path(each["file"]).name: each for each in json.loads(result.stdout)}
    assert by_file["laboratory.pem"]["thumbprint"] == certificate.thumbprint
    assert by_file["laboratory.pem"]["problem"] is None
    assert by_file["laboratory.pem"]["state"] == "good (self-signed)"
    assert by_file["broken.pem"]["thumbprint"] is None
    assert by_file["broken.pem"]["fault"] == "unreadable"
    listed = run("certificates", "list")
    assert "broken.pem: its certificate is damaged" in listed.stderr
    assert certificate.thumbprint in listed.stdout  # in one line, to be copied
    assert max(len(line) for line in listed.stdout.splitlines()) <= 80


@pytest.mark.slow
def test_list_shows_what_is_wrong_with_each(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    old = make_self_signed("old", now=datetime(2020, 1, 1, tzinfo=UTC), days=1, key_bits=2048)
    write_pair(old, Path("certificates"), "old")
    early = make_self_signed("early", now=NOW + timedelta(days=2), key_bits=2048)
    write_pair(early, Path("certificates"), "early")
    alone = make_self_signed("alone", now=NOW, key_bits=2048)
    Path("certificates/alone.cer").write_text(alone.public_pem)
    strange = make_self_signed("strange", now=NOW, key_bits=2048)
    Path("certificates/strange.pem").write_bytes(strange.public_pem.encode() + encrypted(alone, "secret"))
    result = run("certificates", "list", "--json")
    rows = {each["subject"]: each for each in json.loads(result.stdout) if each["subject"]}
    key = {
        name: (row["state"], row["private_key"], row["key_readable"], row["key_matches"]) for name, row in rows.items()
    }
    assert key == {
        "CN=old": ("expired", True, True, True),
        "CN=early": ("not yet good", True, True, True),
        "CN=alone": ("no private key", False, None, None),
        "CN=strange": ("password not set", True, False, None),
    }
    assert rows["CN=old"]["days_left"] < 0
    assert rows["CN=alone"]["days_left"] == 730
    assert "certificate_password" in result.stderr
    monkeypatch.setenv("MAIL_IMPORTER_CERTIFICATE_PASSWORD", "secret")
    rows = {each["subject"]: each for each in json.loads(run("certificates", "list", "--json").stdout)}
    assert rows["CN=alone"]["fault"] is None
    assert rows["CN=strange"]["fault"] == "keyMismatch"
    assert rows["CN=strange"]["key_matches"] is False
    Path("certificates/strange.pem").write_text(strange.public_pem)
    rows = {each["subject"]: each for each in json.loads(run("certificates", "list", "--json").stdout)}
    assert (rows["CN=strange"]["fault"], rows["CN=strange"]["private_key"]) == ("keyMissing", False)


@pytest.mark.slow
def test_what_a_certificate_rests_on_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A company's own authority is trusted once ca_bundle names its root."""
    root = issue("root", ec.generate_private_key(ec.SECP256R1()), authority=True, begins=NOW, days=100)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    leaf = issue("leaf", key, root, begins=NOW, days=10)
    Path("certificates").mkdir()
    leaf.write(Path("certificates/leaf.pem"))
    Path("certificates/root.crt").write_bytes(root.pem)
    listed = run("certificates", "list", "--json")
    states = {each["subject"]: (each["state"], each["private_key"]) for each in json.loads(listed.stdout)}
    assert states == {"CN=leaf": ("good (not trusted)", True), "CN=root": ("authority", False)}
    assert listed.stderr == ""  # the authority's key is not missed
    before = json.loads(run("certificates", "show", leaf.thumbprint, "--json").stdout)
    assert (before["trust"], before["issuer"], before["self_signed"]) == ("notTrusted", "CN=root", False)
    Path("root.pem").write_bytes(root.pem)
    monkeypatch.setenv("MAIL_IMPORTER_CA_BUNDLE", "root.pem")
    after = json.loads(run("certificates", "show", leaf.thumbprint, "--json").stdout)
    assert (after["trust"], after["days_left"], after["fault"]) == ("trusted", 10, None)
    assert "Trust\tchains to a trusted root\n" in run("certificates", "show", leaf.thumbprint).stdout
    monkeypatch.setenv("MAIL_IMPORTER_CA_BUNDLE", "none.pem")
    assert run("certificates", "list").exit_code == 2


def test_list_of_a_store_that_is_missing_prints_where_it_should_be(run: Run) -> None:
    result = run("certificates", "list")
    assert result.exit_code == 0
    assert "certificates" in result.stdout + result.stderr


@pytest.mark.parametrize("marks", ["{}", "\u200e{}", "{}\u200e", " {} ", "\ufeff{}"])
def test_show_finds_a_certificate_however_its_thumbprint_was_copied(
    marks: str, run: Run, certificate: Certificate
) -> None:
    colons = ":".join(certificate.thumbprint[at : at + 2] for at in range(0, 40, 2)).lower()
    result = run("certificates", "show", marks.format(colons), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["thumbprint"] == certificate.thumbprint


def test_show_never_prints_the_private_key(run: Run, certificate: Certificate) -> None:
    for arguments in ([], ["--json"]):
        assert "PRIVATE" not in run("certificates", "show", certificate.thumbprint, *arguments).stdout


def test_show_of_a_thumbprint_that_matches_nothing_names_the_store_and_what_is_there(
    run: Run, certificate: Certificate
) -> None:
    result = run("certificates", "show", STRANGER)
    assert (result.exit_code, result.stdout) == (1, "")
    for part in (STRANGER, "certificates", certificate.thumbprint, "laboratory.pem"):
        assert part in result.stderr


@pytest.mark.parametrize("text", ["", "12", STRANGER + "00", "G" * 40, "A" * 64])
def test_show_of_something_that_is_no_thumbprint_is_wrong_usage(text: str, run: Run) -> None:
    result = run("certificates", "show", text)
    assert result.exit_code == 2
    assert "thumbprint" in result.stderr


# --- The stores of Windows ---


@pytest.mark.parametrize("arguments", [["list"], ["show", STRANGER], ["new", "--subject", "x"]])
@pytest.mark.parametrize(
    ("store", "said"), [("windows:LocalMachine/My", "on Windows only"), ("windows:My", "windows:CurrentUser/My")]
)
def test_a_store_that_cannot_be_here_is_a_wrong_setting(
    store: str, said: str, arguments: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_CERTIFICATE_STORE", store)
    result = run("certificates", *arguments)
    assert result.exit_code == 2
    assert "certificate_store" in result.stderr
    assert said in result.stderr


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    """A Windows machine, whose LocalMachine/My is the certificate store."""
    machine = Windows({("LocalMachine", "My"): []})
    monkeypatch.setattr("graph.certificates.windows.native.load", machine.native)
    monkeypatch.setenv("MAIL_IMPORTER_CERTIFICATE_STORE", "windows:LocalMachine/My")
    yield machine
    assert machine.left_open == 0


def test_certificates_of_windows_are_listed_and_shown_like_any(run: Run, windows: Windows) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    good = issue("good", key, begins=NOW)
    alone = issue("alone", rsa.generate_private_key(public_exponent=65537, key_size=2048), begins=NOW)
    held = windows.put(good.certificate, key)
    windows.put(alone.certificate, None)
    rows = {each["subject"]: each for each in json.loads(run("certificates", "list", "--json").stdout)}
    assert {name: (row["fault"], row["file"]) for name, row in rows.items()} == {
        "CN=good": (None, None),
        "CN=alone": ("keyMissing", None),
    }
    shown = json.loads(run("certificates", "show", good.thumbprint, "--json").stdout)
    assert (shown["fault"], shown["private_key"], shown["key_matches"]) == (None, True, True)
    held.signing_fails = 0x80090029
    refused = run("certificates", "show", good.thumbprint)
    assert "RSASSA-PSS" in " ".join(refused.stdout.split())


def test_new_certificates_of_windows_are_made_by_windows(run: Run, windows: Windows) -> None:
    result = run("certificates", "new", "--subject", "x")
    assert result.exit_code == 2
    assert "New-SelfSignedCertificate" in result.stderr
    assert not windows.calls


def test_an_empty_store_of_windows_is_named(run: Run, windows: Windows) -> None:
    assert "windows:LocalMachine/My" in run("certificates", "list").stderr
    assert windows.calls
