"""`mail-importer import`: the requested messages are fetched at once, without queue and processor."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import select

from console.audit import who
from db.queries import audit, trace
from db.queries.audit import AuditEntry
from db.queries.trace import TracedMessage
from db.tables import message
from simulator.calls import Operation
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Attachment, Mail, file_attachment
from simulator.faults import FaultKind
from simulator.state.mail_server import DeliveredMessage
from tests.integration.world import World

Command = Callable[..., Awaitable[Result]]


def counts(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    names = ("selected", "imported", "replaced", "known", "gone", "failed")
    return {name: found[name] for name in names if found[name]}


async def audits(world: World) -> list[AuditEntry]:
    return await world.database.read(lambda connection: audit.latest(connection, limit=10))


async def numbers(world: World) -> dict[str, int]:
    statement = select(message.c.sGraphMessageID, message.c.nMessageID)
    return await world.database.read(lambda c: {row[0]: row[1] for row in c.execute(statement)})


def ids(delivered: list[DeliveredMessage]) -> list[str]:
    return sorted(each.message_id for each in delivered)


async def test_everything_of_the_folder_that_is_missing_is_imported(world: World, command: Command) -> None:
    """Whole, with attachments of any size; present ones are not fetched again, and other folders are left alone."""
    mailbox, account = await world.account_of("Nord")
    large = GeneratedContent(4_000_000, seed=3)
    sent = await world.deliver(mailbox, 5)
    sent += await world.deliver(mailbox, 1, Mail(subject="Scan", attachments=(Attachment("scan.tif", large),)))
    (moved,) = await world.deliver(mailbox, 1)
    world.simulator.move_message(mailbox, moved.message_id, "archive")
    await world.notify(account, sent[:2])
    await world.import_all()
    asked = world.calls(Operation.GET_MESSAGE)

    result = await command("import", "Nord", "--json")

    assert (result.exit_code, result.stderr) == (0, "")
    assert counts(result) == {"selected": 6, "imported": 4, "known": 2}
    assert await world.imported_ids() == ids(sent)
    assert world.calls(Operation.GET_MESSAGE) == asked + 4
    scan = next(row for row in await world.imported() if row.subject == "Scan")
    assert scan.parts[0].sha256 == large.sha256

    again = await command("import", "Nord")
    assert again.exit_code == 0
    assert "Known already\t6" in again.stdout
    assert world.calls(Operation.GET_MESSAGE) == asked + 4


async def test_since_leaves_out_what_is_older(world: World, command: Command) -> None:
    mailbox, _ = await world.account_of("Nord")
    now = world.clock().replace(microsecond=0)
    old, young = [
        await world.simulator.deliver(mailbox, Mail(subject="x"), received=now - timedelta(days=days))
        for days in (3, 1)
    ]
    result = await command("import", "Nord", "--since", (now - timedelta(days=1)).isoformat(), "--json")
    assert counts(result) == {"selected": 1, "imported": 1}
    assert await world.imported_ids() == [young.message_id]
    assert counts(await command("import", "Nord", "--json")) == {"selected": 2, "imported": 1, "known": 1}
    assert await world.imported_ids() == ids([old, young])


async def test_messages_named_by_id_are_imported_whatever_folder_they_are_in(world: World, command: Command) -> None:
    """They are imported once, by either of the two ids of a message, and however often it is named."""
    mailbox, _ = await world.account_of("Nord")
    one, two, _other = await world.deliver(mailbox, 3)
    world.simulator.move_message(mailbox, one.message_id, "archive")
    default = two.message.default_id
    named = [word for each in (one.message_id, two.message_id, default, one.message_id) for word in ("--id", each)]
    result = await command("import", "Nord", *named, "--json")
    assert counts(result) == {"selected": 2, "imported": 2}
    assert await world.imported_ids() == ids([one, two])
    assert counts(await command("import", "Nord", "--id", default, "--json")) == {"selected": 1, "known": 1}


@pytest.mark.parametrize("spelt", ["<o'brien+1@example.com>", "o'brien+1@example.com"])
async def test_a_message_is_found_by_its_internet_message_id(world: World, command: Command, spelt: str) -> None:
    """The search covers the account's folder: a copy in another one is another message."""
    mailbox, _ = await world.account_of("Nord")
    mail = Mail(subject="x", internet_message_id="<o'brien+1@example.com>")
    (copy,) = await world.deliver(mailbox, 1, mail)
    world.simulator.move_message(mailbox, copy.message_id, "archive")
    (wanted,) = await world.deliver(mailbox, 1, mail)
    await world.deliver(mailbox, 2)
    result = await command("import", "Nord", "--internet-message-id", spelt, "--json")
    assert (result.exit_code, counts(result)) == (0, {"selected": 1, "imported": 1})
    assert await world.imported_ids() == [wanted.message_id]


async def test_an_id_that_breaks_the_rules_is_found_as_it_stands(world: World, command: Command) -> None:
    mailbox, _ = await world.account_of("Nord")
    await world.deliver(mailbox, 1, Mail(subject="x", internet_message_id="no-brackets"))
    assert (await command("import", "Nord", "--internet-message-id", "no-brackets")).exit_code == 0
    assert len(await world.imported_ids()) == 1


async def test_an_internet_message_id_that_is_not_there_fails_with_advice(world: World, command: Command) -> None:
    await world.account_of("Nord")
    result = await command("import", "Nord", "--internet-message-id", "nobody@example.com")
    assert result.exit_code == 1
    assert "has no message with that internet message id" in result.stderr
    assert "--id" in result.stderr


async def test_force_replaces_what_is_there_and_keeps_its_number(world: World, command: Command) -> None:
    """A reader that keeps the number finds the new content under it."""
    mailbox, account = await world.account_of("Nord")
    mail = Mail(subject="Old", body="old", attachments=(file_attachment("a.csv", b"1;2"),))
    sent = await world.deliver(mailbox, 2, mail)
    await world.notify(account, sent)
    await world.import_all()
    before = await numbers(world)
    (new,) = await world.deliver(mailbox, 1)
    await world.tamper(sent[0], lambda document: {**document, "subject": "New"})

    asked = await command("import", "Nord", "--force", "--json")
    assert (asked.exit_code, asked.stdout) == (2, "")
    assert "Fetch 2 imported messages of account 'Nord' again" in asked.stderr
    assert "--yes" in asked.stderr
    assert (await world.imported_ids()) == ids(sent)
    result = await command("import", "Nord", "--force", "--yes", "--json")

    assert counts(result) == {"selected": 3, "imported": 1, "replaced": 2}
    after = await numbers(world)
    assert {key: after[key] for key in before} == before
    assert new.message_id in after
    found = {row.graph_id: row for row in await world.imported()}
    assert found[sent[0].message_id].subject == "New"
    assert [part.content for part in found[sent[0].message_id].parts] == [b"1;2"]


@pytest.mark.parametrize("trouble", ["corrupt", "too large", "taken away"])
async def test_force_keeps_what_the_mailbox_does_not_give_now(world: World, command: Command, trouble: str) -> None:
    """The stored message stays unchanged, and counts as failed; retrievable parts are replaced."""
    mailbox, account = await world.account_of("Nord")
    mail = Mail(subject="Old", attachments=(file_attachment("a.csv", b"1;2"), file_attachment("b.csv", b"3;4")))
    [sent] = await world.deliver(mailbox, 1, mail)
    await world.notify(account, [sent])
    await world.import_all()
    before = await world.imported()
    whole = sent.message.attachments
    await world.tamper(sent, lambda document: {**document, "subject": "New"})
    changed = {}
    match trouble:
        case "corrupt":
            world.fault(FaultKind.CORRUPT, attachment_id=whole[1].attachment_id)
        case "too large":
            changed = {"attachment_limit_mb": 1}
            large = replace(whole[1], attachment=file_attachment("b.csv", bytes(1024 * 1024 + 1)))
            sent.message.attachments = (whole[0], large)
        case "taken away":
            sent.message.attachments = whole[:1]

    kept = await command("import", "Nord", "--id", sent.message_id, "--force", "--json", **changed)

    assert (kept.exit_code, counts(kept)) == (1, {"selected": 1, "failed": 1})
    (reported,) = json.loads(kept.stdout)["not_imported"]
    assert reported["reason"] == "StoredContentKept"
    assert "1 attachment" in reported["detail"]
    assert await world.imported() == before
    sent.message.attachments = whole
    world.simulator.faults.clear()
    again = await command("import", "Nord", "--id", sent.message_id, "--force", "--json", **changed)
    assert (again.exit_code, counts(again)) == (0, {"selected": 1, "replaced": 1})
    assert [row.subject for row in await world.imported()] == ["New"]


async def test_force_fails_for_a_message_that_is_gone_and_keeps_what_is_stored(world: World, command: Command) -> None:
    """It was to be replaced and was not; without --force nothing was to be done for it."""
    mailbox, _ = await world.account_of("Nord")
    stored, never = await world.deliver(mailbox, 2)
    assert (await command("import", "Nord", "--id", stored.message_id)).exit_code == 0
    for each in (stored, never):
        world.simulator.remove_message(mailbox, each.message_id)

    forced = await command("import", "Nord", "--id", stored.message_id, "--force", "--json")
    assert (forced.exit_code, counts(forced)) == (1, {"selected": 1, "gone": 1})
    assert "1 message is not in the mailbox any more; what is stored of it stays as it is." in forced.stderr
    assert await world.imported_ids() == [stored.message_id]
    plain = await command("import", "Nord", "--id", never.message_id, "--json")
    assert (plain.exit_code, plain.stderr, counts(plain)) == (0, "", {"selected": 1, "gone": 1})


async def test_a_message_that_cannot_be_imported_keeps_no_other_from_it(world: World, command: Command) -> None:
    """It is named with its reason, and the exit status shows it; a message that is gone is no failure."""
    mailbox, account = await world.account_of("Nord")
    gone, *good = await world.deliver(mailbox, 7)
    world.simulator.remove_message(mailbox, gone.message_id)
    named = [word for each in ("no-id", gone.message_id, *ids(good)) for word in ("--id", each)]

    result = await command("import", "Nord", *named, "--json")

    assert result.exit_code == 1
    assert "1 of 8 messages could not be imported" in result.stderr
    assert counts(result) == {"selected": 8, "imported": 6, "gone": 1, "failed": 1}
    reported = {each["message_id"]: each for each in json.loads(result.stdout)["not_imported"]}
    assert (reported["no-id"]["outcome"], reported["no-id"]["reason"]) == ("failed", "RequestRejected")
    assert reported[gone.message_id]["outcome"] == "gone"
    assert await world.imported_ids() == ids(good)
    in_words = await command("import", "Nord", "--id", "no-id")
    assert "failed  no-id  RequestRejected: " in in_words.stdout

    (row, *_) = await world.database.read(lambda c: trace.attempts(c, [TracedMessage(account, "no-id")]))
    assert (row.outcome, row.reason, row.source) == ("failed", "RequestRejected", "operator")


async def test_a_message_whose_id_no_database_keys_is_reported(world: World, command: Command) -> None:
    """It is reported like one that comes through the queue."""
    mailbox, _ = await world.account_of("Nord")
    (good,) = await world.deliver(mailbox, 1)
    await world.simulator.deliver(mailbox, Mail(subject="x"), immutable_id="A" * 800)
    result = await command("import", "Nord", "--json")
    assert (result.exit_code, counts(result)) == (1, {"selected": 2, "imported": 1, "failed": 1})
    (reported,) = json.loads(result.stdout)["not_imported"]
    assert (reported["message_id"], reported["reason"]) == ("A" * 800, "MessageIdTooLong")
    assert await world.imported_ids() == [good.message_id]


async def test_what_was_done_is_audited_and_traced(world: World, command: Command) -> None:
    """The audit has user, time and action; and the trace of each message shows it."""
    mailbox, account = await world.account_of("Nord")
    (sent,) = await world.deliver(mailbox, 1)
    began = world.clock()
    await command("import", "Nord", "--id", sent.message_id)
    await command("import", "Nord", "--id", sent.message_id, "--force")

    second, first = await audits(world)
    assert (first.action, first.who, first.messages) == ("import", who(), 1)
    assert first.selection == f"Nord --id {sent.message_id}"
    assert second.selection.endswith("--force")
    assert first.ended is not None
    assert began <= first.started <= first.ended <= second.started
    rows = await world.database.read(lambda c: trace.attempts(c, [TracedMessage(account, sent.message_id)]))
    assert [(each.outcome, each.source, each.subject) for each in rows] == [
        ("imported", "operator", "Letter 0"),
        ("replaced", "operator", "Letter 0"),
    ]
    assert all(each.fetched for each in rows)
    reported = await command("trace", sent.message_id)
    assert "import by an operator" in reported.stdout
    assert "replaced by what the mailbox holds now" in reported.stdout


async def test_one_call_at_a_time_for_the_mailbox(world: World, command: Command) -> None:
    """It comes beside the four of the processors, which the command must not slow down."""
    mailbox, _ = await world.account_of("Nord")
    mail = Mail(attachments=(file_attachment("a.csv", b"1;2"), file_attachment("b.csv", b"3;4")))
    await world.deliver(mailbox, 24, mail)
    world.fault(FaultKind.LATENCY, seconds=0.02)
    assert counts(await command("import", "Nord", "--json")) == {"selected": 24, "imported": 24}
    statistics = world.simulator.statistics()
    assert statistics["concurrency_high_water"] == {mailbox.address: 1}
    assert statistics["throttled"] == 0


async def test_a_processor_at_work_meanwhile_does_no_harm(world: World, command: Command) -> None:
    """Each message is there once, whichever imported it first."""
    mailbox, account = await world.account_of("Nord")
    sent = await world.deliver(mailbox, 30)
    async with world.processing():
        await world.notify(account, sent)
        result = await command("import", "Nord", "--json")
    await world.import_all()
    found = counts(result)
    assert found.get("imported", 0) + found.get("known", 0) == 30
    assert await world.imported_ids() == ids(sent)


async def test_a_disabled_account_is_imported_nevertheless_which_is_reported(world: World, command: Command) -> None:
    mailbox, _ = await world.account_of("Nord")
    await world.deliver(mailbox, 1)
    await world.set_enabled("Nord", False)
    result = await command("import", "Nord")
    assert result.exit_code == 0
    assert "'Nord' is disabled" in result.stderr
    assert len(await world.imported_ids()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nobody"], 1, "no account named 'nobody'"),
        (["Nord", "--since", "2999-01-01"], 2, "in the future"),
        (["Nord", "--id", "x", "--since", "2026-01-01"], 2, "by --id, --internet-message-id or --since"),
        (["Nord", "--id", " "], 2, "empty"),
        (["Nord", "--id", "x" * 701], 2, "701 characters"),
        (["Nord", "--internet-message-id", "a\nb"], 2, "cannot be seen"),
    ],
)
async def test_what_cannot_be_requested_is_reported(
    arguments: list[str], status: int, said: str, world: World, command: Command
) -> None:
    await world.account_of("Nord")
    result = await command("import", *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr
    assert not await audits(world)


async def test_an_account_without_access_ends_with_its_reason(world: World, command: Command) -> None:
    """It ends before the first message, or between two: then the report has the messages done and those not done."""
    mailbox, _ = await world.account_of("Nord")
    await world.deliver(mailbox, 12)
    number = world.fault(FaultKind.FORBIDDEN, operation=Operation.LIST_MESSAGES)
    result = await command("import", "Nord", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Nord" in result.stderr
    assert "Traceback" not in result.stderr
    world.simulator.faults.remove(number)

    for operation in (Operation.GET_MESSAGE, Operation.GET_FOLDER):
        world.fault(FaultKind.FORBIDDEN, operation=operation)
    result = await command("import", "Nord", "--json")
    assert result.exit_code == 1
    found = counts(result)
    assert found["selected"] == 12
    assert found["failed"] <= 4
    assert f"{12 - found['failed']} messages were not tried" in result.stderr
    assert [(each.messages, each.ended is None) for each in await audits(world)] == [(0, False), (0, False)]


async def test_a_folder_or_a_certificate_that_is_not_there_is_reported_in_a_sentence(
    world: World, command: Command
) -> None:
    mailbox = world.new_mailbox("Nord")
    await world.add_account(mailbox, folder="AAMkNowhere" * 10)
    await world.add_account(world.new_mailbox("Sud"), thumbprint="0" * 40)
    missing = await command("import", "Nord")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "does not exist in the mailbox" in missing.stderr
    unsigned = await command("import", "Sud")
    assert (unsigned.exit_code, unsigned.stdout) == (1, "")
    assert "0" * 40 in unsigned.stderr


async def test_a_database_that_cannot_be_written_ends_it_with_its_reason(world: World, command: Command) -> None:
    mailbox, _ = await world.account_of("Nord")
    await world.deliver(mailbox, 1)
    with world.fragile.locked():
        result = await command("import", "Nord")
    assert result.exit_code == 1
    assert "The gateway database cannot be used" in result.stderr
    assert "Traceback" not in result.stderr
