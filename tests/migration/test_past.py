"""Gateways of earlier versions: upgraded, and used by old processes in the meantime."""

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    inspect,
    text,
)
from structlog.testing import capture_logs

from db.engine import run_reading, run_writing
from db.errors import SchemaNotCurrent
from db.schema import revisions
from db.schema.apply import Applied
from db.schema.comparison import Weight
from db.schema.operations import Additions
from db.schema.reflection import schema_of
from db.tables import metadata
from tests.databases import Databases
from tests.doubles.clock import SettableClock
from tests.migration import past

NOW: Final = SettableClock()()
_VALID: Final = {"sAfterImport": "none", "sState": "active", "tblEmailRecipient.sKind": "to", "sKind": "file"}


@pytest.fixture(params=past.RELEASED)
def revision(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def wrong(engine: Engine) -> list[str]:
    return [str(each) for each in revisions.check(engine) if each.weight is not Weight.ADVICE]


def test_a_gateway_of_an_earlier_version_is_upgraded(fresh: Engine, revision: str) -> None:
    """A database of any revision reaches the state that this version needs, with nothing left to do."""
    past.make(fresh, revision)
    assert revisions.state(fresh).current == revision
    assert revisions.upgrade(fresh, now=NOW).is_current
    assert wrong(fresh) == []


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
def test_the_steps_still_make_what_was_released(
    fresh: Engine, revision: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A rewritten step leaves no trace: upgraded and new databases are the same, to the letter."""
    past.make(fresh, revision)
    revisions.upgrade(fresh, now=NOW)
    with databases.empty(tmp_path_factory.mktemp("new")) as gateway:
        new = gateway.engine()
        revisions.upgrade(new, now=NOW)
        assert past.description(fresh) == past.description(new)
        new.dispose()


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

    revisions.upgrade(fresh, now=NOW)

    def read(connection: Connection) -> tuple[str, list[Any]]:
        columns = connection.execute(text('PRAGMA table_info("tblEmailAttachment")')).all()
        contents = connection.execute(text('SELECT "biContent", "sState" FROM "tblEmailAttachment"'))
        return columns[-1].name, [tuple(row) for row in contents]

    assert run_reading(fresh, read) == ("biContent", [(b"a\0b", "stored"), (None, "stored")])


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_contents_that_a_view_shows_stay_where_they_are(fresh: Engine) -> None:
    """A view of another program goes on; it only costs memory."""
    past.make(fresh, past.RELEASED[-1])
    view = 'CREATE VIEW "Contents" AS SELECT "biContent" FROM "tblEmailAttachment"'
    run_writing(fresh, lambda connection: connection.execute(text(view)))

    revisions.upgrade(fresh, now=NOW)

    assert run_reading(fresh, lambda connection: connection.execute(text('SELECT * FROM "Contents"')).all()) == []
    assert wrong(fresh) == []


def test_rows_that_an_earlier_version_writes_are_let_in(
    fresh: Engine, revision: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An old process, which knows the former columns, goes on writing after the upgrade."""
    past.make(fresh, revision)
    then = MetaData()

    def reflect(connection: Connection) -> None:
        then.reflect(connection, schema=schema_of(connection), only=lambda name, _: name in metadata.tables)

    run_reading(fresh, reflect)
    with databases.empty(tmp_path_factory.mktemp("upgraded")) as gateway:
        upgraded = gateway.engine()
        past.make(upgraded, revision)
        revisions.upgrade(upgraded, now=NOW)
        for every_column in (True, False):
            run_writing(upgraded, functools.partial(_write_as_then, then=then, every_column=every_column))
        upgraded.dispose()


def _write_as_then(connection: Connection, *, then: MetaData, every_column: bool) -> None:
    place = schema_of(connection)
    for known in then.sorted_tables:
        table = Table(known.name, MetaData(schema=place), *(column._copy() for column in known.columns))
        values = {
            column.name: _value(table, column, 1 if every_column else 2)
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


def test_rows_of_before_are_kept(fresh: Engine, revision: str) -> None:
    """An upgrade leaves each row as it was, and columns that are new have their default in it."""
    past.make(fresh, revision)
    account = (
        'INSERT INTO {}"tblEmailAccountSettings" ("sAccountName", "sTenantID", "sClientID", "sUserID", '
        '"sCertificateThumbprint", "bSecureCertificateAccess", "sFolder", "sAfterImport", "bEnabled") '
        "VALUES ('a', 't', 'c', 'u', 'x', {yes}, 'Inbox', 'none', {yes})"
    )
    place = run_reading(fresh, schema_of)
    yes = "true" if fresh.dialect.name == "postgresql" else "1"
    run_writing(fresh, lambda c: c.execute(text(account.format(f'"{place}".' if place else "", yes=yes))))
    revisions.upgrade(fresh, now=NOW)
    query = text(f'SELECT * FROM {f"{chr(34)}{place}{chr(34)}." if place else ""}"tblEmailAccountSettings"')  # noqa: S608  # own names
    [row] = run_reading(fresh, lambda c: c.execute(query).mappings().all())
    assert (row["sAccountName"], row["sAuthentication"], row["dtImportSince"]) == ("a", "GraphCertificate", None)


@pytest.fixture
def newer_program(database_engine: Engine) -> Callable[[str, str], None]:
    """Simulate a future step: its revision, and the oldest program that it serves."""

    def upgrade(revision: str, oldest: str) -> None:
        def work(connection: Connection) -> None:
            version = revisions._version_table(connection)
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
    assert revisions.upgrade(database_engine, now=NOW).current == "9998"


def test_an_old_process_is_refused_where_a_newer_one_removed(
    database_engine: Engine, newer_program: NewerProgram
) -> None:
    """The columns it would read may be gone."""
    newer_program("9998", "9997")
    with pytest.raises(SchemaNotCurrent, match="Install that version"):
        revisions.require_current(database_engine)
    with pytest.raises(SchemaNotCurrent, match="Install that version"):
        revisions.upgrade(database_engine, now=NOW)


def test_revisions_are_numbers_that_follow_one_another() -> None:
    """A program can then find the older of two, without a record of the newer one."""
    config = Config()
    config.set_main_option("script_location", "db/migrations")
    steps = list(reversed(list(ScriptDirectory.from_config(config).walk_revisions())))
    assert [step.revision for step in steps] == [f"{number:04}" for number in range(1, len(steps) + 1)]
    for step in steps[3:]:
        oldest = step.module.oldest_program
        assert oldest is None or oldest <= step.revision


def test_a_later_step_refers_to_tables_of_earlier_ones(own_engine: Engine) -> None:
    """Those did not run with it: it names them, and that is enough."""

    def step(connection: Connection) -> None:
        add = Additions(Applied(connection), schema=schema_of(connection))
        key = ForeignKeyConstraint(["nMessageID"], ["tblEmailMessage.nMessageID"], name="FK_tblLater_nMessageID")
        add.table("tblLater", Column("nMessageID", BigInteger(), nullable=False), key)

    run_writing(own_engine, step)
    found = run_reading(own_engine, lambda c: inspect(c).get_foreign_keys("tblLater", schema=schema_of(c)))
    assert [each["referred_table"] for each in found] == ["tblEmailMessage"]
