"""docs/setup.md, followed to the letter on a machine that has nothing but Python, against the simulator."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.conftest import Site
from tests.paths import ROOT
from tests.unit.console.test_guides import BLOCK, GUIDES, company_pfx

_NOT_OF_THE_SOURCES: Final = shutil.ignore_patterns(".*", "__pycache__")
_RECEIVER: Final = "mail-importer run receiver"


@pytest.mark.timeout(600)
async def test_the_guide_ends_in_test_passed(site: Site, tmp_path: Path) -> None:
    """The test does the steps that are not typed: the certificate is uploaded, and Graph is the simulator."""
    mailbox, director = site.ready["mailboxes"][:2]
    await site.control.deny(director["address"], site.ready["client_id"])
    sources = tmp_path / "sources"
    shutil.copytree(ROOT, sources, ignore=_NOT_OF_THE_SOURCES)
    company_pfx(sources / "company.pfx")
    typed = _typed(site, mailbox["user_id"], director["address"])
    environment = {
        **site.environment,
        "MAIL_IMPORTER_DATABASE_URL": f"sqlite:///{sources / 'gateway.db'}",
        "MAIL_IMPORTER_CERTIFICATE_STORE": str(sources / "certificates"),
        "VIRTUAL_ENV": "",
        "PYTHONPATH": "",
        # Modules are compiled as they are imported: of most that pip installs none is. The value that pip takes for
        # yes is a "no": https://pip.pypa.io/en/stable/topics/configuration/#environment-variables
        "PIP_NO_COMPILE": "no",
        # Equivalent to a clean machine: the interpreter, without the packages installed for the tests.
        "PATH": f"{Path(sys.base_prefix) / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin",
    }
    del environment["SSL_CERT_FILE"]  # pip trusts what the machine does
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        typed,
        cwd=sources,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    text = printed.decode()
    assert process.returncode == 0, text[-4000:]
    assert "Account 'laboratory' is added and enabled." in text
    assert text.count(" 0 failed") == 4, text[-4000:]


def _typed(site: Site, user_id: str, director: str) -> str:
    """The commands of the guide, in their order; the ids and the thumbprint are filled in, as by a reader."""
    blocks = [match[2] for match in BLOCK.finditer(GUIDES["en"].read_text("utf-8"))]
    typed = "".join(blocks)
    for example, real in {
        "11111111-2222-3333-4444-555555555555": site.ready["tenant_id"],
        "66666666-7777-8888-9999-aaaaaaaaaaaa": site.ready["client_id"],
        "bbbbbbbb-cccc-dddd-eeee-ffffffffffff": user_id,
        "director@contoso.com": director,
        "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B": (
            "$(mail-importer certificates list --json | grep -B3 '\"CN=mail-importer\"' | grep -m1 -owE '[0-9A-F]{40}')"
        ),
        _RECEIVER: f"{_RECEIVER} > receiver.log 2>&1 & trap 'kill %1' EXIT",
    }.items():
        assert example in typed
        typed = typed.replace(example, real)
    upload = f"cp certificates/mail-importer-*.cer {site.ready['uploads']}/\n"
    return "set -e\n" + re.sub(r"(?m)^(.*certificates new .*\n)", lambda line: line[1] + upload, typed)
