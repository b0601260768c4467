"""Fixtures: the scripted server with a client, and a certificate made once. The classes are in `scripted_graph.py`."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from graph.certificates import Certificate, make_self_signed
from graph.client import GraphClient
from graph.mailbox import Mailbox
from tests.doubles.scripted_graph import NOW, Clock, FixedTokens, Script, make_mailbox
from tests.samples.authority import Issued, issue


@pytest.fixture
def mailbox() -> Mailbox:
    return make_mailbox()


@pytest.fixture(scope="session")
def self_signed() -> Certificate:
    return make_self_signed("mail-importer test", now=NOW, key_bits=2048)


@pytest.fixture(scope="session")
def company() -> Issued:
    """The root of a company's own authority."""
    return issue("root", ec.generate_private_key(ec.SECP256R1()), authority=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens() -> FixedTokens:
    return FixedTokens()


@pytest.fixture
async def server() -> AsyncIterator[Script]:
    script = Script()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    script.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield script
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=5)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as made:
        yield made


@pytest.fixture
def client(session: aiohttp.ClientSession, server: Script, tokens: FixedTokens, clock: Clock) -> GraphClient:
    return GraphClient(
        session,
        tokens,
        base_url=server.url,
        monotonic=clock,
        sleep=clock.sleep,
        random=lambda: 1.0,
        now=lambda: NOW,
    )
