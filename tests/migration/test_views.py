"""The views: made with the tables, restored when they differ, and never put in the place of another program's."""

from typing import Final

import pytest
from sqlalchemy import Connection, Engine, inspect, text

from db.engine import run_reading, run_writing
from db.errors import SchemaUnusable
from db.schema import migration
from db.schema.comparison import Difference, Weight
from db.schema.reflection import schema_of
from db.views import VIEWS, View, email
from tests.doubles.clock import SettableClock
from tests.migration.test_script import run, script_for

NOW: Final = SettableClock()()
POSTGRESQL: Final = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
SERVERS: Final = pytest.mark.parametrize(
    "database_kind", ["postgresql", pytest.param("mssql", marks=pytest.mark.mssql)], indirect=True
)
EVERY: Final = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)


def wrong(engine: Engine) -> list[Difference]:
    return [each for each in migration.check(engine) if each.weight not in {Weight.ACCEPTED, Weight.ADVICE}]


def do(engine: Engine, *statements: str) -> None:
    """Run statements; {} is the schema, with its dot."""

    def work(connection: Connection) -> None:
        place = schema_of(connection)
        for each in statements:
            connection.exec_driver_sql(each.replace("{}", f'"{place}".' if place else ""))

    run_writing(engine, work)


def definition(engine: Engine, view: View) -> str:
    def read(connection: Connection) -> str:
        return view.create(connection.dialect, schema_of(connection))

    return run_reading(engine, read)


def changed(engine: Engine, view: View, *, append: str = "", where: str = "") -> None:
    """Put another view in the place of one: with a column more, or with fewer rows."""
    new = definition(engine, view).replace("\nFROM", f"{append}\nFROM", 1) + where
    do(engine, f'DROP VIEW {{}}"{view.name}"', new)


def columns(engine: Engine, view: View) -> list[str]:
    place = run_reading(engine, schema_of)
    return [each["name"] for each in inspect(engine).get_columns(view.name, schema=place)]


@EVERY
def test_a_view_has_the_columns_of_its_definition(own_engine: Engine, view: View) -> None:
    assert columns(own_engine, view) == [each.name for each in view.columns]
    assert len(set(columns(own_engine, view))) == len(view.columns)


@EVERY
def test_a_missing_view_is_found_and_made(own_engine: Engine, view: View) -> None:
    do(own_engine, f'DROP VIEW {{}}"{view.name}"')
    [found] = wrong(own_engine)
    assert (found.table, found.found, found.weight) == (view.name, "no view", Weight.MISSING)
    assert "Run: mail-importer db upgrade" in str(found.phrase)

    migration.upgrade(own_engine, now=NOW)

    assert wrong(own_engine) == []
    assert columns(own_engine, view) == [each.name for each in view.columns]


@EVERY
@pytest.mark.parametrize(
    "change",
    [{"append": ",\n    1 AS theirs"}, {"where": '\nWHERE m."nMessageID" > 0'}],
    ids=["another column", "other rows"],
)
def test_a_changed_view_is_found_and_restored(own_engine: Engine, view: View, change: dict[str, str]) -> None:
    """A column that was added, a condition that hides rows."""
    changed(own_engine, view, **change)
    [found] = wrong(own_engine)
    assert (found.table, found.found, found.weight) == (view.name, "another definition", Weight.MISSING)

    migration.upgrade(own_engine, now=NOW)

    assert wrong(own_engine) == []
    assert columns(own_engine, view) == [each.name for each in view.columns]


@SERVERS
def test_the_script_restores_changed_views(own_engine: Engine) -> None:
    """With a column less at their end, and with a column more."""
    changed(own_engine, VIEWS[0], where='\nWHERE m."nMessageID" > 0')
    changed(own_engine, VIEWS[1], append=",\n    1 AS theirs")
    run(own_engine, script_for(own_engine))
    assert wrong(own_engine) == []


@EVERY
@pytest.mark.parametrize(
    "theirs",
    ['CREATE VIEW {}"NAME" AS SELECT "nMessageID" FROM {}"tblEmailMessage"', 'CREATE TABLE {}"NAME" ("x" integer)'],
    ids=["view", "table"],
)
def test_an_object_of_another_program_stays(own_engine: Engine, view: View, theirs: str) -> None:
    """It blocks the upgrade, which names it and changes nothing; so does the script."""
    do(own_engine, f'DROP VIEW {{}}"{view.name}"', theirs.replace("NAME", view.name), 'DROP TABLE {}"tblQueueAudit"')
    blocking = [each for each in wrong(own_engine) if each.weight is Weight.BLOCKS]
    assert [(each.table, each.found) for each in blocking] == [(view.name, "something else of this name")]
    with pytest.raises(SchemaUnusable, match=f"{view.name}: found something else of this name.*Rename it, or drop it"):
        migration.upgrade(own_engine, now=NOW)
    if own_engine.dialect.name != "sqlite":
        with pytest.raises(Exception, match=f"{view.name}: found something else of this name"):
            run(own_engine, script_for(own_engine))
    assert [each.table for each in wrong(own_engine)] == ["tblQueueAudit", view.name]


@POSTGRESQL
@pytest.mark.parametrize("by_script", [False, True], ids=["program", "script"])
def test_rights_that_others_granted_on_a_view_stay(own_engine: Engine, by_script: bool) -> None:
    """Those on the view and on a column, with the right to grant them on, and of everybody; also where it has to be
    made anew."""
    do(own_engine, "DO $$ BEGIN CREATE ROLE theirs; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    for view in VIEWS:
        changed(own_engine, view, append=",\n    1 AS theirs")
        do(
            own_engine,
            f'GRANT SELECT ON "{view.name}" TO theirs WITH GRANT OPTION',
            f'GRANT SELECT ("nMessageID") ON "{view.name}" TO PUBLIC',
        )
    before = granted(own_engine)
    assert len(before) == 4

    if by_script:
        run(own_engine, script_for(own_engine))
    else:
        migration.upgrade(own_engine, now=NOW)

    assert wrong(own_engine) == []
    assert granted(own_engine) == before
    do(own_engine, 'DROP VIEW "vEmail", "vEmailAttachment"')


def granted(engine: Engine) -> list[str]:
    statement = text(
        "SELECT c.relname, '' AS attname, a.privilege_type, a.is_grantable, a.grantee FROM pg_class AS c, "
        "aclexplode(c.relacl) AS a WHERE c.relkind = 'v' AND c.relname LIKE 'vEmail%' AND a.grantee <> c.relowner "
        "UNION ALL SELECT c.relname, k.attname, a.privilege_type, a.is_grantable, a.grantee FROM pg_class AS c "
        "INNER JOIN pg_attribute AS k ON k.attrelid = c.oid, aclexplode(k.attacl) AS a WHERE c.relname LIKE 'vEmail%'"
    )
    return sorted(str(row) for row in run_reading(engine, lambda connection: connection.execute(statement).all()))


@POSTGRESQL
def test_a_view_of_others_upon_a_changed_one_is_named(own_engine: Engine) -> None:
    """The changed one can only be made anew, which would drop theirs."""
    changed(own_engine, email, append=",\n    1 AS theirs")
    do(own_engine, 'CREATE VIEW "Lab mail" AS SELECT "nMessageID" FROM "vEmail"', 'DROP TABLE "tblQueueAudit"')
    with pytest.raises(SchemaUnusable, match=r'vEmail: found another definition.*Drop first what reads it: "Lab mail"'):
        migration.upgrade(own_engine, now=NOW)
    do(own_engine, 'DROP VIEW "Lab mail"')
    migration.upgrade(own_engine, now=NOW)
    assert wrong(own_engine) == []


@POSTGRESQL
def test_a_view_of_others_upon_one_that_is_replaced_stays(own_engine: Engine) -> None:
    """Columns as before, other rows: the server replaces it in place."""
    changed(own_engine, email, where='\nWHERE m."nMessageID" > 0')
    do(own_engine, 'CREATE VIEW "Lab mail" AS SELECT "nMessageID" FROM "vEmail"')
    migration.upgrade(own_engine, now=NOW)
    assert wrong(own_engine) == []
    do(own_engine, 'SELECT * FROM "Lab mail"')


@POSTGRESQL
def test_the_remedy_for_a_type_drops_the_views_that_show_the_column(own_engine: Engine) -> None:
    """The server changes no type of a column that a view reads; an upgrade makes the views again."""
    do(
        own_engine,
        'DROP VIEW "vEmail", "vEmailAttachment"',
        'ALTER TABLE "tblEmailMessage" ALTER COLUMN "sInternetMessageID" TYPE varchar(10)',
    )
    do(own_engine, *(definition(own_engine, view) for view in VIEWS))
    [found] = wrong(own_engine)
    assert found.item == "sInternetMessageID"
    remedy = str(found.remedy)
    assert remedy.endswith("mail-importer db upgrade, which makes the views again, and: mail-importer db grants")
    do(own_engine, *remedy.removeprefix("Run: ").partition("; or rename")[0].split("; "))
    assert {each.found for each in wrong(own_engine)} == {"no view"}
    migration.upgrade(own_engine, now=NOW)
    assert wrong(own_engine) == []


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_broken_view_does_not_prevent_an_upgrade(own_engine: Engine) -> None:
    """SQLite refuses to change a table while a view names a column that is gone."""
    do(own_engine, 'DROP TABLE "tblEmailMessage"')
    assert {each.table for each in wrong(own_engine)} == {"tblEmailMessage"}
    migration.upgrade(own_engine, now=NOW)
    assert wrong(own_engine) == []
    do(own_engine, 'SELECT * FROM "vEmail"')
