"""Schedule of the work for each account: leases in the database, for any number of processes.

Each kind of work has a table with one row an account: its due time, and the owner and end of its lease. The lease of
a process that dies ends by itself. The work of a poll grows with the accounts that are due, not with all.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, insert, literal, not_, or_, select, update

from db.leases import beyond, over
from db.locking import skipping_locked
from db.tables import account_settings, folder_sync, subscription_schedule

NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""Due on request, not by the clock."""

MAX_WAIT: Final = timedelta(days=7)
"""Bound of the next due time, for all kinds of work: no subscription lives longer."""
MAX_RETRY: Final = timedelta(minutes=18)
"""Bound of the next due time after a failed turn."""

ApplicationKey = tuple[str, str]
"""Tenant id and client id."""


@dataclass(frozen=True, slots=True)
class DueAccount:
    """An account that is due and leased by no living process."""

    account_id: int
    application: ApplicationKey


@dataclass(frozen=True, slots=True)
class Lease:
    """An account that `owner` serves until `lease_until`."""

    account_id: int
    owner: str
    failures: int
    requests: int
    """Number of requests for a turn when this one began."""
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """One kind of work for all accounts."""

    table: Table

    def seed(self, connection: Connection, account_id: int, *, due: datetime) -> None:
        """Give the account a row if it has none."""
        row = self.table.c
        if connection.scalar(select(literal(1)).where(row.nAccountID == account_id)) is None:
            connection.execute(insert(self.table).values(nAccountID=account_id, dtDue=due))

    def request(self, connection: Connection, account_id: int, *, now: datetime) -> None:
        """Request service of the account now; a turn under way is followed by another."""
        row = self.table.c
        known = connection.execute(
            update(self.table).where(row.nAccountID == account_id).values(dtDue=now, nRequests=row.nRequests + 1)
        ).rowcount
        if not known:
            connection.execute(insert(self.table).values(nAccountID=account_id, dtDue=now))

    def at_latest(self, connection: Connection, account_id: int, *, due: datetime) -> None:
        """Have the account served at `due`, unless it is due earlier."""
        row = self.table.c
        connection.execute(update(self.table).where(row.nAccountID == account_id, row.dtDue > due).values(dtDue=due))

    def anything_due(self, connection: Connection, *, now: datetime, longest_wait: timedelta = MAX_WAIT) -> bool:
        """True if `due_accounts` might find something. `longest_wait`: see there."""
        free = self._free(now, longest_wait)
        found = connection.scalar(select(literal(1)).select_from(self.table).where(free).limit(1))
        return found is not None

    def due_accounts(
        self,
        connection: Connection,
        *,
        now: datetime,
        limit: int,
        without: Collection[ApplicationKey] = (),
        longest_wait: timedelta = MAX_WAIT,
    ) -> list[DueAccount]:
        """Up to `limit` accounts, longest due first, but none of these applications. Claims nothing.

        `longest_wait`: an account that is due further ahead was delayed by a wrong clock, and is due now.
        """
        settings = account_settings.c
        application = (settings.sTenantID, settings.sClientID)
        rows = connection.execute(
            select(self.table.c.nAccountID, *application)
            .select_from(self.table)
            .outerjoin(account_settings, settings.nAccountID == self.table.c.nAccountID)
            .where(self._free(now, longest_wait))
            .where(*(_is_not(settings.sTenantID, settings.sClientID, each) for each in without))
            .order_by(self.table.c.dtDue)
            .limit(limit)
        )
        return [DueAccount(row[0], (_text(row[1]), _text(row[2]))) for row in rows]

    def claim(
        self,
        connection: Connection,
        account_ids: Sequence[int],
        *,
        owner: str,
        now: datetime,
        lease: timedelta,
        longest_wait: timedelta = MAX_WAIT,
    ) -> list[Lease]:
        """Claim those of the accounts that are still due and free. `longest_wait`: as for `due_accounts`."""
        row = self.table.c
        query = select(row.nAccountID, row.nFailures, row.nRequests).where(
            row.nAccountID.in_(account_ids), self._free(now, longest_wait)
        )
        rows = connection.execute(skipping_locked(query, self.table)).all()
        until = now + lease
        if rows:
            connection.execute(
                update(self.table)
                .where(row.nAccountID.in_([each.nAccountID for each in rows]))
                .values(sOwner=owner, dtLeaseUntil=until)
            )
        return [Lease(each.nAccountID, owner, each.nFailures, each.nRequests, until) for each in rows]

    def correct_due_times(self, connection: Connection, *, now: datetime) -> None:
        """Make due failed accounts that were delayed beyond the maximum. Reads all that is not due: only at intervals.

        See `db.leases`.
        """
        row = self.table.c
        put_off = and_(row.nFailures > 0, beyond(row.dtDue, now, longest=MAX_RETRY), row.dtDue < NEVER)
        connection.execute(update(self.table).where(put_off).values(dtDue=now))

    def holds(self, connection: Connection, lease: Lease, *, now: datetime) -> bool:
        """Check whether the turn's lease holds; the row stays locked until the transaction ends."""
        mine = self._mine(lease) & (self.table.c.dtLeaseUntil > now)
        return bool(connection.execute(update(self.table).where(mine).values(sOwner=lease.owner)).rowcount)

    def release(self, connection: Connection, lease: Lease, *, due: datetime, failures: int) -> bool:
        """End a turn: the account is due again at `due`. False when the lease was lost.

        An account requested since the turn began stays due: the turn may have acted on older facts.
        """
        freed = {"sOwner": None, "dtLeaseUntil": None}
        unasked = self._mine(lease) & (self.table.c.nRequests == lease.requests)
        if connection.execute(
            update(self.table).where(unasked).values(dtDue=due, nFailures=failures, **freed)
        ).rowcount:
            return True
        return bool(connection.execute(update(self.table).where(self._mine(lease)).values(**freed)).rowcount)

    def _mine(self, lease: Lease) -> ColumnElement[bool]:
        # By its end, too: after a long pause the same process may have leased the account again.
        row = self.table.c
        return and_(
            row.nAccountID == lease.account_id, row.sOwner == lease.owner, row.dtLeaseUntil == lease.lease_until
        )

    def _free(self, now: datetime, longest_wait: timedelta) -> ColumnElement[bool]:
        row = self.table.c
        due = or_(row.dtDue <= now, and_(beyond(row.dtDue, now, longest=longest_wait), row.dtDue < NEVER))
        return and_(due, or_(row.dtLeaseUntil.is_(None), over(row.dtLeaseUntil, now)))


def _text(value: object) -> str:
    """The text; none where another program wrote another type, which SQLite accepts."""
    return value if isinstance(value, str) else ""


def _is_not(tenant: ColumnElement[str], client: ColumnElement[str], application: ApplicationKey) -> ColumnElement[bool]:
    # Null: the account's row is gone, and its other rows are to be purged.
    return or_(tenant.is_(None), not_(and_(tenant == application[0], client == application[1])))


SUBSCRIPTIONS: Final = Schedule(subscription_schedule)
"""Upkeep of an account's subscription."""

FOLDERS: Final = Schedule(folder_sync)
"""Catch-up of the folder of an account."""
