"""The files of import rules as an operator sees them, newest first, and the numbers of many that match criteria.

Every function takes the connection of a transaction; see `db.engine`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
)

from db.errors import RuleNotFound
from db.keys import in_queries, many, rounded
from db.outcomes import FileState
from db.queries import rules
from db.queries.rule_matches import folder_key
from db.tables import account_settings, email_file, email_rule, message
from phrases.storage import from_json
from rules.rule import Rule

_ONE: Final[ColumnElement[int]] = literal_column("1")
_file, _row = email_file.c, message.c


@dataclass(frozen=True, slots=True)
class FileCriteria:
    """A selection of files: those that match all given criteria. `since`: the time at which the rule matched.

    `states`: None is all. `failing`: only those that failed, and those that wait after a failed attempt; with
    `given_up`, those that were given up as well. `before`: only those numbered below. `but_accounts`: none of the mail
    of these.
    """

    file_ids: Collection[int] | None = None
    states: Collection[FileState] | None = None
    rule_id: int | None = None
    account_id: int | None = None
    message_id: int | None = None
    folder: str | None = None
    since: datetime | None = None
    failing: bool = False
    given_up: bool = False
    before: int | None = None
    but_accounts: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class LoggedFile:
    """A file of a rule.

    `rule`: the name of the rule, None of a removed one; `account`: that of the message, as well. `name`: under which it
    was to be saved, `target`: its path, once an attempt came that far. `due`: time of the next attempt, None: there is
    none, or it waits for the file that it describes. `attempts`: those that failed.
    """

    file_id: int
    message_id: int
    rule_id: int
    rule: str | None
    account_id: int
    account: str | None
    run: int
    part: str
    folder: str
    name: str = field(repr=False)
    target: str | None = field(repr=False)
    state: str
    attempts: int
    reason: str | None
    detail: str | None
    size: int | None
    created: datetime
    due: datetime | None
    retry_until: datetime
    saved: datetime | None


def rule_number(connection: Connection, name: str) -> int:
    """The number of the rule of that name; a number is that of a removed rule, too.

    Raises:
        RuleNotFound
    """
    try:
        return rules.by_name(connection, name).rule.rule_id
    except RuleNotFound:
        number = int(name) if name.isascii() and name.isdigit() and len(name) <= _MAX_DIGITS else 0
        if number and connection.scalar(select(_file.nFileID).where(_file.nRuleID == number).limit(1)) is not None:
            return number
        raise


def page(connection: Connection, criteria: FileCriteria, *, limit: int) -> list[LoggedFile]:
    """Up to `limit` files, the newest first."""
    # The numbers first, by an index where there is one: whole rows would be sorted, of all that match.
    newest = select(_file.nFileID).where(*_conditions(criteria)).order_by(_file.nFileID.desc()).limit(limit)
    found: list[LoggedFile] = []
    for chunk in in_queries(list(connection.scalars(newest))):
        rows = _query().where(_file.nFileID.in_(rounded(list(chunk)))).order_by(_file.nFileID.desc())
        found += [_logged(row) for row in connection.execute(rows)]
    return found


def saved_counts(connection: Connection, since: datetime, *, limit: int) -> dict[int, int]:
    """By rule, its files among the last saved ones, `limit` at most, and those since then."""
    last = select(_file.nRuleID).where(_file.dtSaved > since).order_by(_file.dtSaved.desc()).limit(limit).subquery()
    rows = connection.execute(select(last.c.nRuleID, func.count().label("nFiles")).group_by(last.c.nRuleID))
    return {row.nRuleID: row.nFiles for row in rows}


def saved_lately(
    connection: Connection,
    rule: Rule,
    since: datetime,
    *,
    limit: int,
    without: Collection[int] = (),
) -> list[LoggedFile]:
    """Up to `limit` files that the rule saved since then into the folder that it has now, the last ones first.

    `without`: accounts whose files are left out.
    """
    newest = (
        _query()
        .where(_file.dtSaved > since, _file.sFolderKey == folder_key(rule.folder), _file.nRuleID == rule.rule_id)
        .order_by(_file.dtSaved.desc(), _file.nFileID.desc())
    )
    if without:
        newest = newest.where(_row.nAccountID.not_in(many("without", without)))
    return [_logged(row) for row in connection.execute(newest.limit(limit))]


def numbers(connection: Connection, criteria: FileCriteria) -> list[int]:
    """The numbers of all files that match, the oldest first."""
    found = select(_file.nFileID).where(*_conditions(criteria))
    return sorted(connection.scalars(found))


def of_message(connection: Connection, message_id: int, *, limit: int) -> tuple[list[LoggedFile], int]:
    """Up to `limit` files of the message, in the order in which rules selected them, and the number of all.

    Where there are more, those that are not saved come before the others.
    """
    of = _file.nMessageID == message_id
    found = [_logged(row) for row in connection.execute(_query().where(of).order_by(_file.nFileID).limit(limit + 1))]
    if len(found) <= limit:
        return found, len(found)
    is_open = _file.sState.in_([FileState.FAILED.value, FileState.PENDING.value])
    found = [
        _logged(row) for row in connection.execute(_query().where(of, is_open).order_by(_file.nFileID).limit(limit))
    ]
    if len(found) < limit:
        rest = _query().where(of, ~is_open).order_by(_file.nFileID).limit(limit - len(found))
        found += [_logged(row) for row in connection.execute(rest)]
    count = connection.scalar(select(func.count()).select_from(email_file).where(of)) or 0
    return sorted(found, key=lambda each: each.file_id), count


def _query() -> Select[Any]:
    return (
        select(
            _file.nFileID,
            _file.nMessageID,
            _file.nRuleID,
            email_rule.c.sName,
            _row.nAccountID,
            account_settings.c.sAccountName,
            _file.nRun,
            _file.sPart,
            _file.sFolder,
            _file.sFileName,
            _file.sTargetPath,
            _file.sState,
            _file.nAttempts,
            _file.sReason,
            _file.sDetail,
            _file.sDetailPhrase,
            _file.nSize,
            _file.dtCreated,
            _file.dtDue,
            _file.dtRetryUntil,
            _file.dtSaved,
        )
        .select_from(email_file)
        .join(message, _row.nMessageID == _file.nMessageID)
        .outerjoin(email_rule, email_rule.c.nRuleID == _file.nRuleID)
        .outerjoin(account_settings, account_settings.c.nAccountID == _row.nAccountID)
    )


def _conditions(criteria: FileCriteria) -> Iterator[ColumnElement[bool]]:
    if criteria.file_ids is not None:
        yield _file.nFileID.in_(sorted(criteria.file_ids))
    if criteria.states is not None:
        yield _is_in(criteria.states)
    if criteria.failing:
        waits = and_(_file.sState == FileState.PENDING.value, _file.nAttempts > 0)
        ended = [FileState.FAILED.value, *([FileState.SKIPPED.value] if criteria.given_up else [])]
        yield or_(_file.sState.in_(ended), waits)
    if criteria.rule_id is not None:
        yield _file.nRuleID == criteria.rule_id
    if criteria.message_id is not None:
        yield _file.nMessageID == criteria.message_id
    if criteria.folder is not None:
        keys = {folder_key(criteria.folder), folder_key(criteria.folder.rstrip("/\\"))}
        yield _file.sFolderKey.in_(sorted(keys))
    if criteria.since is not None:
        yield _file.dtCreated >= criteria.since
    if criteria.before is not None:
        yield _file.nFileID < criteria.before
    yield from _conditions_on_accounts(criteria)


def _conditions_on_accounts(criteria: FileCriteria) -> Iterator[ColumnElement[bool]]:
    if criteria.account_id is not None:
        yield _is_of(_row.nAccountID == criteria.account_id)
    if criteria.but_accounts:
        # Written into the statement: they may be more than SQL Server allows parameters.
        hidden: BindParameter[Any] = bindparam(
            None, sorted(criteria.but_accounts), expanding=True, literal_execute=True
        )
        yield not_(_is_of(_row.nAccountID.in_(hidden)))


def _is_of(accounts: ColumnElement[bool]) -> ColumnElement[bool]:
    mine = and_(_row.nMessageID == _file.nMessageID, accounts)
    return exists(select(_ONE).select_from(message).where(mine).correlate(email_file))


def _is_in(states: Collection[FileState]) -> ColumnElement[bool]:
    words = [each.value for each in states]
    if FileState.SAVED not in states:
        return _file.sState.in_(words)
    # An expression, for no index: most files of a page are saved, and SQLite would sort all that are.
    return (_file.sState + "").in_(words)


def _logged(row: Row[Any]) -> LoggedFile:
    return LoggedFile(
        file_id=row.nFileID,
        message_id=row.nMessageID,
        rule_id=row.nRuleID,
        rule=row.sName,
        account_id=row.nAccountID,
        account=row.sAccountName,
        run=row.nRun,
        part=row.sPart,
        folder=row.sFolder,
        name=row.sFileName,
        target=row.sTargetPath,
        state=row.sState,
        attempts=row.nAttempts,
        reason=row.sReason,
        detail=from_json(row.sDetailPhrase, row.sDetail),
        size=row.nSize,
        created=row.dtCreated,
        due=row.dtDue,
        retry_until=row.dtRetryUntil,
        saved=row.dtSaved,
    )


_MAX_DIGITS: Final = 18
