"""All mail sent is imported, for any repetition and order, and wherever the database stops meanwhile."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event, func, select
from sqlalchemy.exc import OperationalError

from console.wiring.processor import ImportOptions, importer_of
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.outcomes import Outcome
from db.tables import attachment, duplicate, message, message_identity, recipient
from graph.mailbox import Mailbox as OpenedMailbox
from graph.messages import MailReader
from processor.content.temporary_files import IN_MEMORY
from processor.importer import Importer
from simulator.state.mailboxes import Mailbox
from tests.databases import on_every_database
from tests.integration.world import World
from tests.samples.corpus.generated import SENT, File, Sent, raw

_NUMBERS = count()


@st.composite
def _imports(draw: st.DrawFn) -> tuple[list[Sent], list[list[int]]]:
    """Mails, and groups of those that are imported at a time, each mail twice."""
    mails = draw(st.lists(SENT, min_size=1, max_size=4))
    order = draw(st.permutations([*range(len(mails)), *range(len(mails))]))
    size = draw(st.integers(1, len(order)))
    return mails, [order[start : start + size] for start in range(0, len(order), size)]


@pytest.mark.slow
@on_every_database
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(_imports(), st.integers(0, 25), st.booleans())
async def test_what_goes_in_comes_out(
    world: World, imports: tuple[list[Sent], list[list[int]]], statement: int, committed: bool
) -> None:
    """Each is imported once, though the database stops at a statement, or in a commit that may have succeeded."""
    mails, groups = imports
    async with _imports_into(world) as place:
        ids = [await place.deliver(raw(sent, number)) for number, sent in enumerate(mails)]
        with _stopping_at(place.database.engine, statement, committed=committed):
            for group in groups:
                await place.try_importing([ids[number] for number in group])

        again = [await place.importer.run(place.opened, each, correlation="c") for each in ids]

        assert {result.outcome for result in again} <= {Outcome.KNOWN, Outcome.IMPORTED}
        assert await place.rows() == {graph_id: _expected(sent) for graph_id, sent in zip(ids, mails, strict=True)}


@pytest.mark.slow
@on_every_database
async def test_a_stop_at_each_statement_of_an_import(world: World) -> None:
    """One after the other, until none is left: of a mail with a file that is streamed, and a mail in it."""
    inside = Sent("Inside", "x", False, (), (File("b.csv", b"1;2", False),))
    files = (File("a.tif", bytes(3 * IN_MEMORY + 1), False), File("c.csv", b"3;4", False))
    sent = Sent("Befund", "<p>Bonjour</p>", True, (("Eau", "a"), ("Labor", "b")), files, (inside,))
    mail = raw(sent)
    async with _imports_into(world) as place:
        for statement in count():
            graph_id = await place.deliver(mail.replace(b"<0@", b"<%d@" % statement, 1))
            with _stopping_at(place.database.engine, statement, committed=True) as stopped:
                await place.try_importing([graph_id])

            await place.importer.run(place.opened, graph_id, correlation="c")

            assert (await place.rows())[graph_id] == _expected(sent)
            if not stopped:
                break
        assert len(await place.rows()) == statement + 1
        assert statement > 8


@dataclass(frozen=True)
class _Place:
    """A mailbox, and its import into a database that can be stopped."""

    world: World
    mailbox: Mailbox
    opened: OpenedMailbox
    database: Database
    importer: Importer

    async def deliver(self, mail: bytes) -> str:
        return (await self.world.simulator.deliver_mime(self.mailbox, mail, notify=False)).message_id

    async def try_importing(self, ids: list[str]) -> None:
        work = (self.importer.run(self.opened, each, correlation="c") for each in ids)
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, DatabaseUnavailable):
                raise outcome

    async def rows(self) -> dict[str, Any]:
        return await self.database.read(lambda connection: _rows(connection, self.opened.account_id))


@asynccontextmanager
async def _imports_into(world: World) -> AsyncIterator[_Place]:
    mailbox, account = await world.account_of(f"Mailbox {next(_NUMBERS)}")
    # A database of its own: other work of the world goes on.
    database = Database(world.fragile.engine())
    importer = importer_of(
        MailReader(world.graph),
        database,
        ImportOptions(),
        clock=world.clock,
        processes=world.processes,
        sleep=world.sleeps,
    )
    try:
        yield _Place(world, mailbox, replace(world.opened(mailbox), account_id=account), database, importer)
    finally:
        await importer.store.close()
        await database.close()


@contextmanager
def _stopping_at(engine: Engine, statement: int, *, committed: bool) -> Iterator[list[int]]:
    """Fail at that statement or commit; with `committed` a commit was made, but not reported. Yields its number."""
    numbers = count()
    stopped: list[int] = []

    def stop() -> None:
        stopped.append(statement)
        # The driver's own, raised when server or disk are gone.
        cause = engine.dialect.loaded_dbapi.OperationalError("08S01", "stopped by the test")
        raise OperationalError(None, None, cause)

    def execute(*_: object) -> None:
        if next(numbers) == statement:
            stop()

    def commit(connection: Connection) -> None:
        if next(numbers) == statement:
            if committed:
                connection.connection.commit()
            stop()

    listeners: list[tuple[str, Callable[..., Any]]] = [("before_cursor_execute", execute), ("commit", commit)]
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield stopped
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)


def _expected(sent: Sent) -> dict[str, Any]:
    """Expected rows of a mail in the database."""
    files = [_file_row(each.name, each.content, None, inline=each.inline) for each in sent.files]
    mails = [(len(files) + number, each) for number, each in enumerate(sent.inside)]
    rows = files + [_mail_row(each, None) for _, each in mails]
    for position, each in mails:
        waiting = deque([(position, each)])
        while waiting:
            parent, outer = waiting.popleft()
            rows += [_file_row(file.name, file.content, parent, inline=file.inline) for file in outer.files]
            for inner in outer.inside:
                waiting.append((len(rows), inner))
                rows.append(_mail_row(inner, parent))
    return {
        "subject": _storable(sent.subject),
        "body": (_storable(sent.body), "html" if sent.is_html else "text"),
        "people": [(_storable(name), f"{place}@example.com") for name, place in sent.people],
        "rows": rows,
    }


def _file_row(name: str, content: bytes, parent: int | None, *, inline: bool) -> tuple[Any, ...]:
    digest = hashlib.sha256(content).hexdigest()
    return "file", _storable(name), inline, content, digest, parent, "item" if parent is not None else "graph"


def _mail_row(sent: Sent, parent: int | None) -> tuple[Any, ...]:
    content = raw(sent)
    name = sent.subject if parent is None else sent.subject or None
    return (
        "item",
        name,
        False,
        content,
        hashlib.sha256(content).hexdigest(),
        parent,
        "item" if parent is not None else "graph",
    )


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _rows(connection: Connection, account: int) -> dict[str, Any]:
    """Rows of an account in the database; no others may be there."""
    found: dict[str, Any] = {}
    mine = message.c.nAccountID == account
    for row in connection.execute(select(message).where(mine)).all():
        part, person = attachment.c, recipient.c
        parts = select(
            part.sKind, part.sFileName, part.bInline, part.biContent, part.sSHA256, part.nParentPosition, part.sOrigin
        ).where(part.nMessageID == row.nMessageID)
        people = select(person.sName, person.sAddress).where(person.nMessageID == row.nMessageID)
        found[row.sGraphMessageID] = {
            "subject": row.sSubject,
            "body": (row.sBody, row.sBodyType),
            "people": [tuple(each) for each in connection.execute(people.order_by(person.nPosition))],
            "rows": [tuple(each) for each in connection.execute(parts.order_by(part.nPosition))],
        }
    numbers = select(message.c.nMessageID)
    for table in (attachment, recipient, message_identity):
        assert not connection.scalar(select(func.count()).where(table.c.nMessageID.not_in(numbers)))
    assert not connection.scalar(select(func.count()).where(duplicate.c.nAccountID == account))
    return found
