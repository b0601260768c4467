"""What the product runs with: lock files, licences, bill of materials, known vulnerabilities."""

import hashlib
import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.paths import ROOT
from tools import licences
from tools.licences import BEGIN, DOCUMENT, END, LicenceUnknown, is_allowed, licence_of, rewritten
from tools.lock_file import EXTRAS, REQUIRED, UnreadableLock, read_lock, runtime
from tools.marked_part import MarkersMissing
from tools.sbom import STATIC, bill

_TIME = datetime(2026, 11, 30, tzinfo=UTC)
_LOCK = """\
quick==1.0 \\
    --hash=sha256:{digest}
    # via mail-importer (pyproject.toml)
deep==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:{digest} \\
    --hash=sha256:{other}
    # via
    #   maker
    #   quick
maker==3.0 \\
    --hash=sha256:{digest}
    # via mail-importer (pyproject.toml:build)
""".format(digest="0" * 64, other="1" * 64)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(_LOCK, "utf-8")
    return path


# Lock files


def test_lock_file_shows_what_the_product_runs_with(lock: Path) -> None:
    """And what needs each, without the tools that build it."""
    found = runtime(read_lock(lock))
    assert {name: (each.version, each.marker, len(each.digests)) for name, each in found.items()} == {
        "deep": ("2.0", "sys_platform == 'win32'", 2),
        "quick": ("1.0", None, 1),
    }
    assert found["deep"].requirers == {"maker", "quick"}


def test_package_without_hashes_is_refused(lock: Path) -> None:
    lock.write_text(re.sub(r" *--hash.*\n", "", _LOCK), "utf-8")
    with pytest.raises(UnreadableLock, match="make lock"):
        read_lock(lock)


def test_lock_files_have_every_dependency_of_the_project() -> None:
    """In versions that it takes; those with the extras are the same where both have them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    required, extras = read_lock(REQUIRED), read_lock(EXTRAS)
    for path, locked, wanted in (
        (REQUIRED, required, project["dependencies"]),
        (EXTRAS, extras, [each for group in project["optional-dependencies"].values() for each in group]),
    ):
        for requirement in map(Requirement, wanted):
            version = locked[canonicalize_name(requirement.name)].version
            assert requirement.specifier.contains(version), f"{requirement}: run make lock ({path.name})"
    assert {name: each.version for name, each in required.items()}.items() <= {
        name: each.version for name, each in extras.items()
    }.items()


# Licences


def test_every_package_has_a_licence_that_is_allowed() -> None:
    """The policy is in tools/licences.py, with a reason for each."""
    found = {each.locked.name: each.licence for each in licences.runtime_packages()}
    assert len(found) > 50
    assert {name: licence for name, licence in found.items() if not is_allowed(licence)} == {}


def test_a_choice_of_licences_needs_one_that_is_allowed_and_a_sum_all() -> None:
    assert is_allowed("GPL-2.0-only OR MIT")
    assert is_allowed("(GPL-2.0-only OR MIT) AND Apache-2.0")
    assert not is_allowed("GPL-2.0-only AND MIT")
    assert not is_allowed("AGPL-3.0-only")


def test_package_of_unknown_licence_is_named() -> None:
    with pytest.raises(LicenceUnknown, match=r"no-such-package.*add it to tools/licences\.py"):
        licence_of("no-such-package")


@pytest.mark.slow
def test_document_has_the_present_licences() -> None:
    """`make licences` writes it."""
    document = DOCUMENT.read_text("utf-8")
    assert document == rewritten(document), "run make licences, and commit docs/licences.md"
    for text in ("", BEGIN, END):
        with pytest.raises(MarkersMissing):
            rewritten(text)


# Bill of materials


@pytest.fixture(scope="module")
def written() -> str:
    return bill("1.2.3", _TIME)


@pytest.fixture(scope="module")
def components(written: str) -> Mapping[str, Any]:
    return {each["name"]: each for each in json.loads(written)["components"]}


@pytest.mark.slow
def test_bill_of_materials_keeps_to_its_schema(written: str) -> None:
    """That of CycloneDX 1.6, strictly."""
    # Here, as it compiles 40 grammars, which each worker would do to collect the tests.
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None


@pytest.mark.slow
def test_bill_of_materials_is_the_same_each_time(written: str) -> None:
    """It has neither the time nor the place where it was written; that of another version differs."""
    assert bill("1.2.3", _TIME) == written
    assert json.loads(bill("1.2.4", _TIME))["serialNumber"] != json.loads(written)["serialNumber"]
    assert str(ROOT) not in written


@pytest.mark.slow
def test_bill_of_materials_has_what_a_user_gets_and_nothing_else(components: Mapping[str, Any]) -> None:
    """Packages of every platform and extra, in the versions of the lock; no tool that builds or tests."""
    expected = {name: each.version for name, each in runtime(read_lock(EXTRAS)).items()}
    assert {"aiohttp", "sqlalchemy", "psycopg", "tzdata"} <= expected.keys()
    assert not {"hatchling", "hatch-vcs", "pytest"} & components.keys()
    found = {name: each["version"] for name, each in components.items() if each["purl"].startswith("pkg:pypi/")}
    assert found == expected
    assert (components["aiohttp"]["scope"], components["psycopg"]["scope"]) == ("required", "optional")
    assert all(each["licenses"] for each in components.values())
    hashes = components["aiohttp"]["externalReferences"][0]["hashes"]
    assert hashes[0] == {"alg": "SHA-256", "content": read_lock(REQUIRED)["aiohttp"].digests[0]}


@pytest.mark.slow
def test_bill_of_materials_has_the_scripts_of_others_for_browsers(components: Mapping[str, Any]) -> None:
    """Each script of the web console is its own or in the bill, with the hash of the very file."""
    bundled = {each["hashes"][0]["content"]: each for each in components.values() if "hashes" in each}
    scripts = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in STATIC.glob("*.js")}
    assert scripts.pop("console.js") not in bundled
    assert sorted(scripts.values()) == sorted(bundled)
    assert {each["licenses"][0]["expression"] for each in bundled.values()} == {"0BSD"}


@pytest.mark.slow
def test_bill_of_materials_shows_what_needs_what(written: str) -> None:
    needs = {each["ref"]: set(each.get("dependsOn", [])) for each in json.loads(written)["dependencies"]}
    names = {
        ref: {each.partition("@")[0].rpartition("/")[2] for each in each_needs} for ref, each_needs in needs.items()
    }
    assert {"aiohttp", "psycopg", "htmx.org"} <= names["mail-importer"]
    assert "yarl" not in names["mail-importer"]
    (aiohttp,) = (ref for ref in names if ref.startswith("pkg:pypi/aiohttp@"))
    assert "yarl" in names[aiohttp]


# Known vulnerabilities


@contextmanager
def _osv(vulnerable: str) -> Iterator[str]:
    """A stand-in of the database of OSV, which has one finding for a package."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]
            finding = {
                "id": "PYSEC-2026-1",
                "summary": "A made-up weakness.",
                "affected": [
                    {
                        "package": asked,
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}],
                    }
                ],
            }
            body = json.dumps({"vulns": [finding]} if asked["name"] == vulnerable else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def _audit(*arguments: str | Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "tools.audit", *map(str, arguments)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.slow
def test_audit_fails_with_a_finding(lock: Path) -> None:
    with _osv("quick") as url:
        status, output = _audit("--lock", lock, "--osv-url", url)
    assert status == 1, output
    assert "quick 1.0: PYSEC-2026-1, corrected in 9.9. A made-up weakness." in output


@pytest.mark.slow
def test_audit_without_a_finding_passes(lock: Path) -> None:
    with _osv("nothing") as url:
        status, output = _audit("--lock", lock, "--osv-url", url)
    assert (status, output) == (0, "2 packages checked, 0 known vulnerabilities, 0 accepted.\n")


@pytest.mark.slow
def test_audit_without_a_network_says_that_it_did_not_check(lock: Path) -> None:
    """It passes all the same, except at a release."""
    nowhere = ("--lock", lock, "--osv-url", "http://127.0.0.1:1/v1/query")
    for more, expected in (((), 0), (("--required",), 1)):
        status, output = _audit(*nowhere, *more)
        assert status == expected, output
        assert output.startswith("Not checked: ")


@pytest.mark.slow
def test_audit_of_an_unreadable_file_fails(lock: Path) -> None:
    """Its failure is no lack of a network."""
    lock.write_text("no requirement", "utf-8")
    status, output = _audit("--lock", lock, "--osv-url", "http://127.0.0.1:1/v1/query")
    assert status == 1
    assert "pip-audit failed" in output
