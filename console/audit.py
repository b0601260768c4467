"""The operator's identity, and the audit record of bulk operations."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from console.output import tell
from console.wiring.host import host_name
from db.engine import Database
from db.errors import DatabaseUnavailable
from db.queries import audit
from db.queries.history import Author
from operatingsystem import user_name
from phrases import Phrase


def who() -> str:
    """The user name of the operating system, or its number where it has no name, as in a container."""
    return user_name()


def author() -> Author:
    """The user of this command, for the history of accounts."""
    return Author(who(), host_name())


@asynccontextmanager
async def audited(
    database: Database,
    *,
    action: str,
    selection: str,
    done: Callable[[], int],
    clock: Callable[[], datetime],
    queue: str = "",
    why: str | None = None,
    by: Author | None = None,
) -> AsyncIterator[None]:
    """Record the operation in `tblQueueAudit`, even if it fails or is aborted; see `db.queries.audit.begin`.

    `done`: the messages done so far. `by`: its author; None is the user of this command.

    Raises:
        DatabaseUnavailable: nothing was begun.
    """
    operator = author() if by is None else by
    number = await database.write(
        lambda connection: audit.begin(
            connection,
            action=action,
            who=operator.who,
            host=operator.host,
            queue=queue,
            selection=selection,
            why=why,
            now=clock(),
        )
    )
    try:
        yield
    finally:
        try:
            await database.write(lambda connection: audit.end(connection, number, messages=done(), now=clock()))
        except DatabaseUnavailable as exc:
            tell(Phrase("The end of it could not be noted in tblQueueAudit: {why}", why=exc))
