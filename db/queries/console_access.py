"""Accounts whose mail a user of the web console may see, by `sConsoleAccess`.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection

from sqlalchemy import Connection, select

from db.queries.entry_lists import lines
from db.tables import account_settings

_settings = account_settings.c


def hidden_accounts(connection: Connection, groups: Collection[str]) -> frozenset[int]:
    """The numbers of accounts whose mail a user of these groups may not see, removed accounts included."""
    limited = select(_settings.nAccountID, _settings.sConsoleAccess).where(_settings.sConsoleAccess.is_not(None))
    mine = {each.casefold() for each in groups}
    return frozenset(number for number, text in connection.execute(limited) if not _admits(text, mine))


def may_see(connection: Connection, account_id: int, groups: Collection[str]) -> bool:
    """True if a user of these groups may see the mail of the account."""
    text = connection.scalar(select(_settings.sConsoleAccess).where(_settings.nAccountID == account_id))
    return text is None or _admits(text, {each.casefold() for each in groups})


def visible_accounts(connection: Connection, hidden: Collection[int]) -> list[int] | None:
    """The numbers of all accounts but the hidden ones, removed accounts included; None: none is hidden."""
    if not hidden:
        return None
    return [number for number in connection.scalars(select(_settings.nAccountID)) if number not in hidden]


def visible_names(connection: Connection, hidden: Collection[int], *, limit: int) -> list[str]:
    """Up to `limit` names of accounts that are not removed, in their order, without the hidden ones."""
    named = select(_settings.nAccountID, _settings.sAccountName).where(_settings.dtRemoved.is_(None))
    rows = connection.execute(named.order_by(_settings.sAccountName).limit(limit + len(hidden)))
    return [str(name) for number, name in rows if number not in hidden][:limit]


def _admits(text: object, groups: set[str]) -> bool:
    # Of a value that another program wrote, and that is no text, nothing is admitted. A text without an entry limits
    # nothing, as null.
    if not isinstance(text, str):
        return False
    wanted = {each.casefold() for each in lines(text)}
    return not wanted or bool(wanted & groups)
