"""The key of `clientState` is replaced while notifications arrive: the procedure of docs/security.md."""

import asyncio
import re

import aiohttp
import pytest
from sqlalchemy import select

from db.tables import graph_subscription, importer_secret
from graph.client_state import ClientStateKeys
from tests.acceptance.conftest import Site, free_port, stop, until

_ENDLESS = 100_000


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_new_client_state_secret_refuses_no_genuine_notification(site: Site) -> None:
    """The receiver accepts both keys before subscriptions with the new one are made, and until the last old one ended.

    The first key is that of the database, which is read there; the new one is in the settings.
    """
    [[made_by_upgrade]] = site.rows(select(importer_secret.c.sValue).where(importer_secret.c.sName.like("client%")))
    new = "a new one, of 32 characters at least"
    port = free_port()
    both = {
        "MAIL_IMPORTER_CLIENT_STATE_SECRET": new,
        "MAIL_IMPORTER_CLIENT_STATE_SECRET_PREVIOUS": made_by_upgrade,
    }

    async def metrics() -> str:
        try:
            status, text = await site.get("/metrics", port)
        except aiohttp.ClientError:
            return ""
        return text if status == 200 else ""

    async def receives() -> bool:
        return "mail_importer_notifications_total" in await metrics()

    async def of_new_key() -> bool:
        fingerprints = site.rows(select(graph_subscription.c.sKeyFingerprint))
        return fingerprints == [(ClientStateKeys(new).fingerprint(),)] * 3

    receiver = site.start("run", "receiver", MAIL_IMPORTER_METRICS_PORT=str(port))
    manager = site.start("run", "subscriptions")
    site.start("run", "processor")
    await site.subscribed()
    await site.control.start_traffic(_ENDLESS, per_second=4)
    await site.keeps_importing()

    assert await asyncio.to_thread(stop, receiver) < 10
    receiver = site.start("run", "receiver", MAIL_IMPORTER_METRICS_PORT=str(port), **both)
    await until(receives, "the receiver with both keys")
    await site.keeps_importing()
    assert await asyncio.to_thread(stop, manager) < 10
    manager = site.start("run", "subscriptions", **both)
    await until(of_new_key, "subscriptions of the new key")
    await site.keeps_importing()
    assert re.findall(r'notifications_total\{outcome="forged"\} (\S+)', await metrics()) in ([], ["0.0"])

    del both["MAIL_IMPORTER_CLIENT_STATE_SECRET_PREVIOUS"]
    assert await asyncio.to_thread(stop, receiver) < 10
    receiver = site.start("run", "receiver", MAIL_IMPORTER_METRICS_PORT=str(port), **both)
    await until(receives, "the receiver with the new key")
    await site.keeps_importing()
    await site.control.stop_traffic()
    await site.imported_once(len(await site.control.ledger()))
    assert re.findall(r'notifications_total\{outcome="forged"\} (\S+)', await metrics()) in ([], ["0.0"])
