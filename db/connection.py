"""How a server that holds the gateway database is connected to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "SNAPSHOT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """What the URL does not say. SQLite has no server and heeds none of it.

    `schema`: of the tables; None: `dbo` on SQL Server, else where the login's search path leads. `pool_size`:
    connections at most. `statement_seconds`: after so long without an answer a statement is given up.
    `login_seconds`: the same of a sign-in. `access_token`: a fresh token of Entra for each new connection, in place of
    user and password; it may block, and raises DatabaseUnavailable.
    """

    schema: str | None = None
    pool_size: int = 16
    statement_seconds: int = 60
    login_seconds: int = 15
    isolation: Isolation = "READ COMMITTED"
    access_token: Callable[[], str] | None = field(default=None, repr=False)
