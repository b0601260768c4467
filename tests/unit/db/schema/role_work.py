"""All statements of each role, under a login of that role alone; beside an owner that prepares the database.

The number passed to each work keeps its rows apart from those of the time before.
"""

import asyncio
import gzip
import importlib.util
import io
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from types import ModuleType
from typing import Any, Final

from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import Connection, delete, func, select

from alerts.alerter import Alerter
from alerts.notices import AlertPolicy
from alerts.text import Writer
from availability import Outage, Service
from bus.database.adapter import DatabaseQueue
from bus.notification import Notification, Source
from bus.queue import Message, MessageId
from console.invocation import Invocation
from console.main import cli
from console.settings import Settings
from console.web.tokens import key_of, new_id
from console.web.upkeep import keep_up_once
from db.engine import Database, run_reading
from db.heartbeat import Heartbeat
from db.keys import MessageKey
from db.outcomes import ActionState, FilePart, Outcome
from db.queries import (
    accounts,
    after_import,
    alerts,
    console_sessions,
    duplicates,
    exports,
    failures,
    files,
    filtered,
    folders,
    installation,
    mailbox_addresses,
    messages,
    missed,
    outages,
    problems,
    processes,
    retention,
    rule_mail,
    rule_matches,
    rules,
    scans,
    subscriptions,
    trace,
)
from db.queries.accounts import AccountSettings, Condition
from db.queries.after_import import Ended
from db.queries.console_sessions import LINK
from db.queries.failures import Failure
from db.queries.files import Claimed, Failed, Whole
from db.queries.filtered import FilteredMessage
from db.queries.messages import MessageStore
from db.queries.problems import Problem, ProblemKind, Severity
from db.queries.processes import Process
from db.queries.rule_matches import FileToSave, Matches
from db.queries.schedule import FOLDERS, SUBSCRIPTIONS, Lease
from db.queries.subscriptions import HeldSubscription
from db.queries.trace import TraceRow
from db.records import AttachmentRecord, MessageRecord, OriginalRecord
from db.schema import revisions
from db.tables import (
    account_settings,
    attachment,
    email_consumer,
    email_file,
    email_taken,
    folder_sync,
    header,
    lease,
    message,
    original,
    recipient,
    subscription_schedule,
)
from delivery.archives import ArchiveLimits
from delivery.checking import ArchiveLists, RuleChecker
from delivery.contents import Contents
from delivery.errors import ContentMissing
from delivery.metrics import DeliveryMetrics
from graph.errors import AccessDenied
from graph.mailbox import Mailbox
from graph.subscriptions import CallKind
from monitoring.evaluation import shared_causes
from monitoring.metrics import InstallationMetrics
from monitoring.metrics_observer import MetricsObserver
from monitoring.monitor import Monitor
from phrases import Phrase
from processor.accounts import AccountBackoff, AccountCache
from processor.lifecycle import LifecycleEvent, LifecycleHandler
from processor.metrics import ProcessorMetrics
from processor.missed_notifications import MissedNotifications
from rules.rule import Rule
from subscriptions.rate_limiter import RateLimiter
from subscriptions.retention import TraceRetention
from subscriptions.scan_checks import ScanChecks
from tests.databases import Gateway
from tests.doubles.clock import SettableClock
from tests.doubles.rule_files import add_file, failed
from tests.integration.web.console_site import PASSWORD, console_site
from tests.paths import ROOT
from tests.unit.db.queries.test_messages import file_attachment, record

HOUR: Final = timedelta(hours=1)
NO_WAIT: Final = timedelta(0)


@dataclass
class Desk:
    """A role's workplace: under its login, beside the owner, which does the earlier work of other roles."""

    gateway: Gateway
    database: Database
    owner: Database
    number: int

    def __post_init__(self) -> None:
        self.clock = SettableClock()
        self.clock.advance(self.number * timedelta(days=2))

    @property
    def now(self) -> datetime:
        return self.clock()

    def settings(self, name: str) -> AccountSettings:
        return AccountSettings(f"{name}-{self.number}", "t", "c", f"{name}-{self.number}", "p", False)

    def notification(self, account_id: int, message_id: str, **changed: Any) -> Notification:  # noqa: ANN401  # any field
        facts = Notification(account_id, "s", "created", message_id, str(self.number), self.now, "c")
        return replace(facts, **changed)

    async def add_account(self, name: str) -> int:
        settings = self.settings(name)
        return await self.owner.write(lambda connection: accounts.add(connection, settings, now=self.now))

    async def put(self, *names: str, by: Database | None = None) -> DatabaseQueue:
        queue = DatabaseQueue(by or self.owner, clock=self.clock)
        await queue.put([Message(MessageId(f"{each}-{self.number}"), "body", 1, not_before=self.now) for each in names])
        return queue

    async def leave_something_done(self) -> None:
        """Leave a completed message, for housekeeping to delete an hour later."""
        queue = await self.put("done")
        [delivery, *others] = await queue.receive(100, wait=NO_WAIT)
        await queue.complete(delivery)
        for each in others:
            await queue.abandon(each)
        await queue.close()
        self.clock.advance(HOUR)

    def start(self) -> None:
        revisions.require_current(self.database.engine)

    def learn_the_secret(self) -> None:
        assert run_reading(self.database.engine, revisions.stored_client_state_secret)


async def receive(desk: Desk) -> None:
    """Run the receiver: put, check, and delete completed messages."""
    await desk.leave_something_done()
    desk.start()
    desk.learn_the_secret()
    queue = await desk.put("a", "b", by=desk.database)
    await queue.close()  # with the housekeeping that a put began
    await queue.check()
    await _live(desk, monitors=False)


async def process(desk: Desk) -> None:
    """Run the processor: from the queue to the message, and all possible outcomes of it."""
    account_id = await desk.add_account("processed")
    await _with_subscription(desk, account_id)
    desk.start()
    await _settle(desk)
    await _import(desk.database, desk, account_id)
    keys = await _fail(desk.database, desk, account_id)
    await desk.database.write(lambda c: failures.settle(c, dict.fromkeys(keys, None)))
    await _hold(desk, account_id)
    await _act(desk, account_id)
    await _listen_to_graph(desk, account_id)
    await _alert(desk)
    await _live(desk, monitors=True)


async def manage(desk: Desk) -> None:
    """Run the subscription manager: both duties and all periodic tasks."""
    account_id = await desk.add_account("managed")
    removed = await desk.add_account("removed")
    deleted = removed + 1_000_000  # the row of which another program deleted
    name = desk.settings("removed").name
    await MessageStore(desk.owner, clock=desk.clock).note_filtered(
        _filtered(record("seen", account_id=deleted), desk.now)
    )
    await desk.owner.write(lambda c: accounts.mark_removed(c, name, now=desk.now))
    await desk.leave_something_done()
    desk.start()
    desk.learn_the_secret()
    for call in _duties(desk, account_id, removed, deleted):
        await desk.database.write(call)
    queue = await desk.put("found", by=desk.database)
    await MessageStore(desk.owner, clock=desk.clock).note_scan(
        record(f"scan-{desk.number}", account_id=account_id, has_placeholders=True), until=desk.now - HOUR
    )
    await ScanChecks(desk.database, queue, clock=desk.clock).work()
    await queue.close()
    await queue.waiting(limit=1)
    budget = RateLimiter(desk.database, clock=desk.clock)
    for _ in range(20):
        await budget.acquire(replace(_mailbox(account_id), client_id=f"c{desk.number}"), CallKind.CHANGE)
    row = TraceRow(1, "old", "host", desk.now, desk.now - 2 * HOUR, "imported")
    await desk.owner.write(lambda c: trace.add(c, [row]))
    await _fail(desk.owner, desk, removed)
    await TraceRetention(desk.database, kept=HOUR, clock=desk.clock).work()
    await _alert(desk)
    await _live(desk, monitors=True)


async def operate(desk: Desk, *, but: str = "") -> None:
    """Run every operator's command that needs no Graph, and the statements of `import` and `verify` beside them.

    `but`: without the commands that have this word.
    """
    old = desk.now - timedelta(days=500)
    store = MessageStore(desk.owner, clock=desk.clock)
    mime = OriginalRecord("stored", None, 3, "", "gzip", 3, b"abc")
    await store.save(record(f"old-{desk.number}", received=old, original=mime))
    await store.note_filtered(_filtered(record(f"old-seen-{desk.number}", received=old), desk.now))
    await desk.owner.write(lambda c: _leave_failed_file(c, f"old-{desk.number}"))
    queue = await desk.put("dead", "waiting")
    for each in await queue.receive(100, wait=NO_WAIT):
        await queue.dead_letter(each, reason="Broken", description="")
    await queue.close()
    await desk.put("waiting-too")
    await desk.leave_something_done()
    for command in _commands(desk):
        if not but or ["db", but] != command[:2]:
            await asyncio.to_thread(_run, desk, command)
    await _import(desk.database, desk, 1)
    await MessageStore(desk.database, clock=desk.clock).replace(record(f"small-{desk.number}", original=mime))
    await MessageStore(desk.database, clock=desk.clock).replace(_copy(desk, 1), include_duplicates=True)
    await desk.database.read(lambda c: retention.known_and_since(c, 1, ["a"]))
    await desk.database.read(lambda c: messages.page_of_account(c, 1, after="", since=None, limit=1))
    await desk.database.read(lambda c: duplicates.page_of_account(c, 1, after="", limit=1))
    await desk.database.read(lambda c: filtered.ids_of_account(c, 1, after="", limit=1))
    await desk.database.read(lambda c: exports.message_of(c, 1))
    await desk.database.read(lambda c: exports.attachments_of(c, 1))
    keys = await _fail(desk.owner, desk, 1)
    await desk.database.write(lambda c: failures.requeue(c, keys, now=desk.now, anew=True))
    await desk.database.write(lambda c: failures.forget(c, keys))
    await _apply_rules(desk)
    await (await desk.put("repaired", by=desk.database)).close()
    await desk.database.read(processes.every)
    await desk.database.read(lambda c: alerts.latest(c, limit=1))
    await desk.database.read(lambda c: alerts.summaries(c, ["a"]))
    if not but:
        await _look_at_consumers(desk)


async def serve(desk: Desk) -> None:
    """Open every page of the web console, as an administrator that reads mail, and run what its buttons do."""
    # Its buttons run the commands' code; only `db purge` has none, nor has what ends with it.
    await operate(desk, but="purge")
    await _live(desk, monitors=False)
    async with console_site(desk.gateway, clock=desk.clock) as site:
        number = str(desk.number)
        visitor = site.visitor()
        await visitor.get("/sign-in")
        await visitor.sign_in(f"unknown-{number}")
        ticket = new_id(os.urandom)
        link = (key_of(ticket), desk.now + HOUR)
        await desk.database.write(
            lambda c: console_sessions.add_ticket(c, link[0], kind=LINK, detail='{"who": "me"}', expires=link[1])
        )
        administrator = site.visitor()
        await administrator.get(f"/sign-in/link/{ticket}")
        assert (await administrator.post(f"/sign-in/link/{ticket}")).status == 303
        await administrator.get("/users")
        fields = {"name": f"marie-{number}", "password": PASSWORD, "role": ["Administrator", "Reader"], "groups": ""}
        assert (await administrator.post("/users", fields)).status == 303
        marie = site.visitor()
        assert (await marie.sign_in(f"marie-{number}")).status == 303
        token = {"name": "token", "life": "30"}
        assert (await marie.post("/me/tokens", token)).status == 200
        for path in _PATHS:
            assert (await marie.get(path)).status == 200, path
        await marie.post("/me/password", {"present": PASSWORD, "wanted": f"{PASSWORD} {number}"})
        other = {**fields, "name": f"jean-{number}"}  # the last administrator stays
        assert (await administrator.post("/users", other)).status == 303
        assert (await administrator.post(f"/users/marie-{number}", {"role": "Viewer", "groups": "a"})).status == 303
        desk.clock.advance(timedelta(minutes=5))
        assert (await marie.get("/")).status == 200
        await marie.post("/sign-out")
        await administrator.post(f"/users/marie-{number}/remove")
        await keep_up_once(site.services)
        desk.clock.advance(timedelta(days=400))
        await keep_up_once(site.services)


_PATHS: Final = (
    *("/", "/messages?sender=a&recipient=b&attachment=c", "/messages?state=failed", "/messages.csv", "/failures"),
    *("/files", "/problems", "/problems/alerts", "/activity", "/mailboxes", "/mailboxes/removed", "/rules"),
    *("/rules/history", "/rules/export", "/certificates", "/settings", "/about", "/me"),
    *("/messages/1", "/messages/1/body", "/messages/1/export.json"),
)


async def deliver(desk: Desk) -> None:
    """Run the delivery: checks of messages, and files that are saved, fail, wait and are given up."""
    rule = Rule(f"rule-{desk.number}", "/import", save_original=True)
    await desk.owner.write(lambda c: _add_rule(c, rule, desk.now))
    store = MessageStore(desk.owner, clock=desk.clock)
    for name in ("checked", "unmatched"):
        await store.save(record(f"{name}-{desk.number}", original=_original()))
    desk.start()
    await _live(desk, monitors=False)
    registry = DeliveryMetrics(CollectorRegistry())
    contents = Contents(desk.database.engine, ArchiveLimits())
    checker = RuleChecker(desk.database, ArchiveLists(contents, ArchiveLimits()), clock=desk.clock, metrics=registry)
    assert await checker.check_some()
    unchecked = await _unchecked(desk, store)
    await desk.database.write(lambda c: rule_matches.none_matches(c, unchecked[:1]))
    files_of = [_file_to_save(part) for part in (*FilePart, "lost", "late")]
    await desk.database.write(lambda c: rule_matches.note(c, [Matches(unchecked[1], 1, files_of)], now=desk.now))
    key = rule_matches.folder_key("/delivered")
    await desk.database.read(lambda c: files.due_folders(c, now=desk.now, without=(), limit=10))
    claimed = await desk.database.write(
        lambda c: files.claim(c, key, owner="one", token=f"t{desk.number}", now=desk.now, limit=20)
    )
    for each in claimed:
        with suppress(ContentMissing):
            contents.read(each).close()
    await _settle_files(desk, claimed)
    await desk.database.write(
        lambda c: files.mark_folder(c, key, reason="FolderMissing", detail=Phrase("gone"), now=desk.now)
    )


async def _unchecked(desk: Desk, store: MessageStore) -> list[int]:
    """Two messages that are unchecked: one imported anew lacked bytes before."""
    for name in ("early", "anew"):
        await store.save(record(f"{name}-{desk.number}", original=_original()))
    numbers = [each.message_id for each in await desk.owner.read(lambda c: rule_mail.unchecked(c, limit=10))]
    lacking = Matches(numbers[1], 1, [replace(_file_to_save("lacking"), reason="TooLarge", detail=Phrase("large"))])
    await desk.owner.write(lambda c: rule_matches.note(c, [lacking], now=desk.now))
    await store.replace(record(f"anew-{desk.number}", original=_original()))
    return numbers


async def _settle_files(desk: Desk, claimed: list[Claimed]) -> None:
    whole = [Whole(each, "i", f"/delivered/{each.name}", 1, "00") for each in claimed[:2]]
    failed = [
        Failed(claimed[2], "NameRefused", Phrase("no"), desk.now + HOUR),
        Failed(claimed[3], "NotStored", Phrase("no"), None),
    ]
    for call in (
        lambda c: files.renew(c, claimed, now=desk.now),
        lambda c: files.note_whole(c, whole, now=desk.now),
        lambda c: files.note_saved(c, [whole[0].file], now=desk.now),
        lambda c: files.note_unwhole(c, whole[1].file),
        lambda c: files.note_failed(c, failed),
        lambda c: files.release(c, claimed[4:], now=desk.now),
    ):
        await desk.database.write(call)
    await desk.database.read(lambda c: files.target_of(c, claimed[0].file_id))


def _add_rule(connection: Connection, rule: Rule, now: datetime) -> None:
    with rules.editing(connection, now=now) as editor:
        editor.add(rule)


def _original() -> OriginalRecord:
    packed = gzip.compress(b"From: a")
    return OriginalRecord("stored", None, 7, "00", "gzip", len(packed), packed)


def _file_to_save(name: str) -> FileToSave:
    part = name if name in list(FilePart) else FilePart.ATTACHMENT
    describes = FilePart.ATTACHMENT if part == FilePart.METADATA else None
    return FileToSave(1, name, part, "/delivered", name, position=0, describes=describes)


async def read(desk: Desk) -> None:
    """Run another program: it reads messages with all below them, and takes those that are new, as docs/downstream.md
    has it.
    """
    account_id = await desk.add_account("read")
    await MessageStore(desk.owner, clock=desk.clock).save(record(f"read-{desk.number}", account_id=account_id))
    consume = _example()
    name = f"lab-{desk.number}"
    await asyncio.to_thread(consume.add, desk.database.engine, name)
    await asyncio.to_thread(consume.take, desk.database.engine, name)
    for _ in range(2):
        await asyncio.to_thread(consume.move, desk.database.engine, name)
    await desk.database.read(lambda c: c.execute(select(consume.attachment)).all())
    for table in (message, recipient, header, attachment, original, email_file):
        await desk.database.read(lambda c, table=table: c.execute(select(table)).all())  # type: ignore[misc]  # mypy cannot infer a lambda with defaults


async def _look_at_consumers(desk: Desk) -> None:
    """Read the views, how far consumers are, and remove one that is no longer used: SQL of docs/downstream.md."""
    consume = _example()
    for table in (consume.email, consume.attachment, email_taken):
        await desk.database.read(lambda c, table=table: c.execute(select(table)).all())  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    await desk.database.write(lambda c: c.execute(delete(email_consumer).where(email_consumer.c.sConsumer == "gone")))


def _example() -> ModuleType:
    """The example that a consumer copies; its note is old enough at once."""
    spec = importlib.util.spec_from_file_location("consume", ROOT / "docs" / "examples" / "consume.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.__dict__.update(PATIENCE=NO_WAIT)
    return made


# Of the processor.


async def _settle(desk: Desk) -> None:
    await (await desk.put("a", "b", "c", "late")).close()
    # A message whose id is free again on delivery is deleted once it is done, not remembered.
    desk.clock.advance(HOUR)
    await (await desk.put("later")).close()
    queue = DatabaseQueue(desk.database, clock=desk.clock)
    first, second, third, *others = await queue.receive(100, wait=NO_WAIT)
    await queue.complete(await queue.renew(first))
    await queue.abandon(second)
    await queue.dead_letter(third, reason="Broken", description="")
    await asyncio.gather(*(queue.complete(each) for each in others))
    await queue.close()


async def _import(database: Database, desk: Desk, account_id: int) -> None:
    directory = AccountCache(database, clock=desk.clock)
    await directory.refresh([account_id])
    store = MessageStore(database, clock=desk.clock)
    assert not await store.known([(account_id, "a")])
    size = 2 * 1024 * 1024 + 1
    assert await store.save(record(f"small-{desk.number}", account_id=account_id)) is Outcome.IMPORTED
    large = file_attachment(0, io.BytesIO(bytes(size)), size=size)
    mime = OriginalRecord("stored", None, size, "", "gzip", size, io.BytesIO(bytes(size)))
    whole = record(f"large-{desk.number}", account_id=account_id, attachments=[large], original=mime)
    assert await store.save(whole) is Outcome.IMPORTED
    left_out = record(f"seen-{desk.number}", account_id=account_id)
    assert await store.note_filtered(_filtered(left_out, desk.now)) is Outcome.FILTERED
    assert await store.save(left_out) is Outcome.IMPORTED
    assert await store.save(_copy(desk, account_id)) is Outcome.DUPLICATE
    await _wait_for_scans(store, desk, account_id)
    await store.close()
    row = TraceRow(account_id, "a", "host", desk.now, desk.now, "imported")
    await database.write(lambda c: trace.add(c, [row]))
    await database.write(lambda c: trace.add(c, [row, row]))


async def _fail(database: Database, desk: Desk, account_id: int) -> list[MessageKey]:
    """Write failures of two messages, twice."""
    found = [Failure(account_id, f"{name}-{desk.number}", 1, desk.now, None, "Broken", None) for name in "ab"]
    for _ in range(2):
        await database.write(lambda c: failures.settle(c, {each.key: each for each in found}))
    return [each.key for each in found]


async def _wait_for_scans(store: MessageStore, desk: Desk, account_id: int) -> None:
    """Import a message without its file, and complete it: with large content, and by another one."""
    size = 2 * 1024 * 1024 + 1
    lacking = file_attachment(0, None, size=0, state="unreadable")

    def of(name: str, attachment: AttachmentRecord, number: str, **facts: Any) -> MessageRecord:  # noqa: ANN401  # any field
        same = f"<{number}-{desk.number}@example.com>"
        mime = OriginalRecord("stored", None, 3, "", "gzip", 3, b"abc")
        name = f"{name}-{desk.number}"
        return record(
            name, account_id=account_id, internet_message_id=same, attachments=[attachment], original=mime, **facts
        )

    for number in ("one", "two"):
        waiting = of(f"scan-{number}", lacking, number, has_placeholders=True)
        assert await store.note_scan(waiting, until=desk.now) is not None
        assert await store.save(waiting) is Outcome.IMPORTED
        assert await store.incomplete([waiting.key]) == {waiting.key}
    assert (
        await store.save(of("scan-one", file_attachment(0, io.BytesIO(bytes(size)), size=size), "one"))
        is Outcome.REPLACED
    )
    assert await store.save(of("scanned", file_attachment(0), "two")) is Outcome.REPLACED
    gone = of("scan-gone", lacking, "gone", has_placeholders=True)
    assert await store.note_scan(gone, until=desk.now) is not None
    await store.end_wait(gone.key)


def _filtered(message: MessageRecord, seen: datetime) -> FilteredMessage:
    return FilteredMessage(
        *message.key, message.internet_message_id, "a@example.com", message.received, 1, "SenderDenied", None, seen
    )


def _copy(desk: Desk, account_id: int) -> MessageRecord:
    """A duplicate of the message that `_import` imports first."""
    same = f"<small-{desk.number}@example.com>"
    return record(f"copy-{desk.number}", account_id=account_id, internet_message_id=same)


async def _act(desk: Desk, account_id: int) -> None:
    """Apply the action in the mailbox."""
    store = MessageStore(desk.owner, clock=desk.clock)
    await store.save(record(f"acted-{desk.number}", account_id=account_id, after_import="read"))
    desk.clock.advance(HOUR)
    claimed = await desk.database.write(lambda c: after_import.claim(c, now=desk.now, limit=100))
    ended = [Ended(each, ActionState.DONE, 0) for each in claimed]
    await desk.database.write(lambda c: after_import.end(c, ended))
    await desk.database.read(lambda c: after_import.calling(c, [account_id]))


async def _hold(desk: Desk, account_id: int) -> None:
    metrics = ProcessorMetrics(CollectorRegistry())
    holds = AccountBackoff(desk.database, clock=desk.clock, random=Random(1), metrics=metrics)
    mailbox = _mailbox(account_id)
    await holds.hold(mailbox, AccessDenied(Phrase("no"), advice=Phrase("")))
    desk.clock.advance(HOUR)
    await holds.hold(mailbox, AccessDenied(Phrase("still no"), advice=Phrase("")))
    await holds.load()
    await holds.release(mailbox)


async def _with_subscription(desk: Desk, account_id: int) -> None:
    """Set up an account that Graph notifies of, and that no manager has served yet."""
    held = HeldSubscription(f"s{desk.number}", account_id, desk.now, "r", "https://host", "key", desk.now, desk.now)

    def work(connection: Connection) -> None:
        subscriptions.hold(connection, held, now=desk.now)
        for table in (subscription_schedule, folder_sync):
            connection.execute(delete(table).where(table.c.nAccountID == account_id))

    await desk.owner.write(work)


async def _listen_to_graph(desk: Desk, account_id: int) -> None:
    desk_of_lifecycle = LifecycleHandler(desk.database)
    reported = desk.notification(account_id, "", subscription_id=f"s{desk.number}")
    for event in (
        LifecycleEvent.MISSED,
        LifecycleEvent.REAUTHORIZATION_REQUIRED,
        LifecycleEvent.MISSED,
        LifecycleEvent.SUBSCRIPTION_REMOVED,
    ):
        assert await desk_of_lifecycle.handle(event, reported)
    watch = MissedNotifications(desk.database)
    late = desk.notification(account_id, "missed", source=Source.SWEEP)
    await watch.imported(late, "missed", desk.now)
    key = (account_id, "missed")
    await watch.arrived({key: replace(late, source=Source.GRAPH)}, [key])


async def _live(desk: Desk, *, monitors: bool) -> None:
    """Register as alive, and find the row of a process that died long ago."""
    name = f"process-{desk.number}"
    process = Process(name, "host", ("processor", "subscriptions"), "1", desk.now)
    dead = replace(process, name=f"dead-{name}")
    long_ago = desk.now - 2 * HOUR
    await desk.owner.write(lambda c: processes.beat(c, dead, now=long_ago, until=long_ago))
    passed = 0.0
    made = Heartbeat(desk.database, process, clock=desk.clock, monotonic=lambda: passed)
    async with made.kept() as heartbeat:
        assert [each.process.name for each in heartbeat.alive()] == [name]
        passed += 3700
        await heartbeat._read_rows()
        await desk.database.write(lambda c: processes.beat(c, process, now=desk.now, until=desk.now + HOUR))
        if monitors:
            await _watch(desk, heartbeat)
    assert await desk.owner.read(processes.every) == []


async def _watch(desk: Desk, heartbeat: Heartbeat) -> None:
    """Find an outage and problems, and see them end."""
    name = heartbeat.process.name
    outage = Outage(Service.GRAPH, desk.now, desk.now, 1, Phrase("refused"))
    await desk.owner.write(lambda c: c.execute(delete(lease)))
    await desk.owner.write(lambda c: outages.note(c, "killed", [outage]))
    await desk.database.write(lambda c: outages.note(c, name, [outage]))
    await desk.database.write(lambda c: outages.note(c, name, [replace(outage, accounts=2)]))
    queue = DatabaseQueue(desk.database, clock=desk.clock)

    async def certificate_ends() -> dict[str, datetime]:
        await desk.database.read(accounts.certificate_uses)
        return {}

    metrics = InstallationMetrics(CollectorRegistry(), clock=desk.clock)
    observers = [MetricsObserver(desk.database, metrics, certificate_ends)]
    monitor = Monitor(desk.database, queue, heartbeat, observers, clock=desk.clock, disk=lambda: None)
    for _ in range(2):
        await monitor.round()
    desk.clock.advance(HOUR)
    await desk.database.write(lambda c: problems.reconcile(c, [], now=desk.now))
    await desk.database.write(lambda c: problems.delete_old(c, before=desk.now + HOUR, limit=5))
    stop = asyncio.Event()
    stop.set()
    await monitor.run(stop)
    await queue.close()


class _Place:
    """A target of alerts that takes each."""

    name = fingerprint = "place"

    def send(self, title: str, body: str) -> None:
        pass


async def _alert(desk: Desk) -> None:
    """Alert a problem and its end, and delete an alert of long ago."""
    long_ago = desk.now - timedelta(days=100)
    problem = Problem(ProblemKind.NO_MANAGER, Severity.ERROR, Phrase("none"), Phrase(""), account_id=1)
    await desk.owner.write(lambda c: alerts.add(c, [("place", "place")], title="", body="", now=long_ago))
    writer = Writer(str, "host")
    alerter = Alerter(
        desk.database,
        [_Place()],
        policy=AlertPolicy(),
        writer=writer,
        clock=desk.clock,
        shared_causes=lambda c, accounts: shared_causes(installation.conditions_of(c, accounts)),
    )
    await alerter.work(desk.now)
    desk.clock.advance(timedelta(days=91))
    for found in ([problem], []):
        await desk.owner.write(lambda c, found=found: problems.reconcile(c, found, now=desk.now))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        desk.clock.advance(HOUR)
        await alerter.work(desk.now)
        await alerter.close()
    assert await desk.database.read(alerts.failing) == []


# Of the subscription manager.


def _duties(desk: Desk, account_id: int, removed: int, deleted: int) -> list[Callable[[Connection], object]]:
    now = desk.now
    lease = Lease(account_id, "one", failures=0, requests=0, lease_until=now + HOUR)
    held = HeldSubscription(f"m{desk.number}", account_id, now, "r", "https://host", "key", now, now)
    condition = Condition(account_id, "subscriptions", "Forbidden", "", now, now)
    settings = account_settings
    return [
        lambda c: accounts.changed(c, now=now + HOUR, limit=5, served_with="with"),
        lambda c: accounts.make_due(c, account_id, now=now),
        lambda c: accounts.by_id(c, [account_id]),
        lambda c: SUBSCRIPTIONS.anything_due(c, now=now),
        lambda c: SUBSCRIPTIONS.due_accounts(c, now=now, limit=5),
        lambda c: SUBSCRIPTIONS.claim(c, [account_id], owner="one", now=now, lease=HOUR),
        lambda c: accounts.settle_import_since(c, account_id, now=now),
        lambda c: SUBSCRIPTIONS.seed(c, account_id + 1_000_000, due=now),
        lambda c: subscriptions.requests(c, account_id),
        lambda c: subscriptions.note_attempt(c, lease, fingerprint="key", now=now),
        lambda c: FOLDERS.seed(c, account_id, due=now),
        lambda c: FOLDERS.at_latest(c, account_id, due=now),
        lambda c: subscriptions.hold(c, held, now=now),
        subscriptions.held,
        lambda c: subscriptions.known(c, [held.subscription_id]),
        lambda c: subscriptions.count_of_application(c, ("t", "c")),
        lambda c: subscriptions.ids_of_application(c, ("t", "c")),
        lambda c: subscriptions.extend(c, account_id, held.subscription_id, expires=now, now=now),
        lambda c: subscriptions.note_served(c, account_id, served="text", served_with="with"),
        lambda c: SUBSCRIPTIONS.release(c, lease, due=now, failures=0),
        lambda c: subscriptions.ask_to_recreate(c, account_id, now=now),
        lambda c: subscriptions.lose(c, account_id, held.subscription_id, now=now),
        lambda c: FOLDERS.claim(c, [account_id], owner="one", now=now, lease=HOUR),
        lambda c: folders.state(c, account_id, resource="r"),
        lambda c: folders.finish(c, lease, resource="r", link="link", now=now),
        lambda c: retention.known_and_since(c, account_id, ["a"]),
        lambda c: scans.waiting(c, account_id, now=now),
        lambda c: FOLDERS.release(c, lease, due=now, failures=0),
        lambda c: missed.unreported(c, account_id, before=now),
        lambda c: missed.reported_since(c, account_id, now),
        lambda c: missed.mark_reported(c, account_id, before=now, now=now),
        lambda c: missed.forget(c, account_id, before=now),
        lambda c: accounts.set_condition(c, condition),
        lambda c: accounts.set_condition(c, replace(condition, reason="Other")),
        lambda c: accounts.clear_expired_condition(c, account_id, "notifications", now=now),
        lambda c: accounts.clear_condition(c, account_id, "subscriptions"),
        accounts.conditions,
        lambda c: mailbox_addresses.note(c, _account(c, account_id), "a@b", now=now),
        lambda c: mailbox_addresses.note(c, _account(c, account_id), "c@d", now=now),
        lambda c: mailbox_addresses.missing(c, but=(), limit=5),
        accounts.certificate_uses,
        accounts.applications,
        lambda c: accounts.unsubscribed(c, ("t", "c")),
        lambda c: accounts.retire(c, removed),
        lambda c: accounts.purge(c, deleted),
        lambda c: c.execute(select(settings.c.nAccountID)).all(),
    ]


# Of the operator.


def _leave_failed_file(connection: Connection, graph_id: str) -> None:
    found = select(message.c.nMessageID).where(message.c.sGraphMessageID == graph_id)
    add_file(connection, connection.scalars(found).one(), **failed())


async def _apply_rules(desk: Desk) -> None:
    """Apply a rule to a message: first a file fails for lack of bytes, then the message has another in its place."""
    number = await desk.owner.read(lambda c: c.scalar(select(func.max(message.c.nMessageID))))
    lacking = FileToSave(1, "k" * 64, "attachment", "/imports", "a.csv", reason="TooLarge")
    for selected in (lacking, replace(lacking, key="o" * 64)):
        found = Matches(number or 0, 1, [selected])
        await desk.database.write(lambda c, found=found: rule_matches.apply(c, found, now=desk.now, again=False))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults


def _commands(desk: Desk) -> list[list[str]]:
    name = f"operated-{desk.number}"
    ids = ["--tenant-id", f"{1:08}-2222-3333-4444-555555555555", "--client-id", f"{2:08}-2222-3333-4444-555555555555"]
    user = ["--user-id", f"{desk.number:08}-2222-3333-4444-555555555555", "--thumbprint", "AB" * 20]
    return [
        ["db", "current"],
        ["accounts", "add", "--name", name, *ids, *user, "--import-since", "2025-01-01"],
        ["accounts", "update", name, "--import-since", "2024-01-01"],
        ["accounts", "list"],
        ["accounts", "show", name],
        ["accounts", "retry-actions", name],
        ["rules", "add", name, "--folder", "/imports"],
        ["rules", "update", name, "--account", name],
        ["rules", "list"],
        ["rules", "history"],
        ["rules", "test", "--since", "600d"],
        ["rules", "apply", "--since", "600d", "--dry-run"],
        ["rules", "remove", name, "--yes"],
        ["accounts", "disable", name],
        ["accounts", "remove", name, "--yes"],
        ["accounts", "list", "--removed"],
        ["accounts", "add", "--name", f"{name} again", *ids, *user],
        ["status"],
        ["queue", "status"],
        ["queue", "check"],
        ["queue", "list", "--dead-letters"],
        ["queue", "replay", "--all"],
        ["queue", "purge", "--all", "--yes"],
        ["queue", "audit"],
        ["trace", f"old-{desk.number}"],
        ["messages", "list", "--to", "a", "--attachment", "b", "--attachments"],
        ["messages", "list"],
        ["delivery", "list"],
        ["delivery", "skip", "--all", "--yes"],
        ["console", "open"],
        ["console", "users", "add", name, "--role", "Viewer", "--password-stdin"],
        ["console", "users", "update", name, "--role", "Operator"],
        ["console", "users", "password", name, "--password-stdin"],
        ["console", "users", "list"],
        ["console", "users", "remove", name, "--yes"],
        ["db", "purge", "--older-than", "400d", "--attachments-only", "--yes"],
        ["db", "purge", "--older-than", "400d", "--yes"],
    ]


def _run(desk: Desk, command: list[str]) -> None:
    settings = Settings(database_url=SecretStr(desk.gateway.url), log_format="json")
    result = CliRunner().invoke(
        cli, command, obj=Invocation(settings, clock=desk.clock), input="correct horse battery staple\n"
    )
    if result.exception is not None:
        raise AssertionError(f"{command}: {result.output}") from result.exception


def _account(connection: Connection, account_id: int) -> accounts.Account:
    return accounts.by_id(connection, [account_id])[account_id]


def _mailbox(account_id: int) -> Mailbox:
    return Mailbox(account_id, "name", "t", "c", "u", "p", secure_certificate_access=False)
