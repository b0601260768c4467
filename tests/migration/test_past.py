"""Gateways of earlier versions: upgraded, and used by old processes in the meantime."""

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import pytest
from sqlalchemy import (
    Boolean,
    Connection,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    select,
    text,
)
from structlog.testing import capture_logs

from db.engine import run_reading, run_writing
from db.errors import SchemaNotCurrent
from db.schema import migration, revisions
from db.schema.comparison import Weight
from db.schema.reflection import schema_of
from db.tables import metadata
from tests.doubles.clock import SettableClock
from tests.migration import past

NOW: Final = SettableClock()()
_VALID: Final = {
    "sAfterImport": "none",
    "sAfterImportState": "pending",
    "sKind": "file",
    "sState": "stored",
    "tblEmailRecipient.sKind": "to",
    "sSeverity": "warning",
    "tblNotificationQueue.sState": "active",
    "tblAlert.sState": "pending",
    "tblEmailFailure.sState": "retrying",
    "sRuleState": "green",
    "sSubjectKind": "is",
    "sSaveBody": "text",
    "sPart": "attachment",
    "tblEmailFile.sState": "pending",
}


@pytest.fixture(params=past.REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def wrong(engine: Engine) -> list[str]:
    return [str(each) for each in migration.check(engine) if each.weight is not Weight.ADVICE]


def tables_of(engine: Engine) -> MetaData:
    """The tables as they are, with the columns of that revision."""
    then = MetaData()

    def reflect(connection: Connection) -> None:
        then.reflect(connection, schema=schema_of(connection), only=lambda name, _: name in metadata.tables)

    run_reading(engine, reflect)
    return then


def rows_of(engine: Engine, then: MetaData) -> dict[str, list[tuple[Any, ...]]]:
    def read(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=str) for table in then.sorted_tables
        }

    return run_reading(engine, read)


def write_as_then(engine: Engine, then: MetaData, *, first: int = 1) -> None:
    """Write two rows into each table, numbered from `first`: with a value in each column, and with the least."""
    for number, every_column in ((first, True), (first + 1, False)):
        run_writing(engine, functools.partial(_write_as_then, then=then, number=number, every_column=every_column))


def test_a_gateway_of_an_earlier_version_is_upgraded(fresh: Engine, revision: str, database_engine: Engine) -> None:
    """A database of any revision reaches the state that this version needs, with nothing left to do, and keeps each
    row as it was; before, the program names the command.

    Then it is as a new one: it has the same columns, keys, checks and indexes, to the letter. Also one of the present
    revision, where an upgrade adds nothing: a change of the tables is a revision of its own, whose statements stand in
    `released`. An old process, which knows the former columns, goes on writing.
    """
    past.make(fresh, revision)
    then = tables_of(fresh)
    write_as_then(fresh, then)
    before = rows_of(fresh, then)
    assert all(map(len, before.values()))
    if revision != revisions.HEAD:
        with pytest.raises(SchemaNotCurrent, match=f"revision {revision}.*Run: mail-importer db upgrade"):
            revisions.require_current(fresh)
    assert migration.upgrade(fresh, now=NOW).is_current
    assert wrong(fresh) == []
    after = rows_of(fresh, then)
    secrets = after["tblImporterSecret"]
    after["tblImporterSecret"] = [row for row in secrets if revisions.CLIENT_STATE_SECRET not in row]
    assert after == before
    if fresh.dialect.name != "mssql":
        assert past.description(fresh) == past.description(database_engine)
    write_as_then(fresh, then, first=3)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_contents_come_last_in_a_row_of_sqlite(fresh: Engine, revision: str) -> None:
    """The contents stay: otherwise a large one would be in memory twice while it is written."""
    past.make(fresh, revision)
    rows = (
        (
            'INSERT INTO "tblEmailMessage" ("nAccountID", "sGraphMessageID", "bHasAttachments", "dtImported") '
            "VALUES (1, 'AAk', 1, '2027-03-01')"
        ),
        (
            'INSERT INTO "tblEmailAttachment" ("nMessageID", "nPosition", "sKind", "nSize", "bInline", "biContent") '
            "VALUES (1, 0, 'file', 3, 0, x'610062'), (1, 1, 'reference', 0, 0, NULL)"
        ),
    )
    run_writing(fresh, lambda c: [c.execute(text(each)) for each in rows])

    migration.upgrade(fresh, now=NOW)

    def read(connection: Connection) -> tuple[str, list[Any]]:
        columns = connection.execute(text('PRAGMA table_info("tblEmailAttachment")')).all()
        contents = connection.execute(text('SELECT "biContent", "sState" FROM "tblEmailAttachment"'))
        return columns[-1].name, [tuple(row) for row in contents]

    assert run_reading(fresh, read) == ("biContent", [(b"a\0b", "stored"), (None, "stored")])


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_contents_that_a_view_shows_stay_where_they_are(fresh: Engine) -> None:
    """A view of another program goes on; it only costs memory."""
    past.make(fresh, past.REVISIONS[-1])
    view = 'CREATE VIEW "Contents" AS SELECT "biContent" FROM "tblEmailAttachment"'
    run_writing(fresh, lambda connection: connection.execute(text(view)))

    migration.upgrade(fresh, now=NOW)

    assert run_reading(fresh, lambda connection: connection.execute(text('SELECT * FROM "Contents"')).all()) == []
    assert wrong(fresh) == []


def _write_as_then(connection: Connection, *, then: MetaData, number: int, every_column: bool) -> None:
    place = schema_of(connection)
    for known in then.sorted_tables:
        table = Table(known.name, MetaData(schema=place), *(column._copy() for column in known.columns))
        values = {
            column.name: _value(table, column, number)
            for column in table.columns
            if column is not known.autoincrement_column
            and known.columns[column.name].autoincrement is not True
            and (every_column or not (column.nullable or column.server_default is not None))
        }
        connection.execute(insert(table).values(values))


def _value(table: Table, column: Any, number: int) -> object:  # noqa: ANN401  # SQLAlchemy's column
    kinds: list[tuple[type, Callable[[], object]]] = [
        (Boolean, lambda: True),
        (DateTime, lambda: datetime(2026, 1, number)),  # noqa: DTZ001  # the database keeps times without zone
        (Integer, lambda: number),
        (LargeBinary, lambda: b"x"),
    ]
    made = next((make() for kind, make in kinds if isinstance(column.type, kind)), str(number))
    return _VALID.get(f"{table.name}.{column.name}", _VALID.get(column.name, made))


@pytest.fixture
def newer_program(database_engine: Engine) -> Callable[[str, str], None]:
    """Simulate a future release: its revision, and the oldest program that it serves."""

    def upgrade(revision: str, oldest: str) -> None:
        def work(connection: Connection) -> None:
            version = revisions.version_table(schema_of(connection))
            said = {revisions.OLDEST_PROGRAM: oldest, revisions.OLDEST_PROGRAM_OF: revision}
            connection.execute(version.update().values(version_num=revision, **said))

        run_writing(database_engine, work)

    return upgrade


NewerProgram = Callable[[str, str], None]


def test_an_old_process_goes_on_where_a_newer_one_only_added(
    database_engine: Engine, newer_program: NewerProgram
) -> None:
    """It starts, it reports, it upgrades nothing back."""
    head = revisions.state(database_engine).head
    newer_program("9998", head)
    with capture_logs() as logs:
        revisions.require_current(database_engine)
    assert [(each["event"], each["revision"], each["head"]) for each in logs] == [("schema_newer", "9998", head)]
    assert migration.upgrade(database_engine, now=NOW).current == "9998"


def test_an_old_process_is_refused_where_a_newer_one_removed(
    database_engine: Engine, newer_program: NewerProgram
) -> None:
    """The columns it would read may be gone."""
    newer_program("9998", "9997")
    with pytest.raises(SchemaNotCurrent, match="Install that version"):
        revisions.require_current(database_engine)
    with pytest.raises(SchemaNotCurrent, match="Install that version"):
        migration.upgrade(database_engine, now=NOW)
