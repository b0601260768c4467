"""PostgreSQL as the gateway database."""

from datetime import datetime
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import URL

from db.columns import UnreadableTime
from db.connection import ConnectionOptions


def arguments(url: URL, options: ConnectionOptions) -> dict[str, Any]:
    """Arguments of `create_engine`; options of the URL take precedence.

    The server ends a statement in time, and the kernel a connection whose other end is gone
    (https://www.postgresql.org/docs/current/libpq-connect.html).
    """
    wait = {
        "connect_timeout": options.login_seconds,
        "tcp_user_timeout": options.statement_seconds * 1000,
        "keepalives_idle": options.statement_seconds // 2,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "options": f"-c statement_timeout={options.statement_seconds}s -c lock_timeout={options.statement_seconds}s",
        "application_name": "mail-importer",
    }
    return {"connect_args": {name: value for name, value in wait.items() if name not in url.query}}


def prepare(engine: Engine) -> None:
    """Have each connection read times Python cannot represent, as infinity and the year 20000, as unreadable ones."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401  # the driver's own
        from psycopg import DataError  # noqa: PLC0415  # only here is the driver known to be installed
        from psycopg.types.datetime import TimestampLoader  # noqa: PLC0415  # as above

        class Loader(TimestampLoader):
            def load(self, data: Any) -> datetime:  # noqa: ANN401  # the driver's buffer
                try:
                    return super().load(data)
                except DataError:
                    return UnreadableTime.of(bytes(data).decode("ascii", "replace"))

        connection.adapters.register_loader("timestamp", Loader)
