"""`mail-importer certificates`."""

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from graph.certificates import Certificate, make_self_signed, write_pair

Run = Callable[..., Result]

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
STRANGER = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B"


@pytest.fixture
def certificate() -> Certificate:
    """A certificate in the store, with a short key because it is quick to make."""
    made = make_self_signed("laboratory", now=NOW, key_bits=2048)
    write_pair(made, Path("certificates"), "laboratory")
    return made


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


def test_new_says_when_the_store_cannot_be_written(run: Run) -> None:
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
    assert by_file["broken.pem"]["thumbprint"] is None
    assert by_file["broken.pem"]["problem"]
    table = run("certificates", "list").stdout
    assert "broken.pem" in table
    assert max(len(line) for line in table.splitlines()) <= 80


def test_list_tells_a_certificate_without_key_and_an_expired_one(run: Run) -> None:
    old = make_self_signed("old", now=datetime(2020, 1, 1, tzinfo=UTC), days=1, key_bits=2048)
    write_pair(old, Path("certificates"), "old")
    alone = make_self_signed("alone", now=NOW, key_bits=2048)
    Path("certificates/alone.cer").write_text(alone.public_pem)
    problems = {each["subject"]: each["problem"] for each in json.loads(run("certificates", "list", "--json").stdout)}
    assert problems == {"CN=old": "expired", "CN=alone": "no private key"}


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


@pytest.mark.parametrize("arguments", [["list"], ["show", STRANGER], ["new", "--subject", "x"]])
def test_the_windows_store_is_not_in_this_version(
    arguments: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_IMPORTER_CERTIFICATE_STORE", "windows:LocalMachine/My")
    result = run("certificates", *arguments)
    assert result.exit_code == 2
    assert "not in this version" in result.stderr
