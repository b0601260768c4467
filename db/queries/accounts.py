"""The accounts: rows of `tblEmailAccountSettings`, and the condition of each.

Every function takes the connection of a transaction; see `db.engine`.
"""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    ScalarSelect,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)

from db.columns import UnreadableTime, code_by_code
from db.errors import AccountExists, AccountNotFound, AccountRemoved, AccountUnreadable
from db.keys import of_accounts
from db.outcomes import ActionKind
from db.queries import entry_lists, filtered, filters, folders, history, scans
from db.queries.filters import Filters
from db.queries.history import Action, Author
from db.queries.rows import RowReader
from db.queries.schedule import SUBSCRIPTIONS, ApplicationKey
from db.search import contains
from db.tables import (
    account_condition,
    account_settings,
    folder_sync,
    graph_subscription,
    mailbox_address,
    message,
    missed_notification,
    subscription_schedule,
)
from longtext import cut
from phrases import Phrase
from phrases.commands import quoted
from phrases.storage import from_json, to_json

EVERYTHING: Final = datetime(1900, 1, 1, tzinfo=UTC)
"""`import_since` of an account that imports everything in its folder: no mail is older."""

_settings = account_settings.c

SERVED: Final[ColumnElement[bool]] = and_(_settings.bEnabled == true(), _settings.dtRemoved.is_(None))
"""The condition of accounts that are worked for: enabled, and not removed, whatever another program wrote there."""

_USE: Final = (
    _settings.sTenantID,
    _settings.sClientID,
    _settings.sCertificateThumbprint,
    _settings.sNextCertificateThumbprint,
    _settings.bSecureCertificateAccess,
)
_condition = account_condition.c
_address = mailbox_address.c
_MAX_ASKED: Final = 100
"""Accounts of an application that are read to find one whose row can be used."""
_FREED_LENGTH: Final = 150
"""UTF-16 code units of a name that stay in that of a removed account."""


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """The administrator's settings."""

    name: str
    tenant_id: str
    client_id: str
    user_id: str
    thumbprint: str
    secure_certificate_access: bool = True
    folder: str = "Inbox"
    after_import: str = ActionKind.NONE
    move_to_folder: str | None = None
    next_thumbprint: str | None = None
    """The certificate used once Entra no longer accepts the current one."""
    import_since: datetime | None = None
    """Mail received earlier is not caught up with (aware, UTC); None: set by the first subscription manager."""
    filters: Filters = filters.NONE
    """Filters of imported mail; may be invalid, see `processor.filters`."""
    console_access: tuple[str, ...] = ()
    """Groups whose members may see the mail in the web console; empty: all its users."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account as stored in the database. `removed`: it is not worked for, and keeps its messages."""

    account_id: int
    settings: AccountSettings
    enabled: bool
    removed: bool
    fingerprint: str = field(repr=False)
    """All that a subscription manager acts on, as one text that changes with it."""
    purged_before: datetime | None = None
    """Mail received before that time was deleted by an operator; it is imported only on request."""
    unreadable: Mapping[str, Phrase] = field(default_factory=dict, hash=False)
    """By column, the fault of values that cannot be used; the settings lack them. The account must not be worked on,
    and is neither disabled nor removed for it."""
    removed_at: datetime | None = None
    """Time of the removal."""

    @property
    def unreadable_because(self) -> Phrase | None:
        """The fault of its row and the remedy; None when all of it can be read."""
        if not self.unreadable:
            return None
        return Phrase(
            "The row of account {name!r} (number {number}) in tblEmailAccountSettings cannot be used: {why}. Correct "
            "it, or set all settings again: mail-importer accounts update {argument}",
            name=self.settings.name,
            argument=quoted(self.settings.name),
            number=self.account_id,
            why=Phrase.joined(*self.unreadable.values(), by="; "),
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """The reason a role ('processor', 'subscriptions') cannot work for an account now, and its next attempt."""

    account_id: int
    role: str
    reason: str
    detail: str
    since: datetime
    next_attempt: datetime


def add(connection: Connection, settings: AccountSettings, *, now: datetime, author: Author | None = None) -> int:
    """Add an enabled account and request its subscription at once; return its number. `author`: for its history.

    A removed account of the same mailbox and folder is taken up instead, so that its mail is not stored twice: it has
    these settings from then on. Its start of imports stays, where they have none.

    Raises:
        AccountExists: the name is taken, or another account imports the same folder.
    """
    _refuse_same_folder(connection, settings)
    removed = removed_like(connection, settings)
    if removed is not None:
        if _lock_removed(connection, removed.account_id):
            _take_up(connection, removed, settings, now=now, author=author)
            return removed.account_id
        _refuse_same_folder(connection, settings)  # it was taken up in this moment
    _refuse_same_name(connection, settings)
    # Inline, see db.queries.messages: this table may have triggers, too.
    connection.execute(insert(account_settings).inline().values(bEnabled=True, **_columns(settings)))
    account_id = by_name(connection, settings.name).account_id
    history.note(connection, account_id, Action.ADDED, author=author, now=now)
    make_due(connection, account_id, now=now)
    return account_id


def change(
    connection: Connection, name: str, settings: AccountSettings, *, now: datetime, author: Author | None = None
) -> None:
    """Change the settings of the account of that name, and have its subscription follow.

    Raises:
        AccountNotFound: there is none of that name.
        AccountExists: the new name is taken, or another account imports the same folder.
    """
    account = by_name(connection, name)
    _refuse_same_folder(connection, settings, but=account.account_id)
    _refuse_same_name(connection, settings, but=account.account_id)
    before = _columns(account.settings)
    # Unreadable values that were not replaced stay until they are corrected.
    values = {
        name: value
        for name, value in _columns(settings).items()
        if name not in account.unreadable or value != before[name]
    }
    _write(connection, account, values, Action.CHANGED, author=author, now=now)


def every(connection: Connection) -> list[Account]:
    """All accounts that were not removed, by name."""
    rows = connection.execute(_select().where(_settings.dtRemoved.is_(None)).order_by(_settings.sAccountName))
    return [_account(row) for row in rows]


def every_removed(connection: Connection) -> list[Account]:
    """All accounts that were removed, by name."""
    rows = connection.execute(_select().where(_settings.dtRemoved.is_not(None)).order_by(_settings.sAccountName))
    return [_account(row) for row in rows]


def page(
    connection: Connection, *, limit: int, after: str | None = None, search: str | None = None, removed: bool = False
) -> list[Account]:
    """Up to `limit` accounts behind that name, by name: those in use, or the removed ones.

    `search`: only those with this in their name, their user ID, or the address of their mailbox.
    """
    row = _settings
    in_use = row.dtRemoved.is_not(None) if removed else row.dtRemoved.is_(None)
    statement = _select().where(in_use).order_by(row.sAccountName).limit(limit)
    if after is not None:
        statement = statement.where(row.sAccountName > after)
    if search:
        address = select(literal(1)).where(_address.nAccountID == row.nAccountID, contains(_address.sAddress, search))
        statement = statement.where(
            or_(contains(row.sAccountName, search), contains(row.sUserID, search), exists(address))
        )
    return [_account(each) for each in connection.execute(statement)]


def is_address_of_mailbox(table: FromClause = mailbox_address) -> ColumnElement[bool]:
    """Condition that the row of `tblMailboxAddress` is of the mailbox that the account has now."""
    # An accounts' table that was there before may have any collation, and SQL Server compares columns of one alone.
    row = table.c
    return and_(row.nAccountID == _settings.nAccountID, row.sUserID == code_by_code(_settings.sUserID))


def addresses(connection: Connection, account_ids: Collection[int] | None = None) -> dict[int, str]:
    """The known addresses of the mailboxes of these accounts (None: of all)."""
    known = select(_address.nAccountID, _address.sAddress).join(account_settings, is_address_of_mailbox())
    return {row[0]: row[1] for row in connection.execute(of_accounts(known, _address.nAccountID, account_ids))}


def lock(connection: Connection, name: str) -> None:
    """Lock the row of that account until the transaction ends; nothing where there is none."""
    own = update(account_settings).where(_settings.sAccountName == name)
    connection.execute(own.values(sAccountName=_settings.sAccountName))


def by_name(connection: Connection, name: str) -> Account:
    """The account of that name.

    Raises:
        AccountNotFound: there is none.
        AccountRemoved: it was removed, under this name or the present one.
    """
    account = with_removed(connection, name)
    if account.removed:
        raise AccountRemoved(
            Phrase(
                "The account {name!r} was removed on {removed}. To take it up again, with its messages, add "
                "its mailbox and folder again: mail-importer accounts add --help",
                name=name,
                removed=f"{account.removed_at:%Y-%m-%d}",
            )
        )
    return account


def with_removed(connection: Connection, name: str) -> Account:
    """The account of that name, in use or removed. For what only reads or deletes its messages.

    Raises:
        AccountNotFound: there is none.
        AccountRemoved: it had that name before it was removed.
    """
    row = connection.execute(_select().where(_settings.sAccountName == name)).one_or_none()
    if row is not None:
        return _account(row)
    if (former := _formerly(connection, name)) is not None:
        raise AccountRemoved(
            Phrase(
                "The account {name!r} was removed; it is called {present!r} now. To take it up again, with its "
                "messages, add its mailbox and folder again: mail-importer accounts add --help",
                name=name,
                present=former,
            )
        )
    raise AccountNotFound(Phrase("There is no account named {name!r}. See: mail-importer accounts list", name=name))


def usable(connection: Connection, name: str) -> Account:
    """The account of that name, with all that is needed to work for it.

    Raises:
        AccountNotFound: there is none.
        AccountUnreadable: its row cannot be used.
    """
    account = by_name(connection, name)
    if account.unreadable_because is not None:
        raise AccountUnreadable(account.unreadable_because)
    return account


def by_id(connection: Connection, account_ids: Sequence[int]) -> dict[int, Account]:
    """The accounts of these numbers, removed ones included; unknown numbers are left out."""
    return _by(connection, _settings.nAccountID.in_(account_ids))


@dataclass(frozen=True, slots=True)
class CertificateUse:
    """A combination of enabled accounts' certificates, once; `name`: the first of theirs, `accounts`: their number."""

    tenant_id: str
    client_id: str
    thumbprint: str
    next_thumbprint: str | None
    secure_certificate_access: bool
    name: str
    accounts: int

    @property
    def certificates(self) -> tuple[object, ...]:
        """The values that distinguish it."""
        return (
            self.tenant_id,
            self.client_id,
            self.thumbprint,
            self.next_thumbprint,
            self.secure_certificate_access,
        )

    @property
    def thumbprints(self) -> tuple[str, ...]:
        """The one or two certificates."""
        return (self.thumbprint, self.next_thumbprint) if self.next_thumbprint else (self.thumbprint,)


def certificate_uses(connection: Connection) -> list[CertificateUse]:
    """The certificates in use, and by how many accounts."""
    rows = connection.execute(
        select(*_USE, func.min(_settings.sAccountName), func.count()).where(SERVED).group_by(*_USE)
    )
    return [CertificateUse(*row) for row in rows if all(each is None or isinstance(each, str | int) for each in row)]


def names_using(connection: Connection, use: CertificateUse) -> dict[int, str]:
    """The names of the enabled accounts that sign in so, by number."""
    values = use.certificates
    rows = connection.execute(
        select(_settings.nAccountID, _settings.sAccountName).where(
            SERVED,
            *(
                column.is_(None) if value is None else column == value
                for column, value in zip(_USE, values, strict=True)
            ),
        )
    )
    return {row[0]: row[1] for row in rows}


def applications(connection: Connection) -> list[ApplicationKey]:
    """Each tenant and client id that an enabled account signs in with, once."""
    rows = connection.execute(
        select(_settings.sTenantID, _settings.sClientID)
        .where(SERVED)
        .distinct()
        .order_by(_settings.sTenantID, _settings.sClientID)
    )
    # Another program may have written other types than text, which SQLite accepts; see `Account.unreadable`.
    return [(row[0], row[1]) for row in rows if isinstance(row[0], str) and isinstance(row[1], str)]


def one_of_application(connection: Connection, application: ApplicationKey) -> Account | None:
    """An enabled account that signs in so: any one of them can represent the application."""
    rows = connection.execute(_select().where(_signs_in(application), SERVED).limit(_MAX_ASKED)).all()
    return next((each for each in map(_account, rows) if not each.unreadable), None)


class Unsubscribed(NamedTuple):
    """An enabled account that holds no subscription."""

    account_id: int
    user_id: str
    folder: str


def unsubscribed(connection: Connection, application: ApplicationKey) -> list[Unsubscribed]:
    """The enabled accounts of an application that hold no subscription."""
    held = graph_subscription.c
    rows = connection.execute(
        select(_settings.nAccountID, _settings.sUserID, _settings.sFolder)
        .outerjoin(graph_subscription, held.nAccountID == _settings.nAccountID)
        .where(_signs_in(application), SERVED, held.nAccountID.is_(None))
    )
    # Another program may have written other types than text, which SQLite accepts; see `Account.unreadable`.
    return [Unsubscribed(*row) for row in rows if isinstance(row[1], str) and isinstance(row[2], str)]


def set_enabled(
    connection: Connection, name: str, enabled: bool, *, now: datetime, author: Author | None = None
) -> None:
    """Enable or disable an account, and have its subscription follow.

    Raises:
        AccountNotFound: there is none of that name.
    """
    action = Action.ENABLED if enabled else Action.DISABLED
    _write(connection, by_name(connection, name), {"bEnabled": enabled}, action, author=author, now=now)


def is_removed(connection: Connection, account_id: int) -> bool:
    """True of an account that was removed, and of a number that has no row."""
    in_use = select(literal(1)).where(_settings.nAccountID == account_id, _settings.dtRemoved.is_(None))
    return connection.scalar(in_use) is None


def mark_removed(connection: Connection, name: str, *, now: datetime, author: Author | None = None) -> str:
    """Remove an account and free its name; return its present name. Its row and its messages stay.

    The subscription manager deletes the subscription at Graph, and then has nothing more to do with the account.

    Raises:
        AccountNotFound: there is none of that name.
        AccountRemoved: it is removed already.
    """
    account = by_name(connection, name)
    freed = _freed(name, account.account_id)
    values = {"bEnabled": False, "dtRemoved": now, "sAccountName": freed}
    _write(connection, account, values, Action.REMOVED, author=author, now=now)
    return freed


def removed_like(connection: Connection, settings: AccountSettings) -> Account | None:
    """The removed account of the same mailbox and folder, the latest of several; None: there is none.

    A mailbox named by object ID is also found by its address, and the other way round, where that is known.
    """
    known = _known_addresses(connection, settings.user_id)
    users = sorted({*_spellings(settings.user_id), *known})
    removed = connection.execute(
        _select()
        .where(
            _settings.dtRemoved.is_not(None),
            func.lower(_settings.sTenantID) == settings.tenant_id.lower(),
            or_(_settings.sUserID.in_(users), func.lower(_settings.sUserID).in_(users)),
        )
        .order_by(_settings.dtRemoved.desc(), _settings.nAccountID.desc())
    ).all()
    alike = (each for each in map(_account, removed) if _folder_key(each.settings) == _folder_key(settings))
    return next(alike, None)


def _known_addresses(connection: Connection, user_id: str) -> set[str]:
    """The other ways to name the mailbox: the address of an object ID, the object ID of an address."""
    by_address = "@" in user_id
    asked, wanted = (_address.sAddress, _address.sUserID) if by_address else (_address.sUserID, _address.sAddress)
    spellings = _spellings(user_id)
    found = connection.scalars(select(wanted).where(or_(asked.in_(spellings), func.lower(asked).in_(spellings))))
    return {spelling for each in found for spelling in _spellings(each)}


def _spellings(user_id: str) -> list[str]:
    """The text to compare in any letter case: SQLite changes that of ASCII letters only."""
    return sorted({user_id, user_id.lower(), user_id.casefold()})


def _take_up(
    connection: Connection, removed: Account, settings: AccountSettings, *, now: datetime, author: Author | None
) -> None:
    """Make a removed account one in use again, with these settings; a full pass catches up with its folder."""
    number = removed.account_id
    _refuse_same_name(connection, settings, but=number)
    since = settings.import_since
    if since is None:
        since = removed.settings.import_since
    elif removed.purged_before is not None:
        since = max(since, removed.purged_before)  # purged mail would come back
    values = _columns(replace(settings, import_since=since)) | {"bEnabled": True, "dtRemoved": None}
    _write(connection, removed, values, Action.TAKEN_UP, author=author, now=now)
    folders.start_anew(connection, number, now=now)


def _freed(name: str, account_id: int) -> str:
    """The name of a removed account."""
    return f"{cut(name, _FREED_LENGTH)} (removed, {account_id})"


def _formerly(connection: Connection, name: str) -> str | None:
    """The present name of the account that was removed last of those that had that name."""
    rows = connection.execute(
        select(_settings.nAccountID, _settings.sAccountName)
        .where(
            _settings.dtRemoved.is_not(None),
            _settings.sAccountName.startswith(f"{cut(name, _FREED_LENGTH)} (removed, ", autoescape=True),
        )
        .order_by(_settings.dtRemoved.desc(), _settings.nAccountID.desc())
    ).all()
    return next((row[1] for row in rows if row[1].casefold() == _freed(name, row[0]).casefold()), None)


def _write(
    connection: Connection,
    account: Account,
    values: Mapping[str, Any],
    action: Action,
    *,
    author: Author | None,
    now: datetime,
) -> None:
    history.note_others(connection, [account.account_id], now=now)
    connection.execute(update(account_settings).where(_settings.nAccountID == account.account_id).values(**values))
    history.note(connection, account.account_id, action, author=author, now=now)
    make_due(connection, account.account_id, now=now)


def retire(connection: Connection, account_id: int) -> bool:
    """Delete the schedules and conditions of a removed account; False when it was taken up meanwhile, or is not there.

    What tells which of its mail is known stays: an account that is taken up again imports nothing twice.
    """
    if not _lock_removed(connection, account_id):
        return False
    _delete_schedules(connection, account_id)
    return True


def purge(connection: Connection, account_id: int) -> None:
    """Delete what is left of an account whose row another program deleted; its messages stay."""
    if connection.scalar(select(literal(1)).where(_settings.nAccountID == account_id)) is not None:
        return
    _delete_schedules(connection, account_id)
    connection.execute(delete(mailbox_address).where(_address.nAccountID == account_id))
    filtered.delete_all(connection, account_id)
    scans.delete_all(connection, account_id)


def _lock_removed(connection: Connection, account_id: int) -> bool:
    """Lock the row of a removed account until the transaction ends; False when it is in use, or not there."""
    removed = update(account_settings).where(_settings.nAccountID == account_id, _settings.dtRemoved.is_not(None))
    return bool(connection.execute(removed.values(dtRemoved=_settings.dtRemoved)).rowcount)


def _delete_schedules(connection: Connection, account_id: int) -> None:
    for table in (subscription_schedule, folder_sync, account_condition, missed_notification):
        connection.execute(delete(table).where(table.c.nAccountID == account_id))


def make_due(connection: Connection, account_id: int, *, now: datetime) -> None:
    """Request a subscription manager's turn for the account."""
    SUBSCRIPTIONS.request(connection, account_id, now=now)


def changed(connection: Connection, *, now: datetime, limit: int, served_with: str | None = None) -> list[int]:
    """Accounts whose row differs from that which a subscription manager last acted on, up to `limit`.

    For changes by other programs, which request no turn. One statement that compares within the database; accounts due
    or under way are left out. `served_with`: also those served by a manager with other settings of its own.
    """
    schedule = subscription_schedule.c
    differs = or_(schedule.sServed.is_(None), schedule.sServed != _FINGERPRINT)
    if served_with is not None:
        differs = or_(differs, schedule.sServedWith.is_(None), schedule.sServedWith != served_with)
    return list(
        connection.scalars(
            select(_settings.nAccountID)
            .select_from(account_settings)
            .outerjoin(subscription_schedule, schedule.nAccountID == _settings.nAccountID)
            .where(
                or_(
                    # One that was removed, and whose subscription is deleted, has no schedule any more.
                    and_(schedule.nAccountID.is_(None), _settings.dtRemoved.is_(None)),
                    and_(
                        schedule.dtDue > now,
                        schedule.dtLeaseUntil.is_(None),
                        differs,
                    ),
                )
            )
            .limit(limit)
        )
    )


def settle_import_since(connection: Connection, account_id: int, *, now: datetime) -> None:
    """Set an undecided start of an account's imports: its first import, or now."""
    first = select(func.min(message.c.dtImported)).where(message.c.nAccountID == account_id)
    undecided = (_settings.nAccountID == account_id) & _settings.dtImportSince.is_(None)
    if connection.scalar(select(_settings.nAccountID).where(undecided)) is not None:
        since = connection.scalar(first) or now
        history.note_others(connection, [account_id], now=now)
        connection.execute(update(account_settings).where(undecided).values(dtImportSince=since))
        history.note(connection, account_id, Action.CHANGED, author=None, now=now)


def import_since(connection: Connection, account_id: int) -> datetime | None:
    """The current start of the account's imports: it may have moved since its settings were read.

    Raises:
        AccountUnreadable: the column no longer holds a time; an early one would import the whole folder.
    """
    since = connection.scalar(select(_settings.dtImportSince).where(_settings.nAccountID == account_id))
    if isinstance(since, UnreadableTime):
        raise AccountUnreadable(
            Phrase(
                "{column} holds {value!r}, which is not {wanted}",
                column="dtImportSince",
                value=since.stored,
                wanted=Phrase("a time"),
            )
        )
    return since


def imports(since: datetime | None, received: datetime | None) -> bool:
    """True if a pass through a folder imports a message received then: the account leaves out older ones."""
    # Graph's times have whole seconds.
    return received is None or since is None or received >= since.replace(microsecond=0)


def set_condition(connection: Connection, condition: Condition) -> None:
    """Record why a role cannot work for an account. `since` of the same reason is kept."""
    key = (_condition.nAccountID == condition.account_id) & (_condition.sRole == condition.role)
    values: dict[str, Any] = {
        "sReason": condition.reason,
        "sDetail": condition.detail,
        "sDetailPhrase": to_json(condition.detail),
        "dtNextAttempt": condition.next_attempt,
    }
    same = connection.execute(
        update(account_condition).where(key, _condition.sReason == condition.reason).values(values)
    ).rowcount
    if same:
        return
    connection.execute(delete(account_condition).where(key))
    connection.execute(
        insert(account_condition).values(
            nAccountID=condition.account_id, sRole=condition.role, dtSince=condition.since, **values
        )
    )


def clear_condition(connection: Connection, account_id: int, role: str) -> None:
    """Record that the role works for the account again."""
    connection.execute(delete(account_condition).where(_condition.nAccountID == account_id, _condition.sRole == role))


def clear_expired_condition(connection: Connection, account_id: int, role: str, *, now: datetime) -> None:
    """Delete a condition whose time is over."""
    connection.execute(
        delete(account_condition).where(
            _condition.nAccountID == account_id, _condition.sRole == role, _condition.dtNextAttempt <= now
        )
    )


def conditions(
    connection: Connection, role: str | None = None, account_ids: Collection[int] | None = None
) -> list[Condition]:
    """The conditions of a role (None: of any) and these accounts (None: of all), by account; none of removed ones."""
    removed = exists(
        select(literal(1))
        .select_from(account_settings)
        .where(_settings.nAccountID == _condition.nAccountID, _settings.dtRemoved.is_not(None))
    )
    statement = select(account_condition).where(~removed).order_by(_condition.nAccountID, _condition.sRole)
    statement = statement if role is None else statement.where(_condition.sRole == role)
    rows = connection.execute(of_accounts(statement, _condition.nAccountID, account_ids))
    return [
        # Other programs may write here, too, and SQLite accepts any type.
        Condition(
            row.nAccountID,
            str(row.sRole),
            str(row.sReason),
            from_json(row.sDetailPhrase, row.sDetail if isinstance(row.sDetail, str) else None) or "",
            row.dtSince or EVERYTHING,
            row.dtNextAttempt or EVERYTHING,
        )
        for row in rows
    ]


def imported_count(connection: Connection, account_id: int) -> int:
    """The number of messages of the account in the database."""
    return connection.scalar(select(func.count()).select_from(message).where(message.c.nAccountID == account_id)) or 0


def imported_counts(connection: Connection, account_ids: Collection[int] | None = None) -> dict[int, int]:
    """The number of messages of each account (None: of all) in the database."""
    statement = select(message.c.nAccountID, func.count()).group_by(message.c.nAccountID)
    rows = connection.execute(of_accounts(statement, message.c.nAccountID, account_ids))
    return {row[0]: row[1] for row in rows}


def _columns(settings: AccountSettings) -> dict[str, Any]:
    return {
        "sAccountName": settings.name,
        "sTenantID": settings.tenant_id,
        "sClientID": settings.client_id,
        "sUserID": settings.user_id,
        "sCertificateThumbprint": settings.thumbprint,
        "sNextCertificateThumbprint": settings.next_thumbprint,
        "bSecureCertificateAccess": settings.secure_certificate_access,
        "sFolder": settings.folder,
        "sAfterImport": settings.after_import,
        "sMoveToFolder": settings.move_to_folder,
        "dtImportSince": settings.import_since,
        "sConsoleAccess": entry_lists.stored(settings.console_access),
        **filters.columns(settings.filters),
    }


def _refuse_same_name(connection: Connection, settings: AccountSettings, *, but: int | None = None) -> None:
    named = select(_settings.nAccountID, _settings.dtRemoved).where(_settings.sAccountName == settings.name)
    for row in connection.execute(named).all():
        if row.dtRemoved is not None:
            raise AccountExists(
                Phrase("{name!r} is the name of a removed account. Choose another name.", name=settings.name)
            )
        if row.nAccountID != but:
            raise AccountExists(
                Phrase(
                    "An account named {name!r} exists already. Choose another name, or remove that one.",
                    name=settings.name,
                )
            )


def _refuse_same_folder(connection: Connection, settings: AccountSettings, *, but: int | None = None) -> None:
    for other in every(connection):
        if other.account_id != but and _same_folder(other.settings, settings):
            raise AccountExists(
                Phrase(
                    "The account {name!r} imports this folder of this mailbox already; a second one would remove its "
                    "subscription. Choose another folder, or remove that account.",
                    name=other.settings.name,
                )
            )


def _bit(condition: ColumnElement[bool]) -> ColumnElement[str]:
    return case((condition, "1"), else_="0")


# Made and compared in the database only, so that it is one text regardless of the driver. It ends with no blank, which
# SQL Server would ignore there.
_FINGERPRINT: Final[ColumnElement[str]] = code_by_code(
    _settings.sTenantID
    + "|"
    + _settings.sClientID
    + "|"
    + _settings.sUserID
    + "|"
    + _settings.sCertificateThumbprint
    + "|"
    + func.coalesce(_settings.sNextCertificateThumbprint, "")
    + "|"
    + _settings.sFolder
    + "|"
    # Compared, since a bit is no condition on SQL Server.
    + _bit(_settings.bSecureCertificateAccess == true())
    + _bit(_settings.bEnabled == true())
    + _bit(_settings.dtRemoved.is_not(None))
)


def fingerprint_of(account_id: int) -> ScalarSelect[str]:
    """The SQL of `Account.fingerprint`."""
    return select(_FINGERPRINT).where(_settings.nAccountID == account_id).scalar_subquery()


def _folder_key(settings: AccountSettings) -> tuple[str, ...]:
    """The folder, the same for all ways to write it: names are compared as `graph.folders` compares them."""
    parts = (part.strip() for part in settings.folder.split("/"))
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in parts if part)


def _same_folder(one: AccountSettings, other: AccountSettings) -> bool:
    def facts(settings: AccountSettings) -> tuple[str, ...]:
        return tuple(
            each.casefold() for each in (settings.tenant_id, settings.client_id, settings.user_id, settings.folder)
        )

    return facts(one) == facts(other)


def _select() -> Any:  # noqa: ANN401  # SQLAlchemy's type of a select of ten columns names each of them
    return select(account_settings, _FINGERPRINT.label("fingerprint"))


def _signs_in(application: ApplicationKey) -> ColumnElement[bool]:
    return (_settings.sTenantID == application[0]) & (_settings.sClientID == application[1])


def _by(connection: Connection, condition: ColumnElement[bool]) -> dict[int, Account]:
    return {row.nAccountID: _account(row) for row in connection.execute(_select().where(condition))}


def _account(row: Row[Any]) -> Account:
    reading = RowReader(row._mapping)  # noqa: SLF001  # public, as SQLAlchemy documents
    account_id: int = row.nAccountID
    settings = AccountSettings(
        name=reading.text("sAccountName") or f"({account_id})",
        tenant_id=reading.text("sTenantID"),
        client_id=reading.text("sClientID"),
        user_id=reading.text("sUserID"),
        thumbprint=reading.text("sCertificateThumbprint"),
        secure_certificate_access=reading.flag("bSecureCertificateAccess"),
        folder=reading.text("sFolder"),
        after_import=reading.text("sAfterImport"),
        move_to_folder=reading.text_or_none("sMoveToFolder"),
        next_thumbprint=reading.text_or_none("sNextCertificateThumbprint"),
        import_since=reading.time("dtImportSince"),
        filters=filters.NONE,
        console_access=entry_lists.lines(reading.text_or_none("sConsoleAccess")),
    )
    for name in filters.TEXTS:
        reading.text_or_none(name)
    for name in filters.NUMBERS:
        reading.number(name)
    if not reading.faults.keys() & {*filters.TEXTS, *filters.NUMBERS}:
        settings = replace(settings, filters=filters.of_row(row))
    return Account(
        account_id=account_id,
        settings=settings,
        enabled=reading.flag("bEnabled"),
        removed=(removed_at := reading.time("dtRemoved")) is not None,
        fingerprint=reading.row["fingerprint"] or "",
        purged_before=reading.time("dtPurgedBefore"),
        unreadable=reading.faults,
        removed_at=removed_at,
    )
