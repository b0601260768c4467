"""Searches the product's packages for known vulnerabilities, by pip-audit in the database of OSV. `make audit`.

Fails with a finding. Where the database cannot be reached it says so, in a line that begins with "Not checked", and
fails only with `--required`, as a release does. https://pypi.org/project/pip-audit/, https://google.github.io/osv.dev/
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from tools.lock_file import EXTRAS

ACCEPTED: Final[Mapping[str, str]] = {}
"""Findings that are known not to concern the product: the id, and the reason."""

_CONNECTION_ERRORS: Final = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "SSLError")
_SERVICE_ERRORS: Final = ("ServiceError",)
_SECONDS: Final = 300


@click.command()
@click.option("--lock", type=click.Path(exists=True, path_type=Path), default=EXTRAS, help="Lock file of the packages.")
@click.option("--osv-url", help="Address of another OSV database.")
@click.option("--required", is_flag=True, help="Fail if the database cannot be reached.")
def main(lock: Path, osv_url: str | None, *, required: bool) -> None:
    """Search the locked packages for known vulnerabilities."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        failure = _search(lock, report, osv_url)
        if not report.exists():
            sys.exit(_unchecked(failure, required=required))
        sys.exit(_summary(json.loads(report.read_text("utf-8"))))


def _search(lock: Path, report: Path, osv_url: str | None) -> str:
    """Run pip-audit, which writes the report if it could search; return its standard error."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    command += ["--vulnerability-service", "osv", "--format", "json", "--output", str(report)]
    command += ["--progress-spinner", "off", *(("--osv-url", osv_url) if osv_url else ())]
    for accepted in ACCEPTED:
        command += ["--ignore-vuln", accepted]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603  # our own words
    except subprocess.TimeoutExpired:
        return f"ReadTimeout: no answer within {_SECONDS} s"
    return ended.stderr


def _unchecked(failure: str, *, required: bool) -> int:
    last = failure.strip().splitlines()[-1] if failure.strip() else "pip-audit wrote no report"
    if not any(error in failure for error in _CONNECTION_ERRORS + _SERVICE_ERRORS):
        click.echo(f"{failure}\npip-audit failed: {last}", err=True)
        return 1
    click.echo(f"Not checked: the database of vulnerabilities cannot be reached ({last}).", err=True)
    return int(required)


def _summary(report: Mapping[str, Any]) -> int:
    found = [(package, each) for package in report["dependencies"] for each in package.get("vulns", [])]
    for package, each in found:
        fixed = ", ".join(each["fix_versions"]) or "no version yet"
        click.echo(f"{package['name']} {package['version']}: {each['id']}, corrected in {fixed}. {each['description']}")
    checked = sum("vulns" in package for package in report["dependencies"])
    click.echo(f"{checked} packages checked, {len(found)} known vulnerabilities, {len(ACCEPTED)} accepted.")
    return int(bool(found))


if __name__ == "__main__":
    main()
