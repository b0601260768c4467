"""`accounts test` as a process: as another user, without a network, and as monitoring calls it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Site
from tests.databases import Gateway

NOBODY = 65534
ACCOUNT = "station 0"

as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root runs a process as somebody else"
)


def steps(process: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    assert process.stdout, process.stderr
    return {step["name"]: step for step in json.loads(process.stdout)["steps"]}


async def test_monitoring_reads_one_object_and_the_exit_status(site: Site) -> None:
    site.settings["MAIL_IMPORTER_NOTIFICATION_URL"] = ""
    good = site.call("accounts", "test", ACCOUNT, "--json")
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["result"] == "passed"
    _remove_uploads(site)
    bad = site.call("accounts", "test", ACCOUNT, "--json")
    assert bad.returncode == 1
    assert steps(bad)["token"]["code"] == "AADSTS700027"
    assert "Error: 1 check failed." in bad.stderr


@as_root
async def test_a_key_file_that_belongs_to_another_user(site: Site) -> None:
    """The service runs as a user other than the certificate's creator: no permission on the private key."""
    home = Path("/tmp") / f"mail-importer-{os.getpid()}"
    shutil.copytree(site.directory, home)
    try:
        shutil.copy(site.ready["ca_file"], home / "ca.pem")
        for path in [home, *home.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        keys = list((home / "certificates").glob("*.pem"))
        for key in keys:
            os.chown(key, 0, 0)
            key.chmod(0)
        process = _call_in(
            site,
            home,
            "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        )  # fmt: skip
    finally:
        shutil.rmtree(home)
    found = steps(process)["private_key_readable"]
    assert (found["result"], found["code"]) == ("failed", "keyUnreadable")
    assert "owner root, mode 0000" in found["cause"]
    assert "chown" in found["cure"]


def _remove_uploads(site: Site) -> None:
    for public in Path(site.ready["uploads"]).glob("*.cer"):
        public.unlink()


@pytest.fixture
def _network_namespaces() -> None:
    """Skip on systems other than Linux, and where the user may not make one; root on Linux, as in CI, may."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--net", "true"], check=False).returncode != 0:
        pytest.skip("no network namespace can be made here")


@pytest.mark.usefixtures("_network_namespaces")
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # a server is on the network, too
@pytest.mark.parametrize(
    ("graph_url", "codes"),
    [("https://192.0.2.1", {"noRoute"}), ("https://graph.microsoft.com", {"nameServerSilent", "nameUnknown"})],
)
async def test_a_machine_without_a_network(graph_url: str, codes: set[str], site: Site) -> None:
    site.settings["MAIL_IMPORTER_GRAPH_URL"] = graph_url
    process = _call_in(site, site.directory, "unshare", "--net")
    found = steps(process)["graph_reached"]
    assert found["result"] == "failed"
    assert found["code"] in codes
    assert process.returncode == 1


def _call_in(site: Site, home: Path, *wrapper: str) -> subprocess.CompletedProcess[str]:
    """Run the test of the account through another program."""
    environment = {
        **site.environment,
        **(
            Gateway(f"sqlite:///{home / 'gateway.db'}") if site.gateway.backend == "sqlite" else site.gateway
        ).environment,
        "MAIL_IMPORTER_CERTIFICATE_STORE": str(home / "certificates"),
        "MAIL_IMPORTER_NOTIFICATION_URL": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if (home / "ca.pem").exists():
        environment["MAIL_IMPORTER_CA_BUNDLE"] = str(home / "ca.pem")
    return subprocess.run(
        [*wrapper, sys.executable, "-m", "console", "accounts", "test", ACCOUNT, "--json"],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
