"""The session of sign-in, Graph calls and their checks."""

import gc
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from console.loop import run_async
from graph.transport import session_for, tls_context
from tests.doubles.listeners import Issuer, answering


def test_a_session_leaves_no_connection_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in an event loop that ends with it, as that of a sign-in to the database, before a server that is slow."""
    root = Issuer(tmp_path, "root")
    found: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with answering(head, tls=root.serving("127.0.0.1"), stays=True) as port:
        assert run_async(_read(f"https://127.0.0.1:{port}", tls_context(root.file()))) == "{}"
        gc.collect()
    assert found == []


async def _read(url: str, tls: ssl.SSLContext) -> str:
    async with (
        session_for(url, tls, aiohttp.ClientTimeout(total=10)) as session,
        session.get(url) as response,
    ):
        return await response.text()
