"""Pending actions in the mailboxes on imported messages: columns of `tblEmailMessage`.

An action is written with its message, in one transaction, and is due when the importing process should have done it.
A process that claims a due action moves the time ahead: no other does the same meanwhile, and if it dies, another
claims it. An incomplete message (a part was listed, and not or perhaps not wholly stored) is left alone in its mailbox,
which may still have that part: its action is `failed` from the start, until it is imported again or an operator forces
it. `MessageRecord.lacking` and `_INCOMPLETE` are one condition, of a record and of its rows.

An account calls for an action while its settings name that action. One that is pending when they do not any more ends
as `failed`, and no failed one that is not called for is counted or retried; once it is called for again, it is both.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    union_all,
    update,
)

from db.columns import code_by_code
from db.keys import of_accounts
from db.leases import over
from db.locking import by_row, skipping_locked
from db.outcomes import SIZE_DIFFERS, WHOLE, ActionKind, ActionState, ContentState
from db.tables import account_settings, attachment, message, original
from phrases import Phrase
from phrases.storage import to_json

LEASE: Final = timedelta(minutes=2)
"""Time for which an action belongs to the importer of its message, or to its claimant."""
MAX_WAIT: Final = timedelta(hours=3)
"""Maximum time until an action is retried: one due further ahead was delayed by a wrong clock, and is due now."""

_row = message.c
_settings = account_settings.c
# Tables of a gateway may have another collation than each other.
_NAMED: Final = code_by_code(_settings.sAfterImport) == _row.sAfterImport
_CALLED_FOR: Final = exists(
    select(literal(1)).select_from(account_settings).where(_settings.nAccountID == _row.nAccountID, _NAMED)
)


@dataclass(frozen=True, slots=True)
class Action:
    """A pending action: `kind` is read, move or delete. `attempts`: how many failed; `due`: end of the claim."""

    account_id: int
    graph_id: str
    kind: str
    attempts: int
    due: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of an attempt. `due`: time of the next, None unless pending. `detail`: for an operator."""

    action: Action
    state: ActionState
    attempts: int
    due: datetime | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of an account's actions that are pending, and that failed for good and are still called for."""

    pending: int = 0
    failed: int = 0


def wanted(kind: str | None, now: datetime, *, lacking: str | None = None) -> dict[str, Any]:
    """The columns of a message that is imported now, to be followed by `kind`; None or 'none': nothing.

    `lacking`: the parts of the message that were listed and not stored; None: nothing.
    """
    wants = kind not in {None, ActionKind.NONE}
    state = ActionState.PENDING if lacking is None else ActionState.FAILED
    detail = _left_alone(lacking) if wants and lacking is not None else None
    return {
        "sAfterImport": kind if wants else None,
        "sAfterImportState": state.value if wants else None,
        "sAfterImportDetail": detail,
        "sAfterImportDetailPhrase": to_json(detail),
        "nAfterImportAttempts": 0 if wants else None,
        "dtAfterImportDue": now + LEASE if wants and lacking is None else None,
    }


def _left_alone(lacking: str) -> Phrase:
    return Phrase(
        "Not all of the message is in the database ({lacking}), so it was left alone in the mailbox. Import it again "
        "(mail-importer import NAME --force --id ID), or force it by `accounts retry-actions NAME --even-incomplete`.",
        lacking=lacking,
    )


def is_incomplete(connection: Connection, message_id: int) -> bool:
    """Check whether a part of the message was listed, and not or perhaps not wholly stored."""
    found = select(literal(1)).select_from(message).where(_row.nMessageID == message_id, _INCOMPLETE)
    return connection.scalar(found) is not None


def resume(connection: Connection, message_id: int, *, now: datetime) -> None:
    """Make due the actions that waited for this message to be whole."""
    waited = (_row.nMessageID == message_id, _row.sAfterImportState == ActionState.FAILED.value)
    connection.execute(by_row(update(message).where(*waited).values(_again(now))))


def withhold(connection: Connection, message_id: int, *, lacking: str) -> None:
    """Have the pending action on this message wait for its missing parts."""
    pending = (_row.nMessageID == message_id, _row.sAfterImportState == ActionState.PENDING.value)
    detail = _left_alone(lacking)
    values = {
        "sAfterImportState": ActionState.FAILED.value,
        "sAfterImportDetail": detail,
        "sAfterImportDetailPhrase": to_json(detail),
        "dtAfterImportDue": null(),
    }
    connection.execute(by_row(update(message).where(*pending).values(values)))


_INCOMPLETE: Final = or_(
    exists(
        select(literal(1))
        .select_from(attachment)
        .where(
            attachment.c.nMessageID == _row.nMessageID,
            attachment.c.nParentPosition.is_(None),
            or_(attachment.c.sState.not_in(WHOLE), attachment.c.sStateDetail.startswith(SIZE_DIFFERS)),
        )
    ),
    exists(
        select(literal(1))
        .select_from(original)
        .where(original.c.nMessageID == _row.nMessageID, original.c.sState != ContentState.STORED)
    ),
)


def anything_due(connection: Connection, *, now: datetime) -> bool:
    """True when `claim` might find something."""
    return connection.scalar(select(literal(1)).select_from(message).where(_is_due(now)).limit(1)) is not None


def claim(connection: Connection, *, now: datetime, limit: int) -> list[Action]:
    """Claim up to `limit` due actions, longest due first: they are the caller's for LEASE."""
    columns = (_row.nMessageID, _row.nAccountID, _row.sGraphMessageID, _row.sAfterImport, _row.nAfterImportAttempts)
    query = select(*columns).where(_is_due(now)).order_by(_row.dtAfterImportDue).limit(limit)
    rows = connection.execute(skipping_locked(query, message)).all()
    if rows:
        taken = update(message).where(_row.nMessageID.in_([each.nMessageID for each in rows]))
        connection.execute(by_row(taken.values(dtAfterImportDue=now + LEASE)))
    return [Action(row[1], row[2], row[3], row[4] or 0, now + LEASE) for row in rows]


def _is_due(now: datetime) -> ColumnElement[bool]:
    return and_(_row.sAfterImportState == ActionState.PENDING.value, over(_row.dtAfterImportDue, now, longest=MAX_WAIT))


def end(connection: Connection, ended: Sequence[Ended]) -> None:
    """Record the results of these actions, each of which was pending."""
    rows = [
        {
            "account": each.action.account_id,
            "graph": each.action.graph_id,
            "state": each.state.value,
            "attempts": each.attempts,
            "due": each.due,
            "detail": each.detail,
            "phrase": to_json(each.detail),
        }
        # In one order for all, as in db.queries.messages.
        for each in sorted(ended, key=lambda each: (each.action.account_id, each.action.graph_id))
    ]
    if rows:
        connection.execute(_END, rows)


_END = by_row(
    update(message)
    .where(
        _row.nAccountID == bindparam("account"),
        _row.sGraphMessageID == bindparam("graph"),
        _row.sAfterImportState == ActionState.PENDING.value,
    )
    .values(
        sAfterImportState=bindparam("state"),
        nAfterImportAttempts=bindparam("attempts"),
        dtAfterImportDue=bindparam("due"),
        sAfterImportDetail=bindparam("detail"),
        sAfterImportDetailPhrase=bindparam("phrase"),
    )
)


def retry_failed(
    connection: Connection, account_id: int, *, after: int, now: datetime, limit: int, even_incomplete: bool = False
) -> list[int]:
    """Make up to `limit` failed actions that the account calls for pending again; return their messages' numbers.

    In the order of these numbers, beginning after that one: an action that fails again meanwhile is not met twice.
    Incomplete messages are left out, unless `even_incomplete`.
    """
    failed = select(_row.nMessageID).where(_failed(account_id), _CALLED_FOR, _row.nMessageID > after)
    if not even_incomplete:
        failed = failed.where(not_(_INCOMPLETE))
    numbers = list(connection.scalars(skipping_locked(failed.order_by(_row.nMessageID).limit(limit), message)))
    if numbers:
        again = update(message).where(_row.nMessageID.in_(numbers), _row.sAfterImportState == ActionState.FAILED.value)
        connection.execute(by_row(again.values(_again(now))))
    return numbers


def count_incomplete(connection: Connection, account_id: int) -> int:
    """Count the failed actions that the account calls for, and that wait for their messages to be imported whole."""
    waiting = select(func.count()).select_from(message).where(_failed(account_id), _CALLED_FOR, _INCOMPLETE)
    return connection.scalar(waiting) or 0


def count_not_called_for(connection: Connection, account_id: int) -> int:
    """Count the failed actions that the account does not call for any more."""
    failed = select(func.count()).select_from(message).where(_failed(account_id), not_(_CALLED_FOR))
    return connection.scalar(failed) or 0


def calling(connection: Connection, account_ids: Collection[int]) -> set[int]:
    """Those of the accounts that have an action by their settings, and pending ones; of messages by the index alone."""
    pending = select(_row.nAccountID).where(_row.sAfterImportState == ActionState.PENDING.value).distinct()
    acting = select(_settings.nAccountID).where(
        _settings.sAfterImport != ActionKind.NONE.value, _settings.nAccountID.in_(pending)
    )
    return set(connection.scalars(of_accounts(acting, _settings.nAccountID, account_ids)))


def _failed(account_id: int) -> ColumnElement[bool]:
    return and_(_row.sAfterImportState == ActionState.FAILED.value, _row.nAccountID == account_id)


def _again(now: datetime) -> dict[str, Any]:
    return {
        "sAfterImportState": ActionState.PENDING.value,
        "nAfterImportAttempts": 0,
        "dtAfterImportDue": now,
        "sAfterImportDetail": null(),
        "sAfterImportDetailPhrase": null(),
    }


def counts(connection: Connection, account_ids: Collection[int] | None = None) -> dict[int, Counts]:
    """Pending and failed actions, by account (None: all); of those that did not fail by the index alone."""

    def of_state(state: ActionState) -> Select[Any]:
        counted = select(_row.nAccountID, _row.sAfterImportState, func.count()).where(
            _row.sAfterImportState == state.value
        )
        return of_accounts(counted, _row.nAccountID, account_ids).group_by(_row.nAccountID, _row.sAfterImportState)

    found: dict[int, dict[str, int]] = {}
    statement = union_all(of_state(ActionState.PENDING), of_state(ActionState.FAILED).where(_CALLED_FOR))
    for row in connection.execute(statement):
        found.setdefault(row[0], {})[row[1]] = row[2]
    return {account_id: Counts(**each) for account_id, each in found.items()}
