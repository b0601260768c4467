"""The lines for nginx in the guides, in the real nginx of Debian, in front of a server that shows what reaches it."""

import asyncio
import grp
import io
import os
import pwd
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.paths import ROOT
from tests.system_packages import without_system_package

GUIDES: Final = (ROOT / "docs" / "setup.md", ROOT / "docs" / "fr" / "installation.md")
_BLOCK: Final = re.compile(r"^```nginx\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CONFIGURATION: Final = """
daemon off;
user {user} {group};
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen unix:{folder}/socket;
{lines}
    }}
}}
"""


@pytest.fixture
def nginx() -> str:
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which("nginx", path=places)
    if found is None:
        without_system_package("nginx")
    return found


def _lines(guide: Path) -> str:
    (block,) = _BLOCK.findall(guide.read_text("utf-8"))
    return str(block)


def test_guides_have_the_same_lines() -> None:
    first, second = map(_lines, GUIDES)
    assert first == second


async def _shown(request: web.Request) -> web.Response:
    body = await request.read()
    return web.json_response({"path": request.raw_path, "method": request.method, "length": len(body)})


@asynccontextmanager
async def _serving(nginx: str, folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    app = web.Application(client_max_size=4 * 1024**2)
    app.router.add_route("*", "/{path:.*}", _shown)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    lines = _lines(GUIDES[0]).replace("127.0.0.1:8080", f"127.0.0.1:{runner.addresses[0][1]}")
    configuration = folder / "nginx.conf"
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    configuration.write_text(_CONFIGURATION.format(folder=folder, lines=lines, user=user, group=group))
    process = await asyncio.create_subprocess_exec(nginx, "-p", str(folder), "-c", str(configuration), "-e", "stderr")
    try:
        async with asyncio.timeout(60):
            while not (folder / "socket").exists() and process.returncode is None:  # noqa: ASYNC110 (nothing else announces it)
                await asyncio.sleep(0.01)
        assert process.returncode is None
        connector = aiohttp.UnixConnector(str(folder / "socket"))
        async with aiohttp.ClientSession("http://mail-in.example.com", connector=connector) as session:
            yield session
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await runner.cleanup()


async def test_nginx_passes_on_what_graph_sends_and_nothing_else(nginx: str, tmp_path: Path) -> None:
    """The query unchanged, which holds the token of the validation; bodies of up to 1 MiB."""
    query = "?validationToken=Validation%3a+Testing%20a%2Bb"
    async with _serving(nginx, tmp_path) as session:
        async with session.post(
            URL(f"http://mail-in.example.com/notifications{query}", encoded=True), data=b"{}"
        ) as response:
            assert await response.json() == {"path": f"/notifications{query}", "method": "POST", "length": 2}
        async with session.post("/lifecycle", data=io.BytesIO(bytes(1024**2))) as response:
            assert (await response.json())["length"] == 1024**2
        async with session.post("/notifications", data=io.BytesIO(bytes(1024**2 + 1))) as response:
            assert response.status == 413
        for path in ("/", "/health/ready", "/metrics", "/notifications/x"):
            async with session.get(path) as response:
                assert response.status == 404
