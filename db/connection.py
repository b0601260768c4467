"""Connection options of a server that holds the gateway database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "SNAPSHOT"]


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
