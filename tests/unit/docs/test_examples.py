"""The examples that a reader copies, in the SQL of SQL Server, on which few tests run: reviewed, and parsed."""

import importlib.util
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
import sqlglot
from sqlalchemy import Connection, Engine, create_engine, event, func, insert, select, update
from sqlalchemy.dialects import mssql
from sqlglot import ErrorLevel, exp

from db.tables import email_consumer, email_taken, message, metadata
from db.views import VIEWS
from tests.databases import Gateway
from tests.paths import ROOT
from tests.reviewed import assert_reviewed

EXAMPLES: Final = ROOT / "docs" / "examples"
SCRIPT: Final = EXAMPLES / "consume.sql"
REVIEWED: Final = Path(__file__).with_name("consume.sql")
MSSQL: Final = pytest.mark.parametrize("database_kind", [pytest.param("mssql", marks=pytest.mark.mssql)], indirect=True)


@pytest.fixture
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("consume", EXAMPLES / "consume.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def engine(gateway: Gateway) -> Iterator[Engine]:
    made = create_engine(gateway.url)
    yield made
    made.dispose()


def add_message(engine: Engine) -> None:
    row = "INSERT INTO tblEmailMessage (nAccountID, sGraphMessageID, bHasAttachments, dtImported, sSubject) "
    with engine.begin() as connection:
        connection.exec_driver_sql(row + "VALUES (1, 'AAk', 1, '2027-03-01 00:00:00.000000', 'Results')")
        file = "INSERT INTO tblEmailAttachment (nMessageID, nPosition, sKind, nSize, bInline, sSafeFileName) "
        connection.exec_driver_sql(file + "VALUES (1, 0, 'file', 0, 0, 'results.csv')")


def test_example_prints_message_and_files(
    example: ModuleType, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands, before a reader writes other work."""
    add_message(engine)
    example.add(engine, "lab")
    assert example.take(engine, "lab") == 1
    assert capsys.readouterr().out == "1 None Results results.csv\n"
    assert example.take(engine, "lab") == 0


def test_example_knows_columns_that_exist(example: ModuleType) -> None:
    known = {name: {column.name for column in table.columns} for name, table in metadata.tables.items()}
    known |= {view.name: {column.name for column in view.columns} for view in VIEWS}
    for table in example._tables.tables.values():
        assert {column.name for column in table.columns} <= known[table.name]


def test_statements_of_the_example_are_those_that_were_reviewed(example: ModuleType, engine: Engine) -> None:
    """As SQL Server gets them."""
    add_message(engine)
    found: list[str] = []

    def note(_connection: Connection, statement: Any, *_: object) -> None:  # noqa: ANN401  # a clause
        found.append(str(statement.compile(dialect=mssql.dialect())))  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy

    event.listen(engine, "before_execute", note)
    example.PATIENCE = timedelta(0)  # type: ignore[attr-defined]  # a constant of the module
    example.add(engine, "lab")
    example.take(engine, "lab")
    for _ in range(3):
        example.move(engine, "lab")
    assert_reviewed("".join(f"{each}\nGO\n" for each in dict.fromkeys(found)), REVIEWED)


def _known_to_the_parser(found: re.Match[str]) -> str:
    return "1" if found[0].startswith("__") else ""


def reviewed() -> list[str]:
    return REVIEWED.read_text("utf-8").split("\nGO\n")[:-1]


@pytest.mark.parametrize("text", reviewed(), ids=lambda text: text.split("\n")[0][:40])
def test_reviewed_statements_are_t_sql(text: str) -> None:
    # The grammar of the parser lacks READCOMMITTEDLOCK, which Microsoft's documentation has.
    plain = re.sub(r":(\w+)", r"@\1", re.sub(r"__\[POSTCOMPILE_\w+\]|READCOMMITTEDLOCK, ", _known_to_the_parser, text))
    [parsed] = sqlglot.parse(plain, dialect="tsql", error_level=ErrorLevel.RAISE)
    assert isinstance(parsed, exp.Select | exp.Insert | exp.Update | exp.Delete)


def test_the_read_that_proves_that_nothing_is_left_waits_for_no_row_and_skips_none() -> None:
    """By its hint it locks, in a database with READ_COMMITTED_SNAPSHOT as well, and fails at a row that is locked."""
    reading = [text for text in (*reviewed(), SCRIPT.read_text("utf-8")) if "tblEmailMessage" in text]
    assert len(reading) == 2
    for text in reading:
        assert re.search(r"\[tblEmailMessage\](?: AS m)? WITH \(READCOMMITTEDLOCK, NOWAIT\)", text)
        assert "READPAST" not in text


def test_the_script_is_t_sql_and_names_columns_that_exist() -> None:
    """The parser knows no TRY and CATCH: their statements are parsed as those of blocks."""
    text = re.sub(r"--.*", "", SCRIPT.read_text("utf-8")).replace("READCOMMITTEDLOCK, ", "")
    blocks = re.sub(r"END TRY\s+BEGIN CATCH", "END;\n    IF 1 = 1\n    BEGIN", text).replace("END CATCH", "END")
    blocks = blocks.replace("BEGIN TRY", "IF 1 = 1\n    BEGIN")
    statements = sqlglot.parse(blocks, dialect="tsql", error_level=ErrorLevel.RAISE)
    found = [each for statement in statements if statement for each in statement.walk()]
    assert not [each for each in found if isinstance(each, exp.Command)]
    kinds = [type(each) for each in found if isinstance(each, exp.Insert | exp.Update | exp.Delete)]
    assert sorted(kind.__name__ for kind in kinds) == ["Delete", *["Insert"] * 3, *["Update"] * 4]
    known = {column.name for table in metadata.tables.values() for column in table.columns}
    assert set(re.findall(r"\[((?:n|s|b|dt|bi)[A-Z]\w*)\]", text)) <= known


def test_the_script_does_what_the_example_does(example: ModuleType) -> None:
    """Both write the same columns, and wait as long."""
    text = SCRIPT.read_text("utf-8")
    assert f"DATEADD(MINUTE, -{int(example.PATIENCE / timedelta(minutes=1))}, " in text
    assert "@limit INT = 100" in text
    assert example.LIMIT == 100


@MSSQL
def test_the_script_takes_each_message_once_on_sql_server(gateway: Gateway) -> None:
    """It is run three times; before the last its note is made ten minutes older."""
    engine = gateway.engine()
    script = SCRIPT.read_text("utf-8").replace("[dbo]", f"[{gateway.schema}]")
    when = datetime.now(UTC)
    with engine.begin() as connection:
        for name in "ab":
            row = {"nAccountID": 1, "sGraphMessageID": name, "bHasAttachments": False, "dtImported": when}
            connection.execute(insert(message).values(row))

    def run() -> None:
        raw = engine.raw_connection()
        raw.driver_connection.autocommit = True  # type: ignore[union-attr]
        raw.cursor().execute(script)
        raw.invalidate()

    def state() -> tuple[int, int]:
        with engine.begin() as connection:
            position = connection.scalars(select(email_consumer.c.nPosition)).one()
            rows = connection.scalars(select(func.count()).select_from(email_taken)).one()
        return position, rows

    run()
    run()
    assert state() == (0, 2)
    with engine.begin() as connection:
        connection.execute(update(email_consumer).values(dtNextPosition=when - timedelta(minutes=11)))
    run()
    assert state()[1] == 0
    assert state()[0] > 0
    engine.dispose()
