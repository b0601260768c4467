"""The URL of the gateway database, and connection options of a server that holds it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from phrases import Phrase

Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "SNAPSHOT"]

_DRIVERS: Final = {"mssql": "pyodbc", "postgresql": "psycopg", "sqlite": "pysqlite"}
"""The driver of each kind of database, by SQLAlchemy's names; it has more, but their errors are not classified here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """Options outside the URL. SQLite has no server and ignores them.

    `schema`: of the tables; None: `dbo` on SQL Server, else the login's current schema. `pool_size`: maximum of
    connections. `statement_seconds`: a statement without an answer is given up after that time. `login_seconds`: the
    same of a sign-in. `access_token`: a fresh token of Entra for each new connection, in place of user and password; it
    may block, and raises DatabaseUnavailable.
    """

    schema: str | None = None
    pool_size: int = 16
    statement_seconds: int = 60
    login_seconds: int = 15
    isolation: Isolation = "READ COMMITTED"
    access_token: Callable[[], str] | None = field(default=None, repr=False)


def parse_url(text: str) -> URL:
    """Parse a database URL in SQLAlchemy's form.

    Raises:
        ValueError: it is none, or its driver is not supported; in words that follow its name.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text may contain a password, so neither it nor a cause that quotes it is repeated. A ValueError is a port
        # that is no number: mostly the end of a password with an unescaped @ or / in it.
        raise ValueError(
            Phrase("is not a database URL such as sqlite:///mail-importer.db or mssql+pyodbc://…")
        ) from None
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None or url.get_driver_name() != driver:
        raise ValueError(
            Phrase(
                "names the database driver {drivername!r}, which is not supported; use mssql+pyodbc, "
                "postgresql+psycopg or sqlite",
                drivername=url.drivername,
            )
        )
    return url
