"""Web servers of the console's benchmarks, each in a process of its own: the console, and a bare page."""

import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final

import jinja2
from aiohttp import web
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from console import logs
from console.settings import Settings
from console.web.bearer import new_token
from console.web.metrics import ConsoleMetrics
from console.web.services import Services
from console.web.sessions import LINK_ROLES
from console.web.start import opened_services, serve, start_background
from console.web.tokens import key_of
from console.web.visit import SESSION_COOKIE
from console.wiring.clock import utc_now
from console.wiring.overview import OverviewCache, OverviewReader, SnapshotLimits
from console.wiring.process import freeze_gc
from db.queries import console_users
from db.queries.console_sessions import LINK

_GATHERED: Final = 5
_ADDRESS: Final = "127.0.0.1"
_USER: Final = "bench"

_BARE: Final = """<!doctype html>
<html lang="en"><head><title>Bare</title></head><body><table>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></body></html>"""
_BARE_ROW: Final = (
    "2026-03-31 12:00:00",
    "Results of sample 4711",
    "Sender 17 <sender@laboratory.example>",
    "imported",
)
_BARE_ROW_BYTES: Final = 140
"""Bytes of a row on the page, with its markup."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """Time of gathering the overview, which a process does for all its viewers at once."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Site:
    """A server. `cookie`, `token`: of a user with all rights; empty for a bare page. `process`: its number."""

    url: str
    process: int
    cookie: str = ""
    token: str = ""
    gathering: Gathering | None = None


class Server:
    """A server in another process."""

    def __init__(self, site: Site, pipe: Pipe) -> None:
        self.site = site
        self._pipe = pipe

    def cpu_seconds(self) -> float:
        """Computing time that the process has used, all of its threads."""
        self._pipe.send(None)
        found: float = self._pipe.recv()
        return found


@contextmanager
def console_server(url: str, folder: Path, *, keeps_overview: bool = False) -> Iterator[Server]:
    """The console on that gateway. `keeps_overview`: the state is gathered once, so that no page is charged for it."""
    with _server(_console, url, folder, keeps_overview) as server:
        yield server


@contextmanager
def bare_server() -> Iterator[Server]:
    """One page of aiohttp and Jinja without anything around it: `/BYTES`."""
    with _server(_bare) as server:
        yield server


@contextmanager
def _server(run: Callable[..., None], *arguments: Any) -> Iterator[Server]:  # noqa: ANN401  # of `run`
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=run, args=(theirs, *arguments))
    process.start()
    theirs.close()  # so that the end of the process ends the wait for it
    try:
        site: Site = ours.recv()
        yield Server(replace(site, process=process.pid or 0), ours)
    finally:
        process.terminate()
        process.join()


def _console(pipe: Pipe, url: str, folder: Path, keeps_overview: bool) -> None:
    with (folder / "console.log").open("w", encoding="utf-8") as log, suppress(KeyboardInterrupt):
        logs.configure(log, "json")
        asyncio.run(_serve_console(pipe, url, keeps_overview=keeps_overview))


async def _serve_console(pipe: Pipe, url: str, *, keeps_overview: bool) -> None:
    settings = Settings(database_url=SecretStr(url), console_port=0, metrics_port=0)
    async with AsyncExitStack() as resources:
        services = await resources.enter_async_context(opened_services(settings, asyncio.Event()))
        reader = OverviewReader(settings, services.database, services.queue, clock=utc_now)
        gathering = await _gathered(reader)
        if keeps_overview:
            limits = SnapshotLimits(fresh_seconds=3600, idle_seconds=3600)
            services = replace(services, overview=OverviewCache(reader.snapshot, clock=utc_now, limits=limits))
        start_background(services, resources)
        port = await serve(services, ConsoleMetrics(CollectorRegistry()), resources)
        user = await services.sessions.begin(LINK, _USER, _USER, roles=LINK_ROLES, groups=(), address=_ADDRESS)
        assert user is not None
        token = await _token(services)
        freeze_gc()
        await _answer(
            pipe, Site(f"http://{_ADDRESS}:{port}", 0, f"{SESSION_COOKIE}={user.session_id}", token, gathering)
        )


async def _gathered(reader: OverviewReader) -> Gathering:
    times = []
    for _ in range(_GATHERED):
        began, began_cpu = time.perf_counter(), time.process_time()
        await reader.snapshot()
        times.append((time.perf_counter() - began, time.process_time() - began_cpu))
    walls, cpus = zip(*times, strict=True)
    return Gathering(statistics.median(walls), statistics.median(cpus))


async def _token(services: Services) -> str:
    """A token of a user of the API."""
    token, now, roles = new_token(services.random), utc_now(), [each.value for each in LINK_ROLES]
    name = f"{_USER} {os.getpid()}"  # each server of a gateway adds its own

    def work(connection: Any) -> None:  # noqa: ANN401  # a connection
        console_users.add(connection, name, password_hash="-", roles=roles, groups=(), now=now)
        number = console_users.by_name(connection, name).user_id
        console_users.add_token(connection, number, _USER, key_of(token), now=now, life=timedelta(days=1))

    await services.database.write(work)
    return token


def _bare(pipe: Pipe) -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve_bare(pipe))


async def _serve_bare(pipe: Pipe) -> None:
    template = jinja2.Environment(autoescape=True).from_string(_BARE)

    async def handle(request: web.Request) -> web.Response:
        rows = max(1, int(request.match_info["bytes"]) // _BARE_ROW_BYTES)
        return web.Response(text=template.render(rows=[_BARE_ROW] * rows), content_type="text/html")

    application = web.Application()
    application.router.add_get("/{bytes}", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, _ADDRESS, 0).start()
    freeze_gc()
    await _answer(pipe, Site(f"http://{_ADDRESS}:{runner.addresses[0][1]}", 0))


async def _answer(pipe: Pipe, site: Site) -> None:
    """Tell the address, then the computing time whenever the parent asks for it."""

    def tell() -> None:
        pipe.recv()
        pipe.send(time.process_time())

    asyncio.get_running_loop().add_reader(pipe.fileno(), tell)
    pipe.send(site)
    await asyncio.Event().wait()
