"""Imported messages: whole, once, or not at all."""

import asyncio
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, event, func, select

from db.engine import Database, run_reading
from db.errors import DatabaseUnavailable
from db.outcomes import Outcome
from db.queries.contents import READ_BYTES, ContentDiffers, pieces_of
from db.queries.filtered import FilteredMessage
from db.queries.messages import MessageRefused, MessageStore
from db.records import AttachmentRecord, HeaderRecord, MessageRecord, OriginalRecord, RecipientRecord
from db.tables import attachment, header, message, original, recipient, seen
from longtext import LongText, LongTextWriter
from tests.databases import Gateway
from tests.doubles.clock import SettableClock
from tests.doubles.outages import FULL, READ_ONLY, Fragile, FragileDatabase, fragile
from tests.paths import ROOT

CLOCK: Final = SettableClock()
NOW: Final = CLOCK()
MEBIBYTE: Final = 1024 * 1024


def file_attachment(position: int, content: Any = b"a;b\n", **changes: Any) -> AttachmentRecord:  # noqa: ANN401  # bytes or a file
    size = len(content) if isinstance(content, bytes) else changes.pop("size")
    facts = AttachmentRecord(
        position=position,
        graph_attachment_id=f"AAMk{position}",
        kind="file",
        file_name="Prüfbericht № 7.csv",
        content_type="text/csv",
        size=size,
        inline=False,
        content_id=None,
        sha256=hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else None,
        content=content,
    )
    return replace(facts, **changes)


def record(graph_id: str = "AAMk", **changes: Any) -> MessageRecord:  # noqa: ANN401  # any field
    facts = MessageRecord(
        account_id=1,
        graph_message_id=graph_id,
        internet_message_id=f"<{graph_id}@example.com>",
        conversation_id="conversation",
        subject="Befund 測定 🧪",
        from_name="Labor",
        from_address="labor@example.com",
        sent=NOW - timedelta(minutes=2),
        received=NOW - timedelta(minutes=1),
        importance="normal",
        body_type="html",
        body="<p>Grüße</p>",
        has_attachments=True,
        correlation="correlation",
        recipients=[
            RecipientRecord("to", 0, "Anna", "anna@example.com"),
            RecipientRecord("to", 1, None, "b@example.com"),
            RecipientRecord("cc", 0, None, None),
        ],
        attachments=[
            file_attachment(0),
            AttachmentRecord(1, "AAMkRef", "reference", "link", None, 0, False, None, None, None, "linked"),
        ],
        sender_name="Sekretariat",
        sender_address="sekretariat@example.com",
        created=NOW - timedelta(minutes=3),
        categories=["Grün", '"zwei"'],
        flag_status="flagged",
        conversation_index="AQHZ",
        body_text="Grüße",
        read=False,
        web_link="https://outlook.office365.com/owa/?ItemID=AAMk",
        parent_folder_id="AAMkFolder",
        change_key="CQAAABYA",
        size=70_000,
        headers=[HeaderRecord("Received", "from a"), HeaderRecord("received", "from b"), HeaderRecord("X-Empty", None)],
    )
    return replace(facts, **changes)


@pytest.fixture
def store(database: Database) -> MessageStore:
    return MessageStore(database, clock=CLOCK)


def rows(engine: Engine) -> tuple[int, int, int]:
    """Count the messages, recipients and attachments."""

    def work(connection: Connection) -> tuple[int, int, int]:
        counted = [
            connection.scalar(select(func.count()).select_from(t)) or 0 for t in (message, recipient, attachment)
        ]
        return (counted[0], counted[1], counted[2])

    return run_reading(engine, work)


def graph_ids(engine: Engine) -> list[str]:
    return run_reading(engine, lambda c: sorted(c.scalars(select(message.c.sGraphMessageID))))


async def test_message_is_kept_as_it_came(store: MessageStore, database_engine: Engine) -> None:
    """Every fact of the message, its recipients and its attachments is in the tables, in the contract's columns."""
    assert await store.save(record()) is Outcome.IMPORTED

    def read(connection: Connection) -> tuple[Any, Any, Any]:
        return (
            connection.execute(select(message)).mappings().one(),
            connection.execute(select(recipient)).mappings().all(),
            connection.execute(select(attachment).order_by(attachment.c.nPosition)).mappings().all(),
        )

    kept, recipients, attachments = run_reading(database_engine, read)
    wanted = {
        "nAccountID": 1,
        "sGraphMessageID": "AAMk",
        "sInternetMessageID": "<AAMk@example.com>",
        "sConversationID": "conversation",
        "sSubject": "Befund 測定 🧪",
        "sFromName": "Labor",
        "sFromAddress": "labor@example.com",
        "dtSent": NOW - timedelta(minutes=2),
        "dtReceived": NOW - timedelta(minutes=1),
        "sImportance": "normal",
        "sBodyType": "html",
        "sBody": "<p>Grüße</p>",
        "bHasAttachments": True,
        "dtImported": NOW,
        "sCorrelationID": "correlation",
        "sSenderName": "Sekretariat",
        "sSenderAddress": "sekretariat@example.com",
        "dtCreated": NOW - timedelta(minutes=3),
        "sCategories": '["Grün", "\\"zwei\\""]',
        "sFlagStatus": "flagged",
        "sConversationIndex": "AQHZ",
        "sBodyText": "Grüße",
        "bRead": False,
        "sWebLink": "https://outlook.office365.com/owa/?ItemID=AAMk",
        "sParentFolderID": "AAMkFolder",
        "sChangeKey": "CQAAABYA",
        "nSize": 70_000,
    }
    assert {name: kept[name] for name in wanted} == wanted
    headers = run_reading(database_engine, lambda c: c.execute(select(header).order_by(header.c.nPosition)).all())
    assert [(each.sName, each.sValue) for each in headers] == [
        ("Received", "from a"),
        ("received", "from b"),
        ("X-Empty", None),
    ]
    assert {(each["sKind"], each["nPosition"], each["sName"], each["sAddress"]) for each in recipients} == {
        ("to", 0, "Anna", "anna@example.com"),
        ("to", 1, None, "b@example.com"),
        ("cc", 0, None, None),
    }
    assert [(each["sKind"], each["sFileName"], each["nSize"], each["biContent"]) for each in attachments] == [
        ("file", "Prüfbericht № 7.csv", 4, b"a;b\n"),
        ("reference", "link", 0, None),
    ]


async def test_an_attachment_is_kept_with_what_became_of_it(store: MessageStore, database_engine: Engine) -> None:
    """It also holds for one too large for memory: state, safe name, link, and the attachment it was unpacked from."""
    facts: dict[str, Any] = {
        "state": "too_large",
        "state_detail": "More than attachment_limit_mb (150).",
        "safe_file_name": "測" * 60 + ".csv",
        "item_type": "message",
        "link": "https://files.example/x",
        "link_provider": "oneDriveBusiness",
        "link_permission": "view",
        "content_location": "https://x.example/y",
        "parent_position": 0,
        "origin": "tnef",
    }
    columns = (
        *("sState", "sStateDetail", "sSafeFileName", "sItemType", "sLink", "sLinkProvider", "sLinkPermission"),
        *("sContentLocation", "nParentPosition", "sOrigin"),
    )
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * MEBIBYTE)
        parts = [
            file_attachment(0),
            file_attachment(1, None, size=5, **facts),
            file_attachment(2, file, size=MEBIBYTE, **facts),
        ]
        assert await store.save(record(attachments=parts)) is Outcome.IMPORTED

    def read(connection: Connection) -> list[Any]:
        wanted = select(*(attachment.c[name] for name in columns)).order_by(attachment.c.nPosition)
        return [tuple(row) for row in connection.execute(wanted)]

    plain = ("stored", *(None,) * 8, "graph")
    assert run_reading(database_engine, read) == [plain, tuple(facts.values()), tuple(facts.values())]


async def test_an_unknown_state_is_refused(store: MessageStore) -> None:
    """Readers of the table can rely on the list of states."""
    with pytest.raises(MessageRefused):
        await store.save(record(attachments=[file_attachment(0, state="lost")]))


async def test_second_save_changes_nothing(store: MessageStore, database_engine: Engine) -> None:
    """The same message again is not written, whatever its content now."""
    assert await store.save(record()) is Outcome.IMPORTED
    assert await store.save(record(subject="other", recipients=[], attachments=[])) is Outcome.KNOWN
    assert rows(database_engine) == (1, 3, 2)


async def test_ids_that_differ_in_case_are_two_messages(store: MessageStore, database_engine: Engine) -> None:
    """Graph's ids are compared exactly, alone and when they arrive together."""
    assert (
        await asyncio.gather(*(store.save(record(each)) for each in ("AAMk", "AAmk", "aamk"))) == [Outcome.IMPORTED] * 3
    )
    assert graph_ids(database_engine) == ["AAMk", "AAmk", "aamk"]
    assert await store.known([(1, "AAMk"), (1, "aaMk"), (2, "AAMk")]) == {(1, "AAMk")}


async def test_one_mail_of_two_accounts_is_two_messages(store: MessageStore) -> None:
    """The id is unique within its account only."""
    assert await store.save(record()) is Outcome.IMPORTED
    assert await store.save(record(account_id=2)) is Outcome.IMPORTED


@pytest.mark.slow
async def test_known_of_many(store: MessageStore) -> None:
    """Exactly the existing ones of any number of keys are known."""
    saved = [record(f"m{number}") for number in range(0, 1200, 3)]
    await asyncio.gather(*(store.save(each) for each in saved))
    assert await store.known([(1, f"m{number}") for number in range(1200)]) == {each.key for each in saved}
    assert await store.known([]) == set()


async def test_concurrent_savers_of_one_message(gateway: Gateway) -> None:
    """Exactly one of eight that save the same message at once, half of them elsewhere, does."""
    databases = [Database(gateway.engine()) for _ in range(2)]
    stores = [MessageStore(database, clock=CLOCK) for database in databases]
    for attempt in range(10):
        saved = await asyncio.gather(*(stores[n % 2].save(record(f"m{attempt}")) for n in range(8)))
        assert Counter(saved) == {Outcome.KNOWN: 7, Outcome.IMPORTED: 1}
    assert rows(databases[0].engine) == (10, 30, 20)
    for database in databases:
        await database.close()


async def test_messages_that_arrive_together_share_commits(store: MessageStore, database_engine: Engine) -> None:
    """Forty messages at once cost a few commits, and none gets another's recipients."""
    commits: list[object] = []
    event.listen(database_engine, "commit", commits.append)
    many = [
        record(
            f"m{n}", recipients=[RecipientRecord("to", 0, None, f"r{n}")], attachments=[file_attachment(0, b"%d" % n)]
        )
        for n in range(40)
    ]
    assert await asyncio.gather(*(store.save(each) for each in many)) == [Outcome.IMPORTED] * 40
    assert len(commits) <= 5

    def read(connection: Connection) -> list[tuple[Any, ...]]:
        joined = select(message.c.sGraphMessageID, recipient.c.sAddress, attachment.c.biContent)
        return [tuple(row) for row in connection.execute(joined.join_from(message, recipient).join(attachment))]

    assert sorted(run_reading(database_engine, read)) == sorted((f"m{n}", f"r{n}", b"%d" % n) for n in range(40))


# Long texts.


def long_text(text: str, files: ExitStack) -> LongText:
    file = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # `files` closes it
    writer = LongTextWriter(file)
    writer.write(text)
    return writer.finish()


LONG_BODY: Final = "Grüße 😀 aus Zürich\r\n" * 60_000


async def test_long_texts_are_texts_like_others(store: MessageStore, database_engine: Engine) -> None:
    """They are written in pieces, also in place of others; beside messages whose texts are short."""
    texts = select(message.c.sGraphMessageID, message.c.sBody, message.c.sBodyText).order_by(message.c.sGraphMessageID)
    with ExitStack() as files:
        body, shown = long_text(LONG_BODY, files), long_text(LONG_BODY[::-1], files)
        assert await store.save(record("A", body=body, body_text=shown)) is Outcome.IMPORTED
        assert await store.save(record("B", body="short", body_text=None)) is Outcome.IMPORTED
        assert await store.save(record("A", body=body, body_text=shown)) is Outcome.KNOWN
        assert run_reading(database_engine, lambda c: c.execute(texts).all()) == [
            ("A", LONG_BODY, LONG_BODY[::-1]),
            ("B", "short", None),
        ]
        assert await store.replace(record("A", body=shown, body_text=body)) is Outcome.REPLACED
        assert await store.replace(record("B", body=body, body_text="short")) is Outcome.REPLACED
    found = run_reading(database_engine, lambda c: c.execute(texts).all())
    assert found == [("A", LONG_BODY[::-1], LONG_BODY), ("B", LONG_BODY, "short")]
    if database_engine.dialect.name == "sqlite":
        kinds = select(func.typeof(message.c.sBody)).distinct()
        assert run_reading(database_engine, lambda c: c.scalars(kinds).all()) == ["text"]


# Large attachments.


@pytest.mark.parametrize("size", [0, 1, MEBIBYTE, MEBIBYTE + 1])
async def test_content_of_a_file(store: MessageStore, database_engine: Engine, tmp_path: Path, size: int) -> None:
    """Content from a file equals that of the file, wherever its position was."""
    path = tmp_path / "large"
    path.write_bytes(os.urandom(size))
    with path.open("rb") as source:
        source.seek(size)
        assert (
            await store.save(record(attachments=[file_attachment(0), file_attachment(1, source, size=size)]))
            is Outcome.IMPORTED
        )
    wanted = path.read_bytes()
    content = select(attachment.c.biContent).where(attachment.c.nPosition == 1)
    assert run_reading(database_engine, lambda c: c.scalar(content)) == wanted


@pytest.mark.slow
async def test_large_content_does_not_go_through_memory(
    store: MessageStore, database_engine: Engine, tmp_path: Path
) -> None:
    """Twenty megabytes are written in pieces, and are the same afterwards."""
    path = tmp_path / "large"
    with path.open("wb") as target:
        for _ in range(20):
            target.write(os.urandom(MEBIBYTE))
    tracemalloc.start()
    try:
        with path.open("rb") as source:
            assert (
                await store.save(record(attachments=[file_attachment(0, source, size=20 * MEBIBYTE)]))
                is Outcome.IMPORTED
            )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * MEBIBYTE

    content = run_reading(database_engine, lambda connection: connection.scalar(select(attachment.c.biContent)))
    assert content is not None
    assert hashlib.sha256(content).digest() == hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.parametrize("size", [10, 12])
async def test_file_that_is_not_as_long_as_it_said(
    store: MessageStore, database_engine: Engine, tmp_path: Path, size: int
) -> None:
    """A content that does not fit its size leaves nothing of its message."""
    path = tmp_path / "other"
    path.write_bytes(b"x" * 11)
    with path.open("rb") as source, pytest.raises(MessageRefused, match="ContentDiffers"):
        await store.save(record(attachments=[file_attachment(0, source, size=size)]))
    assert rows(database_engine) == (0, 0, 0)


# Messages that the database refuses.

POISON: Final[dict[str, Callable[[], MessageRecord]]] = {
    "surrogate in the subject": lambda: record("poison", subject="\ud800"),
    "surrogate in a recipient": lambda: record("poison", recipients=[RecipientRecord("to", 0, "\udfff", None)]),
    "surrogate in the id": lambda: record("poison\ud800"),
    "unknown kind of recipient": lambda: record("poison", recipients=[RecipientRecord("from", 0, None, None)]),
    "unknown kind of attachment": lambda: record("poison", attachments=[file_attachment(0, kind="zip")]),
    "two attachments in one place": lambda: record("poison", attachments=[file_attachment(0), file_attachment(0)]),
    "size that is no 64 bit number": lambda: record("poison", attachments=[file_attachment(0, b"", size=2**70)]),
    "account that is no 64 bit number": lambda: record("poison", account_id=2**70),
    "time without a zone": lambda: record("poison", sent=NOW.replace(tzinfo=None)),
    "no text at all": lambda: record("poison", subject=object()),
}


@pytest.mark.slow
@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
async def test_refused_message_fails_alone(
    store: MessageStore, database_engine: Engine, poison: Callable[[], MessageRecord]
) -> None:
    """A message that the database cannot take is refused, leaves nothing, and holds up none that came with it."""
    good = [record(f"m{number}") for number in range(6)]
    together = [store.save(each) for each in [*good[:3], poison(), *good[3:]]]
    results = await asyncio.gather(*together, return_exceptions=True)
    refusal = results.pop(3)
    assert isinstance(refusal, MessageRefused), repr(refusal)
    assert "refuses the message" in str(refusal)
    assert results == [Outcome.IMPORTED] * 6
    assert graph_ids(database_engine) == [each.graph_message_id for each in good]
    assert rows(database_engine)[1:] == (18, 12)
    with pytest.raises(MessageRefused):
        await store.save(poison())


# Failures and crashes.


@pytest.mark.parametrize("kind", ["locked", "gone"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_trouble_of_the_database_is_no_fault_of_the_message(
    gateway: Gateway, tmp_path: Path, kind: str, streamed: bool
) -> None:
    """While the database cannot be written no message is refused for good or half there; later it is saved."""
    trouble = fragile(gateway)
    await save_in_trouble(trouble, getattr(trouble, kind)(), tmp_path, streamed=streamed)


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("kind", "cause"), [("read_only", READ_ONLY), ("full", FULL)])
@pytest.mark.parametrize("streamed", [False, True])
async def test_trouble_of_the_file_is_no_fault_of_the_message(
    database_file: Path, tmp_path: Path, kind: str, cause: str, streamed: bool
) -> None:
    """The same holds for a file that cannot be written."""
    trouble = FragileDatabase(database_file)
    for failure in await save_in_trouble(trouble, trouble.broken(kind), tmp_path, streamed=streamed):
        assert cause in str(failure)


async def save_in_trouble(
    trouble: Fragile, broken: AbstractContextManager[None], tmp_path: Path, *, streamed: bool
) -> list[DatabaseUnavailable]:
    """Save three messages while it is broken, and again when it is not; return the results of the first time."""
    database = Database(trouble.engine())
    store = MessageStore(database, clock=CLOCK)
    path = tmp_path / "content"
    path.write_bytes(b"x" * 300_000)
    assert await store.save(record("before")) is Outcome.IMPORTED
    with path.open("rb") as source:
        content = source if streamed else b"x" * 300_000
        troubled = [record(f"m{n}", attachments=[file_attachment(0, content, size=300_000)]) for n in range(3)]
        with broken:
            failures = [await refused(store.save(each)) for each in troubled]
        assert rows(database.engine)[0] == 1
        for each in troubled:
            assert await store.save(each) is Outcome.IMPORTED
    assert rows(database.engine) == (4, 12, 5)
    await store.close()
    await database.close()
    trouble.close()
    return failures


async def refused(saving: Awaitable[Outcome]) -> DatabaseUnavailable:
    with pytest.raises(DatabaseUnavailable) as refusal:
        await saving
    return refusal.value


# Triggers and columns of other programs.

_REFUSING: Final = {
    "sqlite": """
        CREATE TRIGGER refusing BEFORE INSERT ON "{table}" WHEN {condition}
        BEGIN SELECT RAISE(ABORT, 'not here'); END
    """,
    "postgresql": """
        CREATE FUNCTION "refuse"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not here'; END $$;
        CREATE TRIGGER refusing BEFORE INSERT ON "{table}" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION "refuse"()
    """,
    "mssql": """
        CREATE TRIGGER [{schema}].[refusing] ON [{schema}].[{table}] AFTER INSERT AS BEGIN
        SET NOCOUNT ON; IF EXISTS (SELECT 1 FROM inserted AS NEW WHERE {condition}) THROW 50000, 'not here', 1; END
    """,
}
_ALLOWING: Final = {
    "sqlite": "DROP TRIGGER refusing",
    "postgresql": 'DROP TRIGGER refusing ON "{table}"; DROP FUNCTION "refuse"()',
    "mssql": "DROP TRIGGER [{schema}].[refusing]",
}


def execute(gateway: Gateway, statements: dict[str, str], **names: str) -> None:
    engine = gateway.engine()
    with engine.begin() as connection:
        connection.exec_driver_sql(statements[gateway.backend].format(schema=gateway.schema, **names))
    engine.dispose()


@pytest.mark.parametrize(
    ("table", "refused_record"),
    [
        ("tblEmailMessage", record()),
        ("tblEmailAttachment", record()),
        ("tblEmailOriginal", record(original=OriginalRecord("stored", stored_size=1, content=b"x"))),
        ("tblEmailSeen", FilteredMessage(1, "AAMk", None, None, NOW, 1, "TooSmall", None, NOW)),
    ],
)
async def test_a_refusal_of_all_messages_is_an_outage(
    gateway: Gateway, store: MessageStore, table: str, refused_record: MessageRecord | FilteredMessage
) -> None:
    """A trigger of another program refuses every row: no message is set aside for it, and each is saved afterwards."""
    save = store.save if isinstance(refused_record, MessageRecord) else store.note_filtered
    execute(gateway, _REFUSING, table=table, condition="1 = 1")
    sentence = str(await refused(save(refused_record)))  # type: ignore[arg-type]  # each is given its kind
    assert "an error that is not known here" in sentence
    assert "not here" not in sentence
    execute(gateway, _ALLOWING, table=table)
    saved = await save(refused_record)  # type: ignore[arg-type]  # as above
    assert saved in {Outcome.IMPORTED, Outcome.FILTERED}


async def test_a_refusal_of_one_message_is_its_own(
    gateway: Gateway, store: MessageStore, database_engine: Engine
) -> None:
    """A trigger of another program refuses this one alone; the error names the database's code, and nothing else."""
    execute(gateway, _REFUSING, table="tblEmailMessage", condition="NEW.\"sImportance\" = 'high'")
    saving = [store.save(record("a")), store.save(record("b", importance="high")), store.save(record("c"))]
    first, refusal, last = await asyncio.gather(*saving, return_exceptions=True)
    assert (first, last) == (Outcome.IMPORTED, Outcome.IMPORTED)
    assert isinstance(refusal, MessageRefused)
    codes = {"sqlite": "SQLite 1811", "postgresql": "PostgreSQL P0001", "mssql": "SQL Server error 50000"}
    assert codes[gateway.backend] in str(refusal)
    assert graph_ids(database_engine) == ["a", "c"]


_SAVE_AND_STOP: Final = """
import asyncio, sys, time
from sqlalchemy import event
from db.engine import Database
from db.queries.messages import MessageStore
from tests.databases import Gateway
from tests.unit.db.queries.test_messages import CLOCK, record

async def main():
    engine = Gateway(*sys.argv[1:]).engine()

    @event.listens_for(engine, "commit")
    def stop(connection):
        print("written", flush=True)
        time.sleep(60)

    await MessageStore(Database(engine), clock=CLOCK).save(record())

asyncio.run(main())
"""


@pytest.mark.slow
async def test_killed_before_its_commit_leaves_nothing(gateway: Gateway) -> None:
    """A process killed when all rows are written and none committed leaves nothing; another can save the message."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SAVE_AND_STOP, *gateway.arguments, cwd=ROOT, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"written\n"
    child.kill()
    await child.wait()
    database = Database(gateway.engine())
    assert rows(database.engine) == (0, 0, 0)
    assert await MessageStore(database, clock=CLOCK).save(record()) is Outcome.IMPORTED
    await database.close()


async def test_nothing_is_visible_before_all_is(gateway: Gateway, database: Database) -> None:
    """Another reader sees a message with all below it, or not at all."""
    inside, go_on = threading.Event(), threading.Event()

    @event.listens_for(database.engine, "commit")
    def pause(_connection: Connection) -> None:
        inside.set()
        go_on.wait(10)

    other = gateway.engine()
    saving = asyncio.create_task(MessageStore(database, clock=CLOCK).save(record()))
    await asyncio.to_thread(inside.wait, 10)
    assert rows(other) == (0, 0, 0)
    go_on.set()
    assert await saving is Outcome.IMPORTED
    assert rows(other) == (1, 3, 2)
    other.dispose()


async def test_close_writes_what_was_submitted(database: Database) -> None:
    """Saves under way succeed."""
    store = MessageStore(database, clock=CLOCK)
    saving = [asyncio.ensure_future(store.save(record(f"m{n}"))) for n in range(10)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*saving) == [Outcome.IMPORTED] * 10


# Replacing.


def number_of(engine: Engine, graph_id: str = "AAMk") -> int | None:
    statement = select(message.c.nMessageID).where(message.c.nAccountID == 1, message.c.sGraphMessageID == graph_id)
    return run_reading(engine, lambda connection: connection.scalar(statement))


async def test_a_replaced_message_is_the_new_one_whole_under_its_old_number(
    database: Database, database_engine: Engine
) -> None:
    """No part of the old one is left, and no other message is touched."""
    clock = SettableClock()
    store = MessageStore(database, clock=clock)
    assert await store.save(record()) is Outcome.IMPORTED
    assert await store.save(record(account_id=2)) is Outcome.IMPORTED
    number = number_of(database_engine)
    clock.advance(timedelta(hours=1))
    new = record(
        subject="Neu", recipients=[RecipientRecord("bcc", 0, None, "c@x")], attachments=[file_attachment(0, b"n")]
    )

    assert await store.replace(new) is Outcome.REPLACED

    assert rows(database_engine) == (2, 4, 3)
    read = (
        select(message.c.nMessageID, message.c.sSubject, message.c.dtImported, recipient.c.sAddress)
        .add_columns(attachment.c.biContent)
        .join_from(message, recipient)
        .join(attachment)
        .where(message.c.nAccountID == 1)
    )
    found = run_reading(database_engine, lambda connection: connection.execute(read).all())
    assert [tuple(each) for each in found] == [(number, "Neu", NOW + timedelta(hours=1), "c@x", b"n")]


async def test_replacing_what_is_not_there_writes_it(store: MessageStore, database_engine: Engine) -> None:
    assert await store.replace(record()) is Outcome.IMPORTED
    assert await store.save(record()) is Outcome.KNOWN
    assert rows(database_engine) == (1, 3, 2)


async def test_replacing_streams_what_is_large(store: MessageStore, database_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(2 * MEBIBYTE))
    assert await store.save(record()) is Outcome.IMPORTED
    with path.open("rb") as source:
        assert (
            await store.replace(record(attachments=[file_attachment(0, source, size=2 * MEBIBYTE)])) is Outcome.REPLACED
        )
    content = run_reading(database_engine, lambda connection: connection.scalar(select(attachment.c.biContent)))
    assert content == path.read_bytes()


@pytest.mark.parametrize("poison", [each for name, each in POISON.items() if "id" not in name.split()])
async def test_a_refused_replacement_leaves_the_old_message(
    store: MessageStore, database_engine: Engine, poison: Callable[[], MessageRecord]
) -> None:
    new = poison()
    old = record(new.graph_message_id) if new.account_id == 1 else record()
    assert await store.save(old) is Outcome.IMPORTED
    with pytest.raises(MessageRefused, match="refuses the message"):
        await store.replace(new)
    assert rows(database_engine) == (1, 3, 2)
    subject = run_reading(database_engine, lambda connection: connection.scalar(select(message.c.sSubject)))
    assert subject == old.subject


async def test_readers_see_the_old_message_or_the_new_one(gateway: Gateway, database: Database) -> None:
    """Another process reads while it is replaced: no mix, and no half of one."""
    inside, go_on = threading.Event(), threading.Event()
    store = MessageStore(database, clock=CLOCK)
    assert await store.save(record()) is Outcome.IMPORTED
    other = gateway.engine()

    @event.listens_for(database.engine, "commit")
    def pause(_connection: Connection) -> None:
        inside.set()
        go_on.wait(10)

    replacing = asyncio.create_task(
        store.replace(record(subject="new", recipients=[], attachments=[file_attachment(0)]))
    )
    await asyncio.to_thread(inside.wait, 10)
    assert rows(other) == (1, 3, 2)
    go_on.set()
    assert await replacing is Outcome.REPLACED
    assert rows(other) == (1, 0, 1)
    other.dispose()


@pytest.mark.slow
async def test_those_who_replace_and_save_one_message_at_once_leave_one(gateway: Gateway) -> None:
    """Several processes do; each message is whole."""
    databases = [Database(gateway.engine()) for _ in range(2)]
    stores = [MessageStore(database, clock=CLOCK) for database in databases]
    for attempt in range(10):
        work = [stores[n % 2].replace(record(f"m{attempt}")) for n in range(4)]
        work += [stores[n % 2].save(record(f"m{attempt}")) for n in range(4)]
        await asyncio.gather(*work)
    assert rows(databases[0].engine) == (10, 30, 20)
    for database in databases:
        await database.close()


# Filtered mail.


def filtered_of(message: MessageRecord, **changed: Any) -> FilteredMessage:  # noqa: ANN401  # any field
    facts = FilteredMessage(
        *message.key, message.internet_message_id, "a@example.com", NOW, 7, "TooSmall", "--size-least 9", NOW
    )
    return replace(facts, **changed)


def seen_rows(engine: Engine) -> list[tuple[str, str]]:
    row = seen.c
    statement = select(row.sGraphMessageID, row.sReason).order_by(row.sGraphMessageID)
    return run_reading(engine, lambda c: [(each[0], each[1]) for each in c.execute(statement)])


async def test_what_is_left_out_is_known_and_distinguished_from_what_is_imported(
    store: MessageStore, database_engine: Engine
) -> None:
    """Recorded again it has the latest reason; it may be imported still, and an imported one is never recorded."""
    left, kept = record("left"), record("kept")
    assert await store.note_filtered(filtered_of(left)) is Outcome.FILTERED
    assert await store.save(kept) is Outcome.IMPORTED
    assert await store.note_filtered(filtered_of(kept)) is Outcome.KNOWN
    assert await store.known([left.key, kept.key, (2, "left")]) == {left.key, kept.key}
    assert await store.known([left.key, kept.key], include_filtered=False) == {kept.key}
    assert await store.note_filtered(filtered_of(left, reason="SenderDenied")) is Outcome.FILTERED
    assert seen_rows(database_engine) == [("left", "SenderDenied")]
    assert await store.save(left) is Outcome.IMPORTED
    assert seen_rows(database_engine) == []
    assert await store.note_filtered(filtered_of(left)) is Outcome.KNOWN


async def test_many_arrive_together(store: MessageStore, database_engine: Engine) -> None:
    """Imported and filtered in the same transactions, some of them twice, one refused: each gets its own result."""
    bad = filtered_of(record("bad"), received=NOW.replace(tzinfo=None))
    work: list[Any] = [store.save(record(f"m{number}")) for number in range(40)]
    work += [store.note_filtered(filtered_of(record(f"s{number % 20}"))) for number in range(40)]
    *outcomes, refused = await asyncio.gather(*work, store.note_filtered(bad), return_exceptions=True)
    assert isinstance(refused, MessageRefused)
    assert Counter(outcomes[:40]) == {Outcome.IMPORTED: 40}
    assert set(outcomes[40:]) <= {Outcome.FILTERED, Outcome.KNOWN}
    assert len(seen_rows(database_engine)) == 20


# Originals.


def original_rows(engine: Engine) -> list[tuple[Any, ...]]:
    row = original.c
    statement = select(row.nMessageID, row.sState, row.nSize, row.nStoredSize, row.biContent).order_by(row.nMessageID)
    return run_reading(engine, lambda c: [tuple(each) for each in c.execute(statement)])


@pytest.mark.parametrize("size", [3, 3 * MEBIBYTE])
async def test_an_original_is_written_with_its_message(store: MessageStore, database_engine: Engine, size: int) -> None:
    """It comes from memory or from a file; and is read back in pieces."""
    packed = os.urandom(size)
    with tempfile.TemporaryFile() as file:
        file.write(packed)
        content = packed if size < MEBIBYTE else file
        mime = OriginalRecord("stored", None, 10 * size, "ab" * 32, "gzip", size, content)
        assert await store.save(record(original=mime)) is Outcome.IMPORTED
    [found] = original_rows(database_engine)
    assert found == (1, "stored", 10 * size, size, packed)
    assert b"".join(pieces_of(database_engine, original, 1, size=size)) == packed
    for wrong, number in [(size + 1, 1), (size, 2)]:
        with pytest.raises(ContentDiffers):
            list(pieces_of(database_engine, original, number, size=wrong))


async def test_an_original_that_differs_from_its_size_takes_the_message_with_it(
    store: MessageStore, database_engine: Engine
) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"abc")
        with pytest.raises(MessageRefused):
            await store.save(record(original=OriginalRecord("stored", None, 9, "", "gzip", 4, file)))
    assert rows(database_engine) == (0, 0, 0)
    assert original_rows(database_engine) == []


async def test_contents_are_read_in_pieces(database: Database, store: MessageStore) -> None:
    """It may have more than one piece, or none."""
    large = os.urandom(READ_BYTES + 5)
    parts = [file_attachment(0, large), file_attachment(1, b"")]
    assert await store.save(record(attachments=parts)) is Outcome.IMPORTED
    numbers = run_reading(
        database.engine, lambda c: list(c.scalars(select(attachment.c.nAttachmentID).order_by(attachment.c.nPosition)))
    )
    assert [len(each) for each in pieces_of(database.engine, attachment, numbers[0], size=len(large))] == [
        READ_BYTES,
        5,
    ]
    assert b"".join(pieces_of(database.engine, attachment, numbers[0], size=len(large))) == large
    assert list(pieces_of(database.engine, attachment, numbers[1], size=0)) == []
