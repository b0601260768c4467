"""The message of a request, if its user may see it: a hidden one is not found, as one that is not there."""

from collections.abc import Collection
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy import Connection

from console.web.visit import Visit
from db.queries import console_access, exports, installation
from db.queries.exports import Found
from db.queries.trace import TracedMessage
from db.tables import GRAPH_ID_LENGTH


@dataclass(frozen=True, slots=True)
class ImportedMail:
    """An imported message, and its account."""

    account_id: int
    account: str
    found: Found

    @property
    def key(self) -> TracedMessage:
        """The key of its trace."""
        return TracedMessage(self.account_id, self.found.graph_id)


async def imported_mail(visit: Visit) -> ImportedMail:
    """The imported message that the path names.

    Raises:
        HTTPNotFound
    """
    number, groups = visit.number("message"), visit.user.groups
    found = await visit.read(lambda connection: _located(connection, number, groups))
    if found is None:
        raise web.HTTPNotFound
    return found


async def unimported_mail(visit: Visit, graph_id: str) -> tuple[TracedMessage, str]:
    """The key that path and `graph_id` make, and the name of the account; nothing may be known under that key.

    Raises:
        HTTPNotFound
    """
    account_id, groups = visit.number("account"), visit.user.groups

    def read(connection: Connection) -> str | None:
        if not console_access.may_see(connection, account_id, groups):
            return None
        return installation.names(connection, {account_id}).get(account_id)

    is_id = 0 < len(graph_id) <= GRAPH_ID_LENGTH and graph_id.isprintable()
    name = await visit.read(read) if is_id else None
    if name is None:
        raise web.HTTPNotFound
    return TracedMessage(account_id, graph_id), name


def _located(connection: Connection, number: int, groups: Collection[str]) -> ImportedMail | None:
    located = exports.located(connection, number)
    if located is None or not console_access.may_see(connection, located[0], groups):
        return None
    account_id, found = located
    return ImportedMail(
        account_id, installation.names(connection, {account_id}).get(account_id, str(account_id)), found
    )
