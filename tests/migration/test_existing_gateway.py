"""A gateway that has tables of these names already: rows and foreign columns stay, missing ones are added."""

from typing import Any, Final

import pytest
from sqlalchemy import (
    CHAR,
    BigInteger,
    Column,
    Computed,
    Connection,
    Engine,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Unicode,
    UniqueConstraint,
    insert,
    inspect,
    select,
    text,
)

from db.columns import UtcDateTime, flag, graph_id, identity
from db.engine import run_reading, run_writing
from db.errors import SchemaUnusable
from db.queries import accounts
from db.schema import migration, revisions
from db.schema.comparison import Weight
from db.schema.reflection import schema_of
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
SERVERS: Final = pytest.mark.parametrize(
    "database_kind", ["postgresql", pytest.param("mssql", marks=pytest.mark.mssql)], indirect=True
)
ACCOUNTS: Final = "tblEmailAccountSettings"


def number(**options: Any) -> Column[Any]:  # noqa: ANN401  # those of SQLAlchemy's Column
    return Column("nAccountID", identity(), **{"primary_key": True, **options})


def make(engine: Engine, name: str, *items: Any, rows: list[dict[str, Any]] | None = None) -> Table:  # noqa: ANN401  # columns and keys
    """Make a table that existed before the upgrade, with its rows."""

    def work(connection: Connection) -> Table:
        table = Table(name, MetaData(schema=schema_of(connection)), *items)
        table.create(connection)
        if rows:
            connection.execute(insert(table), rows)
        return table

    return run_writing(engine, work)


def problems(engine: Engine) -> str:
    """Return the reasons for which an upgrade is refused; it must change nothing."""
    before = tables(engine)
    with pytest.raises(SchemaUnusable) as refusal:
        migration.upgrade(engine, now=NOW)
    assert tables(engine) == before
    assert revisions.state(engine).current is None
    return str(refusal.value)


def tables(engine: Engine) -> dict[str, list[str]]:
    def look(connection: Connection) -> dict[str, list[str]]:
        found, place = inspect(connection), schema_of(connection)
        return {
            name: sorted(column["name"] for column in found.get_columns(name, schema=place))
            for name in found.get_table_names(schema=place)
        }

    return run_reading(engine, look)


def wrong(engine: Engine) -> list[str]:
    tolerated = {Weight.ACCEPTED, Weight.ADVICE}
    return [f"{each.table}.{each.item}" for each in migration.check(engine) if each.weight not in tolerated]


@pytest.fixture
def legacy(fresh: Engine) -> Table:
    """The accounts table of another program, with two rows and a column unknown to the product."""
    rows = [{"sAccountName": name, "sServer": "imap.example.com"} for name in ("one", "two")]
    columns = (Column("sAccountName", Unicode(255), nullable=False), Column("sServer", Unicode(50), nullable=False))
    return make(fresh, ACCOUNTS, number(), *columns, UniqueConstraint("sAccountName", name="UQ_theirs"), rows=rows)


def test_accounts_of_another_program_are_kept_and_off(fresh: Engine, legacy: Table) -> None:
    """Each row stays; missing values are filled in so that nothing is done before an administrator enables it."""
    migration.upgrade(fresh, now=NOW)
    rows = run_reading(fresh, lambda c: c.execute(select(legacy)).all())
    assert [tuple(row) for row in rows] == [(1, "one", "imap.example.com"), (2, "two", "imap.example.com")]
    found = run_reading(fresh, accounts.every)
    assert [(each.settings.name, each.enabled, each.settings.folder) for each in found] == [
        ("one", False, "Inbox"),
        ("two", False, "Inbox"),
    ]
    assert wrong(fresh) == [f"{ACCOUNTS}.sServer"]


def test_the_other_program_goes_on_adding_accounts(fresh: Engine, legacy: Table) -> None:
    """It knows only the table's former columns."""
    migration.upgrade(fresh, now=NOW)
    run_writing(fresh, lambda c: c.execute(insert(legacy).values(sAccountName="three", sServer="x")))
    assert [each.enabled for each in run_reading(fresh, accounts.every)] == [False, False, False]


def test_an_account_without_name_gets_one(fresh: Engine) -> None:
    """Names are unique, so each row gets its own; SQLite cannot, and reports it."""
    make(fresh, ACCOUNTS, number(), Column("sOther", Unicode(5)), rows=[{"sOther": "x"}, {"sOther": "y"}])
    if fresh.dialect.name == "sqlite":
        assert f"{ACCOUNTS}.sAccountName: found no column" in problems(fresh)
        return
    migration.upgrade(fresh, now=NOW)
    names = [each.settings.name for each in run_reading(fresh, accounts.every)]
    assert len(set(names)) == 2
    assert all(name.startswith("Account ") for name in names)
    assert wrong(fresh) == []


def test_all_problems_are_reported_at_once(fresh: Engine) -> None:
    """Table, column, state found, state wanted, remedy: of every column that cannot be used."""
    make(
        fresh,
        ACCOUNTS,
        number(),
        Column("sAccountName", Unicode(50), nullable=False),
        Column("sTenantID", CHAR(100), nullable=False),
        Column("bEnabled", SmallInteger, nullable=False),
    )
    make(
        fresh,
        "tblGraphSubscription",
        Column("sSubscriptionID", graph_id(100), primary_key=True),
        Column("dtExpires", Unicode(30), nullable=False),
    )
    text = problems(fresh)
    for column in ("sAccountName", "sTenantID", "bEnabled"):
        assert f"{ACCOUNTS}.{column}: found " in text
    assert "(50), wanted" in text
    assert "tblGraphSubscription.dtExpires: found " in text
    assert text.endswith("Then run again: mail-importer db upgrade")
    if fresh.dialect.name != "sqlite":
        assert "ALTER COLUMN" in text


def test_a_row_without_value_is_reported(fresh: Engine) -> None:
    """Only the administrator knows the value."""
    columns = (Column("sAccountName", Unicode(200), nullable=False), Column("sUserID", Unicode(320)))
    make(fresh, ACCOUNTS, number(), *columns, rows=[{"sAccountName": "a"}, {"sAccountName": "b"}])
    assert f"{ACCOUNTS}.sUserID: found null in 2 rows, wanted not null" in problems(fresh)


def test_a_column_that_allows_null_and_has_none_is_used(fresh: Engine) -> None:
    """It works; narrowing it is the administrator's task, and the check reports it."""
    columns = (Column("sAccountName", Unicode(200), nullable=False), Column("sUserID", Unicode(320)))
    make(fresh, ACCOUNTS, number(), *columns, rows=[{"sAccountName": "a", "sUserID": "u"}])
    migration.upgrade(fresh, now=NOW)
    assert f"{ACCOUNTS}.sUserID" in wrong(fresh)


def test_a_column_that_allows_no_null_where_we_write_one_is_reported(fresh: Engine) -> None:
    """An account that moves no mail has no folder to move it to."""
    columns = (
        Column("sAccountName", Unicode(200), nullable=False),
        Column("sMoveToFolder", Unicode(450), nullable=False),
    )
    make(fresh, ACCOUNTS, number(), *columns)
    assert f"{ACCOUNTS}.sMoveToFolder: found not null, wanted null allowed" in problems(fresh)


def test_names_in_more_than_one_row_are_reported(fresh: Engine) -> None:
    """The key cannot be added before one of them is renamed."""
    name = Column("sAccountName", Unicode(200), nullable=False)
    make(fresh, ACCOUNTS, number(), name, rows=[{"sAccountName": each} for each in ("same", "same", "other")])
    assert f"UQ_{ACCOUNTS}_sAccountName: found 1 values in more than one row" in problems(fresh)


def test_values_that_we_would_not_write_are_reported(fresh: Engine) -> None:
    """The check cannot be added over them."""
    columns = (
        Column("sAccountName", Unicode(200), nullable=False),
        Column("sAfterImport", Unicode(20), nullable=False),
    )
    make(fresh, ACCOUNTS, number(), *columns, rows=[{"sAccountName": "a", "sAfterImport": "archive"}])
    assert f"CK_{ACCOUNTS}_sAfterImport: found other values in 1 rows, wanted one of none, read" in problems(fresh)


def test_a_number_that_the_database_does_not_give_is_reported(fresh: Engine) -> None:
    """Such a column cannot be made to number its rows."""
    column = Column("nAccountID", BigInteger, primary_key=True, autoincrement=False)
    make(fresh, ACCOUNTS, column, Column("sAccountName", Unicode(200), nullable=False))
    assert "does not number" in problems(fresh)


@SERVERS
def test_a_number_that_is_no_key_becomes_one(fresh: Engine) -> None:
    """A table without a primary key gets it, named."""
    column = Column("nAccountID", BigInteger, Identity(), nullable=False)
    make(fresh, ACCOUNTS, column, Column("sAccountName", Unicode(200), nullable=False), rows=[{"sAccountName": "a"}])
    migration.upgrade(fresh, now=NOW)
    key = run_reading(fresh, lambda c: inspect(c).get_pk_constraint(ACCOUNTS, schema=schema_of(c)))
    assert (key["name"], key["constrained_columns"]) == (f"PK_{ACCOUNTS}", ["nAccountID"])
    assert wrong(fresh) == []


@SERVERS
def test_another_primary_key_is_left_and_reported(fresh: Engine) -> None:
    """It belongs to the other program; the number needs a unique key beside it, and the text has the statement."""
    name = Column("sAccountName", Unicode(200), primary_key=True)
    make(fresh, ACCOUNTS, Column("nAccountID", BigInteger, Identity(), nullable=False), name)
    text = problems(fresh)
    assert f"PK_{ACCOUNTS}: found primary key (sAccountName)" in text
    assert "UNIQUE" in text


def test_wider_columns_are_used_as_they_are(fresh: Engine) -> None:
    """A column that accepts more than the product writes does no harm."""
    columns = [Column(name, Unicode(2000), nullable=False) for name in ("sTenantID", "sClientID", "sFolder")]
    make(fresh, ACCOUNTS, number(), Column("sAccountName", Unicode(300), nullable=False), *columns)
    migration.upgrade(fresh, now=NOW)
    assert wrong(fresh) == []
    accepted = {each.item for each in migration.check(fresh) if each.weight is Weight.ACCEPTED}
    assert accepted == {"sAccountName", "sTenantID", "sClientID", "sFolder"}


@SERVERS
def test_the_number_of_another_program_may_be_small(fresh: Engine) -> None:
    """Its table gives the numbers; all of them fit into the product's columns."""
    make(
        fresh,
        ACCOUNTS,
        Column("nAccountID", Integer, Identity(), primary_key=True),
        Column("sAccountName", String(200), nullable=False),
    )
    migration.upgrade(fresh, now=NOW)
    settings = accounts.AccountSettings("new", "tenant", "client", "user", "thumbprint")
    assert run_writing(fresh, lambda c: accounts.add(c, settings, now=NOW)) == 1
    assert wrong(fresh) == []


def test_keys_and_indexes_are_added_to_any_table_of_ours(fresh: Engine) -> None:
    """A table of messages without its key would hold each of them twice."""
    make(
        fresh,
        "tblEmailMessage",
        Column("nMessageID", identity(), primary_key=True),
        Column("nAccountID", BigInteger, nullable=False),
        Column("sGraphMessageID", graph_id(700), nullable=False),
        Column("bHasAttachments", flag(), nullable=False),
        Column("dtImported", UtcDateTime, nullable=False),
        rows=[{"nAccountID": 1, "sGraphMessageID": "a", "bHasAttachments": True, "dtImported": NOW}],
    )
    migration.upgrade(fresh, now=NOW)
    assert wrong(fresh) == []


def test_a_column_that_no_value_can_be_guessed_for_is_reported(fresh: Engine) -> None:
    """A message that names no account."""
    columns = (Column("nMessageID", identity(), primary_key=True), Column("sSubject", Unicode(100)))
    make(fresh, "tblEmailMessage", *columns, rows=[{"sSubject": "x"}])
    text = problems(fresh)
    assert "tblEmailMessage.sSubject: found " in text
    assert "tblEmailMessage.nAccountID: found no column" in text


def test_a_type_that_cannot_be_compared_is_still_reported(fresh: Engine) -> None:
    """The rows of such a column cannot be checked against the checks and keys."""
    columns = (Column("sAccountName", LargeBinary), Column("sAfterImport", Integer, nullable=False))
    make(fresh, ACCOUNTS, number(), *columns, rows=[{"sAccountName": b"a", "sAfterImport": 1}])
    text = problems(fresh)
    assert f"{ACCOUNTS}.sAccountName: found " in text
    assert f"{ACCOUNTS}.sAfterImport: found int" in text


def test_rows_that_refer_to_a_table_that_is_not_there_are_reported(fresh: Engine) -> None:
    """The table will be made, and be empty."""
    columns = [
        Column("nMessageID", identity(), primary_key=True, autoincrement=False),
        Column("sKind", Unicode(10), primary_key=True),
        Column("nPosition", Integer, primary_key=True, autoincrement=False),
    ]
    make(fresh, "tblEmailRecipient", *columns, rows=[{"nMessageID": 7, "sKind": "to", "nPosition": 1}])
    assert "FK_tblEmailRecipient_nMessageID: found 1 rows that refer to none" in problems(fresh)


@SERVERS
def test_a_remedy_does_not_narrow(fresh: Engine) -> None:
    """A remedy that makes a wide column not null keeps its width."""
    columns = (Column("sAccountName", Unicode(200), nullable=False), Column("sUserID", Unicode(500)))
    make(fresh, ACCOUNTS, number(), *columns)
    migration.upgrade(fresh, now=NOW)
    [remedy] = [each.remedy for each in migration.check(fresh) if each.weight is Weight.DIFFERS]
    run_writing(fresh, lambda c: c.exec_driver_sql(remedy.removeprefix("Run: ")))
    assert wrong(fresh) == []
    assert "(500)" in next(each.found for each in migration.check(fresh) if each.item == "sUserID")


@SERVERS
def test_columns_that_the_database_fills_itself_need_nothing(fresh: Engine) -> None:
    """Computed ones are among them."""
    computed = Column("sUpper", Unicode(200), Computed(text('upper("sAccountName")'), persisted=True))
    make(fresh, ACCOUNTS, number(), Column("sAccountName", Unicode(200), nullable=False), computed)
    migration.upgrade(fresh, now=NOW)
    assert wrong(fresh) == []


@SERVERS
def test_rows_that_refer_to_none_are_reported(fresh: Engine) -> None:
    """The key cannot be added over them."""
    columns = (
        Column("nMessageID", BigInteger, primary_key=True, autoincrement=False),
        Column("sKind", Unicode(10), primary_key=True),
        Column("nPosition", Integer, primary_key=True, autoincrement=False),
    )
    message = (Column("nMessageID", identity(), primary_key=True),)
    make(fresh, "tblEmailMessage", *message)
    make(fresh, "tblEmailRecipient", *columns, rows=[{"nMessageID": 7, "sKind": "to", "nPosition": 1}])
    assert "FK_tblEmailRecipient_nMessageID: found 1 rows that refer to none" in problems(fresh)
