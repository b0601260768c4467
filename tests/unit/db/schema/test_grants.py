"""Each role can do its work with its granted rights, and not with fewer."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
import sqlglot
from sqlalchemy import Connection, Engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from db.engine import Database
from db.schema.grants import BACKENDS, Role, rights, script
from db.schema.migration import check
from db.schema.revisions import VERSION_TABLE
from db.tables import mailbox_call, metadata
from db.views import VIEWS
from tests.databases import Gateway
from tests.unit.db.schema import role_work
from tests.unit.db.schema.role_work import Desk

WORK: Final[dict[Role, Callable[[Desk], Awaitable[None]]]] = {
    Role.RECEIVER: role_work.receive,
    Role.PROCESSOR: role_work.process,
    Role.SUBSCRIPTIONS: role_work.manage,
    Role.DELIVERY: role_work.deliver,
    Role.CONSOLE: role_work.serve,
    Role.OPERATOR: role_work.operate,
    Role.READER: role_work.read,
}
# SQL Server accepts a large content in pieces: each is an UPDATE of the row that was inserted and selected before.
NEEDED_ELSEWHERE: Final = {
    Role.PROCESSOR: {
        (word, table) for word in ("SELECT", "UPDATE") for table in ('"tblEmailAttachment"', '"tblEmailOriginal"')
    },
}
GRANT: Final = re.compile(r"GRANT (?P<words>[A-Z, ]+) ON (?P<what>.+) TO (?P<role>.+);")


@pytest.fixture
def database_kind() -> str:
    """A real server with real rights."""
    return "postgresql"


@pytest.fixture
def owner(database_engine: Engine) -> Engine:
    return database_engine


def run_script(engine: Engine, statements: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.connection.driver_connection.execute(statements)  # type: ignore[union-attr]  # as psql does: many at once


def login_of(owner: Engine, gateway: Gateway, role: Role) -> Gateway:
    """A login that is in this role and in no other."""
    login = f"login_of_{role}"
    run_script(owner, script("postgresql", roles=[role]))
    # Roles are of the whole server: an earlier test may have made it.
    run_script(owner, f'DROP ROLE IF EXISTS "{login}"; CREATE ROLE "{login}" LOGIN IN ROLE "{role.database_role}"')
    return replace(gateway, url=make_url(gateway.url).set(username=login).render_as_string(hide_password=False))


@contextmanager
def refusals() -> Iterator[list[str]]:
    """Statements that the server refuses meanwhile for lack of a right, wherever the error is caught."""
    seen: list[str] = []

    def note(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlstate", None) == "42501":
            seen.append(str(context.original_exception))

    event.listen(Engine, "handle_error", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "handle_error", note)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the driver got it."""

    text: str
    parameters: Any
    options: Mapping[str, Any]

    def is_refused(self, connection: Connection) -> bool:
        """Run it in a transaction that is undone. The server checks rights before rows: those need not be the same."""
        try:
            with connection.begin():
                connection.exec_driver_sql(self.text, self.parameters, self.options)
                connection.rollback()
        except DBAPIError as exc:
            return getattr(exc.orig, "sqlstate", None) == "42501"
        return False


@contextmanager
def statements(login: Gateway) -> Iterator[list[Statement]]:
    """Statements that the login runs meanwhile, on whatever engine."""
    seen: list[Statement] = []
    user = make_url(login.url).username

    def note(connection: Connection, _cursor: object, statement: str, parameters: Any, context: Any, _: bool) -> None:  # noqa: ANN401  # of any shape; the signature is SQLAlchemy's
        if connection.engine.url.username == user:
            seen.append(Statement(statement, parameters, context.execution_options))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.slow
@pytest.mark.parametrize("role", list(Role), ids=str)
async def test_a_role_can_do_its_work_with_nothing_less(role: Role, owner: Engine, gateway: Gateway) -> None:
    """None of its statements is refused; without any one of its rights, one of them is."""
    login = login_of(owner, gateway, role)
    engine = login.engine()
    databases = Database(engine), Database(owner)
    async with AsyncExitStack() as closing:
        for each in databases:
            closing.push_async_callback(each.close)
        with refusals() as refused, statements(login) as work:
            for number in (1, 2):
                await WORK[role](Desk(login, *databases, number))
        assert refused == []
        assert unneeded_rights(role, owner, engine, work) <= NEEDED_ELSEWHERE.get(role, set())


def unneeded_rights(role: Role, owner: Engine, engine: Engine, work: list[Statement]) -> set[tuple[str, str]]:
    """Rights without which no statement is refused."""
    unneeded = set()
    for word, what in granted(role):
        run_script(owner, f'REVOKE {word} ON {what} FROM "{role.database_role}"')
        with engine.connect() as connection:
            naming = {each.text: each for each in work if table_of(what) in each.text}
            if not any(each.is_refused(connection) for each in naming.values()):
                unneeded.add((word, what))
        run_script(owner, f'GRANT {word} ON {what} TO "{role.database_role}"')
    return unneeded


def table_of(what: str) -> str:
    """The quoted name of the table, or of the table whose keys the sequence makes."""
    return re.sub(r'SEQUENCE ("[^_]+)_.*', r'\1"', what)


def granted(role: Role) -> list[tuple[str, str]]:
    """The rights of the role: word and table, as the script names them."""
    found = [GRANT.fullmatch(line) for line in script("postgresql", roles=[role]).splitlines()]
    return [(word, each["what"]) for each in found if each for word in each["words"].split(", ")]


# The script.


_UNUSED: Final = {
    mailbox_call.name,  # which only earlier releases use
}


def test_every_table_and_view_is_considered() -> None:
    """A new table must name the roles that need it."""
    named = {table for role in Role for table in rights(role)}
    assert named | _UNUSED == {*metadata.tables, VERSION_TABLE, *(view.name for view in VIEWS)}
    assert not named & _UNUSED


def test_a_reader_sees_mail_only() -> None:
    """And writes how far it has come."""
    assert rights(Role.READER) == {
        "tblEmailMessage": ["SELECT"],
        "tblEmailRecipient": ["SELECT"],
        "tblEmailHeader": ["SELECT"],
        "tblEmailAttachment": ["SELECT"],
        "tblEmailOriginal": ["SELECT"],
        "tblEmailFile": ["SELECT"],
        "vEmail": ["SELECT"],
        "vEmailAttachment": ["SELECT"],
        "tblEmailConsumer": ["SELECT", "INSERT", "UPDATE"],
        "tblEmailTaken": ["SELECT", "INSERT", "DELETE"],
    }


@pytest.mark.parametrize("role", [Role.RECEIVER, Role.PROCESSOR, Role.SUBSCRIPTIONS, Role.READER])
def test_mail_is_deleted_by_operators_only(role: Role) -> None:
    for table in ("tblEmailMessage", "tblEmailRecipient", "tblEmailHeader", "tblEmailAttachment", "tblEmailOriginal"):
        assert "DELETE" not in rights(role).get(table, [])


def test_a_receiver_sees_no_mail_and_no_account() -> None:
    assert set(rights(Role.RECEIVER)) == {VERSION_TABLE, "tblImporterSecret", "tblNotificationQueue", "tblProcess"}


@pytest.mark.parametrize("schema", [None, "mail", 'odd ]"name'])
def test_the_script_for_sql_server_is_t_sql(schema: str | None) -> None:
    """It has its schema, in quotes."""
    lines = script("mssql", roles=list(Role), schema=schema).splitlines()
    statements = [line for line in lines if line and not line.startswith("--")]
    granted = 0
    for statement in statements:
        if not statement.startswith("GRANT"):
            assert re.fullmatch(r"IF DATABASE_PRINCIPAL_ID\(N'\w+'\) IS NULL|    CREATE ROLE \[\w+\];", statement)
            continue
        if statement.startswith("GRANT VIEW DEFINITION"):  # which the parser does not know
            place = (schema or "dbo").replace("]", "]]")
            assert statement == f"GRANT VIEW DEFINITION ON SCHEMA::[{place}] TO [mail_importer_operator];"
            continue
        [parsed] = sqlglot.parse(statement, dialect="tsql")
        assert isinstance(parsed, sqlglot.expressions.Grant)
        [table] = parsed.find_all(sqlglot.expressions.Table)
        known = {*metadata.tables, VERSION_TABLE, *(view.name for view in VIEWS)}
        assert (table.db, table.name in known) == (schema or "dbo", True)
        granted += 1
    assert granted == sum(len(rights(role)) for role in Role)


@pytest.mark.slow
def test_the_script_may_be_repeated_and_names_its_schema(owner: Engine) -> None:
    """It runs on PostgreSQL, in a schema that is not on the search path."""
    with owner.begin() as connection:
        connection.execute(text('CREATE SCHEMA "mail store"'))
        metadata.create_all(connection.execution_options(schema_translate_map={None: "mail store"}))
        connection.execute(text(f'CREATE TABLE "mail store"."{VERSION_TABLE}" (version_num varchar(32))'))
        for view in VIEWS:
            connection.exec_driver_sql(view.create(connection.dialect, "mail store"))
    for _ in range(2):
        run_script(owner, script("postgresql", roles=list(Role), schema="mail store"))
    with owner.begin() as connection:
        connection.execute(text('SET ROLE "mail_importer_reader"'))
        assert connection.execute(text('SELECT * FROM "mail store"."tblEmailMessage"')).all() == []


@pytest.mark.parametrize("backend_of", sorted(BACKENDS))
def test_without_a_queue_table_no_role_gets_rights_on_it(backend_of: str) -> None:
    found = script(backend_of, roles=list(Role), queue_is_table=False)
    assert "tblNotificationQueue" not in found
    assert "receiver opens no connection" in found


@pytest.mark.slow
@pytest.mark.parametrize("role", [role for role in Role if role is not Role.READER], ids=str)
def test_a_check_by_a_role_finds_nothing_missing(role: Role, owner: Engine, gateway: Gateway) -> None:
    """Tables and columns without a right for the role exist nevertheless."""
    engine = login_of(owner, gateway, role).engine()
    assert check(engine) == []
    run_script(owner, 'ALTER TABLE "tblEmailMessage" DROP COLUMN "sChangeKey"; DROP INDEX "IX_tblFolderSync_dtDue"')
    assert {each.item for each in check(engine)} == {"sChangeKey", "IX_tblFolderSync_dtDue"}
    engine.dispose()
