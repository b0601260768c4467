"""PostgreSQL as the gateway database."""

from typing import Any

from sqlalchemy.engine import URL

from db.connection import ConnectionOptions


def arguments(url: URL, options: ConnectionOptions) -> dict[str, Any]:
    """What `create_engine` gets; what the URL says itself wins.

    The server gives up a statement in time, and the kernel a connection whose other end is gone
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
