"""SQL Server as the gateway database."""

from typing import Any

from sqlalchemy.engine import URL

from db.connection import ConnectionOptions


def arguments(url: URL, options: ConnectionOptions) -> dict[str, Any]:
    """What `create_engine` gets; what the URL says itself wins."""
    del url, options
    return {}
