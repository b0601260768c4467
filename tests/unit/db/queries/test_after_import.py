"""Actions in the mailboxes after imports: which are due, which wait for missing parts, which are called for."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, select

from db.engine import Database, run_reading, run_writing
from db.outcomes import SIZE_DIFFERS, ActionState, ContentState, Outcome
from db.queries import accounts, after_import
from db.queries.accounts import AccountSettings
from db.queries.after_import import Action, Counts, Ended
from db.queries.messages import MessageStore, StoredContentKept
from db.records import AttachmentRecord, MessageRecord, OriginalRecord
from db.tables import message
from tests.unit.db.queries.test_messages import CLOCK, file_attachment, record

NOW: Final = CLOCK()
CUT_OFF: Final = f"{SIZE_DIFFERS} Graph lists 9000 bytes, and gives 4."
DETAILS: Final = (
    None,
    CUT_OFF,
    f"{CUT_OFF} Not unpacked. It is called a mail and is none.",
    "Not unpacked. It is none.",
)
SETTINGS: Final = AccountSettings("Labor", "tenant", "client", "a@example.com", "AB" * 20, after_import="delete")


@pytest.fixture(autouse=True)
def account(database_engine: Engine) -> int:
    return run_writing(database_engine, lambda connection: accounts.add(connection, SETTINGS, now=NOW))


@pytest.fixture
def store(database: Database) -> MessageStore:
    return MessageStore(database, clock=CLOCK)


def mail(graph_id: str = "AAMk", *parts: AttachmentRecord, **changes: Any) -> MessageRecord:  # noqa: ANN401  # any field
    return record(graph_id, attachments=parts, after_import="delete", **changes)


def states(engine: Engine) -> dict[str, str | None]:
    row = message.c
    found = run_reading(engine, lambda c: c.execute(select(row.sGraphMessageID, row.sAfterImportState)).all())
    return {each[0]: each[1] for each in found}


def retried(connection: Connection, **options: bool) -> list[int]:
    return after_import.retry_failed(connection, 1, after=0, now=NOW, limit=1000, **options)


# Incomplete messages.


def every_combination() -> dict[str, MessageRecord]:
    """Messages with attachments in any state and with any note, of Graph or unpacked, with and without an original."""
    parts = [
        file_attachment(1, None if state != ContentState.STORED else b"a", size=1, state=state, state_detail=detail)
        for state, detail in product(ContentState, DETAILS)
    ]
    unpacked = [replace(each, position=2, parent_position=0) for each in parts]
    attachments: list[Sequence[AttachmentRecord]] = [
        (),
        *([file_attachment(0), each] for each in parts),
        *([file_attachment(0), each] for each in unpacked),
        *([file_attachment(0, state_detail=CUT_OFF), *each] for each in zip(parts, unpacked, strict=True)),
    ]
    states = (ContentState.STORED, ContentState.TOO_LARGE, ContentState.UNREADABLE, ContentState.GONE)
    originals = (None, *(OriginalRecord(state) for state in states))
    return {
        f"m{number}": mail(f"m{number}", *below, original=original)
        for number, (below, original) in enumerate(product(attachments, originals))
    }


async def test_record_and_rows_agree_on_what_is_incomplete(store: MessageStore, database_engine: Engine) -> None:
    """The record decides at the import, the rows later; an action that either one forgets destroys the mail."""
    messages = every_combination()
    for each in messages.values():
        assert await store.save(each) is Outcome.IMPORTED
    lacking = {name for name, each in messages.items() if each.lacking is not None}
    assert 0 < len(lacking) < len(messages)

    def incomplete(connection: Connection) -> set[str]:
        numbers = connection.execute(select(message.c.sGraphMessageID, message.c.nMessageID)).all()
        return {name for name, number in numbers if after_import.is_incomplete(connection, number)}

    assert run_reading(database_engine, incomplete) == lacking
    assert {name for name, state in states(database_engine).items() if state == "failed"} == lacking
    assert run_reading(database_engine, lambda c: after_import.count_incomplete(c, 1)) == len(lacking)
    assert run_writing(database_engine, retried) == []
    assert len(run_writing(database_engine, lambda c: retried(c, even_incomplete=True))) == len(lacking)


async def test_a_fragment_does_not_make_an_incomplete_message_whole(
    store: MessageStore, database_engine: Engine
) -> None:
    """The action still waits when `import --force` accepted a file that was cut off; once all is there it is due."""
    unreadable = file_attachment(0, None, size=9000, state="unreadable", state_detail="500")
    assert await store.save(mail("AAMk", unreadable)) is Outcome.IMPORTED
    for part, state in (
        (file_attachment(0, state_detail=CUT_OFF), "failed"),
        (file_attachment(0, b"a;b\nc", state_detail=CUT_OFF), "failed"),
        (file_attachment(0, bytes(9000)), "pending"),
    ):
        assert await store.replace(mail("AAMk", part)) is Outcome.REPLACED
        assert states(database_engine) == {"AAMk": state}


async def test_a_fragment_does_not_replace_what_is_whole(store: MessageStore, database_engine: Engine) -> None:
    """What is stored whole stays, and so does its action; a fragment of the same bytes loses nothing."""
    assert await store.save(mail("AAMk", file_attachment(0), file_attachment(1, b"other"))) is Outcome.IMPORTED
    with pytest.raises(StoredContentKept, match="1 attachment"):
        await store.replace(mail("AAMk", file_attachment(0), file_attachment(1, b"o", state_detail=CUT_OFF)))
    assert states(database_engine) == {"AAMk": "pending"}
    same = mail("AAMk", file_attachment(0, state_detail=CUT_OFF), file_attachment(1, b"other", state_detail=CUT_OFF))
    assert await store.replace(same) is Outcome.REPLACED
    with pytest.raises(StoredContentKept, match="2 attachments"):
        await store.replace(mail("AAMk"))


async def test_an_action_waits_for_parts_that_are_missing_since_it_was_planned(
    store: MessageStore, database_engine: Engine
) -> None:
    """An operator replaces the message before its action is done, and not all of the new one can be stored."""
    assert await store.save(mail("AAMk", file_attachment(0))) is Outcome.IMPORTED
    more = [file_attachment(0), file_attachment(1, None, size=9, state="too_large")]
    assert await store.replace(mail("AAMk", *more)) is Outcome.REPLACED
    assert states(database_engine) == {"AAMk": "failed"}
    # Forced by an operator, it is not stopped again.
    assert len(run_writing(database_engine, lambda c: retried(c, even_incomplete=True))) == 1
    assert await store.replace(mail("AAMk", *more)) is Outcome.REPLACED
    assert states(database_engine) == {"AAMk": "pending"}


# What the account calls for.


def call_for(engine: Engine, kind: str, name: str = "Labor") -> None:
    changed = replace(SETTINGS, name=name, user_id=f"{name}@example.com", after_import=kind)
    run_writing(engine, lambda c: accounts.change(c, name, changed, now=NOW))


async def test_what_failed_is_counted_while_it_is_called_for(store: MessageStore, database_engine: Engine) -> None:
    """Whatever the reason of the failure; and retried: it would only fail again."""
    unreadable = file_attachment(0, None, size=9, state="unreadable")
    for name, parts in (("incomplete", [unreadable]), ("refused", []), ("waits", [])):
        assert await store.save(mail(name, *parts)) is Outcome.IMPORTED
    other = replace(SETTINGS, name="Other", user_id="Other@example.com")
    number = run_writing(database_engine, lambda c: accounts.add(c, other, now=NOW))
    assert await store.save(mail("other", unreadable, account_id=number)) is Outcome.IMPORTED

    def fail(connection: Connection) -> None:
        [refused] = [each for each in due(connection) if each.graph_id == "refused"]
        after_import.end(connection, [Ended(refused, ActionState.FAILED, 5, detail="403")])

    run_writing(database_engine, fail)
    for kind, failed in (("delete", 2), ("none", 0), ("read", 0), ("delete", 2)):
        call_for(database_engine, kind)
        assert run_reading(database_engine, after_import.counts) == {1: Counts(1, failed), number: Counts(0, 1)}
        assert run_reading(database_engine, lambda c: after_import.counts(c, [1])) == {1: Counts(1, failed)}
        incomplete = run_reading(database_engine, lambda c: after_import.count_incomplete(c, 1))
        left_out = run_reading(database_engine, lambda c: after_import.count_not_called_for(c, 1))
        assert (incomplete, left_out) == (failed // 2, 2 - failed)
    call_for(database_engine, "none")
    assert run_writing(database_engine, lambda c: retried(c, even_incomplete=True)) == []
    call_for(database_engine, "delete")
    assert len(run_writing(database_engine, retried)) == 1
    assert states(database_engine)["refused"] == "pending"


async def test_accounts_without_an_action_or_pending_ones_need_no_hold(
    store: MessageStore, database_engine: Engine
) -> None:
    numbers = [1]
    for name in ("Done", "Changed", "Nothing"):
        settings = replace(SETTINGS, name=name, user_id=f"{name}@example.com")
        numbers.append(run_writing(database_engine, partial(accounts.add, settings=settings, now=NOW)))
    for number in numbers[:3]:
        assert await store.save(mail(f"m{number}", account_id=number)) is Outcome.IMPORTED
    done = numbers[1]
    ended = [Ended(each, ActionState.DONE, 0) for each in run_writing(database_engine, due) if each.account_id == done]
    run_writing(database_engine, lambda c: after_import.end(c, ended))
    call_for(database_engine, "none", "Changed")
    assert run_reading(database_engine, lambda c: after_import.calling(c, [*numbers, 99])) == {1}
    assert run_reading(database_engine, lambda c: after_import.calling(c, numbers[1:])) == set()


def due(connection: Connection) -> list[Action]:
    return after_import.claim(connection, now=NOW + 2 * after_import.LEASE, limit=10)
