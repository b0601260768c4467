"""Rows per second of whole messages: one body of 20 KB, three recipients, two attachments of 50 KB.

`MessageStore` with as many concurrent saves as a processor has deliveries in flight, on SQLite and on PostgreSQL, both
durable. Baseline of the same run: `executemany` of the same rows into the same tables by the plain driver (`sqlite3`,
`psycopg`), on one equally durable connection, with message numbers known beforehand and a transaction per 50 messages,
the most that share one here.

With `--rows` the rate into a gateway with so many messages, beside that into an empty one, of messages whose ids are
scattered over those that are there: as above, and of 5 KB without attachments, where the indexes weigh most.
"""

import argparse
import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import dropwhile
from pathlib import Path
from statistics import median
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, event, func, select

from bench.console_gateway import fill_gateway
from bench.figure import Figure
from console.wiring.process import freeze_gc
from db.engine import Database, run_reading
from db.outcomes import Outcome
from db.queries.messages import MessageStore
from db.records import AttachmentRecord, MessageRecord, RecipientRecord
from db.tables import attachment, message, recipient
from processor.worker import WorkerLimits
from tests.databases import Databases, Gateway, PostgreSQL, PostgreSQLServer, SQLite

_MESSAGES: Final = 1000
_ROUNDS: Final = 7
_FEWER_ROUNDS: Final = 3
_IN_ONE_COMMIT: Final = 50
_ROWS: Final = _MESSAGES * 6
_NOW: Final = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
_FILLING_SECONDS: Final = 600
"""Maximum time of a statement that fills a gateway."""
_TO_REACH: Final = 0.85
_TO_REACH_FULL: Final = 0.9


@dataclass(frozen=True, slots=True)
class _Mail:
    """Size of the body and of each attachment in bytes, and the number of these."""

    body: int
    attachments: int
    attachment: int = 50_000

    @property
    def title(self) -> str:
        return f"{(self.body + self.attachments * self.attachment) // 1000} KB"


_WHOLE: Final = _Mail(20_000, 2)
_SMALL: Final = _Mail(5_000, 0)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser("python -m bench database", description=__doc__)
    parser.add_argument("--rows", type=int, help="compare a gateway with so many messages with an empty one")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="on this database alone")
    given = parser.parse_args(list(dropwhile(lambda each: not each.startswith("-"), sys.argv[1:])))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.only != "postgresql":
            _show("SQLite", SQLite(folder), folder, _bare_sqlite, rows=given.rows)
        if given.only != "sqlite":
            with _postgresql(folder) as databases:
                _show("PostgreSQL", databases, folder, _bare_postgresql, rows=given.rows)


def figures() -> Iterator[Figure]:
    """Whole messages into both databases, in fewer rounds."""
    records = list(_records(_WHOLE))
    freeze_gc()
    with tempfile.TemporaryDirectory() as name, _postgresql(Path(name)) as servers:
        folder = Path(name)
        for title, databases, bare in (
            ("SQLite", SQLite(folder), _bare_sqlite),
            ("PostgreSQL", servers, _bare_postgresql),
        ):
            found = _compare(title, databases, folder, records, bare, rounds=_FEWER_ROUNDS)
            yield Figure(
                f"{_MESSAGES} whole messages into {title} ÷ bare executemany",
                median(found.ratios),
                "times",
                _TO_REACH,
                f"{found.bare:.0f} rows/s",
            )


@contextmanager
def _postgresql(folder: Path) -> Iterator[Databases]:
    place = folder / "postgresql"
    place.mkdir(mode=0o700)
    server = PostgreSQLServer(place, durable=True)
    try:
        collect_statistics(server)
        yield PostgreSQL(server)
    finally:
        server.stop()


def collect_statistics(server: PostgreSQLServer) -> None:
    """As on any server: without statistics it reads a table that was empty from end to end."""
    for setting in ("autovacuum = on", "autovacuum_naptime = '1s'"):
        server.execute(f"ALTER SYSTEM SET {setting}")
    server.execute("SELECT pg_reload_conf()")


def _show(
    title: str,
    databases: Databases,
    folder: Path,
    bare: Callable[[Gateway, Sequence[MessageRecord]], float],
    *,
    rows: int | None,
) -> None:
    freeze_gc()
    if rows is None:
        found = _compare(title, databases, folder, list(_records(_WHOLE)), bare, rounds=_ROUNDS)
        print(f"{title}, {_MESSAGES} messages of 6 rows and 120 KB, median of {_ROUNDS} runs:")
        print(f"  executemany by the driver   {found.bare:7.0f} rows/s, {_MESSAGES // _IN_ONE_COMMIT} commits")
        print(f"  MessageStore                {found.ours:7.0f} rows/s, {found.commits:.0f} commits")
        ratios = found.ratios
        print(f"  ratio {median(ratios):.2f} (to reach: {_TO_REACH}), from {min(ratios):.2f} to {max(ratios):.2f}")
    else:
        _fill_and_compare(title, databases, folder, rows)


def _fill_and_compare(title: str, databases: Databases, folder: Path, rows: int) -> None:
    """The same messages into a gateway with so many, and into an empty one, in turn."""
    place = folder / f"{title}-full"
    place.mkdir()
    with databases.empty(place) as full:
        engine = full.engine(statement_seconds=_FILLING_SECONDS)
        started = time.perf_counter()
        fill_gateway(engine, messages=rows)
        engine.dispose()
        print(f"{title}, {rows} messages in the gateway, made in {time.perf_counter() - started:.0f} s:", flush=True)
        for mail in (_WHOLE, _SMALL):
            ratios = []
            for number in range(_ROUNDS + 1):
                records = list(_records(mail, seed=number + 100 * mail.attachments))
                run = folder / f"{title}-{mail.title}-{number}"
                run.mkdir()
                with databases.migrated(run) as empty:
                    into_empty, _ = asyncio.run(_ours(empty, records))
                into_full, _ = asyncio.run(_ours(full, records))
                ratios.append(into_empty / into_full)
            print(
                f"  import rate of {mail.title:>6} messages ÷ that into an empty one: {median(ratios[1:]):.2f}", end=""
            )
            print(f" (to reach: {_TO_REACH_FULL}), from {min(ratios[1:]):.2f} to {max(ratios[1:]):.2f}", flush=True)


@dataclass(frozen=True, slots=True)
class _Compared:
    """Rows a second of `MessageStore` and of `executemany`, commits, and the ratio of each round."""

    ours: float
    bare: float
    commits: float
    ratios: list[float]


def _compare(
    title: str,
    databases: Databases,
    folder: Path,
    records: Sequence[MessageRecord],
    bare: Callable[[Gateway, Sequence[MessageRecord]], float],
    *,
    rounds: int,
) -> _Compared:
    ours, theirs, commits = list[float](), list[float](), list[int]()
    for number in range(rounds + 1):
        # Separate databases; alternating, so that both have the machine's good and bad moments.
        for measured in (False, True):
            run = folder / f"{title}-{number}-{measured}"
            run.mkdir()
            with databases.migrated(run) as gateway:
                if measured:
                    seconds, count = asyncio.run(_ours(gateway, records))
                    ours.append(seconds)
                    commits.append(count)
                else:
                    theirs.append(bare(gateway, records))
                _check(gateway)
    # The first round warms up one-time loading and caches.
    return _Compared(
        _ROWS / median(ours[1:]),
        _ROWS / median(theirs[1:]),
        median(commits[1:]),
        [there / here for here, there in zip(ours[1:], theirs[1:], strict=True)],
    )


def _records(mail: _Mail, *, seed: int = 1) -> Iterator[MessageRecord]:
    """Yield messages with bodies of words and incompressible attachments."""
    source = random.Random(seed)
    words = ["".join(source.choices("abcdefghijklmnopqrstuvwxyzäöü", k=source.randint(2, 12))) for _ in range(5000)]
    for number in range(_MESSAGES):
        moment = _NOW + timedelta(seconds=_MESSAGES * seed + number)
        name = f"AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A{source.getrandbits(320):080x}"
        parts = [
            AttachmentRecord(
                position=position,
                graph_attachment_id=f"{name}{position}",
                kind="file",
                file_name=f"Messwerte {number}.csv",
                content_type="text/csv",
                size=mail.attachment,
                inline=False,
                content_id=None,
                sha256="ab" * 32,
                content=source.randbytes(mail.attachment),
            )
            for position in range(mail.attachments)
        ]
        yield MessageRecord(
            account_id=1,
            graph_message_id=name,
            internet_message_id=f"<{seed}.{number}@example.com>",
            conversation_id=f"conversation-{number // 3}",
            subject=f"Messwerte {number}",
            from_name="Labor",
            from_address="labor@example.com",
            sent=moment,
            received=moment,
            importance="normal",
            body_type="html",
            body=" ".join(source.choices(words, k=4000))[: mail.body],
            has_attachments=mail.attachments > 0,
            correlation=f"correlation-{number}",
            recipients=[RecipientRecord("to", each, f"Person {each}", f"p{each}@example.com") for each in range(3)],
            attachments=parts,
        )


def _check(gateway: Gateway) -> None:
    """Check the number of rows."""
    engine = gateway.engine()

    def count(connection: Connection) -> int:
        tables = (message, recipient, attachment)
        return sum(connection.scalar(select(func.count()).select_from(each)) or 0 for each in tables)

    found = run_reading(engine, count)
    engine.dispose()
    if found != _ROWS:
        raise RuntimeError(f"{found} of {_ROWS} rows were written")


async def _ours(gateway: Gateway, records: Sequence[MessageRecord]) -> tuple[float, int]:
    """Return the seconds taken and the number of commits."""
    commits: list[object] = []
    database = Database(gateway.engine())
    store = MessageStore(database, clock=lambda: _NOW)
    left = iter(records)

    async def work() -> None:
        for each in left:
            if await store.save(each) is not Outcome.IMPORTED:
                raise RuntimeError("a new message was taken for a known one")

    await store.known([(1, "connected")])
    event.listen(database.engine, "commit", commits.append)
    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(WorkerLimits().max_in_flight)))
    seconds = time.perf_counter() - started
    await store.close()
    await database.close()
    return seconds, len(commits)


# The baseline.

_COLUMNS: Final = {
    "tblEmailMessage": (
        *("nMessageID", "nAccountID", "sGraphMessageID", "sInternetMessageID", "sConversationID", "sSubject"),
        *("sFromName", "sFromAddress", "dtSent", "dtReceived", "sImportance", "sBodyType", "sBody", "bHasAttachments"),
        *("dtImported", "sCorrelationID"),
    ),
    "tblEmailRecipient": ("nMessageID", "sKind", "nPosition", "sName", "sAddress"),
    "tblEmailAttachment": (
        *("nMessageID", "nPosition", "sGraphAttachmentID", "sKind", "sFileName", "sContentType", "nSize", "bInline"),
        *("sContentID", "sSHA256", "biContent"),
    ),
}


def _bare_sqlite(gateway: Gateway, records: Sequence[MessageRecord]) -> float:
    groups = _groups(records, lambda time: time.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds"))
    statements = _statements("?")
    path = gateway.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=4000"):
            connection.execute(f"PRAGMA {pragma}")
        started = time.perf_counter()
        for group in groups:
            connection.execute("BEGIN IMMEDIATE")
            for statement, rows in zip(statements, group, strict=True):
                connection.executemany(statement, rows)
            connection.execute("COMMIT")
        return time.perf_counter() - started


def _bare_postgresql(gateway: Gateway, records: Sequence[MessageRecord]) -> float:
    groups = _groups(records, lambda time: time.replace(tzinfo=None))
    statements = _statements("%s")
    with psycopg.connect(gateway.url.replace("+psycopg", "", 1)) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        for group in groups:
            for statement, rows in zip(statements, group, strict=True):
                cursor.executemany(statement, rows)
            connection.commit()
        return time.perf_counter() - started


def _statements(mark: str) -> list[str]:
    def quoted(names: Sequence[str]) -> str:
        return ", ".join(f'"{each}"' for each in names)

    return [
        f'INSERT INTO "{table}" ({quoted(columns)}) VALUES ({", ".join([mark] * len(columns))})'
        for table, columns in _COLUMNS.items()
    ]


def _groups(
    records: Sequence[MessageRecord], written: Callable[[datetime], object]
) -> list[tuple[list[Any], list[Any], list[Any]]]:
    """The rows of each transaction: of messages, of recipients, of attachments."""
    numbered = list(enumerate(records, 1))
    parts = [numbered[start : start + _IN_ONE_COMMIT] for start in range(0, len(numbered), _IN_ONE_COMMIT)]
    return [
        (
            [_message(number, each, written) for number, each in part],
            [
                (number, one.kind, one.position, one.name, one.address)
                for number, each in part
                for one in each.recipients
            ],
            [_attachment(number, one) for number, each in part for one in each.attachments],
        )
        for part in parts
    ]


def _message(number: int, each: MessageRecord, written: Callable[[datetime], object]) -> tuple[object, ...]:
    received = written(each.received or _NOW)
    return (
        *(number, each.account_id, each.graph_message_id, each.internet_message_id, each.conversation_id, each.subject),
        *(each.from_name, each.from_address, received, received, each.importance, each.body_type, each.body),
        *(each.has_attachments, written(_NOW), each.correlation),
    )


def _attachment(number: int, each: AttachmentRecord) -> tuple[object, ...]:
    return (
        *(number, each.position, each.graph_attachment_id, each.kind, each.file_name, each.content_type, each.size),
        *(each.inline, each.content_id, each.sha256, each.content),
    )
