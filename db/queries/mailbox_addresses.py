"""Addresses of mailboxes whose accounts name them by object ID (`tblMailboxAddress`)."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from db.queries.accounts import SERVED, Account, by_id, is_address_of_mailbox
from db.tables import account_settings, mailbox_address

_row = mailbox_address.c
_settings = account_settings.c


def missing(connection: Connection, *, but: Collection[int], limit: int) -> list[Account]:
    """Up to `limit` enabled accounts with an object ID, of which no address is known; none of `but`, a few thousand."""
    known = mailbox_address.alias("known")
    statement = (
        select(_settings.nAccountID)
        .outerjoin(known, is_address_of_mailbox(known))
        .where(SERVED, known.c.nAccountID.is_(None), _settings.sUserID.not_like("%@%"))
        .order_by(_settings.nAccountID)
        .limit(limit + len(but))
    )
    wanted = [each for each in connection.scalars(statement) if each not in but][:limit]
    found = by_id(connection, wanted)
    return [found[each] for each in wanted if each in found]


def note(connection: Connection, account: Account, address: str, *, now: datetime) -> None:
    """Keep the address of the account's mailbox."""
    values = {"sUserID": account.settings.user_id, "sAddress": address, "dtLearned": now}
    mine = update(mailbox_address).where(_row.nAccountID == account.account_id).values(values)
    if not connection.execute(mine).rowcount:
        connection.execute(insert(mailbox_address).values(nAccountID=account.account_id, **values))
