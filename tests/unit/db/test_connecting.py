"""URLs, and the drivers behind them: a missing one is reported by name, before any connection is made."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy.engine import make_url

from db.backends import sqlserver
from db.backends.odbc import packaged_driver
from db.connection import ConnectionOptions
from db.engine import make_engine
from db.errors import DriverMissing
from tests.error_chain import error_text
from tests.fork_server import ForkServer
from tests.paths import ROOT

Made = Callable[..., str]

BY_TOKEN: Final = ConnectionOptions(access_token=lambda: "token")

# URLs.


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "mail-importer.db", "://", "mssql+pyodbc//sa:S3cret@host/db"],
)
def test_text_that_is_no_url(url: str) -> None:
    """The error shows the form of a URL, and does not repeat the text, which may hold a password."""
    with pytest.raises(ValueError, match="is not a database URL such as") as refusal:
        make_engine(url)
    assert "S3cret" not in error_text(refusal.value)


def test_password_with_an_unescaped_at_sign_is_not_repeated() -> None:
    """SQLAlchemy parses the end of such a password as a port, and quotes it; the product does not."""
    with pytest.raises(ValueError, match="is not a database URL such as") as refusal:
        make_engine("mssql+pyodbc://sa:pass@w:S3cret@host/db")
    assert "S3cret" not in error_text(refusal.value)


@pytest.mark.parametrize(
    "driver",
    ["nosuch", "mssql+nosuch", "mssql+mssqlpython", "mssql+pymssql", "postgresql+asyncpg", "sqlite+aiosqlite", "mysql"],
)
def test_driver_that_is_not_supported(driver: str) -> None:
    """The error names it, even where SQLAlchemy knows it, and the usable ones."""
    with pytest.raises(ValueError, match="is not supported; use ") as refusal:
        make_engine(f"{driver}://sa:S3cret@host/db")
    assert str(refusal.value) == (
        f"names the database driver {driver!r}, which is not supported; use mssql+pyodbc, postgresql+psycopg or sqlite"
    )
    assert "S3cret" not in error_text(refusal.value)


@pytest.mark.parametrize(
    ("url", "dialect"),
    [
        ("mssql+pyodbc://u:p@gateway_dsn", "mssql+pyodbc"),
        ("postgresql+psycopg://u:p@host/db", "postgresql+psycopg"),
        ("sqlite://", "sqlite+pysqlite"),
    ],
)
def test_each_driver_that_the_error_names_is_supported(url: str, dialect: str) -> None:
    """The advice of the error leads to a usable URL."""
    engine = make_engine(url)
    assert f"{engine.dialect.name}+{engine.dialect.driver}" == dialect


def connection_string(url: str, options: ConnectionOptions | None = None) -> dict[str, str]:
    """The driver's connection string for a URL: keywords in lower case, and values."""
    engine = make_engine(url, options)
    ((text,), _) = engine.dialect.create_connect_args(engine.url)
    return {name.lower(): value for name, _, value in (each.partition("=") for each in text.split(";"))}


def test_encrypted_and_checked_unless_the_url_says_otherwise() -> None:
    """A URL of server and database is enough for a connection safe from eavesdropping."""
    found = connection_string("mssql+pyodbc://importer:pw@host:1433/gateway")
    assert found["server"] == "host,1433"
    assert (found["encrypt"], found["trustservercertificate"]) == ("yes", "no")
    assert (found["multisubnetfailover"], found["connectretrycount"]) == ("yes", "0")
    other = connection_string("mssql+pyodbc://importer:pw@host/gateway?ENCRYPT=strict&trustservercertificate=yes")
    assert (other["encrypt"], other["trustservercertificate"]) == ("strict", "yes")


def test_server_sees_who_is_connected() -> None:
    """An administrator finds the sessions by the name of the program, or by the one that the URL gives."""
    assert connection_string("mssql+pyodbc://u:p@host/gateway")["app"] == "mail-importer"
    assert connection_string("mssql+pyodbc://u:p@host/gateway?App=importer-2")["app"] == "importer-2"


def test_without_a_user_the_operating_system_signs_in() -> None:
    """Windows' own sign-in, or Kerberos: the settings hold no part of it."""
    found = connection_string("mssql+pyodbc://host/gateway")
    assert found["trusted_connection"].lower() == "yes"
    other = connection_string("mssql+pyodbc://host/gateway?Authentication=ActiveDirectoryMsi")
    assert other["authentication"] == "ActiveDirectoryMsi"
    assert "trusted_connection" not in other
    assert "trusted_connection" not in connection_string("mssql+pyodbc://u:p@host/gateway")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mssql+pyodbc://sa:S3cret@host/gateway", "names a user, a password"),
        ("mssql+pyodbc://host/gateway?Trusted_Connection=yes", "or another way to sign in"),
        ("mssql+pyodbc://host/gateway?Authentication=ActiveDirectoryMsi", "or another way to sign in"),
        ("mssql+pyodbc://gateway_dsn", "names a data source"),
    ],
)
def test_token_goes_with_no_other_sign_in(url: str, reason: str) -> None:
    """The driver would refuse both, with its own error."""
    with pytest.raises(ValueError, match=reason) as refusal:
        make_engine(url, BY_TOKEN)
    assert "S3cret" not in error_text(refusal.value)


def test_bytes_of_a_token() -> None:
    """A length in little-endian order, then UTF-16 of the same: the structure that Microsoft documents."""
    assert sqlserver.token_bytes("eyJ") == b"\x06\x00\x00\x00e\x00y\x00J\x00"


@pytest.mark.parametrize("url", ["mssql+pyodbc://u:p@gateway_dsn", "mssql+pyodbc:///?odbc_connect=DSN%3Dgateway"])
def test_data_source_of_the_driver_manager_is_taken_as_it_is(url: str) -> None:
    """An odbc.ini that has server and driver has all of it there."""
    assert make_engine(url).url == make_url(url)


# Drivers. Processes of their own: a driver manager reads its lists once.

_MAKE_ENGINE: Final = """
import sys
from db.engine import make_engine
from db.errors import DriverMissing
try:
    engine = make_engine(sys.argv[1])
except DriverMissing as exc:
    print("DriverMissing:", exc)
else:
    print(engine.dialect.name, engine.dialect.driver, engine.url.query.get("driver"))
"""
_HIDE_PACKAGE: Final = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "mssql_python_odbc" else found(name)
"""
_PYODBC: Final = "mssql+pyodbc://sa:S3cret@host/db"


def run_python(program: str, *arguments: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def made(fork_server: ForkServer, tmp_path: Path) -> Made:
    """Make an engine for a URL, in a process with this environment; return what is printed of it."""

    def call(url: str, *, program: str = _MAKE_ENGINE, **environment: str) -> str:
        printed = tmp_path / "printed"
        with printed.open("w") as output:
            process = fork_server.start("-c", program, url, env={**os.environ, **environment}, stdout=output, stderr=2)
        assert process.wait(60) == 0
        return _checked(printed.read_text())

    return call


def made_without(url: str, **environment: str) -> str:
    """Like `made`, with variables that the interpreter reads as it starts."""
    return _checked(run_python(_MAKE_ENGINE, url, **environment))


def _checked(output: str) -> str:
    assert "S3cret" not in output
    assert "None." not in output
    return output


def without(module: str, folder: Path, error: str | None = None) -> dict[str, str]:
    """An environment in which a module is not installed, or cannot be loaded."""
    raised = f"ModuleNotFoundError({f'No module named {module!r}'!r}, name={module!r})"
    (folder / f"{module}.py").write_text(f"raise {raised if error is None else f'ImportError({error!r})'}\n")
    return {"PYTHONPATH": str(folder)}


def registered(folder: Path, **drivers: Path | str) -> dict[str, str]:
    """An environment whose driver manager knows these drivers."""
    entries = [f"[{name.replace('_', ' ')}]\nDriver={library}\n" for name, library in drivers.items()]
    (folder / "odbcinst.ini").write_text("\n".join(entries))
    return {"ODBCSYSINI": str(folder), "HOME": str(folder)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("libodbc.so.2: cannot open shared object file: No such file or directory", "apt-get install unixodbc"),
        ("DLL load failed while importing pyodbc", "DLL load failed while importing pyodbc"),
    ],
)
def test_driver_manager_that_is_missing(tmp_path: Path, error: str, advice: str) -> None:
    """The error for a `pyodbc` that cannot be imported names the package to install."""
    output = made_without(_PYODBC, **without("pyodbc", tmp_path, error))
    assert output.startswith("DriverMissing:")
    assert advice in output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "module", "command"),
    [
        (_PYODBC, "pyodbc", "pip install pyodbc"),
        ("postgresql+psycopg://sa:S3cret@host/db", "psycopg", "pip install 'mail-importer[postgresql]'"),
    ],
)
def test_python_driver_that_is_not_installed(tmp_path: Path, url: str, module: str, command: str) -> None:
    """The error has the command that installs it."""
    assert made_without(url, **without(module, tmp_path)).rstrip().endswith(f"is not installed. Install it: {command}")


@pytest.mark.slow
def test_driver_that_the_url_does_not_name_is_found(made: Made, tmp_path: Path) -> None:
    """The newest registered one is used, from 18 on; otherwise the one in Microsoft's Python package."""
    library = packaged_driver()
    assert made(_PYODBC, **registered(tmp_path)) == f"mssql pyodbc {library}\n"
    known = registered(
        tmp_path,
        ODBC_Driver_17_for_SQL_Server=library,
        ODBC_Driver_18_for_SQL_Server=library,
        ODBC_Driver_19_for_SQL_Server=library,
        FreeTDS=library,
    )
    assert made(_PYODBC, **known) == "mssql pyodbc ODBC Driver 19 for SQL Server\n"
    too_old = registered(tmp_path, ODBC_Driver_17_for_SQL_Server=library)
    assert made(_PYODBC, **too_old) == f"mssql pyodbc {library}\n"


@pytest.mark.slow
def test_driver_that_the_url_names_is_used(made: Made, tmp_path: Path) -> None:
    """The URL gives its name, in any letter case, or its path."""
    library = packaged_driver()
    known = registered(tmp_path, ODBC_Driver_17_for_SQL_Server=library, ODBC_Driver_18_for_SQL_Server=library)
    named = made(f"{_PYODBC}?Driver=odbc+driver+17+for+sql+server", **known)
    assert named == "mssql pyodbc odbc driver 17 for sql server\n"
    assert made(f"{_PYODBC}?driver={library}", **known) == f"mssql pyodbc {library}\n"


@pytest.mark.slow
def test_no_odbc_driver_at_all(made: Made, tmp_path: Path) -> None:
    """The error has both ways to get one."""
    output = made(_PYODBC, program=_HIDE_PACKAGE + _MAKE_ENGINE, **registered(tmp_path))
    assert "There is no ODBC driver for SQL Server on this host." in output
    assert "pip install mssql-python-odbc, or msodbcsql18" in output


def test_no_odbc_driver_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names Microsoft's installer: Windows finds registered drivers only, not the one in a Python package."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "mssql_python_odbc", None)
    with pytest.raises(DriverMissing) as missing:
        packaged_driver()
    assert "Install Microsoft's: ODBC Driver 18 for SQL Server (https://" in str(missing.value)
    assert "pip install" not in str(missing.value)


@pytest.mark.slow
def test_driver_that_is_not_registered(made: Made, tmp_path: Path) -> None:
    """The error lists the registered ones."""
    url = f"{_PYODBC}?driver=ODBC+Driver+18+for+SQL+Server"
    output = made(url, **registered(tmp_path, FreeTDS="/usr/lib/libtdsodbc.so", Other="/usr/lib/libother.so"))
    assert "'ODBC Driver 18 for SQL Server', which is not registered on this host. These are: FreeTDS, Other." in output
    assert "No ODBC driver is." in made(url, **registered(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("named", ["", "?driver=ODBC+Driver+18+for+SQL+Server"])
def test_registered_driver_whose_file_is_gone(made: Made, tmp_path: Path, named: str) -> None:
    """An upgrade by hand has this effect: the list has a version that was removed."""
    gone = tmp_path / "libmsodbcsql-18.1.so.1.1"
    output = made(f"{_PYODBC}{named}", **registered(tmp_path, ODBC_Driver_18_for_SQL_Server=gone))
    assert f"The ODBC driver {gone} is not there. Install Microsoft's:" in output


@pytest.mark.slow
def test_registered_driver_without_a_file(made: Made, tmp_path: Path) -> None:
    """The list was edited by hand."""
    output = made(_PYODBC, **registered(tmp_path, ODBC_Driver_18_for_SQL_Server=""))
    assert "is registered without a library: its Driver= in odbcinst.ini is missing" in output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("needed", "package"),
    [("libgssapi_krb5.so.9", "libgssapi-krb5-2"), ("libltdl.so.9", "libltdl7"), ("libodbcinst.so.9", "unixodbc")],
)
def test_driver_with_a_library_missing(made: Made, tmp_path: Path, needed: str, package: str) -> None:
    """The driver manager would report the driver's own file; the error names the missing one, and its package."""
    if shutil.which("cc") is None:
        pytest.skip("needs a compiler: apt-get install gcc libc6-dev")
    driver, library = tmp_path / "libmsodbcsql-18.6.so.2.1", tmp_path / needed
    compile_ = ["cc", "-shared", "-x", "c", "/dev/null", "-o"]
    subprocess.run([*compile_, library, f"-Wl,-soname,{needed}"], check=True)
    subprocess.run([*compile_, driver, "-x", "none", "-Wl,--no-as-needed", library], check=True)
    library.unlink()
    output = made(_PYODBC, **registered(tmp_path, ODBC_Driver_18_for_SQL_Server=driver))
    assert (
        f"{driver} cannot be loaded: {needed} is missing on this host. Install it: apt-get install {package} " in output
    )


@pytest.mark.slow
def test_driver_that_is_damaged(made: Made, tmp_path: Path) -> None:
    """A file that is no library is reported with the loader's own reason."""
    (tmp_path / "libmsodbcsql.so").write_text("Dear Sir or Madam")
    output = made(_PYODBC, **registered(tmp_path, ODBC_Driver_18_for_SQL_Server=tmp_path / "libmsodbcsql.so"))
    assert "cannot be loaded:" in output
    assert "file too short" in output or "invalid ELF header" in output


@pytest.mark.slow
def test_sqlite_needs_no_odbc(tmp_path: Path) -> None:
    """Nothing loads `pyodbc` as long as no `mssql` URL is used."""
    program = (
        "import sys, pkgutil, importlib, bus.database.adapter, db.schema.migration, db.queries.messages\n"
        "import console, console.main\n"
        "elsewhere = {'console.__main__', 'console.service.windows'}  # the command itself, calls of Windows\n"
        "for module in pkgutil.walk_packages(console.__path__, 'console.'):\n"
        "    module.name in elsewhere or importlib.import_module(module.name)\n"
        "from db.engine import make_engine\n"
        "make_engine('sqlite://')\n"
        "print('pyodbc' in sys.modules)\n"
    )
    assert run_python(program, **without("pyodbc", tmp_path, "libodbc.so.2: cannot open")) == "False\n"


@pytest.mark.slow
def test_commands_report_what_is_missing_before_anything_else(fork_server: ForkServer, tmp_path: Path) -> None:
    """Every role and command ends at once with exit status 1 and the sentence."""
    errors = tmp_path / "errors"
    environment = {
        **os.environ,
        **registered(tmp_path),
        "MAIL_IMPORTER_DATABASE_URL": f"{_PYODBC}?driver=Nonesuch",
        "MAIL_IMPORTER_CLIENT_STATE_SECRET": "s" * 32,
    }
    for command in ("run all", "run processor", "db current", "db upgrade", "accounts list", "queue status"):
        with errors.open("w") as output:
            process = fork_server.start(
                *("-m", "console", *command.split()), cwd=tmp_path, env=environment, stderr=output
            )
        assert process.wait(30) == 1, command
        said = errors.read_text()
        assert "names the ODBC driver 'Nonesuch', which is not registered" in said, command
        assert "Traceback" not in said, command
