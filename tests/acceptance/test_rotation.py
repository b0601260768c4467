"""Keys and passwords are replaced while mail arrives: the procedures of docs/security.md."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from db.tables import graph_subscription, importer_secret
from graph.client_state import ClientStateKeys
from tests.acceptance.conftest import Site, stop
from tests.databases import Gateway, PostgreSQL, PostgreSQLServer
from tests.ports import free_port
from tests.waiting import until

_ENDLESS = 100_000


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_new_client_state_secret_refuses_no_genuine_notification(site: Site) -> None:
    """The receiver accepts both keys before subscriptions have the new one, and until no old item is repeated.

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

    async def none_is_repeated() -> bool:
        statistics = await site.control.statistics()
        return bool(statistics["notifications"]["pending"] == 0)

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
    # The four hours of the procedure: what the stopped receiver did not answer comes again with its old key.
    await until(none_is_repeated, "no notification on its way")
    assert re.findall(r'notifications_total\{outcome="forged"\} (\S+)', await metrics()) in ([], ["0.0"])

    del both["MAIL_IMPORTER_CLIENT_STATE_SECRET_PREVIOUS"]
    assert await asyncio.to_thread(stop, receiver) < 10
    receiver = site.start("run", "receiver", MAIL_IMPORTER_METRICS_PORT=str(port), **both)
    await until(receives, "the receiver with the new key")
    await site.keeps_importing()
    await site.control.stop_traffic()
    await site.imported_once(len(await site.control.ledger()))
    assert re.findall(r'notifications_total\{outcome="forged"\} (\S+)', await metrics()) in ([], ["0.0"])


@contextmanager
def _two_logins(server: PostgreSQLServer, gateway: Gateway) -> Iterator[None]:
    """Two logins with the rights of a role, which the server asks for their passwords."""
    name = make_url(gateway.url).database or ""
    rules = Path(server.scalar("SHOW hba_file"))
    before = rules.read_text("utf-8")
    logins = ("rotated_a", "rotated_b")
    rules.write_text("".join(f"local all {each} scram-sha-256\n" for each in logins) + before, "utf-8")
    server.execute("SELECT pg_reload_conf()")
    for each in logins:
        server.execute(f"CREATE ROLE {each} LOGIN PASSWORD 'of {each}'")
        for kind in ("TABLES", "SEQUENCES"):
            server.execute(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {each}", database=name)
    try:
        yield
    finally:
        for each in logins:
            server.execute(f"DROP OWNED BY {each}", database=name)
            server.execute(f"DROP ROLE {each}")
        rules.write_text(before, "utf-8")
        server.execute("SELECT pg_reload_conf()")


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_the_password_of_the_database_is_changed_by_a_second_login(
    site: Site, postgresql_databases: PostgreSQL
) -> None:
    """The former login is locked once the roles were restarted with the other one; no mail is lost."""
    server = postgresql_databases.server

    def signed_in(name: str, password: str) -> dict[str, str]:
        url = make_url(site.gateway.url).set(username=name, password=password)
        return {"MAIL_IMPORTER_DATABASE_URL": url.render_as_string(hide_password=False)}

    with _two_logins(server, site.gateway):
        running = site.start("run", "all", **signed_in("rotated_a", "of rotated_a"))
        await site.subscribed()
        await site.control.start_traffic(_ENDLESS, per_second=4)
        await site.keeps_importing()

        server.execute("ALTER ROLE rotated_b PASSWORD 'a new one'")
        assert "password" in site.call("db", "current", **signed_in("rotated_b", "of rotated_b")).stderr
        assert await asyncio.to_thread(stop, running) < 10
        running = site.start("run", "all", **signed_in("rotated_b", "a new one"))
        await site.keeps_importing()
        server.execute("ALTER ROLE rotated_a NOLOGIN")
        assert site.call("db", "current", **signed_in("rotated_a", "of rotated_a")).returncode == 1
        await site.keeps_importing()
        await site.control.stop_traffic()
        await site.imported_once(len(await site.control.ledger()))
        assert await asyncio.to_thread(stop, running) < 10
