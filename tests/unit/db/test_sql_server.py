"""Every statement of the import path and of the queue has its SQL Server form. Nothing connects to one."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest
import sqlglot
from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects import mssql
from sqlalchemy.sql import ClauseElement
from sqlglot import ErrorLevel, exp

from bus.database.adapter import DatabaseQueue
from bus.database.statements import put_unknown
from bus.queue import Delivery, Message, MessageId, Selection
from db.engine import Database, run_reading, run_writing
from db.insertion import plain_insert
from db.outcomes import ActionState, FilePart, FileState, MessageState, RuleState
from db.prepared import Prepared
from db.queries import (
    accounts,
    after_import,
    alerts,
    audit,
    call_budget,
    console_access,
    deliveries,
    duplicates,
    exports,
    failures,
    file_log,
    files,
    filtered,
    folders,
    history,
    installation,
    message_log,
    missed,
    problems,
    processes,
    retention,
    rule_history,
    rule_mail,
    rule_matches,
    rule_trials,
    rules,
    scans,
    subscriptions,
    trace,
)
from db.queries.accounts import AccountSettings, Condition
from db.queries.after_import import Ended
from db.queries.contents import append_piece, append_text, read_piece
from db.queries.failures import Failure
from db.queries.file_log import FileCriteria
from db.queries.files import Failed, Whole
from db.queries.filtered import FilteredMessage
from db.queries.message_log import LogCriteria, Position
from db.queries.messages import MessageStore
from db.queries.problems import Problem, ProblemKind, Severity
from db.queries.processes import Process
from db.queries.retention import Content, OldMessage
from db.queries.rule_matches import FileToSave, Matches
from db.queries.rule_trials import ReceivedMessage
from db.queries.scans import Check
from db.queries.schedule import FOLDERS, SUBSCRIPTIONS, Lease
from db.queries.subscriptions import HeldSubscription
from db.queries.trace import TracedMessage, TraceRow
from db.records import OriginalRecord
from db.tables import attachment, duplicate, header, message, message_identity, message_trace, original, recipient
from phrases import Phrase
from rules.rule import Rule
from tests.doubles.clock import SettableClock
from tests.reviewed import assert_reviewed
from tests.unit.db.queries.test_messages import file_attachment, record

NOW: Final = SettableClock()()
HOUR: Final = timedelta(hours=1)
NO_WAIT: Final = timedelta(0)
TURN: Final = Lease(1, "one", failures=0, requests=0, lease_until=NOW + HOUR)
FAILURE: Final = Failure(1, "id", 1, NOW, NOW, "Broken", "It is broken.")
EVERY_CRITERION: Final = LogCriteria(1, "from", "to", "subject", "file", NOW, NOW + HOUR, [*MessageState])
HELD: Final = HeldSubscription("s", 1, NOW, "resource", "https://host", "key", NOW, NOW)


REVIEWED: Final = Path(__file__).with_name("sql_server.sql")
OF_SQLITE: Final = re.compile("json_each|zeroblob|ON CONFLICT", re.IGNORECASE)
ITS_OWN: Final = (
    put_unknown([Message(MessageId("one"), "body", 1), Message(MessageId("two"), "body")], NOW),
    append_piece("[dbo].[tblEmailAttachment]", "nAttachmentID", 7),
    append_text("[dbo].[tblEmailMessage]", "sBody", "nMessageID", 7),
    read_piece(attachment, 7, offset=0, length=9),
    *(
        plain_insert(each)
        for each in (attachment, duplicate, header, message, message_identity, message_trace, original, recipient)
    ),
)
"""Statements for SQL Server only, beside all those that SQLite gets, too."""


def sql_server(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=mssql.dialect()))  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped


@contextmanager
def executed(engine: Engine) -> Iterator[list[ClauseElement]]:
    """The statements executed meanwhile, in the form before a dialect compiles them."""
    seen: list[ClauseElement] = []

    def note(_connection: object, statement: ClauseElement, *_: object) -> None:
        seen.append(statement)

    def noted(way: Callable[..., Any]) -> Callable[..., Any]:
        def called(prepared: Prepared, connection: Connection, parameters: Mapping[str, Any]) -> object:
            seen.append(prepared.statement)
            return way(prepared, connection, parameters)

        return called

    event.listen(engine, "before_execute", note)
    # SQLite gets their text, of which SQLAlchemy tells no statement.
    with patch.object(Prepared, "rows", noted(Prepared.rows)), patch.object(Prepared, "change", noted(Prepared.change)):
        yield seen
    event.remove(engine, "before_execute", note)


async def work_the_queue(database: Database) -> None:
    clock = SettableClock()
    queue = DatabaseQueue(database, clock=clock, max_deliveries=1)
    messages = [Message(MessageId(f"m{n}"), "body", 1, not_before=NOW) for n in range(6)]
    await queue.check()
    await queue.put(messages)

    async def receive() -> Delivery:
        [delivery] = await queue.receive(1, wait=NO_WAIT)
        return delivery

    await queue.complete(await queue.renew(await receive()))
    await queue.abandon(await receive(), counted=False)
    await queue.dead_letter(await receive(), reason="Broken", description="")
    await receive()
    clock.advance(HOUR)
    await queue.receive(10, wait=NO_WAIT)
    clock.advance(-3 * HOUR)
    await queue.receive(10, wait=NO_WAIT)
    clock.advance(timedelta(seconds=6))
    await queue.receive(10, wait=NO_WAIT)  # corrects times set by the clock of a moment ago
    clock.advance(3 * HOUR)
    await queue.peek(limit=1)
    await queue.status()
    await queue.waiting(limit=1)
    await queue.peek(
        limit=1, selection=Selection(["1"], account_id=1, reason="Broken", since=NOW, until=NOW), after="0"
    )
    await queue.peek(limit=1, selection=Selection(due_after=NOW))
    assert [batch async for batch in queue.replay(["1"])] == []
    await queue.put([Message(MessageId("scheduled"), "body", 1, not_before=clock() + HOUR)])
    assert [batch async for batch in queue.make_due([str(number) for number in range(20)])]
    await queue.put([Message(MessageId("late"), "body", 1, not_before=NOW)])
    for dead in (True, False):
        assert [batch async for batch in queue.purge(["1"], dead_letters=dead)] == []
    [first, *_] = await queue.receive(1, wait=NO_WAIT)
    await queue.complete(first)
    await queue.close()


async def import_messages(database: Database) -> None:
    store = MessageStore(database, clock=lambda: NOW)
    await store.known([(1, "a")])
    await store.save(record())
    await store.replace(record())
    await store.save(record("copy", internet_message_id="<AAMk@example.com>"))
    await store.replace(record("copy", internet_message_id="<AAMk@example.com>"), include_duplicates=True)
    await store.save(record("acted", after_import="move"))
    await store.known([(1, "a")], include_filtered=False)
    left_out = FilteredMessage(1, "seen", None, None, None, None, "TooSmall", None, NOW)
    await store.note_filtered(left_out)
    await store.save(record("seen", original=OriginalRecord("unreadable")))
    mime = OriginalRecord("stored", None, 3, "", "gzip", 3, b"abc")
    await store.replace(record("seen", original=mime))
    facts: dict[str, Any] = {"internet_message_id": "<scanned@example.com>", "original": mime}
    lacking = file_attachment(0, None, size=0, state="unreadable")
    placeholder = record(
        "placeholder", has_placeholders=True, attachments=[lacking, replace(lacking, position=1)], **facts
    )
    await store.note_scan(placeholder, until=NOW)
    await store.save(placeholder)
    await store.incomplete([placeholder.key])
    await store.save(record("scanned", attachments=[file_attachment(0)], **facts))
    await store.note_scan(record("late", has_placeholders=True, attachments=[lacking], **facts), until=NOW)
    await store.end_wait((1, "late"))
    await store.note_filtered(replace(left_out, graph_message_id="other"))
    await store.close()


async def act_in_mailboxes(database: Database) -> None:
    later = NOW + HOUR
    calls: list[Callable[[Any], object]] = [
        lambda c: after_import.anything_due(c, now=later),
        lambda c: after_import.end(
            c, [Ended(each, ActionState.FAILED, 1) for each in after_import.claim(c, now=later, limit=5)]
        ),
        lambda c: after_import.withhold(c, 1, lacking="attachment 1: gone"),
        lambda c: after_import.count_incomplete(c, 1),
        lambda c: after_import.count_not_called_for(c, 1),
        lambda c: after_import.calling(c, {1}),
        after_import.counts,
        lambda c: duplicates.of_ids(c, [(1, "copy")]),
        lambda c: duplicates.of_messages(c, [1]),
        lambda c: duplicates.page_of_account(c, 1, after="", limit=5),
        lambda c: scans.waiting(c, 1, now=NOW),
        scans.counts,
        lambda c: scans.due(c, now=NOW, limit=5),
        lambda c: scans.reschedule(c, [Check(1, 1, "a", NOW), Check(2, 1, "b", NOW - 24 * HOUR)], now=NOW),
        lambda c: filtered.of_ids(c, [(1, "other")]),
        lambda c: filtered.ids_of_account(c, 1, after="", limit=5),
        filtered.counts,
        lambda c: filtered.count_old(c, 1, before=NOW),
        lambda c: filtered.delete_old(c, 1, before=later),
        lambda c: filtered.delete_all(c, 1),
        lambda c: exports.find(c, 1, "1", limit=5),
        lambda c: exports.find(c, 1, "AAMk", limit=5),
        lambda c: exports.find(c, 1, "<AAMk@example.com>", limit=5),
        lambda c: exports.message_of(c, 1),
        lambda c: exports.message_of(c, 1, with_body=False),
        lambda c: exports.located(c, 1),
        lambda c: exports.body_of(c, 1, limit=100),
        lambda c: console_access.may_see(c, 1, ()),
        lambda c: console_access.hidden_accounts(c, ()),
        lambda c: console_access.visible_accounts(c, {1}),
        lambda c: console_access.visible_names(c, {1}, limit=5),
        lambda c: exports.attachments_of(c, 1),
    ]
    for call in calls:
        run_writing(database.engine, call)


async def call(database: Database) -> None:
    process = Process("process", "host", ("processor",), "1", NOW)
    for _ in range(2):  # the first makes the row
        run_writing(database.engine, lambda c: processes.beat(c, process, now=NOW, until=NOW + HOUR))
    run_writing(database.engine, lambda c: processes.remove(c, [each.process.name for each in processes.every(c)]))


async def administer(database: Database) -> None:
    settings = AccountSettings("a", "tenant", "client", "user", "thumbprint", after_import="move")
    old = OldMessage(1, NOW - HOUR, recipients=0, attachments=0, contents=0, size=0)
    calls: list[Callable[[Any], object]] = [
        lambda c: accounts.add(c, settings, now=NOW),
        lambda c: after_import.retry_failed(c, 1, after=0, now=NOW, limit=5),
        accounts.every,
        lambda c: accounts.by_id(c, [1]),
        lambda c: accounts.page(c, limit=2, after="", search="a"),
        lambda c: accounts.page(c, limit=2, removed=True),
        lambda c: accounts.addresses(c, [1]),
        lambda c: accounts.lock(c, "a"),
        lambda c: accounts.conditions(c, account_ids=[1]),
        lambda c: accounts.imported_counts(c, [1]),
        lambda c: filtered.counts(c, [1]),
        lambda c: scans.counts(c, [1]),
        lambda c: folders.swept(c, [1]),
        lambda c: missed.summaries(c, [1]),
        lambda c: after_import.counts(c, [1]),
        lambda c: subscriptions.held(c, [1]),
        lambda c: history.latest_changes(c, 1, limit=2),
        accounts.applications,
        accounts.certificate_uses,
        lambda c: [accounts.names_using(c, use) for use in accounts.certificate_uses(c)],
        lambda c: accounts.conditions(c, "certificate"),
        lambda c: accounts.one_of_application(c, ("tenant", "client")),
        lambda c: accounts.unsubscribed(c, ("tenant", "client")),
        lambda c: subscriptions.known(c, ["s"]),
        lambda c: subscriptions.count_of_application(c, ("tenant", "client")),
        lambda c: subscriptions.ids_of_application(c, ("tenant", "client")),
        lambda c: accounts.set_condition(c, Condition(1, "processor", "Forbidden", "", NOW, NOW)),
        lambda c: accounts.clear_condition(c, 1, "processor"),
        accounts.conditions,
        accounts.imported_counts,
        lambda c: accounts.set_enabled(c, "a", False, now=NOW),
        lambda c: accounts.change(c, "a", replace(settings, folder="Archive"), now=NOW),
        lambda c: accounts.changed(c, now=NOW + HOUR, limit=5, served_with="with"),
        lambda c: accounts.settle_import_since(c, 1, now=NOW),
        lambda c: accounts.clear_expired_condition(c, 1, "notifications", now=NOW),
        lambda c: SUBSCRIPTIONS.anything_due(c, now=NOW),
        lambda c: SUBSCRIPTIONS.due_accounts(c, now=NOW, limit=5, without=[("tenant", "other")]),
        lambda c: SUBSCRIPTIONS.claim(c, [1], owner="one", now=NOW, lease=HOUR),
        lambda c: subscriptions.note_attempt(c, TURN, fingerprint="key", now=NOW),
        lambda c: SUBSCRIPTIONS.release(c, TURN, due=NOW, failures=0),
        lambda c: subscriptions.hold(c, HELD, now=NOW),
        lambda c: subscriptions.ask_to_reauthorize(c, 1, "s", received=NOW, quiet=timedelta(0)),
        lambda c: subscriptions.ask_to_recreate(c, 1, now=NOW),
        lambda c: subscriptions.note_served(c, 1, served="text", served_with="with"),
        lambda c: subscriptions.held(c, [1]),
        lambda c: subscriptions.extend(c, 1, "s", expires=NOW, now=NOW),
        lambda c: subscriptions.drop(c, "s"),
        lambda c: FOLDERS.at_latest(c, 1, due=NOW),
        lambda c: FOLDERS.claim(c, [1], owner="one", now=NOW, lease=HOUR),
        lambda c: folders.state(c, 1, resource="resource"),
        lambda c: folders.finish(c, TURN, resource="resource", link="link", now=NOW),
        folders.swept,
        lambda c: missed.note(c, (1, "id"), received=NOW, found=NOW),
        lambda c: missed.suspected(c, [(1, "id")]),
        lambda c: missed.retract(c, [(1, "id")]),
        lambda c: missed.unreported(c, 1, before=NOW),
        lambda c: missed.mark_reported(c, 1, before=NOW, now=NOW),
        lambda c: missed.reported_since(c, 1, NOW),
        lambda c: missed.forget(c, 1, before=NOW),
        missed.summaries,
        lambda c: call_budget.reserve(c, "name", slot=1, last=1, wanted=2, limit=3),
        lambda c: call_budget.reserve(c, "name", slot=1, last=1, wanted=2, limit=3),
        lambda c: call_budget.claim(c, "work", now=NOW, interval=HOUR),
        lambda c: call_budget.release(c, "work"),
        lambda c: trace.add(
            c, [TraceRow(1, "id", "host", NOW, NOW, "gone"), TraceRow(1, None, "host", NOW, NOW, "dead")]
        ),
        lambda c: trace.find(c, "id", account_id=1, limit=5),
        lambda c: trace.find(c, "part of a subject", account_id=None, limit=5),
        lambda c: trace.attempts(c, [TracedMessage(1, "id"), TracedMessage(1, None, "queued")]),
        lambda c: trace.committed(c, [TracedMessage(1, "id")]),
        lambda c: trace.purge(c, before=NOW + HOUR, limit=5),
        lambda c: failures.settle(c, {(1, "id"): FAILURE, (1, "other"): replace(FAILURE, graph_id="other")}),
        lambda c: failures.settle(c, {(1, "id"): None, (1, "other"): replace(FAILURE, graph_id="other")}),
        lambda c: failures.of_ids(c, [(1, "id")]),
        failures.counts,
        lambda connection: failures.failing_again(connection, now=NOW),
        lambda c: installation.imported_by_hour(c, now=NOW, hours=2),
        installation.last_imported,
        installation.account_totals,
        lambda c: installation.account_page(c, limit=5, after="name", account_ids=[1]),
        lambda c: installation.conditions_of(c, [1]),
        failures.reasons,
        lambda c: failures.requeue(c, [(1, "other")], now=NOW, anew=True),
        lambda c: failures.requeue(c, [(1, "other")], now=NOW, anew=False),
        lambda c: failures.purge_over(c, limit=5),
        lambda c: failures.older(c, before=NOW, after=0, limit=5),
        lambda c: failures.purge(c, {1: ["1.id."]}),
        lambda c: failures.forget(c, [(1, "id")]),
        lambda c: message_log.page(c, LogCriteria(), limit=5),
        lambda c: message_log.page(c, EVERY_CRITERION, limit=5, after=Position(NOW, 2, 1)),
        lambda c: message_log.page(c, replace(EVERY_CRITERION, recipient=None, attachment=None), limit=5),
        lambda c: message_log.page(c, LogCriteria(), limit=5, after=Position(message_log.NEVER, 2, 1)),
        lambda c: message_log.page(c, LogCriteria(account_ids=[1, 2], rule_states=[*RuleState]), limit=5),
        lambda c: message_log.page(c, LogCriteria(account_ids=range(20)), limit=5),
        lambda c: message_log.page(c, LogCriteria(states=[MessageState.REMOVED]), limit=5),
        lambda c: message_log.count(c, LogCriteria()),
        lambda c: message_log.count(c, EVERY_CRITERION),
        lambda c: message_log.attachments_of(c, [1]),
        lambda c: message_log.recipients_of(c, [1]),
        lambda c: audit.end(
            c,
            audit.begin(c, action="import", who="me", host="here", selection="all", now=NOW),
            messages=1,
            now=NOW,
        ),
        lambda c: audit.latest(c, limit=5),
        lambda c: accounts.import_since(c, 1),
        lambda c: retention.forgo(c, 1, before=NOW, now=NOW),
        lambda c: retention.next_account(c, None),
        lambda c: retention.next_account(c, 1),
        lambda c: retention.old_messages(c, 1, before=NOW + HOUR, after=None, limit=5),
        lambda c: retention.old_messages(c, 1, before=NOW + HOUR, after=old, limit=5),
        lambda c: retention.old_messages(c, 1, before=NOW + HOUR, after=replace(old, received=None), limit=5),
        lambda c: retention.contents_of(c, [old]),
        lambda c: retention.delete_contents(c, [Content(1, 1), Content(1, 1, is_original=True)]),
        lambda c: retention.delete_messages(c, [old]),
        lambda c: accounts.mark_removed(c, "a", now=NOW),
        accounts.every_removed,
        lambda c: accounts.with_removed(c, "a (removed, 1)"),
        lambda c: accounts.retire(c, 1),
        lambda c: accounts.removed_like(c, settings),
        lambda c: accounts.add(c, settings, now=NOW),
        lambda c: accounts.mark_removed(c, "a", now=NOW),
        lambda c: accounts.purge(c, 99),
    ]
    for call in calls:
        run_writing(database.engine, call)


async def rule(database: Database) -> None:
    def edit(connection: Connection) -> None:
        with rules.editing(connection, now=NOW) as editor:
            editor.add(Rule("one", "/imports"))
            editor.add(Rule("two", "/imports"), position=1)
            editor.change("one", Rule("one", "/elsewhere", save_original=True))
            editor.set_enabled("one", False)
            editor.remove("two")
            editor.add(Rule("three", "/imports"), position=1)

    last = ReceivedMessage(1, NOW, is_checked=True)
    calls: list[Callable[[Any], object]] = [
        edit,
        rules.every,
        rules.needs_original,
        rule_history.changes,
        lambda c: rule_trials.received_since(c, NOW, after=None, limit=5),
        lambda c: rule_trials.received_since(c, NOW, after=last, limit=5),
        lambda c: rule_trials.received_since(c, NOW, after=last, limit=5, without=[2, 3]),
        lambda c: rule_trials.latest(c, account_id=None, before=None, limit=5, without=[2, 3]),
        lambda c: rule_trials.received(c, 1),
        lambda c: rule_trials.latest(c, account_id=1, before=last, limit=5),
        lambda c: rule_history.changes(c, 1),
        lambda c: rule_history.latest(c, limit=2),
        lambda c: rule_history.latest(c, limit=1, rule_id=1),
        lambda c: rule_trials.find(c, "AAMk", limit=5),
        lambda c: rule_trials.known_files(c, [1, 2]),
    ]
    for call in calls:
        run_writing(database.engine, call)


async def deliver(database: Database) -> None:
    store = MessageStore(database, clock=lambda: NOW)
    await store.save(record("delivered"))
    await store.close()
    [*_, unchecked] = run_reading(database.engine, lambda c: rule_mail.unchecked(c, limit=9))
    number = unchecked.message_id
    names = ("attachment", "zip", "text", "html", "original", "metadata", "lost")
    wanted = [_file_to_save(name, names) for name in names]
    lacking = replace(wanted[0], key="lacking", reason="TooLarge", detail=Phrase("large"))
    key = rule_matches.folder_key("/imports")

    def save(connection: Connection) -> None:
        claimed = files.claim(connection, key, owner="one", token="t", now=NOW, limit=9)
        files.begin_anew(connection, claimed)
        whole = [Whole(each, "i", f"/imports/{each.name}", 1, "00") for each in claimed[:2]]
        files.note_whole(connection, [*whole, replace(whole[0], size=None, sha256=None)], now=NOW)
        files.note_saved(connection, claimed[:2], now=NOW)
        files.note_unwhole(connection, claimed[2])
        retried = Failed(claimed[2], "NameRefused", Phrase("no"), NOW + HOUR)
        files.note_failed(connection, [retried, Failed(claimed[3], "NotStored", Phrase("no"), None)])
        files.renew(connection, claimed[4:], now=NOW)
        files.release(connection, claimed[4:], now=NOW, unwhole=[each.file_id for each in claimed[4:]])
        files.target_of(connection, claimed[0].file_id)

    criteria = FileCriteria(
        states=[FileState.FAILED], rule_id=1, account_id=1, folder="/imports", message_id=number, since=NOW
    )
    calls: list[Callable[[Any], object]] = [
        lambda c: rule_mail.facts_of(c, [number]),
        lambda c: rule_mail.facts_of(c, [number], with_body=False),
        lambda c: rule_matches.note(c, [Matches(number, 1, [lacking, *wanted])], now=NOW),
        lambda c: rule_matches.none_matches(c, [number]),
        lambda c: rule_matches.apply(c, Matches(number, 1, wanted), now=NOW, again=False),
        lambda c: rule_matches.apply(c, Matches(number, 1, wanted), now=NOW, again=True),
        lambda c: files.due_folders(c, now=NOW, without=["other"], limit=9),
        lambda c: files.due_folders(c, now=NOW, without=[str(each) for each in range(1001)], limit=9),
        save,
        lambda c: files.mark_folder(c, key, reason="FolderMissing", detail=Phrase("no"), now=NOW),
        lambda c: files.was_retried(c, key, since=NOW, now=NOW),
        lambda c: files.retry(c, range(1, 9), now=NOW),
        lambda c: files.skip(c, range(1, 9), now=NOW),
        lambda c: files.attachment_source(c, number, 0),
        lambda c: files.find_attachment(c, number, 0, is_it=lambda _: False),
        lambda c: files.original_source(c, number),
        lambda c: [files.body_of(c, number, part) for part in (FilePart.TEXT, FilePart.HTML)],
        lambda c: file_log.page(c, criteria, limit=5),
        lambda c: file_log.page(c, FileCriteria(), limit=5),
        lambda c: file_log.saved_counts(c, NOW, limit=5),
        lambda c: file_log.saved_lately(c, Rule("one", "/imports", 1), NOW, limit=5, without=[2]),
        lambda c: deliveries.read(c, now=NOW),
        lambda c: deliveries.folder_of(c, "/imports", now=NOW),
    ]
    for call in calls:
        run_writing(database.engine, call)


def _file_to_save(name: str, parts: Sequence[str]) -> FileToSave:
    part = name if name in list(FilePart) else parts[0]
    return FileToSave(
        1, name, part, "/imports", name, position=0, describes=parts[0] if part == FilePart.METADATA else None
    )


async def alert(database: Database) -> None:
    found = Problem(ProblemKind.NO_MANAGER, Severity.ERROR, "", "")
    target = ("fingerprint", "name")

    def fail(connection: Connection, now: datetime) -> None:
        claimed = alerts.claim_next(connection, "fingerprint", now=now, until=now)
        assert claimed is not None
        alerts.mark_failed(connection, claimed, reason="refused", due=now)

    def end(connection: Connection) -> None:
        [each] = problems.unalerted_ends(connection, since=NOW)
        problems.mark_end_alerted(connection, each, now=NOW)
        [claimed] = alerts.latest(connection, limit=1, since=NOW)
        alerts.mark_sent(connection, claimed, now=NOW)

    calls: list[Callable[[Any], object]] = [
        lambda c: problems.reconcile(c, [found], now=NOW),
        lambda c: [problems.mark_alerted(c, each, now=NOW) for _ in range(2) for each in problems.open_problems(c)],
        lambda c: problems.reconcile(c, [], now=NOW),
        lambda c: alerts.add(c, [target], title="title", body="body", now=NOW),
        lambda c: alerts.due_targets(c, now=NOW),
        *[lambda c: fail(c, NOW)] * 3,
        alerts.failing,
        lambda c: alerts.expire(
            c, alerts.outdated(c, fingerprints=["one"], before=NOW, now=NOW), fingerprints=["one"], now=NOW
        ),
        lambda c: alerts.summaries(c, ["fingerprint"]),
        lambda c: alerts.latest(c, limit=1),
        end,
        lambda c: alerts.delete_old(c, before=NOW + HOUR, limit=5),
    ]
    for each in calls:
        run_writing(database.engine, each)


@pytest.fixture
def database_kind() -> str:
    """The database that executes the statements in order to record them."""
    return "sqlite"


@pytest.mark.slow
async def test_statements_are_those_that_were_reviewed(database: Database) -> None:
    """A change of the statements for SQL Server shows, and is to be reviewed in `sql_server.sql`."""
    with executed(database.engine) as statements:
        for work in (work_the_queue, import_messages, act_in_mailboxes, administer, rule, deliver, alert, call):
            await work(database)
    texts = {sql_server(each) for each in [*statements, *ITS_OWN] if not OF_SQLITE.search(str(each))}
    assert_reviewed("".join(f"{text}\nGO\n" for text in sorted(texts)), REVIEWED)


def reviewed() -> list[str]:
    return REVIEWED.read_text().split("\nGO\n")[:-1]


@pytest.mark.parametrize("text", reviewed(), ids=lambda text: hashlib.sha256(text.encode()).hexdigest()[:8])
def test_reviewed_statements_are_t_sql(text: str) -> None:
    """A parser other than SQLAlchemy's reads each of them, as one statement of a kind it knows."""
    # Its grammar has neither READCOMMITTEDLOCK nor .WRITE, which Microsoft's documentation has.
    known = text.replace(", READCOMMITTEDLOCK", "").replace(".WRITE(:piece, NULL, NULL)", " = :piece")
    [parsed] = sqlglot.parse(re.sub(r"__\[POSTCOMPILE_\w+\]", "1", known), dialect="tsql", error_level=ErrorLevel.RAISE)
    assert isinstance(parsed, exp.Select | exp.Union | exp.Insert | exp.Update | exp.Delete)


def test_reviewed_statements_take_no_more_than_their_rows() -> None:
    """A statement that skips rows locked by others locks its own, in every isolation that READPAST is allowed in."""
    skipping = [text for text in reviewed() if "READPAST" in text]
    assert skipping
    assert all("WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK)" in text for text in skipping)


def test_reviewed_statements_never_return_what_they_write() -> None:
    """A table with a trigger of another program refuses OUTPUT (error 334)."""
    tables = ("tblEmailAccountSettings", "tblEmailMessage", "tblEmailRecipient", "tblEmailAttachment")
    writing = [
        text for text in reviewed() if re.match(rf"(INSERT INTO|UPDATE|DELETE FROM) \[({'|'.join(tables)})", text)
    ]
    assert len(writing) >= 8
    assert not [text for text in writing if "OUTPUT" in text]


def test_reviewed_statements_compare_accounts_in_a_collation() -> None:
    """The accounts' table may be of another program, its text in any collation: comparing it with ours is error 468."""
    of_accounts = "tblEmailAccountSettings"
    compared = [
        each.sql()
        for text in reviewed()
        if of_accounts in text
        for each in sqlglot.parse_one(re.sub(r"__\[POSTCOMPILE_\w+\]", "1", text), dialect="tsql").find_all(exp.EQ)
        if isinstance(each.left, exp.Column) and isinstance(each.right, exp.Column)
        if each.left.name.startswith("s") and of_accounts in {each.left.table, each.right.table}
        if each.left.table and each.right.table  # else it is an assignment
    ]
    assert not compared
