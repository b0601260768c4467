"""`mail-importer queue`: operation of the queue."""

import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import click

from bus.errors import QueueUnavailable
from bus.queue import AccountStatus, NotificationQueue, QueuedMessage, QueueStatus, Selection
from console.audit import audited, who
from console.confirmation import confirm
from console.invocation import Invocation, account_names, as_stored, example, moment, pass_invocation
from console.loop import run_async
from console.output import Column, Listing, Record, prints_data, shown, span, tell, wrong_usage
from console.progress import counting
from console.queue.maintenance import BatchProgress, OnProgress, QueueMaintenance
from console.settings import Settings
from console.translation.help import Group
from console.translation.labels import word
from console.wiring.host import host_name
from console.wiring.queue import open_queue, servicebus_address
from db.engine import Database, run_reading
from db.queries import accounts, audit
from phrases import Phrase

T = TypeVar("T")

_LARGEST_ENTRY: Final = 2**63 - 1
_MAX_LISTED: Final = 1000  # an account each, at worst: SQL Server allows 2,100 parameters
_MAX_IDS: Final = 500


@click.group(cls=Group, epilog=example("mail-importer queue status"))
def queue() -> None:
    """Look into the queue and replay dead letters.

    A dead letter is a notification that could not be processed and was put aside with its reason.
    """


@queue.command(epilog=example("mail-importer queue status --json"))
@prints_data
@pass_invocation
def status(invocation: Invocation) -> Record:
    """Count what waits, what is in work, and the dead letters."""
    found = _at_queue(invocation, lambda each, _: each.status())
    now = invocation.clock()
    names = _account_names(invocation, {each.account_id for each in found.accounts if each.account_id is not None})
    row = {
        **_counts(found, now, tells_locked=found.tells_locked),
        "complete": found.complete,
        "accounts": [
            {
                "account_id": each.account_id,
                "account": None if each.account_id is None else names.get(each.account_id, str(each.account_id)),
                **_counts(each, now, tells_locked=found.tells_locked),
            }
            for each in found.accounts
        ],
    }
    if not found.complete:
        counted = sum(each.active + each.scheduled + each.dead for each in found.accounts)
        tell(Phrase("Counting stopped at {count}; the queue holds more messages.", count=counted))
    below = Listing(
        [Column("account", Phrase("Account")), *_numbers(now, right=True)], row["accounts"], empty=Phrase("")
    )
    return Record(_numbers(now), row, below=below if row["accounts"] else None)


def _counts(found: QueueStatus | AccountStatus, now: datetime, *, tells_locked: bool) -> dict[str, Any]:
    return {
        "waiting": found.active,
        "locked": found.locked if tells_locked else None,
        "scheduled": found.scheduled,
        "dead": found.dead,
        "oldest": found.oldest,
        "oldest_age_seconds": None if found.oldest is None else round((now - found.oldest).total_seconds(), 3),
    }


def _numbers(now: datetime, *, right: bool = False) -> list[Column]:
    return [
        Column("waiting", Phrase("Waiting"), right=right),
        # Service Bus does not report it: what is in work counts as waiting.
        Column("locked", Phrase("In work"), right=right),
        Column("scheduled", Phrase("For later"), right=right),
        Column("dead", Phrase("Dead letters"), right=right),
        Column(
            "oldest",
            Phrase("Oldest"),
            lambda time: shown(None) if time is None else Phrase("{span} old", span=span(now - time)),
        ),
    ]


@queue.command(epilog=example("mail-importer queue check"))
@prints_data
@pass_invocation
def check(invocation: Invocation) -> Listing:
    """Check that the queue takes messages, and that it is made as it has to be."""
    settings = invocation.settings
    columns = [
        Column("name", Phrase("What")),
        Column("state", Phrase("State"), word),
        Column("found", Phrase("Found")),
        Column("wanted", Phrase("Wanted")),
        Column("why", Phrase("Why")),
    ]
    if settings.queue == "database":
        _at_queue(invocation, lambda each, _: each.check())
        takes = Phrase("takes messages")
        row = {"name": Phrase("table"), "state": "ok", "found": takes, "wanted": takes, "why": ""}
        return Listing(columns, [row], empty=Phrase(""))
    findings = run_async(_examined(settings, invocation))
    wrong = sum(each["state"] == "wrong" for each in findings)
    failure = Phrase.counted("{n} property of the queue is wrong.", "{n} properties of the queue are wrong.", n=wrong)
    return Listing(columns, findings, empty=Phrase(""), failure=failure if wrong else None)


async def _examined(settings: Settings, invocation: Invocation) -> list[dict[str, Any]]:
    from bus.servicebus.errors import QueueRef  # noqa: PLC0415  # only where Service Bus is used
    from bus.servicebus.inspection import Finding, State, examine  # noqa: PLC0415  # only where Service Bus is used

    address = servicebus_address(settings)
    place = QueueRef(address.host, address.queue)
    async with open_queue(settings, None, clock=invocation.clock) as opened:
        await opened.check()
        works, sending, receiving = Phrase("works"), Phrase("sending"), Phrase("receiving")
        findings = [Finding(sending, works, works, State.OK, Phrase(""))]
        try:
            await opened.peek(limit=1)
        except QueueUnavailable as exc:
            wanted = Phrase("works, for processors")
            findings.append(Finding(receiving, Phrase.of(exc), wanted, State.UNKNOWN, Phrase("")))
        else:
            findings.append(Finding(receiving, works, works, State.OK, Phrase("")))
    async with address.administration() as administration:
        findings += await examine(administration, place)
    return [asdict(each) for each in findings]


@queue.command("list", epilog=example("mail-importer queue list", "mail-importer queue list --dead-letters --limit 10"))
@click.option("--dead-letters", is_flag=True, help="List the dead letters instead of what waits or is in work.")
@click.option(
    "--limit",
    type=click.IntRange(1, _MAX_LISTED),
    default=50,
    show_default=True,
    help="List at most so many, oldest first.",
)
@click.option(
    "--account", metavar="NAME", callback=as_stored, shell_complete=account_names, help="Only those of this account."
)
@click.option("--reason", metavar="R", callback=as_stored, help="Only dead letters with this reason.")
@prints_data
@pass_invocation
def list_messages(
    invocation: Invocation, dead_letters: bool, limit: int, account: str | None, reason: str | None
) -> Listing:
    """List what is in the queue, oldest first.

    ENTRY is what `queue replay --id` takes.
    """
    if reason is not None and not dead_letters:
        raise wrong_usage(Phrase("--reason is of dead letters: add --dead-letters."))
    order = _Order((), reason, account, None, None)
    found = _mend(invocation, order, lambda mending, selection: mending.look(selection, limit, dead_letters))
    names = _account_names(invocation, {each.account_id for each in found if each.account_id is not None})
    now = invocation.clock()
    rows = [_row(each, names, now) for each in found]
    if len(rows) == limit:
        tell(Phrase("These are the oldest {limit}; there may be more (--limit).", limit=limit))
    columns = [
        Column("entry", Phrase("Entry"), right=True),
        Column("account", Phrase("Account")),
        Column("message_id", Phrase("Message id")),
        Column("attempts", Phrase("Attempts"), right=True),
        Column("enqueued", Phrase("Age"), lambda time: span(now - time)),
        Column("reason", Phrase("Reason")) if dead_letters else Column("state", Phrase("State"), word),
    ]
    return Listing(
        columns, rows, empty=Phrase("There are no dead letters.") if dead_letters else Phrase("The queue is empty.")
    )


def _row(message: QueuedMessage, names: dict[int, str], now: datetime) -> dict[str, Any]:
    state = "dead" if message.dead_lettered else "in work" if message.locked else "waiting"
    return {
        "entry": message.entry,
        "account_id": message.account_id,
        "account": None if message.account_id is None else names.get(message.account_id, str(message.account_id)),
        "message_id": message.message_id,
        "state": "scheduled" if state == "waiting" and message.visible > now else state,
        "attempts": message.delivery_count,
        "enqueued": message.enqueued,
        "visible": message.visible,
        "dead_lettered": message.dead_lettered,
        "reason": message.reason,
        "description": message.description,
        "body": _body(message.body),
    }


def _body(text: str) -> object:
    """The document, which holds ids only; the bare text when it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _account_names(invocation: Invocation, account_ids: set[int]) -> dict[int, str]:
    with invocation.gateway(current=False) as engine:
        found = run_reading(engine, lambda connection: accounts.by_id(connection, sorted(account_ids)))
    return {number: account.settings.name for number, account in found.items()}


def _selecting(function: Callable[..., Record]) -> Callable[..., Record]:
    """Add the options that select messages to a command; it receives them as `order`."""

    @functools.wraps(function)
    def command(*args: object, **given: Any) -> Record:  # noqa: ANN401  # the options, and those of the command
        names = ("entries", "reason", "account", "since", "until", "everything")
        order = _order({name: given.pop(name) for name in names})
        return function(*args, order=order, **given)

    selecting: Callable[..., Record] = command
    for option in reversed(
        [
            click.option(
                "--id",
                "entries",
                metavar="ENTRY",
                type=click.IntRange(1, _LARGEST_ENTRY),
                multiple=True,
                help="The message of this entry; may be repeated.",
            ),
            click.option("--reason", metavar="R", callback=as_stored, help="Dead letters with this reason."),
            click.option(
                "--account",
                metavar="NAME",
                callback=as_stored,
                shell_complete=account_names,
                help="Those of this account.",
            ),
            click.option(
                "--since",
                metavar="T",
                callback=moment,
                help="Dead letters put aside at this time or later (ISO 8601; UTC unless it says otherwise).",
            ),
            click.option("--until", metavar="T", callback=moment, help="Dead letters put aside before this time."),
            click.option("--all", "everything", is_flag=True, help="All of them."),
            click.option("--dry-run", is_flag=True, help="Only count what it would be."),
            click.option("--why", metavar="TEXT", callback=as_stored, help="Why, for the record (tblQueueAudit)."),
        ]
    ):
        selecting = option(selecting)
    return selecting


@queue.command(
    epilog=example(
        "mail-importer queue replay --id 17 --id 18",
        "mail-importer queue replay --reason ItemCorrupt --rate 20 --why 'ticket 7'",
    )
)
@click.option("--rate", metavar="N", type=click.FloatRange(min=0, min_open=True), help="At most so many a second.")
@prints_data
@_selecting
@pass_invocation
def replay(invocation: Invocation, rate: float | None, dry_run: bool, why: str | None, order: "_Order") -> Record:
    """Put dead letters back into the queue, their attempts counted from 0.

    Say which: with --all, or with --id, --reason, --account, --since and --until, which narrow each other. Do it once
    their cause is gone. Replaying what is imported already is harmless. Broken off, it can be run again.
    """
    if dry_run:
        counted = _mend(invocation, order, lambda mending, selection: mending.count(selection, dead_letters=True))
        failure = _no_such_reason(order, counted)
        return _told(counted, "would_be_replayed", Phrase("Would be replayed"), counted.selected, failure)
    mended = BatchProgress()
    _audited(
        invocation,
        order,
        mended,
        "replay",
        Phrase("Replaying"),
        why,
        lambda mending, selection, show: mending.replay(selection, mended, rate=rate, why=why, on_progress=show),
    )
    failure = _no_such_reason(order, mended)
    if mended.done < len(order.entries):
        failure = Phrase.counted(
            "{n} of the entries named is no dead letter that fits. See: mail-importer queue list --dead-letters",
            "{n} of the entries named are no dead letters that fit. See: mail-importer queue list --dead-letters",
            n=len(order.entries) - mended.done,
        )
    return _told(mended, "replayed", Phrase("Replayed"), mended.done, failure)


@queue.command(
    epilog=example(
        "mail-importer queue purge --dead-letters --reason AccountUnknown", "mail-importer queue purge --all"
    )
)
@click.option("--dead-letters", is_flag=True, help="Dead letters instead of what waits.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@prints_data
@_selecting
@pass_invocation
def purge(
    invocation: Invocation,
    dead_letters: bool,
    yes: bool,
    dry_run: bool,
    why: str | None,
    order: "_Order",
) -> Record:
    """Delete messages from the queue for good.

    Mail that is not imported by then is found again by the next sweep of its folder only if it is caught up with at
    all; see `mail-importer verify`. What a processor has in hand is left out.
    """
    if not dead_letters and (order.reason is not None or order.since is not None or order.until is not None):
        raise wrong_usage(Phrase("--reason, --since and --until are of dead letters: add --dead-letters."))
    counted = _mend(invocation, order, lambda mending, selection: mending.count(selection, dead_letters=dead_letters))
    failure = _no_such_reason(order, counted)
    if dry_run:
        return _told(counted, "would_be_purged", Phrase("Would be purged"), counted.selected, failure)
    mended = BatchProgress()
    if counted.selected:
        confirm(_question(counted.selected, dead_letters), yes=yes)
        _audited(
            invocation,
            order,
            mended,
            "purge",
            Phrase("Purging"),
            why,
            lambda mending, selection, show: mending.purge(
                selection, mended, dead_letters=dead_letters, why=why, on_progress=show
            ),
        )
    return _told(mended, "purged", Phrase("Purged"), mended.done, failure)


def _no_such_reason(order: "_Order", mended: BatchProgress) -> Phrase | None:
    """The failure for a reason, most likely misspelt, that no dead letter has."""
    if order.reason is None or mended.selected:
        return None
    return Phrase(
        "No dead letter with the reason {reason!r} fits. Their reasons: mail-importer queue list --dead-letters",
        reason=order.reason,
    )


def _question(count: int, dead_letters: bool) -> Phrase:
    if dead_letters:
        return Phrase.counted("Delete {n} dead letter for good?", "Delete {n} dead letters for good?", n=count)
    return Phrase.counted("Delete {n} message that waits for good?", "Delete {n} messages that wait for good?", n=count)


@queue.command("audit", epilog=example("mail-importer queue audit", "mail-importer queue audit --limit 5 --json"))
@click.option(
    "--limit",
    type=click.IntRange(1, _MAX_LISTED),
    default=50,
    show_default=True,
    help="List at most so many, newest first.",
)
@prints_data
@pass_invocation
def list_audit(invocation: Invocation, limit: int) -> Listing:
    """List what operators did to many messages at once (tblQueueAudit).

    That is replaying, purging (of the queue and, `db purge`, of the database), and importing. One without an end goes
    on, or its process died in the middle.
    """
    with invocation.gateway() as engine:
        found = run_reading(engine, lambda connection: audit.latest(connection, limit=limit))
    columns = [
        Column("started", Phrase("Started")),
        Column("ended", Phrase("Ended")),
        Column("who", Phrase("Who")),
        Column("host", Phrase("Host")),
        Column("action", Phrase("What")),
        Column("selection", Phrase("Which")),
        Column("messages", Phrase("Messages"), right=True),
        Column("why", Phrase("Why")),
    ]
    return Listing(columns, [asdict(each) for each in found], empty=Phrase("Nothing is on record."))


@dataclass(frozen=True, slots=True)
class _Order:
    """The selection by the options."""

    entries: tuple[int, ...]
    reason: str | None
    account: str | None
    since: datetime | None
    until: datetime | None

    def __str__(self) -> str:
        parts = [f"id {each}" for each in self.entries]
        parts += [
            f"{name} {shown(value)}"
            for name, value in (
                ("reason", self.reason),
                ("account", self.account),
                ("since", self.since),
                ("until", self.until),
            )
            if value is not None
        ]
        return ", ".join(parts) or "all"


def _order(selected: Mapping[str, Any]) -> _Order:
    facts = {key: value for key, value in selected.items() if key != "everything"}
    order = _Order(**{**facts, "entries": tuple(sorted(set(facts["entries"])))})
    if selected["everything"] == (str(order) != "all"):
        raise wrong_usage(
            Phrase("Say which messages: either --all, or some of --id, --reason, --account, --since and --until.")
        )
    if len(order.entries) > _MAX_IDS:
        raise wrong_usage(Phrase("At most {most_ids} entries at a time; or choose them otherwise.", most_ids=_MAX_IDS))
    return order


def _mend(invocation: Invocation, order: _Order, work: Callable[[QueueMaintenance, Selection], Awaitable[T]]) -> T:
    async def run(queue: NotificationQueue, database: Database) -> T:
        account_id = None
        if order.account is not None:
            name = order.account
            account_id = (await database.read(lambda connection: accounts.by_name(connection, name))).account_id
        selection = Selection(
            entries=[str(each) for each in order.entries] or None,
            account_id=account_id,
            reason=order.reason,
            since=order.since,
            until=order.until,
        )
        mending = QueueMaintenance(queue, database, who=who(), host=host_name(), clock=invocation.clock)
        return await work(mending, selection)

    return _at_queue(invocation, run)


def _audited(
    invocation: Invocation,
    order: _Order,
    mended: BatchProgress,
    action: str,
    doing: Phrase,
    why: str | None,
    work: Callable[[QueueMaintenance, Selection, OnProgress], Awaitable[None]],
) -> None:
    settings = invocation.settings
    named = settings.servicebus_queue if settings.queue == "servicebus" else settings.queue

    async def run(mending: QueueMaintenance, selection: Selection) -> None:
        async with audited(
            mending.database, action=action, selection=str(order), clock=invocation.clock, queue=named, why=why
        ) as record:
            try:
                with counting() as show:
                    await work(mending, selection, lambda done: show(doing, done))
            finally:
                record.messages = mended.done

    _mend(invocation, order, run)


def _told(mended: BatchProgress, key: str, heading: Phrase, number: int, failure: Phrase | None = None) -> Record:
    columns = [Column(key, heading), Column("imported_already", Phrase("Of these imported already"))]
    return Record(columns, {key: number, "imported_already": mended.known}, failure)


def _at_queue(invocation: Invocation, work: Callable[[NotificationQueue, Database], Awaitable[T]]) -> T:
    """Run `work` with the queue that the settings name."""

    async def run() -> T:
        with invocation.gateway() as engine:
            database = Database(engine)
            try:
                async with open_queue(invocation.settings, database, clock=invocation.clock) as opened:
                    return await work(opened, database)
            finally:
                await database.close()

    return run_async(run())
