"""Server time of the web console's pages, of a gateway with many messages and of one with 10,000 accounts.

One client opens each page a hundred times, one after the other. The time is that of the client, with the way through
the loopback; CPU time is that of the server's process with its threads, on PostgreSQL without the database. Baseline of
the same run: a page of aiohttp and Jinja with as many bytes, in a table, and nothing around it.

`--soak`: the console under the load of 50 browsers while mail is imported (`bench/console_soak.py`).
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from statistics import quantiles
from typing import Final
from urllib.parse import quote

import aiohttp
from sqlalchemy import select

from bench import console_soak
from bench.console_gateway import ACCOUNTS, add_dead_letters, add_rules, fail_accounts, fill_gateway, serve_accounts
from bench.console_server import Server, bare_server, console_server
from bench.figure import Figure
from db.engine import Database, run_reading, run_writing
from db.tables import account_settings
from tests.databases import Databases, Gateway, PostgreSQL, PostgreSQLServer, SQLite

_MESSAGES: Final = 100_000
_MANY_ACCOUNTS: Final = 10_000
_REQUESTS: Final = 100
_WARM_UP: Final = 5
_RULES: Final = 20
_DEAD_LETTERS: Final = 1000
_FEW_MESSAGES: Final = 20_000
_GOAL_MILLISECONDS: Final = 100
_SCATTER: Final = 7919
_HTMX: Final = {"HX-Request": "true"}


@dataclass(frozen=True, slots=True)
class _Page:
    """A page: its title, and its address at each time that it is opened."""

    title: str
    address: Callable[[int], str]
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of a request: milliseconds, and bytes of the answer."""

    p50: float
    p99: float
    cpu: float
    size: int


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser("python -m bench console", description=__doc__)
    parser.add_argument("--messages", type=int, default=_MESSAGES, help="in the gateway (default: 100000)")
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL besides SQLite")
    parser.add_argument("--soak", action="store_true", help="under load, while mail is imported")
    parser.add_argument("--rate", type=int, default=console_soak.RATE, help="soak: messages a second (default: 200)")
    given = parser.parse_args(list(dropwhile(lambda each: not each.startswith("-"), sys.argv[1:])))
    with tempfile.TemporaryDirectory() as name:
        for title, databases in _databases(Path(name), postgresql=given.postgresql):
            if given.soak:
                console_soak.show(title, databases, Path(name), messages=given.messages, rate=given.rate)
            else:
                _show(title, databases, Path(name), messages=given.messages)


def figures() -> Iterator[Figure]:
    """The log of a smaller gateway than that of `main`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            _filled(SQLite(folder), folder / "messages", messages=_FEW_MESSAGES, accounts=ACCOUNTS) as (gateway, _),
            console_server(gateway.url, folder, keeps_overview=True) as console,
            bare_server() as bare,
        ):
            [(page, ours, theirs)] = asyncio.run(_costs(console, bare, [_Page("e-mail log", lambda _: "/messages")]))
    yield Figure(
        f"{page.title} of {_FEW_MESSAGES:,} messages, p50",
        ours.p50,
        "ms",
        _GOAL_MILLISECONDS,
        f"bare page {theirs.p50:.1f} ms",
        is_most=True,
        shown=".0f",
    )


def _databases(folder: Path, *, postgresql: bool) -> Iterator[tuple[str, Databases]]:
    yield "SQLite", SQLite(folder)
    if postgresql:
        place = folder / "postgresql"
        place.mkdir(mode=0o700)
        server = PostgreSQLServer(place, durable=True)
        try:
            yield "PostgreSQL", PostgreSQL(server)
        finally:
            server.stop()


def _show(title: str, databases: Databases, folder: Path, *, messages: int) -> None:
    with _filled(databases, folder / f"{title} messages", messages=messages, accounts=ACCOUNTS) as (gateway, names):
        _measure(f"{title}, {messages:,} messages of {ACCOUNTS} accounts", gateway, folder, _pages(names, messages))
    messages = min(messages, _MESSAGES)  # more of them take minutes, and change nothing here
    many = f"{title}, {messages:,} messages of {_MANY_ACCOUNTS:,} accounts"
    with _filled(databases, folder / f"{title} accounts", messages=messages, accounts=_MANY_ACCOUNTS) as (
        gateway,
        names,
    ):
        _measure(many, gateway, folder, _pages_of_accounts(names))
        engine = gateway.engine()
        run_writing(engine, fail_accounts)
        engine.dispose()
        _measure(f"{many}, all of which fail", gateway, folder, _pages_of_accounts(names))


@contextmanager
def _filled(
    databases: Databases, folder: Path, *, messages: int, accounts: int
) -> Iterator[tuple[Gateway, Sequence[str]]]:
    """A gateway with all of it, and the names of its accounts."""
    folder.mkdir()
    with databases.migrated(folder) as gateway:
        engine = gateway.engine()
        fill_gateway(engine, messages=messages, accounts=accounts)
        run_writing(engine, serve_accounts)
        run_writing(engine, lambda connection: add_rules(connection, _RULES))
        asyncio.run(_add_dead_letters(Database(engine), accounts))
        names = run_reading(
            engine,
            lambda connection: connection.scalars(
                select(account_settings.c.sAccountName).order_by(account_settings.c.nAccountID)
            ).all(),
        )
        engine.dispose()
        yield gateway, names


async def _add_dead_letters(database: Database, accounts: int) -> None:
    await add_dead_letters(database, _DEAD_LETTERS, accounts=accounts)
    await database.close()


def _pages(names: Sequence[str], messages: int) -> list[_Page]:
    def name(number: int) -> str:
        return quote(names[number * _SCATTER % len(names)])

    def of_message(number: int) -> str:
        return f"/messages/{1 + number * _SCATTER % messages}"

    return [
        *_pages_of_accounts(names),
        _Page("e-mail log", lambda _: "/messages"),
        _Page("  of an account", lambda number: f"/messages?name={name(number)}"),
        _Page("  of a sender", lambda number: f"/messages?sender=sender{number * _SCATTER % 5000}@"),
        _Page("  rare subject", lambda _: "/messages?subject=Quecksilber"),
        _Page("  in red", lambda _: "/messages?rule_states=red"),
        _Page("an e-mail", of_message),
        _Page("failures", lambda _: "/failures"),
        _Page("  list", lambda _: "/failures/list?kind=dead"),
        _Page("rules", lambda _: "/rules"),
        _Page("API: messages", lambda _: "/api/v1/messages?limit=50"),
        _Page("API: a message", lambda number: f"/api/v1{of_message(number)}"),
    ]


def _pages_of_accounts(names: Sequence[str]) -> list[_Page]:
    def name(number: int) -> str:
        return quote(names[number * _SCATTER % len(names)])

    return [
        _Page("overview", lambda _: "/"),
        _Page("  its changing part", lambda _: "/", is_partial=True),
        _Page("mailboxes", lambda _: "/mailboxes"),
        _Page("  a later page", lambda number: f"/mailboxes?after={name(number)}"),
        _Page("  search", lambda _: "/mailboxes?search=123"),
        _Page("a mailbox", lambda number: f"/mailboxes/{name(number)}"),
    ]


def _measure(title: str, gateway: Gateway, folder: Path, pages: Sequence[_Page]) -> None:
    with console_server(gateway.url, folder, keeps_overview=True) as console, bare_server() as bare:
        found = asyncio.run(_costs(console, bare, pages))
        gathering = console.site.gathering
    print(f"Web console, {title}, {_REQUESTS} requests of each page, in ms:")
    print(f"  {'':20} {'bytes':>8} {'CPU':>7} {'p50':>7} {'p99':>7}   bare page: {'CPU':>5} {'p50':>6} {'p99':>6}")
    for each, ours, theirs in found:
        print(
            f"  {each.title:20} {ours.size:8,} {ours.cpu:7.1f} {ours.p50:7.1f} {ours.p99:7.1f}"
            f"   {'':10} {theirs.cpu:5.1f} {theirs.p50:6.1f} {theirs.p99:6.1f}"
        )
    if gathering is not None:
        print(
            f"  gathering the overview, at most each 5 s and beside the pages: {gathering.seconds * 1000:.0f} ms, "
            f"{gathering.cpu_seconds * 1000:.0f} of CPU"
        )


async def _costs(console: Server, bare: Server, pages: Sequence[_Page]) -> list[tuple[_Page, _Cost, _Cost]]:
    found = []
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        for each in pages:
            ours = await _cost(session, console, each)
            size = ours.size
            theirs = await _cost(session, bare, _Page("bare", lambda _, size=size: f"/{size}"))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
            found.append((each, ours, theirs))
    return found


async def _cost(session: aiohttp.ClientSession, server: Server, page: _Page) -> _Cost:
    site = server.site
    headers = {"Cookie": site.cookie, "Authorization": f"Bearer {site.token}", **(_HTMX if page.is_partial else {})}
    times, size = list[float](), 0
    before = 0.0
    for number in range(_WARM_UP + _REQUESTS):
        if number == _WARM_UP:
            before = server.cpu_seconds()
        began = time.perf_counter()
        async with session.get(site.url + page.address(number), headers=headers, allow_redirects=False) as answer:
            body = await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{page.address(number)}: {answer.status}")
        if number >= _WARM_UP:
            times.append((time.perf_counter() - began) * 1000)
            size += len(body)
    cuts = quantiles(times, n=100, method="inclusive")
    cpu = (server.cpu_seconds() - before) / _REQUESTS * 1000
    return _Cost(cuts[49], cuts[98], cpu, size // _REQUESTS)


if __name__ == "__main__":
    main()
