"""The gateway database, opened with the settings."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from console.settings import Settings
from console.wiring.database import open_engine
from db.engine import run_writing
from db.errors import DatabaseUnavailable
from graph.certificates import make_self_signed, write_pair
from simulator.simulator import Simulator
from tests.doubles.tds import TdsServer, tls_with

CALLERS: Final = 8


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with Simulator(tmp_path / "simulator") as running:
        yield running


@pytest.fixture
def settings(simulator: Simulator, tmp_path: Path) -> dict[str, Any]:
    """Those of an application that Entra knows, for a database that is still to be named."""
    certificate = make_self_signed("gateway", now=datetime.now(UTC), key_bits=2048)
    write_pair(certificate, tmp_path / "certificates", "gateway")
    application = simulator.add_application()
    simulator.register_certificate(application.tenant_id, application.client_id, certificate.public_pem.encode())
    return {
        "database_tenant_id": application.tenant_id,
        "database_client_id": application.client_id,
        "database_thumbprint": certificate.thumbprint,
        "certificate_store": str(tmp_path / "certificates"),
        "authority_url": simulator.url,
        "ca_bundle": simulator.ca_file,
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TdsServer]:
    certificate = make_self_signed("sqlserver", now=datetime.now(UTC), key_bits=2048)
    with TdsServer(tls=tls_with(certificate, tmp_path)) as listening:
        yield listening


def opened(server: TdsServer, settings: dict[str, Any], **changed: Any) -> Engine:  # noqa: ANN401  # settings
    url = f"mssql+pyodbc://127.0.0.1:{server.port}/gateway?TrustServerCertificate=yes"
    return open_engine(Settings(database_url=SecretStr(url), **{**settings, **changed}))


def claims_in(login: bytes) -> dict[str, Any]:
    """Claims of the token in a driver's sign-in data."""
    texts = [login[start:].decode("utf-16-le", "replace") for start in (0, 1)]
    [token] = [found[0] for text in texts if (found := re.search(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", text, re.ASCII))]
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.mark.slow
async def test_database_is_signed_in_to_by_certificate(
    simulator: Simulator, settings: dict[str, Any], server: TdsServer
) -> None:
    """Many connections at once, each on a thread of its own, need one token; it is for the database only."""
    engine, together = opened(server, settings), threading.Barrier(CALLERS)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(CALLERS) as threads:
        connect = partial(loop.run_in_executor, threads, run_writing, engine, lambda _: together.wait(10))
        await asyncio.gather(*(connect() for _ in range(CALLERS)))
    await asyncio.to_thread(engine.dispose)
    assert len(server.logins) == CALLERS
    for login in server.logins:
        claims = claims_in(login)
        assert (claims["aud"], claims["appid"]) == ("https://database.windows.net", settings["database_client_id"])
    assert simulator.tokens.issued == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cloud", "resource"),
    [
        ("usgov", "https://database.usgovcloudapi.net"),
        ("dod", "https://database.usgovcloudapi.net"),
        ("china", "https://database.chinacloudapi.cn"),
    ],
)
@pytest.mark.usefixtures("simulator")
async def test_national_clouds_have_names_of_their_own(
    settings: dict[str, Any], server: TdsServer, cloud: str, resource: str
) -> None:
    """A token for another cloud's database would be refused."""
    engine = opened(server, settings, cloud=cloud)
    await asyncio.to_thread(run_writing, engine, lambda _: None)
    await asyncio.to_thread(engine.dispose)
    assert claims_in(server.logins[0])["aud"] == resource


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"database_thumbprint": "AB" * 20}, "certificate"),
        ({"database_client_id": "11111111-2222-4333-8444-555555555555"}, "AADSTS700016"),
    ],
)
async def test_sign_in_that_fails_is_an_outage(
    settings: dict[str, Any], server: TdsServer, changed: dict[str, Any], reason: str
) -> None:
    """Work waits, the sentence has the reason of Entra or of the certificate store, and no query reaches the server."""
    engine = opened(server, settings, **changed)
    with pytest.raises(DatabaseUnavailable, match=f"The gateway database cannot be signed in to: .*{reason}"):
        await asyncio.to_thread(run_writing, engine, lambda _: None)
    assert not server.logins


def test_statements_of_an_upgrade_may_take_their_time(server: TdsServer) -> None:
    """An index on a large table takes longer than any statement of the daily work may."""
    url = SecretStr(f"mssql+pyodbc://importer:pw@127.0.0.1:{server.port}/gateway?TrustServerCertificate=yes")
    settings = Settings(database_url=url, database_statement_timeout=7)

    def limit(engine: Engine) -> int:
        with engine.connect() as connection:
            seconds: int = connection.connection.dbapi_connection.timeout  # type: ignore[union-attr]  # it is connected
        engine.dispose()
        return seconds

    assert limit(open_engine(settings)) == 7
    assert limit(open_engine(settings, unhurried=True)) == 0
