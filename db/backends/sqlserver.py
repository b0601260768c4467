"""SQL Server as the gateway database: options of its driver, and the sign-in.

https://learn.microsoft.com/sql/connect/odbc/dsn-connection-string-attribute
"""

import struct
from typing import Any, Final

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.engine import URL

from db.backends import odbc, prepared
from db.connection import ConnectionOptions
from phrases import Phrase

_ACCESS_TOKEN: Final = 1256
"""SQL_COPT_SS_ACCESS_TOKEN: https://learn.microsoft.com/sql/connect/odbc/using-azure-active-directory"""
_SIGNS_IN: Final = frozenset({"uid", "pwd", "trusted_connection", "authentication"})
_READ_BY_SQLALCHEMY: Final = frozenset({"driver", "authentication"})
_WHOLE: Final = frozenset({"odbc_connect", "dsn"})
"""Keywords of a URL that leaves everything to settings kept elsewhere."""
_DEFAULTS: Final = {
    "Encrypt": "yes",
    "TrustServerCertificate": "no",
    # All addresses of a name at once: the listener of an availability group has one in each subnet.
    "MultiSubnetFailover": "yes",
    # After a lost connection the transaction is run again on a new one. The driver would open that with the old token
    # or password, and fail with an error that does not look like a lost connection.
    "ConnectRetryCount": "0",
    "APP": "mail-importer",
}


def token_refusal(url: URL) -> Phrase | None:
    """The reason why a token cannot sign in with this URL, in words that follow its name; None: it may be tried."""
    if url.username or url.password or _keywords(url) & _SIGNS_IN:
        return Phrase("names a user, a password or another way to sign in than Entra; remove that")
    if _is_whole(url):
        return Phrase(
            "names a data source of the driver manager; signing in with Entra needs mssql+pyodbc://host/database"
        )
    return None


def complete(url: URL, options: ConnectionOptions) -> URL:
    """Complete the URL with all that it leaves open.

    Raises:
        ImportError: pyodbc is not installed.
        DriverMissing: the ODBC driver under it is missing, or cannot be loaded.
        ValueError: it cannot sign in.
    """
    reason = None if options.access_token is None else token_refusal(url)
    if reason is not None:
        raise ValueError(reason)
    if _is_whole(url):
        return url
    url = _as_sqlalchemy_spells(url)
    named = url.query.get("driver")
    url = url.update_query_dict({"driver": odbc.driver_for_pyodbc(named if isinstance(named, str) else None)})
    given = _keywords(url)
    return url.update_query_dict({name: value for name, value in _DEFAULTS.items() if name.lower() not in given})


def arguments(options: ConnectionOptions) -> dict[str, Any]:
    """Arguments of `create_engine` beside the URL."""
    return {"connect_args": {"timeout": options.login_seconds}}


def prepare(engine: Engine, options: ConnectionOptions) -> None:
    """Sign in by token where one is configured, and bound the time of each statement."""
    prepared.prepare(engine)
    access_token = options.access_token
    if access_token is not None:

        @event.listens_for(engine, "do_connect")
        def sign_in(dialect: Dialect, _record: object, given: list[Any], named: dict[str, Any]) -> Any:  # noqa: ANN401  # the driver's own
            # Added by SQLAlchemy where a URL names no user; the driver refuses both together.
            text = given[0].replace(";Trusted_Connection=Yes", "")
            return dialect.connect(text, **named, attrs_before={_ACCESS_TOKEN: token_bytes(access_token())})

    @event.listens_for(engine, "connect")
    def bound(connection: Any, _record: object) -> None:  # noqa: ANN401  # the driver's own
        connection.timeout = options.statement_seconds
        # A server may default to ON: then no statement reports its number of changed rows, and locks look lost.
        connection.cursor().execute("SET NOCOUNT OFF").close()


def token_bytes(token: str) -> bytes:
    """The structure ACCESSTOKEN of the ODBC driver: a length, and the token in UTF-16."""
    text = token.encode("utf-16-le")
    return struct.pack(f"<I{len(text)}s", len(text), text)


def _keywords(url: URL) -> frozenset[str]:
    # ODBC keywords are case-insensitive.
    return frozenset(name.lower() for name in url.query)


def _is_whole(url: URL) -> bool:
    """True if server and database are in a data source of the driver manager; SQLAlchemy reads it so, too."""
    return bool(_keywords(url) & _WHOLE) or url.database is None


def _as_sqlalchemy_spells(url: URL) -> URL:
    spelt = {name.lower() if name.lower() in _READ_BY_SQLALCHEMY else name: each for name, each in url.query.items()}
    return url.set(query=spelt)
