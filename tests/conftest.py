"""Shared fixtures: a database with the schema in it, made once and copied, and a clock."""

import asyncio
import gc
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import hypothesis
import pytest
import structlog
from sqlalchemy import Engine

from console.translation.language import ENGLISH
from console.translation.language import VARIABLE as LANGUAGE_VARIABLE
from db.engine import Database
from tests.databases import (
    MSSQL_VARIABLE,
    Databases,
    Gateway,
    PostgreSQL,
    PostgreSQLServer,
    SQLite,
    SqlServer,
    copy_postgresql,
)
from tests.doubles.clock import SettableClock
from tests.doubles.compiled_once import statements_compiled_once
from tests.doubles.one_result import one_result_on_each_connection
from tests.doubles.private_keys import PrivateKeys, few_private_keys
from tests.doubles.roots import trust_one_root
from tests.doubles.transports import close_transports
from tests.fork_server import ForkServer, running_fork_server
from tests.posix_tests import skip_posix_tests

pytest.register_assert_rewrite("tests.contract.queue_contract")

_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 4 * 1024**3

if sys.platform == "win32":
    # Tests of POSIX itself (limits of resources, pseudo-terminals, folders by handles), and of Debian's Chromium.
    collect_ignore = [
        *("unit/receiver/test_bodies.py", "unit/console/test_tables.py", "unit/delivery/test_folders.py"),
        *("unit/delivery/test_once.py", "unit/processor/test_process_pool.py"),
        *("unit/console/web/test_mail_in_browser.py", "unit/db/schema/test_grants.py", "unit/tools", "unit/docs"),
    ]


def pytest_configure() -> None:
    """Run commands, and the processes that tests start, in English on any machine, where one root is trusted.

    A test of properties has no deadline of its own: on a busy machine any example may take long.
    """
    hypothesis.settings.register_profile("any machine", deadline=None)
    hypothesis.settings.load_profile("any machine")
    os.environ[LANGUAGE_VARIABLE] = ENGLISH
    # Containers set it; each worker would then rewrite each test, and each process compile each module it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    trust_one_root()
    _keep_files_in_memory()
    gc.disable()  # until all tests are collected: a fifth of the time of that, and nearly all made meanwhile stays


def _keep_files_in_memory() -> None:
    """Where there is room: each commit of a test waits for the disk otherwise, and none outlives the machine."""
    if sys.platform == "win32" or "TMPDIR" in os.environ or not _MEMORY.is_dir():
        return
    found = os.statvfs(_MEMORY)
    if found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # read again


@pytest.fixture(scope="session", autouse=True)
def _no_repeated_work() -> Iterator[PrivateKeys]:
    """Save the time that RSA keys take, and that statements take to compile."""
    with few_private_keys() as keys, statements_compiled_once():
        yield keys


@pytest.fixture(autouse=True)
def _private_keys_of_one_test(_no_repeated_work: PrivateKeys) -> Iterator[None]:
    """Repeat keys between tests alone: fixtures of more than one test are set up before this one."""
    with _no_repeated_work.one_test():
        yield


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """A source of processes that have loaded the product, each with its own environment."""
    # Addresses of sockets are short, folders of pytest are not.
    with tempfile.TemporaryDirectory(prefix="mail-importer-") as folder, running_fork_server(Path(folder)) as server:
        yield server


@pytest.fixture(name="_function_scoped_runner")
def _runner_that_leaves_nothing_open(_function_scoped_runner: asyncio.Runner) -> Iterator[asyncio.Runner]:
    """The runner of pytest-asyncio; connections that an asynchronous test leaves open are reported in that test."""
    yield _function_scoped_runner
    close_transports(_function_scoped_runner)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Restore the logs after each test: a command that runs in this process discards them, or sends them elsewhere."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _english_of_click(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the language of click after each test."""
    monkeypatch.setenv("LANGUAGE", ENGLISH)


@pytest.fixture(autouse=True)
def met_unread_rows() -> Iterator[list[str]]:
    """Fail where SQL Server would refuse a statement, even if the exception was swallowed."""
    with one_result_on_each_connection() as refused:
        yield refused
    assert not refused


def pytest_report_header() -> str | None:
    """Report the parts that are not tested here."""
    return None if MSSQL_VARIABLE in os.environ else f"SQL Server: not tested, {MSSQL_VARIABLE} names no database"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of a SQL Server where there is none; if they are requested by name, report it.

    Those that take long, most of it for waits, are spread over the others, which use the processor meanwhile.
    """
    if sys.platform == "win32":
        skip_posix_tests(items)
    for each in items:
        if "postgresql_databases" in getattr(each, "fixturenames", ()):
            each.add_marker("postgresql")
    items[:] = _spread([item for item in items if _is_long(item)], [item for item in items if not _is_long(item)])
    if MSSQL_VARIABLE in os.environ:
        return
    if config.option.markexpr == "mssql":
        raise pytest.UsageError(f"{MSSQL_VARIABLE} is not set: the SQLAlchemy URL of a database to make schemas in")
    left_out = [item for item in items if item.get_closest_marker("mssql")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("mssql")]


def _is_long(item: pytest.Item) -> bool:
    return item.path.parent.name == "acceptance" or item.get_closest_marker("slow") is not None


def _spread(longer: list[pytest.Item], others: list[pytest.Item]) -> list[pytest.Item]:
    """The long tests at even distances in the first nine tenths, so that no worker begins one when the others end."""
    places = 0.9 * len(others) / max(len(longer), 1)
    placed = [(number * places, item) for number, item in enumerate(longer)]
    placed += enumerate(others)
    return [item for _, item in sorted(placed, key=lambda each: each[0])]


def pytest_collection_finish() -> None:
    """Keep the thousands of collected tests, and all that is imported, out of each collection of garbage."""
    gc.freeze()
    gc.set_threshold(10_000)  # what tests make in cycles is small, and a tenth of their time went into looking for it
    gc.enable()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the test run, shared by the workers of pytest-xdist."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def sqlite_databases(shared_folder: Path) -> SQLite:
    return SQLite(shared_folder)


@pytest.fixture(scope="session")
def postgresql_databases(shared_folder: Path) -> Iterator[PostgreSQL]:
    # Not in pytest's folder, which another run of pytest closes to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="mail-importer-") as folder:
        copy_postgresql(shared_folder, Path(folder))
        server = PostgreSQLServer(Path(folder))
        yield PostgreSQL(server)
        server.stop()


@pytest.fixture(scope="session")
def mssql_databases() -> Iterator[SqlServer]:
    databases = SqlServer(os.environ[MSSQL_VARIABLE])
    yield databases
    databases.stop()


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """The database of a test that names none. Tests that are to run on all parametrize this fixture."""
    name: str = getattr(request, "param", "sqlite")
    return name


@pytest.fixture
def databases(database_kind: str, request: pytest.FixtureRequest) -> Databases:
    """The source of gateways of this backend."""
    found: Databases = request.getfixturevalue(f"{database_kind}_databases")
    return found


@pytest.fixture
def gateway(databases: Databases, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with the current schema, the test's own."""
    with databases.migrated(tmp_path) as made:
        yield made


@pytest.fixture
def empty_gateway(databases: Databases, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway without tables, the test's own."""
    with databases.empty(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def migrated_file(sqlite_databases: SQLite) -> Path:
    """A SQLite file with the current schema; copy it, do not modify it."""
    return sqlite_databases.template


@pytest.fixture
def database_file(gateway: Gateway) -> Path:
    """The file of a gateway on SQLite."""
    return gateway.file


@pytest.fixture
def database_engine(gateway: Gateway) -> Iterator[Engine]:
    engine = gateway.engine()
    yield engine
    engine.dispose()


@pytest.fixture
async def database(database_engine: Engine) -> AsyncIterator[Database]:
    opened = Database(database_engine)
    yield opened
    await opened.close()


@pytest.fixture
def settable_clock() -> SettableClock:
    return SettableClock()
