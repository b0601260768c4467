"""Facts about the whole installation, for the evaluation of problems: few statements, however many accounts.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, Select, func, literal, null, select

from db.keys import in_queries, is_among, rounded
from db.queries.accounts import EVERYTHING, SERVED, clear_condition, is_address_of_mailbox
from db.queries.schedule import FOLDERS, NEVER, SUBSCRIPTIONS
from db.tables import (
    account_condition,
    account_settings,
    folder_sync,
    graph_subscription,
    mailbox_address,
    message,
)
from phrases.storage import from_json

_FEW: Final = 10
"""Accounts of a group of conditions that are read; of the others, the number is."""

_SCHEDULES: Final = {"subscriptions": SUBSCRIPTIONS, "sweep": FOLDERS}
"""The schedules of the roles whose work is scheduled."""

_settings = account_settings.c
_condition = account_condition.c
_message = message.c
_GROUP: Final = (
    _condition.sRole,
    _condition.sReason,
    _settings.sTenantID,
    _settings.sClientID,
    _settings.sCertificateThumbprint,
)
"""See `ConditionFact`."""


@dataclass(frozen=True, slots=True)
class ConditionFact:
    """A condition of an account in use, and the group that it belongs to.

    A group: the conditions of one role and reason at accounts of one application and certificate. `in_group`: their
    number; of a large group only some are read. `is_swept`: a sweep of the account is scheduled.
    """

    role: str
    reason: str
    account_id: int
    name: str
    tenant_id: str
    client_id: str
    thumbprint: str
    since: datetime
    detail: str
    in_group: int
    is_swept: bool = True


class AccountState(NamedTuple):
    """The state of one account. `address`: of its mailbox, None while it is not known; times are None for never."""

    account_id: int
    name: str
    enabled: bool
    user_id: str
    address: str | None
    subscription_state: str | None
    subscription_expires: datetime | None
    last_swept: datetime | None
    last_imported: datetime | None


class AccountTotals(NamedTuple):
    """Numbers of accounts that are not removed. `enabled`: those that are served."""

    in_use: int = 0
    enabled: int = 0


class ImportedInHour(NamedTuple):
    """The number of messages that were imported in the hour that begins then."""

    begin: datetime
    messages: int


def account_states(connection: Connection, *, with_addresses: bool = True) -> list[AccountState]:
    """The states of all accounts that are not removed, by name; of messages one search of an index for each.

    `with_addresses`: a processor may not read them.
    """
    return _states(connection, _state_rows(with_addresses=with_addresses))


def account_page(
    connection: Connection, *, limit: int, after: str | None = None, account_ids: Collection[int] | None = None
) -> list[AccountState]:
    """As `account_states`, of `limit` accounts behind that name; `account_ids`: of these accounts alone."""
    rows = _state_rows(with_addresses=True).limit(limit)
    if after is not None:
        rows = rows.where(_settings.sAccountName > after)
    if account_ids is not None:
        if not account_ids:
            return []
        rows = rows.where(is_among(_settings.nAccountID, account_ids))
    return _states(connection, rows)


def _state_rows(*, with_addresses: bool) -> Select[Any]:
    imported = (
        select(_message.dtImported)
        .where(_message.nAccountID == _settings.nAccountID, _message.dtReceived.is_not(None))
        .order_by(_message.dtReceived.desc())
        .limit(1)
        .correlate(account_settings)
        .scalar_subquery()
    )
    subscription, sync, address = graph_subscription.c, folder_sync.c, mailbox_address.c
    found = (
        select(
            _settings.nAccountID,
            _settings.sAccountName,
            _settings.bEnabled,
            _settings.sUserID,
            address.sAddress if with_addresses else null().label("sAddress"),
            subscription.sState,
            subscription.dtExpires,
            sync.dtSwept,
            imported.label("dtImported"),
        )
        .outerjoin(graph_subscription, subscription.nAccountID == _settings.nAccountID)
        .outerjoin(folder_sync, sync.nAccountID == _settings.nAccountID)
        .where(_settings.dtRemoved.is_(None))
        .order_by(_settings.sAccountName)
    )
    if with_addresses:
        found = found.outerjoin(mailbox_address, is_address_of_mailbox())
    return found


def _states(connection: Connection, rows: Select[Any]) -> list[AccountState]:
    return [
        AccountState(
            account_id=number,
            name=str(name),
            enabled=bool(enabled),
            user_id=str(user_id),
            # The user ID may be the address itself.
            address=known or (str(user_id) if "@" in str(user_id) else None),
            subscription_state=state,
            subscription_expires=expires,
            last_swept=swept,
            last_imported=last_imported,
        )
        for number, name, enabled, user_id, known, state, expires, swept, last_imported in connection.execute(rows)
    ]


def account_totals(connection: Connection) -> AccountTotals:
    """The numbers of accounts."""
    in_use = select(func.count()).select_from(account_settings).where(_settings.dtRemoved.is_(None))
    return AccountTotals(connection.scalar(in_use) or 0, enabled_accounts(connection))


def last_imported(connection: Connection) -> datetime | None:
    """The time of the last import of all; None: there was none."""
    found: datetime | None = connection.scalar(select(func.max(_message.dtImported)))
    return found


def imported_by_hour(connection: Connection, *, now: datetime, hours: int = 24) -> list[ImportedInHour]:
    """The numbers of imported messages of the last hours, the present one included, the oldest first; by an index."""
    present = now.replace(minute=0, second=0, microsecond=0)
    begins = [present - timedelta(hours=back) for back in reversed(range(hours))]
    counted = [
        select(func.count())
        .select_from(message)
        .where(_message.dtImported >= begin, _message.dtImported < begin + timedelta(hours=1))
        .scalar_subquery()
        for begin in begins
    ]
    return [ImportedInHour(*each) for each in zip(begins, connection.execute(select(*counted)).one(), strict=True)]


def enabled_accounts(connection: Connection) -> int:
    """The number of accounts that are served."""
    return connection.scalar(select(func.count()).select_from(account_settings).where(SERVED)) or 0


def conditions(connection: Connection) -> list[ConditionFact]:
    """The conditions of accounts in use, up to ten of each group."""
    ranked = (
        select(
            *_GROUP,
            _condition.nAccountID,
            _settings.sAccountName,
            func.count().over(partition_by=_GROUP).label("nInGroup"),
            func.row_number().over(partition_by=_GROUP, order_by=_condition.nAccountID).label("nPlace"),
        )
        .join(account_settings, _settings.nAccountID == _condition.nAccountID)
        .where(SERVED)
        .subquery()
    )
    # The texts are joined last, so that no text is sorted.
    rows = connection.execute(
        select(ranked, _condition.dtSince, _condition.sDetail, _condition.sDetailPhrase, folder_sync.c.dtDue)
        .join(
            account_condition,
            (_condition.nAccountID == ranked.c.nAccountID) & (_condition.sRole == ranked.c.sRole),
        )
        .outerjoin(folder_sync, folder_sync.c.nAccountID == ranked.c.nAccountID)
        .where(ranked.c.nPlace <= _FEW)
        .order_by(ranked.c.sRole, ranked.c.sReason, ranked.c.nAccountID)
    )
    return [_condition_fact(row, is_swept=row.dtDue is not None and row.dtDue < NEVER) for row in rows]


def conditions_of(connection: Connection, account_ids: Collection[int]) -> list[ConditionFact]:
    """The conditions of those of these accounts that are in use, each as a group of its own, in no order."""
    if not account_ids:
        return []
    found: Select[Any] = (
        select(
            *_GROUP,
            _condition.nAccountID,
            _settings.sAccountName,
            _condition.dtSince,
            _condition.sDetail,
            _condition.sDetailPhrase,
            literal(1).label("nInGroup"),
        )
        .join(account_settings, _settings.nAccountID == _condition.nAccountID)
        .where(SERVED, is_among(_condition.nAccountID, account_ids))
    )
    return [_condition_fact(row) for row in connection.execute(found)]


def _condition_fact(row: Row[Any], *, is_swept: bool = True) -> ConditionFact:
    # Other programs may write here, too, and SQLite accepts any type.
    return ConditionFact(
        role=str(row.sRole),
        reason=str(row.sReason),
        account_id=row.nAccountID,
        name=str(row.sAccountName),
        tenant_id=str(row.sTenantID),
        client_id=str(row.sClientID),
        thumbprint=str(row.sCertificateThumbprint),
        since=row.dtSince or EVERYTHING,
        detail=from_json(row.sDetailPhrase, row.sDetail if isinstance(row.sDetail, str) else None) or "",
        in_group=row.nInGroup,
        is_swept=is_swept,
    )


def release(connection: Connection, condition: ConditionFact, *, now: datetime) -> int:
    """Have the accounts of the condition's group tried again now; return their number.

    Of a group of up to ten it is the account of the condition alone. Processors are released by the end of the
    condition; the tasks of a manager are made due, and end it by themselves.
    """
    wanted = select(_condition.nAccountID).where(
        _condition.sRole == condition.role, _condition.sReason == condition.reason
    )
    if condition.in_group <= _FEW:
        wanted = wanted.where(_condition.nAccountID == condition.account_id)
    else:
        wanted = wanted.join(account_settings, _settings.nAccountID == _condition.nAccountID).where(
            _settings.sTenantID == condition.tenant_id,
            _settings.sClientID == condition.client_id,
            _settings.sCertificateThumbprint == condition.thumbprint,
        )
    numbers = list(connection.scalars(wanted.order_by(_condition.nAccountID)))
    schedule = _SCHEDULES.get(condition.role)
    for number in numbers:
        if schedule is None:
            clear_condition(connection, number, condition.role)
        else:
            schedule.request(connection, number, now=now)
    return len(numbers)


def names(connection: Connection, account_ids: Collection[int]) -> dict[int, str]:
    """The present names of these accounts, removed ones included; those without a row are missing."""
    found: dict[int, str] = {}
    for chunk in in_queries(sorted(account_ids)):
        rows = connection.execute(
            select(_settings.nAccountID, _settings.sAccountName).where(_settings.nAccountID.in_(rounded(list(chunk))))
        )
        found.update({row[0]: str(row[1]) for row in rows})
    return found


def removed(connection: Connection, account_ids: Collection[int]) -> set[int]:
    """Those of these accounts that were removed."""
    found: set[int] = set()
    for chunk in in_queries(sorted(account_ids)):
        found.update(
            connection.scalars(
                select(_settings.nAccountID).where(_settings.nAccountID.in_(chunk), _settings.dtRemoved.is_not(None))
            )
        )
    return found
