"""The gateway database, opened as configured: for roles and for commands."""

import shlex
from dataclasses import replace

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from console.settings import CLOUDS, Settings
from console.wiring.credentials import TokensForThreads, application_of, token_source
from db.backends import sqlite
from db.connection import ConnectionOptions
from db.engine import make_engine
from db.errors import DatabaseUnavailable
from graph.errors import GraphError
from phrases import Phrase


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
        paths=shlex.join(found),
    )


def _options(settings: Settings) -> ConnectionOptions:
    return ConnectionOptions(
        schema=settings.database_schema,
        pool_size=settings.database_pool_size,
        statement_seconds=settings.database_statement_timeout,
        login_seconds=settings.database_login_timeout,
        isolation=settings.database_isolation,
        access_token=None if settings.database_thumbprint is None else _AccessToken(settings),
    )


class _AccessToken:
    """Tokens for Azure SQL, of the application that has a user in the database."""

    def __init__(self, settings: Settings) -> None:
        application = application_of(
            Phrase("the gateway database"),
            make_url(settings.database_url.get_secret_value()).host or "",
            tenant_id=settings.database_tenant_id,
            client_id=settings.database_client_id,
            thumbprint=settings.database_thumbprint,
        )
        self._tokens = TokensForThreads(token_source(settings, CLOUDS[settings.cloud].database_resource), application)

    def __call__(self) -> str:
        try:
            return self._tokens()
        except GraphError as exc:
            raise DatabaseUnavailable(Phrase("The gateway database cannot be signed in to: {why}", why=exc)) from exc
