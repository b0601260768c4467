"""Microsoft's ODBC driver on this host: which one there is, and whether it loads with all that it needs.

Checked without a connection, so that a missing part is reported before anything else happens.
"""

import ctypes
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any, Final

from db.errors import DriverMissing
from phrases import Phrase

_OLDEST: Final = 18
_MICROSOFTS: Final = re.compile(r"ODBC Driver (\d+) for SQL Server", re.IGNORECASE)
_PACKAGE: Final = "mssql_python_odbc"
"""Microsoft publishes its driver as a package for mssql-python; it is the same driver."""
_FOLDERS: Final = {"linux": "linux/*", "darwin": "macos"}
"""The drivers' folders in it, where they can be named by path: Windows finds registered drivers only."""
_MISSING: Final = re.compile(r"(lib[\w+.-]+\.so[\w.]*): cannot open shared object file")
_DEBIAN: Final = {
    "libodbc": "unixodbc",
    "libodbcinst": "unixodbc",
    "libltdl": "libltdl7",
    "libgssapi_krb5": "libgssapi-krb5-2",
    "libkrb5": "libkrb5-3",
    "libstdc++": "libstdc++6",
    "libssl": "openssl",
    "libcrypto": "openssl",
}
_MAX_PATH: Final = 4096


def driver_for_pyodbc(named: str | None) -> str:
    """The value of the keyword DRIVER in a connection string: `named`, or else the newest driver installed.

    Raises:
        ImportError: pyodbc, or the driver manager under it, is not installed.
        DriverMissing: there is no such driver, or it cannot be loaded.
    """
    pyodbc: Any = importlib.import_module("pyodbc")  # only its users need the driver manager
    # A second pool below would hand out sessions that were given up.
    pyodbc.pooling = False
    registered = pyodbc.drivers()
    chosen = named or _newest(registered)
    if chosen is None:
        return str(packaged_driver())
    if Path(chosen).is_absolute():
        load(Path(chosen))
    elif chosen.lower() not in {each.lower() for each in registered}:
        have = Phrase("No ODBC driver is")
        if registered:
            have = Phrase("These are: {drivers}", drivers=", ".join(registered))
        raise DriverMissing(
            Phrase(
                "database_url names the ODBC driver {chosen!r}, which is not registered on this host. {have}. Name "
                "one of them or none. {install}",
                chosen=chosen,
                have=have,
                install=_advice(),
            )
        )
    elif sys.platform.startswith("linux"):  # elsewhere the driver manager finds its drivers
        load(_registered_library(chosen))
    return chosen


def packaged_driver() -> Path:
    """The driver's library in the Python package in which Microsoft publishes it.

    Raises:
        DriverMissing: the package is not installed, or its driver cannot be loaded here.
    """
    libraries = sorted((_package() / "libs").glob(f"{_FOLDERS.get(sys.platform, 'none')}/*/lib/libmsodbcsql*"))
    failure = DriverMissing(
        Phrase("The Python package mssql-python-odbc has no driver for this system. {install}", install=_advice())
    )
    for library in libraries:  # one a distribution
        try:
            load(library)
        except DriverMissing as exc:
            failure = exc if library == libraries[0] else failure
        else:
            return library
    raise failure


def load(library: Path) -> None:
    """Load a driver, which needs other libraries.

    Raises:
        DriverMissing: it names the missing library, and the package that has it.
    """
    if library.is_absolute() and not library.exists():
        raise DriverMissing(
            Phrase("The ODBC driver {library} is not there. {install}", library=library, install=_advice())
        )
    try:
        ctypes.CDLL(str(library))
    except OSError as exc:
        raise _not_loaded(Phrase("The ODBC driver {library} cannot be loaded", library=library), exc) from exc


def needs(failure: ImportError | OSError) -> Phrase | None:
    """The missing system library, and the package that has it; None: another error."""
    found = _MISSING.search(str(failure))
    if found is None:
        return None
    return Phrase("{library} is missing on this host. {package}", library=found[1], package=_package_of(found[1]))


def _newest(registered: list[str]) -> str | None:
    versions = {name: int(found[1]) for name in registered if (found := _MICROSOFTS.fullmatch(name))}
    return max(
        (name for name, version in versions.items() if version >= _OLDEST), key=versions.__getitem__, default=None
    )


def _package() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise DriverMissing(Phrase("There is no ODBC driver for SQL Server on this host. {install}", install=_advice()))
    return Path(found.origin).parent


def _registered_library(driver: str) -> Path:
    """The driver's library as registered with the driver manager, whatever file lists it."""
    try:
        installer = ctypes.CDLL("libodbcinst.so.2")
    except OSError as exc:
        raise _not_loaded(Phrase("The list of ODBC drivers cannot be read"), exc) from exc
    found = ctypes.create_string_buffer(_MAX_PATH)
    read = installer.SQLGetPrivateProfileString
    read(driver.encode(), b"Driver", b"", found, _MAX_PATH, b"odbcinst.ini")
    if not found.value:
        raise DriverMissing(
            Phrase(
                "The ODBC driver {driver!r} is registered without a library: its Driver= in odbcinst.ini is missing. "
                "{install}",
                driver=driver,
                install=_advice(),
            )
        )
    return Path(found.value.decode())


def _not_loaded(what: Phrase, exc: OSError) -> DriverMissing:
    missing = needs(exc) or Phrase("{why}. {install}", why=exc, install=_advice())
    return DriverMissing(Phrase("{what}: {missing}", what=what, missing=missing))


def _advice() -> Phrase:
    if sys.platform == "win32":  # it finds registered drivers only
        return Phrase(
            "Install Microsoft's: ODBC Driver 18 for SQL Server "
            "(https://learn.microsoft.com/sql/connect/odbc/download-odbc-driver-for-sql-server)."
        )
    return Phrase(
        "Install Microsoft's: pip install mssql-python-odbc, or msodbcsql18 from Microsoft's packages "
        "(https://learn.microsoft.com/sql/connect/odbc/download-odbc-driver-for-sql-server)."
    )


def _package_of(library: str) -> Phrase:
    package = _DEBIAN.get(library.partition(".so")[0])
    if package is None:
        return Phrase("Install the package of your system that has it.")
    return Phrase("Install it: apt-get install {package} (elsewhere the package that has this file).", package=package)
