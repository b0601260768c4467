"""The product as a Windows service that is stopped while mail arrives, under a stand-in of its control manager."""

import pytest

from db.tables import message
from tests.acceptance.conftest import Site
from tests.doubles.service_manager import HostedService
from tests.waiting import until


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_stop_under_load_is_clean_and_nothing_is_lost(site: Site) -> None:
    """Within 10 s, in the midst of imports; the next start of the service imports the rest, each message once."""
    (site.directory / "mail-importer.toml").touch()
    environment = {**site.environment, "MAIL_IMPORTER_CONFIG": str(site.directory / "mail-importer.toml")}
    service = HostedService(site.server, "all", environment, site.directory)
    site.processes.append(service.process)
    service.wait_for("RUNNING")
    await site.subscribed()
    await site.control.start_traffic(60, per_second=60)

    async def some_imported() -> bool:
        return site.count(message) > 5

    await until(some_imported, "the first messages")
    service.control("STOP", "SHUTDOWN", "STOP")
    last = service.end()
    began = next(each["at"] for each in service.reports if each["state"] == "STOP_PENDING")
    assert (last["exit_code"], last["service_exit_code"]) == (0, 0)
    assert last["at"] - began < 10
    again = HostedService(site.server, "all", environment, site.directory)
    site.processes.append(again.process)
    await site.imported_once(60)
    again.control("PRESHUTDOWN")
    assert again.end()["exit_code"] == 0
