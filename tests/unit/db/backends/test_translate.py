"""Errors of the drivers: transient ones, their messages, and values that are never repeated."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from socket import create_server
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from db.backends.faults import referring_table
from db.backends.translate import must_be_retried
from db.connection import ConnectionOptions
from db.engine import make_engine, run_reading, run_writing
from db.errors import DatabaseUnavailable
from graph.certificates import make_self_signed
from phrases import Phrase
from tests.databases import Gateway, PostgreSQL
from tests.doubles.tds import HangUp, ServerError, Silence, TdsServer, tls_with
from tests.error_chain import error_text
from tests.ports import free_port

NOW: Final = datetime.now(UTC)
QUICK: Final = ConnectionOptions(login_seconds=2, statement_seconds=1)
SECRET: Final = "Befund Mustermann"
PASSWORD: Final = "S3cret"


@pytest.fixture
def server() -> Iterator[TdsServer]:
    with TdsServer() as listening:
        yield listening


@pytest.fixture
def engine(server: TdsServer) -> Iterator[Engine]:
    made = make_engine(url(server.port), QUICK)
    yield made
    made.dispose()


def url(port: int, options: str = "?Encrypt=no") -> str:
    return f"mssql+pyodbc://importer:S3cret@127.0.0.1:{port}/gateway{options}"


def insert(connection: Connection) -> None:
    connection.exec_driver_sql("INSERT INTO tblEmailMessage DEFAULT VALUES")


def on_insert(answer: Callable[[], ServerError | None]) -> Callable[[str], ServerError | None]:
    return lambda statement: answer() if "INSERT" in statement else None


def refused(engine: Engine, work: Callable[[Connection], Any] = insert) -> str:
    """Text of an outage for the operator."""
    with pytest.raises(DatabaseUnavailable) as outage:
        run_writing(engine, work)
    sentence = str(outage.value)
    assert sentence.startswith("The gateway database cannot be used: ")
    for hidden in ("S3cret", SECRET, "INSERT", "PWD", "None"):
        assert hidden not in sentence
    assert "S3cret" not in error_text(outage.value)
    return sentence


# SQL Server: errors of the server. The number, its text, and a word of the product's.

OUTAGES: Final = [
    (6005, "SHUTDOWN is in progress.", "starting, stopping"),
    (976, "The target database, 'gateway', is participating in an availability group and", "failing over"),
    (983, "Unable to access availability database 'gateway' because the database replica is not", "failing over"),
    (40613, "Database 'gateway' on server 'x' is not currently available.", "failing over"),
    (40197, "The service has encountered an error processing your request.", "failing over"),
    (3906, 'Failed to update database "gateway" because the database is read-only.', "read-only"),
    (3908, "Could not run BEGIN TRANSACTION in database 'gateway' because it is in emergency mode", "emergency mode"),
    (9001, "The log for database 'gateway' is not available.", "cannot read or write"),
    (1104, "TEMPDB ran out of space during spilling.", "tempdb"),
    (40501, "The service is currently busy. Retry the request after 10 seconds.", "tier"),
    (49918, "Cannot process request. Not enough resources to process request.", "tier"),
    (10928, "Resource ID : 1. The request limit for the database is 30 and has been reached.", "tier"),
    (9002, "The transaction log for database 'gateway' is full due to 'LOG_BACKUP'.", "log is full"),
    (1105, "Could not allocate space for object 'dbo.tblEmailMessage' in database 'gateway'", "are full"),
    (1101, "Could not allocate a new page for database 'gateway'", "are full"),
    (701, "There is insufficient system memory in resource pool 'default' to run this query.", "enough memory"),
    (8645, "A timeout occurred while waiting for memory resources to execute the query", "enough memory"),
    (4060, 'Cannot open database "gateway" requested by the login. The login failed.', "no database of the name"),
    (18456, "Login failed for user 'importer'.", "sign-in was refused"),
    (924, "Database 'gateway' is already open and can only have one user at a time.", "not online"),
    (926, "Database 'gateway' cannot be opened. It has been marked SUSPECT by recovery.", "not online"),
    (927, "Database 'gateway' cannot be opened. It is in the middle of a restore.", "not online"),
    (945, "Database 'gateway' cannot be opened due to inaccessible files", "not online"),
    (922, "Database 'gateway' is being recovered. Waiting until recovery is finished.", "failing over"),
    (916, 'The server principal "x" is not able to access the database "gateway"', "no user in it"),
    (18470, "Login failed for user 'x'. Reason: The account is disabled.", "disabled or locked"),
    (18486, "Login failed for user 'x' because the account is currently locked out.", "disabled or locked"),
    (18487, "Login failed for user 'x'.  Reason: The password of the account has expired.", "expired"),
    (18488, "Login failed for user 'x'.  Reason: The password of the account must be changed.", "must be changed"),
    (904, "Database 5 cannot be autostarted during server shutdown or startup.", "starting, stopping"),
    (10930, "The service is currently too busy. Please try again later.", "tier"),
    (47073, "The public network interface on this server is not accessible.", "private endpoint"),
    (5149, "MODIFY FILE encountered operating system error 112", "are full"),
    (8651, "Could not perform the operation because the requested memory grant was not available", "enough memory"),
    (17300, "SQL Server was unable to run a new system task", "no more connections"),
    (3958, "Transaction aborted when accessing versioned row in table", "tempdb"),
    (10929, "Resource ID: 1. The minimum guarantee is 0", "tier"),
    (823, "The operating system returned error 21", "cannot read or write"),
    (845, "Time-out occurred while waiting for buffer latch type 2 for page (1:1), database ID 5.", "in time"),
    (3953, "Snapshot isolation transaction failed in database 'gateway' because the database was not", "failing over"),
    (9020, "The log for database 'gateway' failed to grow while shrink in progress.", "log is full"),
    (22335, "Cannot obtain a LOCK resource at this time due to internal error.", "enough memory"),
]


@pytest.mark.parametrize(("number", "says", "word"), OUTAGES)
def test_outage_that_the_server_reports(engine: Engine, server: TdsServer, number: int, says: str, word: str) -> None:
    """Work waits for it, and the sentence names its cause. When it is over, work goes on."""
    server.answer = on_insert(lambda: ServerError(number, says))
    assert word in refused(engine)
    server.answer = lambda _statement: None
    run_writing(engine, insert)


@pytest.mark.parametrize(("number", "says", "word"), OUTAGES)
def test_outage_is_reported_by_its_number(engine: Engine, server: TdsServer, number: int, says: str, word: str) -> None:
    """An administrator can search for it; the server's language does not matter."""
    server.answer = on_insert(lambda: ServerError(number, f"Meldung in einer anderen Sprache: {says}"))
    sentence = refused(engine)
    assert word in sentence
    assert f"(SQL Server error {number})" in sentence


@pytest.mark.parametrize(("number", "says", "word"), OUTAGES)
def test_no_error_of_a_sign_in_is_a_bug(engine: Engine, server: TdsServer, number: int, says: str, word: str) -> None:
    """A role that cannot sign in waits."""
    del word
    server.sign_in = ServerError(number, says)
    refused(engine)


@pytest.mark.parametrize(
    ("number", "says", "name"),
    [
        (
            229,
            "The DELETE permission was denied on the object 'tblEmailMessage', database 'gateway', schema 'dbo'.",
            "DELETE on tblEmailMessage",
        ),
        (230, "The UPDATE permission was denied on the column 'sBody' of the object 'x'", "UPDATE on sBody"),
        (262, "CREATE TABLE permission denied in database 'gateway'.", "CREATE TABLE on gateway"),
        (300, "VIEW SERVER STATE permission was denied on object 'server', database 'master'.", "on server"),
        (297, "The user does not have permission to perform this action.", "permission is missing"),
    ],
)
def test_missing_permission_is_named(engine: Engine, server: TdsServer, number: int, says: str, name: str) -> None:
    """The text has its purpose, and the command that shows how to grant it."""
    server.answer = on_insert(lambda: ServerError(number, says, severity=14))
    sentence = refused(engine)
    assert name in sentence
    assert "mail-importer db grants" in sentence


@pytest.mark.parametrize(
    ("number", "says", "name"),
    [
        (208, "Invalid object name 'dbo.tblEmailMessage'.", "dbo.tblEmailMessage"),
        (207, "Invalid column name 'x'.", "x"),
    ],
)
def test_schema_that_was_changed_is_waited_for(
    engine: Engine, server: TdsServer, number: int, says: str, name: str
) -> None:
    """An object was dropped or renamed: no message is to blame for it."""
    server.answer = on_insert(lambda: ServerError(number, says))
    sentence = refused(engine)
    assert name in sentence
    assert "mail-importer db check" in sentence


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (1205, "Transaction (Process ID 55) was deadlocked on lock resources with another process"),
        (3960, "Snapshot isolation transaction aborted due to update conflict. You cannot use"),
        (2627, "Violation of UNIQUE KEY constraint 'UQ'. Cannot insert duplicate key in object 'x'."),
        (2601, "Cannot insert duplicate key row in object 'x' with unique index 'IX'."),
        (669, "The row object is inconsistent. Please rerun the query."),
        (2816, "The metadata for object with id 5 has changed. Retry the statement."),
        (41302, "The current transaction attempted to update a record that has been updated since"),
    ],
)
def test_transaction_that_another_one_stood_in_the_way_of_is_run_again(
    engine: Engine, server: TdsServer, number: int, says: str
) -> None:
    """It is run again whole, and there is no error when it succeeds."""
    errors = [ServerError(number, says, severity=13)]
    server.answer = on_insert(lambda: errors.pop() if errors else None)
    run_writing(engine, insert)
    assert sum("INSERT" in each for each in server.statements) == 2


def test_contention_without_end_is_an_outage(engine: Engine, server: TdsServer) -> None:
    """A message is not to blame for locks."""
    server.answer = on_insert(lambda: ServerError(1205, "Transaction (Process ID 55) was deadlocked", severity=13))
    assert "repeated conflicts with other transactions" in refused(engine)


def test_values_cannot_look_like_a_number_of_the_server(engine: Engine, server: TdsServer) -> None:
    """A text of the server quotes rows; the text of a mail could make a taken key look like a full log."""
    says = f"Violation of UNIQUE KEY constraint 'UQ'. The duplicate key value is ({SECRET} (9002) (SQLExecDirectW))."
    server.answer = on_insert(lambda: ServerError(2627, says, severity=14))
    with pytest.raises(IntegrityError) as refusal:
        run_writing(engine, insert)
    assert must_be_retried(refusal.value)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (2627, f"Violation of UNIQUE KEY constraint 'UQ'. The duplicate key value is ({SECRET})."),
        (2601, f"Cannot insert duplicate key row in object 'x'. The duplicate key value is ({SECRET})."),
        (2628, f"String or binary data would be truncated in table 'x'. Truncated value: '{SECRET}'."),
        (8152, f"String or binary data would be truncated: {SECRET}"),
        (245, f"Conversion failed when converting the nvarchar value '{SECRET}' to data type int."),
    ],
)
def test_values_of_rows_are_in_no_error(engine: Engine, server: TdsServer, number: int, says: str) -> None:
    """They are neither in its text nor in that of its causes, which a log shows."""
    server.answer = on_insert(lambda: ServerError(number, says, severity=14))
    with pytest.raises((DBAPIError, DatabaseUnavailable)) as refusal:
        run_writing(engine, insert)
    assert SECRET not in error_text(refusal.value)


def test_wrong_statement_is_a_bug(engine: Engine, server: TdsServer) -> None:
    """It is seen at once, with the server's words."""
    server.answer = on_insert(lambda: ServerError(102, "Incorrect syntax near 'x'."))
    with pytest.raises(DBAPIError, match="Incorrect syntax"):
        run_writing(engine, insert)


# SQL Server: the connection.


def hang_up() -> ServerError | None:
    raise HangUp


def say_nothing() -> ServerError | None:
    raise Silence


def test_connection_lost_in_a_statement(engine: Engine, server: TdsServer) -> None:
    """The next transaction has another one."""
    server.answer = on_insert(hang_up)
    assert "the connection was lost" in refused(engine)
    server.answer = lambda _statement: None
    run_writing(engine, insert)


def test_connections_lost_while_unused(engine: Engine, server: TdsServer) -> None:
    """A restart of the server at night loses them: there is no error."""
    run_writing(engine, insert)
    server.hang_up()
    run_writing(engine, insert)
    assert len(server.logins) == 2


def test_connection_that_the_driver_could_not_restore(server: TdsServer) -> None:
    """With ConnectRetryCount, as a data source has it, the driver then refuses all that follows on it (IMC06)."""
    engine = make_engine(url(server.port, "?Encrypt=no&ConnectRetryCount=1&ConnectRetryInterval=1"), QUICK)
    server.recovers = True
    run_writing(engine, insert)
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    pooled.close()
    server.recovers = False
    server.hang_up()
    driver: Any = engine.dialect.dbapi
    for state in ("08S01", "IMC06"):
        with pytest.raises(driver.Error, match=state):
            connection.cursor().execute("SELECT 1")
    run_writing(engine, insert)
    engine.dispose()


@pytest.mark.parametrize(
    "error",
    [
        ServerError(17066, "SQL Server Assertion: File: <x>, line=1 Failed Assertion = 'y'.", severity=20),
        ServerError(3624, "A system assertion check has failed.", severity=20),
        ServerError(3971, "The server failed to resume the transaction. Desc:42b00000004."),
    ],
    ids=lambda error: error.number,
)
def test_session_that_the_server_gives_up(engine: Engine, server: TdsServer, error: ServerError) -> None:
    """The transaction is run again on another connection; while it goes on, it is an outage with its number."""
    errors = [error]
    server.answer = on_insert(lambda: errors.pop() if errors else None)
    run_writing(engine, insert)
    assert len(server.logins) == 2
    server.answer = on_insert(lambda: error)
    assert f"(SQL Server error {error.number})" in refused(engine)


def test_statement_that_is_not_answered(engine: Engine, server: TdsServer) -> None:
    """It is given up after the statement timeout."""
    server.answer = on_insert(say_nothing)
    assert "did not answer in time" in refused(engine)


def test_demoted_server_is_left(engine: Engine, server: TdsServer) -> None:
    """The old connection still stands after a failover, to what is a secondary now: the next one goes elsewhere."""
    server.answer = on_insert(lambda: ServerError(3906, "Failed to update database"))
    refused(engine)
    server.answer = lambda _statement: None
    run_writing(engine, insert)
    assert len(server.logins) == 2


def test_no_listener() -> None:
    """The driver tries until its sign-in timeout."""
    engine = make_engine(url(free_port()), ConnectionOptions(login_seconds=1))
    assert "no server answers at the host and port" in refused(engine)


def test_host_that_says_nothing() -> None:
    """A firewall that drops, a server that hangs: the wait for a sign-in ends."""
    with create_server(("127.0.0.1", 0)) as silent:
        engine = make_engine(url(silent.getsockname()[1]), ConnectionOptions(login_seconds=1))
        assert "no server answers at the host and port" in refused(engine)


def test_host_that_does_not_exist() -> None:
    """The name cannot be resolved."""
    address = "mssql+pyodbc://importer:S3cret@nowhere.invalid/gateway"
    engine = make_engine(address, ConnectionOptions(login_seconds=1))
    assert "no server answers at the host and port" in refused(engine)


def test_what_answers_is_no_sql_server() -> None:
    """The example is a web server on the port of the URL."""
    with create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3)

        thread = threading.Thread(target=answer)
        thread.start()
        engine = make_engine(url(listening.getsockname()[1]), QUICK)
        sentence = refused(engine)
        thread.join(10)
    assert "check both" in sentence


@pytest.fixture
def encrypting(tmp_path: Path) -> Iterator[TdsServer]:
    """A server with a self-signed certificate."""
    certificate = make_self_signed("localhost", now=NOW, key_bits=2048)
    with TdsServer(tls=tls_with(certificate, tmp_path)) as listening:
        yield listening


def test_certificate_that_is_not_trusted(encrypting: TdsServer) -> None:
    """The sentence names the remedy: a root for the host, or, for a trial only, no check."""
    engine = make_engine(url(encrypting.port, ""), QUICK)
    sentence = refused(engine)
    assert "TLS certificate is not trusted" in sentence
    assert "TrustServerCertificate=yes" in sentence
    assert "ca_bundle" in sentence
    assert not encrypting.logins
    trial = make_engine(url(encrypting.port, "?TrustServerCertificate=yes"), QUICK)
    run_writing(trial, insert)
    trial.dispose()


def test_mirrored_database(server: TdsServer) -> None:
    """The driver does not sign in to one with MultiSubnetFailover: the sentence has what is to be added."""
    server.partner = "partner"
    assert "add MultiSubnetFailover=no to database_url" in refused(make_engine(url(server.port), QUICK))
    run_writing(make_engine(url(server.port, "?Encrypt=no&MultiSubnetFailover=no"), QUICK), insert)


def test_server_that_does_not_encrypt(server: TdsServer) -> None:
    """It gets no password unless the URL allows it."""
    engine = make_engine(url(server.port, ""), QUICK)
    assert "TLS failed" in refused(engine)
    assert not server.logins


def test_no_ticket_to_sign_in_with(server: TdsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL without user means Kerberos, which needs a ticket."""
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nonexistent")
    engine = make_engine(f"mssql+pyodbc://127.0.0.1:{server.port}/gateway?Encrypt=no", QUICK)
    assert "no Kerberos ticket" in refused(engine)


def test_token_signs_in(encrypting: TdsServer) -> None:
    """Microsoft's driver accepts it, a fresh one for each connection, and sends it to the server and nothing else."""
    tokens = iter(["first", "second"])
    engine = make_engine(
        f"mssql+pyodbc://127.0.0.1:{encrypting.port}/gateway?TrustServerCertificate=yes",
        ConnectionOptions(access_token=lambda: next(tokens)),
    )
    run_writing(engine, insert)
    encrypting.hang_up()
    run_writing(engine, insert)
    first, second = encrypting.logins
    assert "first".encode("utf-16-le") in first
    assert "second".encode("utf-16-le") in second
    engine.dispose()


def test_no_token_no_connection(encrypting: TdsServer) -> None:
    """The operator's text has the reason."""

    def fail() -> str:
        raise DatabaseUnavailable(Phrase("The gateway database cannot be used: no token today."))

    engine = make_engine(f"mssql+pyodbc://127.0.0.1:{encrypting.port}/gateway", ConnectionOptions(access_token=fail))
    assert "no token today" in refused(engine)


# PostgreSQL.


@pytest.fixture
def postgresql(postgresql_databases: PostgreSQL, tmp_path: Path) -> Iterator[Gateway]:
    with postgresql_databases.migrated(tmp_path) as gateway:
        yield gateway


@pytest.fixture
def owner(postgresql: Gateway) -> Iterator[Engine]:
    """The superuser, in the test's database."""
    made = postgresql.engine()
    yield made
    made.dispose()


@pytest.fixture
def role(owner: Engine) -> Iterator[str]:
    """A role that may sign in with the password S3cret, and nothing else."""
    name = "secret_importer"
    rules = Path(one(owner, "SHOW hba_file"))
    before = rules.read_text()
    rules.write_text(f"local all {name} scram-sha-256\n{before}")
    run(owner, "SELECT pg_reload_conf()", f"CREATE ROLE {name} LOGIN PASSWORD 'S3cret'")
    yield name
    rules.write_text(before)
    run(owner, "SELECT pg_reload_conf()", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def one(engine: Engine, question: str) -> str:
    def ask(connection: Connection) -> str:
        return str(connection.exec_driver_sql(question).scalar())

    return run_reading(engine, ask)


def run(engine: Engine, *statements: str) -> None:
    run_writing(engine, lambda connection: [connection.exec_driver_sql(each) for each in statements])


def as_role(gateway: Gateway, name: str, password: str = PASSWORD) -> str:
    return str(gateway.url).replace("postgres:@", f"{name}:{password}@", 1)


def asked(address: str, question: str = 'SELECT count(*) FROM "tblEmailMessage"', **options: Any) -> str:  # noqa: ANN401  # of ConnectionOptions
    """Text for the operator of this failure."""
    engine = make_engine(address, ConnectionOptions(**options))
    try:
        return refused(engine, lambda connection: connection.exec_driver_sql(question).all())
    finally:
        engine.dispose()


@pytest.mark.slow
def test_session_that_an_administrator_ends(postgresql: Gateway, owner: Engine) -> None:
    """It ends in the middle of a transaction: it is rolled back, and the next one works."""
    engine = postgresql.engine()

    def work(connection: Connection) -> None:
        number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        run(owner, f"SELECT pg_terminate_backend({number}, 5000)")
        connection.exec_driver_sql("SELECT 1")

    assert "sessions are ended" in refused(engine, work)
    assert one(engine, "SELECT 1") == "1"
    engine.dispose()


def test_wrong_password(postgresql: Gateway, role: str) -> None:
    """The sentence has no password in it."""
    assert "sign-in was refused" in asked(as_role(postgresql, role, "S3cretS3cret"))


@pytest.mark.parametrize("change", ["VALID UNTIL '2020-01-01'", "NOLOGIN"])
def test_role_that_may_not_sign_in_any_more(postgresql: Gateway, owner: Engine, role: str, change: str) -> None:
    """It expired, or was disabled."""
    run(owner, f"ALTER ROLE {role} {change}")
    assert "sign-in was refused" in asked(as_role(postgresql, role))


def test_table_that_may_not_be_used(postgresql: Gateway, role: str) -> None:
    """It is named, and so is the command that shows how to grant it."""
    sentence = asked(as_role(postgresql, role))
    assert "(PostgreSQL 42501: tblEmailMessage)" in sentence
    assert "mail-importer db grants" in sentence


def test_statement_that_takes_too_long(postgresql: Gateway) -> None:
    """It is given up after the statement timeout."""
    assert "did not answer in time" in asked(postgresql.url, "SELECT pg_sleep(30)", statement_seconds=1)


def test_database_that_became_read_only(postgresql: Gateway, owner: Engine) -> None:
    """It is like a standby: another connection is tried the next time."""
    name = one(owner, "SELECT current_database()")
    run(owner, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    assert "read-only" in asked(postgresql.url, 'DELETE FROM "tblEmailMessage"')


def test_too_many_connections(postgresql: Gateway, owner: Engine, role: str) -> None:
    """The sentence names the setting to lower."""
    run(owner, f"ALTER ROLE {role} CONNECTION LIMIT 0")
    assert "database_pool_size" in asked(as_role(postgresql, role))


def test_database_that_does_not_exist(postgresql: Gateway) -> None:
    """The name is misspelt."""
    assert "no database of the name" in asked(postgresql.url.replace("/gateway", "/getaway"))


def test_table_that_was_dropped(postgresql: Gateway, owner: Engine) -> None:
    """No message is dead-lettered for it."""
    run(owner, 'DROP TABLE "tblEmailRecipient"')
    sentence = asked(postgresql.url, 'SELECT 1 FROM "tblEmailRecipient"')
    assert "tblEmailRecipient" in sentence
    assert "mail-importer db check" in sentence


def test_postgresql_that_is_not_there() -> None:
    """The kernel refuses at once."""
    assert "no server answers" in asked(f"postgresql+psycopg://importer:S3cret@127.0.0.1:{free_port()}/gateway")


def test_values_of_rows_are_in_no_error_of_postgresql(owner: Engine) -> None:
    """PostgreSQL quotes the key that is taken, and the text that is no number."""
    run(owner, "CREATE TABLE t (a text UNIQUE)")

    def twice(connection: Connection) -> None:
        for _ in range(2):
            connection.exec_driver_sql("INSERT INTO t VALUES (%s)", (SECRET,))

    def number(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT CAST(%s AS integer)", (SECRET,))

    for work in (twice, number):
        with pytest.raises(DBAPIError) as refusal:
            run_writing(owner, work)
        assert SECRET not in error_text(refusal.value)


def test_what_is_no_error_of_a_database_is_none_of_ours(owner: Engine) -> None:
    """A wrong statement is seen at once."""
    with pytest.raises(ProgrammingError, match="syntax error"):
        run(owner, "SELEKT 1")


CONFLICT: Final = (
    'The DELETE statement conflicted with the REFERENCE constraint "FK_notes". The conflict occurred in database '
    '"gateway", table "dbo.tblNotes", column \'nMessageID\'.'
)


def test_a_conflict_names_the_table_that_refers(engine: Engine, server: TdsServer) -> None:
    """It names no value, so that its text may be shown."""
    server.answer = on_insert(lambda: ServerError(547, CONFLICT))
    with pytest.raises(IntegrityError, match="FK_notes") as conflict:
        run_writing(engine, insert)
    assert referring_table(conflict.value.orig) == "dbo.tblNotes"
