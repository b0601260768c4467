"""The gateway database, opened as configured: for roles and for commands."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Engine

from console.settings import Settings
from db.backends import sqlite
from db.connection import ConnectionOptions
from db.engine import make_engine
from phrases import Phrase
from phrases.commands import joined


def open_engine(settings: Settings, *, unhurried: bool = False) -> Engine:
    """An engine for the gateway database, not connected yet. `unhurried`: its statements have no time limit.

    Raises:
        SettingsError: it cannot be used as configured.
        DriverMissing: its driver, or a library under that, is not installed here.
    """
    options = _options(settings)
    if unhurried:
        options = replace(options, statement_seconds=0)
    return make_engine(settings.database_url.get_secret_value(), options)


def warning_of_modes(engine: Engine) -> Phrase | None:
    """Return a warning where users other than its owner may read or write the file of a SQLite database."""
    found = sqlite.open_to_others(engine)
    if not found:
        return None
    files = ", ".join(f"{path} ({mode})" for path, mode in found.items())
    return Phrase(
        "Other users of this computer have access to the gateway database, which holds mail and a key: {files}. "
        "Take it away: chmod 600 {paths}",
        files=files,
        paths=joined(found),
    )


def _options(settings: Settings) -> ConnectionOptions:
    return ConnectionOptions(
        schema=settings.database_schema,
        pool_size=settings.database_pool_size,
        statement_seconds=settings.database_statement_timeout,
        login_seconds=settings.database_login_timeout,
        isolation=settings.database_isolation,
        access_token=_access_token(settings),
    )


def _access_token(settings: Settings) -> Callable[[], str] | None:
    if settings.database_credential == "certificate" and settings.database_thumbprint is None:
        return None
    # Sign-in takes as long to load as all the rest of a command that needs no Graph.
    from console.wiring.database_token import AccessToken  # noqa: PLC0415  # see above

    return AccessToken(settings)
