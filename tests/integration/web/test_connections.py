"""The connections to the console: strangers hold neither all of them nor all file handles; and what is no HTTP."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yarl
from prometheus_client import CollectorRegistry

from console.web import start
from console.web.metrics import ConsoleMetrics
from console.web.rights import Role
from console.web.security import Addresses
from console.web.visit import SESSION_COOKIE
from graph.certificates import make_self_signed, write_pair
from receiver.tls import PemFiles, ServerCertificate
from tests.databases import Gateway
from tests.integration.web.console_site import ConsoleSite, console_site

_HALF = b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nX-A"


class _Connection:
    """A connection on which a test says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def status(self, path: str = "/sign-in", cookie: str = "") -> int:
        """Ask for a page; its status."""
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
        self.writer.write(head.encode())
        async with asyncio.timeout(60):
            answer = await self.reader.readuntil(b"\r\n\r\n")
            lines = answer.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split()[1])

    async def ended(self) -> bool:
        """True once the console has closed it; False if it has not within a moment."""
        try:
            async with asyncio.timeout(0.05):
                return await self.reader.read() == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True


@asynccontextmanager
async def connected(site: ConsoleSite, number: int, said: bytes = b"") -> AsyncIterator[list[_Connection]]:
    """So many connections, on each of which that was said."""
    url = yarl.URL(site.url)
    made: list[_Connection] = []
    async with AsyncExitStack() as opened:
        for _ in range(number):
            made.append(_Connection(*await asyncio.open_connection(url.host, url.port)))
            opened.callback(made[-1].writer.close)
            made[-1].writer.write(said)
        yield made


async def open_among(connections: list[_Connection]) -> int:
    return sum(not each for each in await asyncio.gather(*(each.ended() for each in connections)))


@pytest.mark.parametrize("said", [b"", _HALF])
async def test_connections_that_say_little_keep_nobody_out(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(start, "_CONNECTIONS", 10)
    async with console_site(gateway, clock=lambda: datetime.now(UTC)) as site:
        browser = await site.signed_in(Role.VIEWER)
        cookie = f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"
        async with connected(site, 1) as (kept,):
            assert await kept.status("/about", cookie) == 200
            async with connected(site, 50, said) as flood:
                assert await open_among(flood) < 10
                assert (await site.visitor().get("/sign-in")).status == 200
                assert await kept.status("/about", cookie) == 200  # who is signed in gives way last


async def test_one_address_has_a_bound_unless_a_proxy_has_it(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_CONNECTIONS_PER_ADDRESS", 3)
    for is_proxy, left in ((True, 8), (False, 3)):
        monkeypatch.setattr(Addresses, "is_proxy", lambda _self, _address, found=is_proxy: found)
        async with console_site(gateway, clock=lambda: datetime.now(UTC)) as site, connected(site, 8, _HALF) as opened:
            until = time.monotonic() + 10
            while await open_among(opened) != left:
                assert time.monotonic() < until


async def test_the_process_ends_in_time_whatever_is_open(gateway: Gateway) -> None:
    async with AsyncExitStack() as left, console_site(gateway, clock=lambda: datetime.now(UTC)) as site:
        cookie = f"{SESSION_COOKIE}={(await site.signed_in(Role.VIEWER)).cookies[SESSION_COOKIE]}"
        for said in (b"", _HALF):
            await left.enter_async_context(connected(site, 1, said))
        (stream,) = await left.enter_async_context(connected(site, 1))
        assert await stream.status("/overview/events", cookie) == 200
        began = time.monotonic()
    assert time.monotonic() - began < 9


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nno header\r\n\r\n", b"HELO there\r\n\r\n"])
async def test_the_answer_to_what_is_no_http_has_the_headers(site: ConsoleSite, said: bytes) -> None:
    async with connected(site, 1, said) as (connection,), asyncio.timeout(60):
        answer = (await connection.reader.read()).decode()
    assert " 400 " in answer
    assert "\r\nServer:" not in answer
    assert "\r\nContent-Security-Policy: default-src 'none'" in answer
    assert "\r\nX-Content-Type-Options: nosniff" in answer


async def test_the_console_speaks_tls_itself(gateway: Gateway, tmp_path: Path) -> None:
    write_pair(make_self_signed("localhost", now=datetime.now(UTC), days=20, key_bits=2048), tmp_path, "pair")
    pair = tmp_path / "pair.pem"
    expires = ConsoleMetrics(CollectorRegistry()).certificate_expires
    tls = ServerCertificate(PemFiles(pair, pair), clock=lambda: datetime.now(UTC), expires=expires, role="console")
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    async with (
        console_site(gateway, clock=lambda: datetime.now(UTC), tls=tls) as site,
        connected(site, 1) as (silent,),
        site.session.get(f"{site.url}/static/console.css", ssl=client) as answer,
    ):
        assert (answer.status, "Strict-Transport-Security" in answer.headers) == (200, True)
        assert len(await answer.read()) > 1000
        assert not await silent.ended()
