"""The administrator's guides: their commands can be typed, and their quotes are messages of the program."""

import gettext
import re
import shlex
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from graph.certificates import make_self_signed
from tests.doubles.clock import SettableClock
from tests.paths import ROOT
from tests.unit.console.conftest import Run
from tools.messages import extracted

GUIDES: Final = {"en": ROOT / "docs" / "setup.md", "fr": ROOT / "docs" / "fr" / "installation.md"}
BLOCK: Final = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_ROW: Final = re.compile(r"^\| (?!text|---)(.+?) \| .+ \|$", re.MULTILINE)
_FIELD: Final = re.compile(r"\{[^}]*\}|\*\w+\*")
_COMPOSED: Final = [
    (
        "{what} and does not chain to a trusted root ({problem}), which bSecureCertificateAccess = 1 demands.",
        "{what}",
        "{name} is self-signed",
    ),
    (
        "The private key of certificate {thumbprint} in {store} {problem} ({function}: 0x{code:08X}).",
        "{problem}",
        "may not be used by the user of this process, or is no longer there (the key set does not exist)",
    ),
]
"""Texts composed of two, in their displayed form: the whole, its field, and the value in it."""
# There is no listener: a guide is tried without the network.
_NOWHERE: Final = {
    "MAIL_IMPORTER_AUTHORITY_URL": "https://127.0.0.1:9",
    "MAIL_IMPORTER_GRAPH_URL": "https://127.0.0.1:9",
}


def commands(guide: Path) -> list[list[str]]:
    """Return the commands to type, in order."""
    lines = "".join(block[2] for block in BLOCK.finditer(guide.read_text("utf-8"))).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line))]


def company_pfx(path: Path) -> None:
    made = make_self_signed("company", now=SettableClock()(), key_bits=2048)
    assert made.private_key_pem is not None
    key = serialization.load_pem_private_key(made.private_key_pem, None)
    certificate = x509.load_pem_x509_certificate(made.public_pem.encode())
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"company",
            key,  # type: ignore[arg-type]  # RSA, as made above
            certificate,
            None,
            serialization.NoEncryption(),
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("language", list(GUIDES))
def test_what_a_guide_says_to_type_can_be_typed(
    language: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _NOWHERE.items():
        monkeypatch.setenv(name, value)
    company_pfx(tmp_path / "company.pfx")
    for words in commands(GUIDES[language]):
        if words[0] != "mail-importer" or "run" in words:
            continue  # typed by tests/acceptance/test_setup_guide.py
        done = run(*words[1:])
        # A test of settings fails here, by design; everything else has to work.
        tests = "--test" in words or "test" in words
        assert done.exit_code == int(tests), f"{words}: {done.output}"


def test_the_guides_say_to_type_the_same() -> None:
    """They are equal, so that tests/acceptance/test_setup_guide.py follows one of them for both."""

    def plain(words: list[str]) -> list[str]:
        return words[:1] + words[3:] if words[1:3] == ["--language", "fr"] else words

    english, french = ([plain(words) for words in commands(guide)] for guide in GUIDES.values())
    assert english == french


@pytest.mark.slow
@pytest.mark.parametrize("language", list(GUIDES))
def test_what_a_guide_quotes_is_what_the_test_says(language: str) -> None:
    folder = ROOT / "console" / "translation" / "locale"
    catalogue = gettext.translation("messages", folder, [language], fallback=language == "en")
    said = {
        _FIELD.sub("…", catalogue.gettext(each.id)).strip()
        for each in extracted()
        if isinstance(each.id, str) and each.id
    }
    said |= {
        _FIELD.sub("…", catalogue.gettext(whole).replace(field, catalogue.gettext(part)))
        for whole, field, part in _COMPOSED
    }
    text = GUIDES[language].read_text("utf-8")
    quoted = _ROW.findall(text[text.rindex("\n## ") :])
    rows = [_FIELD.sub("…", row) for row in quoted if not row.startswith(("texte", "text"))]
    assert len(rows) > 10
    assert [row for row in rows if row not in said] == []
    assert quoted == sorted(quoted, key=str.lower)
