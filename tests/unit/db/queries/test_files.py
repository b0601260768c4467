"""Files to save: claimed by one process, published once, and what becomes of their message."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Connection, select, update

from db.engine import Database
from db.outcomes import Outcome
from db.queries import files, rule_mail, rule_matches
from db.queries.files import LEASE, Claimed, Failed, Whole
from db.queries.messages import MessageStore
from db.queries.rule_matches import FileToSave, Matches
from db.tables import email_file, message
from phrases import Phrase
from tests.databases import on_every_database
from tests.doubles.clock import SettableClock
from tests.doubles.rule_mail import attached, mail

pytestmark = on_every_database

FOLDER: Final = "/data/import"
BROKEN: Final = Phrase("The folder {path} is missing.", path=FOLDER)


class Desk:
    """The database of one test, with a message that a rule fits."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = SettableClock()
        self.store = MessageStore(database, clock=self.clock)

    async def imported(self, graph_id: str = "m1") -> int:
        assert await self.store.save(mail(graph_id, [attached(0, "a.csv"), attached(1, "b.csv")])) is Outcome.IMPORTED
        [found] = [
            each.message_id for each in await self.unchecked() if await self.graph_id(each.message_id) == graph_id
        ]
        return found

    async def graph_id(self, number: int) -> str | None:
        return await self.database.read(
            lambda c: c.scalar(select(message.c.sGraphMessageID).where(message.c.nMessageID == number))
        )

    async def unchecked(self) -> Sequence[rule_mail.UncheckedMessage]:
        return await self.database.read(lambda c: rule_mail.unchecked(c, limit=100))

    async def note(self, *found: Matches) -> set[int]:
        return await self.database.write(lambda c: rule_matches.note(c, found, now=self.clock()))

    async def matched(self, graph_id: str = "m1", *names: str, **changes: Any) -> int:  # noqa: ANN401  # any field
        """A message of which rule 1 saves these files."""
        number = await self.imported(graph_id)
        await self.note(Matches(number, 1, [to_save(name, **changes) for name in names or ("a.csv",)]))
        return number

    async def claim(self, owner: str = "one", turn: str = "t1", limit: int = 10) -> list[Claimed]:
        key = rule_matches.folder_key(FOLDER)
        return await self.database.write(
            lambda c: files.claim(c, key, owner=owner, token=turn, now=self.clock(), limit=limit)
        )

    async def whole(self, *claimed: Claimed) -> set[int]:
        made = [Whole(each, "folder1", f"{FOLDER}/{each.name}", 4, "00") for each in claimed]
        return await self.database.write(lambda c: files.note_whole(c, made, now=self.clock()))

    async def saved(self, *claimed: Claimed) -> set[int]:
        return await self.database.write(lambda c: files.note_saved(c, claimed, now=self.clock()))

    async def failed(self, claimed: Claimed, due: datetime | None, **changes: Any) -> None:  # noqa: ANN401  # any field
        attempt = Failed(claimed, "NameRefused", BROKEN, due, **changes)
        await self.database.write(lambda c: files.note_failed(c, [attempt]))

    async def state(self, number: int) -> tuple[str | None, int | None]:
        statement = select(message.c.sRuleState, message.c.nRulesMatched).where(message.c.nMessageID == number)
        row = await self.database.read(lambda c: c.execute(statement).one())
        return row[0], row[1]

    async def rows(self, column: str = "sState") -> dict[str, Any]:
        """That column of each file, by its name."""
        statement = select(email_file.c.sFileName, email_file.c[column]).order_by(email_file.c.nFileID)
        return await self.database.read(lambda c: {row[0]: row[1] for row in c.execute(statement)})

    async def ids(self) -> dict[str, int]:
        return await self.rows("nFileID")

    async def folders(self, *without: str) -> list[str]:
        return [
            each.path
            for each in await self.database.read(
                lambda c: files.due_folders(c, now=self.clock(), without=without, limit=100)
            )
        ]


def to_save(name: str, **changes: Any) -> FileToSave:  # noqa: ANN401  # any field
    return replace(FileToSave(1, name, "attachment", FOLDER, name, position=0), **changes)


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


# The check.


async def test_a_message_is_white_until_it_is_checked(desk: Desk) -> None:
    number = await desk.imported()
    assert await desk.state(number) == ("white", None)
    assert [each.message_id for each in await desk.unchecked()] == [number]


async def test_a_message_that_no_rule_fits_is_amber(desk: Desk) -> None:
    number = await desk.imported()
    assert await desk.note(Matches(number, 0)) == {number}
    assert await desk.state(number) == ("amber", 0)
    assert not await desk.unchecked()


async def test_a_match_without_files_is_green(desk: Desk) -> None:
    """All that there is to save, nothing, is saved."""
    number = await desk.imported()
    await desk.note(Matches(number, 2))
    assert await desk.state(number) == ("green", 2)


async def test_messages_from_before_the_rules_are_amber_at_once(desk: Desk) -> None:
    first, second = await desk.imported("m1"), await desk.imported("m2")
    await desk.note(Matches(second, 1))
    await desk.database.write(lambda c: rule_matches.none_matches(c, [first, second]))
    assert (await desk.state(first), await desk.state(second)) == (("amber", 0), ("green", 1))


async def test_two_processes_check_the_same_message_and_one_result_counts(desk: Desk) -> None:
    number = await desk.imported()
    result = Matches(number, 1, [to_save("a.csv")])
    assert await desk.note(result) == {number}
    assert await desk.note(result) == set()
    assert await desk.rows() == {"a.csv": "pending"}


async def test_a_message_that_is_gone_by_then_is_left_out(desk: Desk) -> None:
    assert await desk.note(Matches(4711, 1, [to_save("a.csv")])) == set()
    assert await desk.rows() == {}


async def test_the_facts_of_a_message(desk: Desk) -> None:
    number = await desk.imported()
    [facts] = await desk.database.read(lambda c: rule_mail.facts_of(c, [number]))
    assert (facts.message_id, facts.account_id, facts.imported) == (number, 1, desk.clock())
    assert facts.senders == ("lab@example.com",)
    assert facts.recipients == ["importer@example.com"]
    assert (facts.subject, facts.body_text, facts.has_html) == ("Results", "Lead 42 mg/l m1", False)
    assert [(each.position, each.safe_name, each.state, each.purged) for each in facts.attachments] == [
        (0, "a.csv", "stored", False),
        (1, "b.csv", "stored", False),
    ]
    [without] = await desk.database.read(lambda c: rule_mail.facts_of(c, [number], with_body=False))
    assert without.body_text is None


async def test_a_picture_without_content_id_is_a_file_like_others(desk: Desk) -> None:
    """No body can show it: Apple Mail marks every picture as inline."""
    pictures = [
        attached(place, f"{name}.png", inline=True, content_id=name, content_type="image/png")
        for place, name in enumerate(["logo", None])
    ]
    assert await desk.store.save(mail("m1", pictures)) is Outcome.IMPORTED
    [unchecked] = await desk.unchecked()
    [facts] = await desk.database.read(lambda c: rule_mail.facts_of(c, [unchecked.message_id]))
    assert [each.inline for each in facts.attachments] == [True, False]


async def test_a_message_imported_anew_is_checked_again_and_nothing_is_saved_twice(desk: Desk) -> None:
    number = await desk.matched("m1", "a.csv")
    [claimed] = await desk.claim()
    await desk.whole(claimed)
    await desk.saved(claimed)
    assert await desk.store.replace(mail("m1", [attached(0, "a.csv"), attached(1, "b.csv")])) is Outcome.REPLACED
    assert await desk.state(number) == ("white", None)
    await desk.note(Matches(number, 1, [to_save("a.csv"), to_save("c.csv")]))
    assert await desk.rows() == {"a.csv": "saved", "c.csv": "pending"}


async def test_files_that_lacked_their_bytes_are_replaced_by_those_that_came(desk: Desk) -> None:
    number = await desk.matched("m1", "a.csv", reason="TooLarge", detail=BROKEN)
    assert await desk.state(number) == ("red", 1)
    await desk.store.replace(mail("m1", [attached(0, "a.csv"), attached(1, "b.csv")]))
    await desk.note(Matches(number, 1, [to_save("a.csv", key="with bytes")]))
    assert await desk.rows() == {"a.csv": "pending"}
    assert await desk.state(number) == ("white", 1)


# Claims.


async def test_a_file_is_claimed_by_one_process(desk: Desk) -> None:
    await desk.matched()
    [claimed] = await desk.claim()
    assert (claimed.token, claimed.stale, claimed.identity, claimed.name) == ("t1", None, None, "a.csv")
    assert await desk.claim("two", "t2") == []
    assert await desk.folders() == []


async def test_a_claim_ends_with_its_lease_and_names_what_may_be_left(desk: Desk) -> None:
    await desk.matched()
    await desk.claim()
    desk.clock.advance(LEASE)
    [again] = await desk.claim("two", "t2")
    assert (again.token, again.stale) == ("t2", "t1")


async def test_a_time_that_no_clock_set_counts_as_over(desk: Desk) -> None:
    await desk.matched()
    far = desk.clock() + timedelta(days=300)
    await desk.database.write(lambda c: c.execute(update(email_file).values(dtDue=far)))
    assert await desk.folders() == [FOLDER]
    assert len(await desk.claim()) == 1


async def test_folders_that_are_busy_or_elsewhere_are_left_out(desk: Desk) -> None:
    await desk.matched()
    assert await desk.folders() == [FOLDER]
    assert await desk.folders(rule_matches.folder_key(FOLDER)) == []


async def test_what_was_claimed_and_not_begun_is_due(desk: Desk) -> None:
    await desk.matched()
    claimed = await desk.claim()
    await desk.database.write(lambda c: files.release(c, claimed, now=desk.clock()))
    assert len(await desk.claim("two", "t2")) == 1


async def test_a_long_write_keeps_its_claim(desk: Desk) -> None:
    await desk.matched()
    claimed = await desk.claim()
    desk.clock.advance(LEASE / 2)
    await desk.database.write(lambda c: files.renew(c, claimed, now=desk.clock()))
    desk.clock.advance(LEASE / 2)
    assert await desk.claim("two", "t2") == []


# Saving.


async def test_a_saved_file_makes_its_message_green(desk: Desk) -> None:
    number = await desk.matched("m1", "a.csv", "b.csv")
    one, two = await desk.claim()
    assert await desk.whole(one, two) == {one.file_id, two.file_id}
    assert await desk.saved(one) == {one.file_id}
    assert await desk.state(number) == ("white", 1)
    assert await desk.saved(two) == {two.file_id}
    assert await desk.state(number) == ("green", 1)
    assert await desk.rows("sTargetPath") == {"a.csv": f"{FOLDER}/a.csv", "b.csv": f"{FOLDER}/b.csv"}
    assert await desk.rows("dtDue") == {"a.csv": None, "b.csv": None}


async def test_a_file_is_not_renamed_by_a_process_whose_claim_is_over(desk: Desk) -> None:
    await desk.matched()
    [late] = await desk.claim()
    desk.clock.advance(LEASE)
    [now] = await desk.claim("two", "t2")
    assert await desk.whole(late) == set()
    assert await desk.whole(now) == {now.file_id}


async def test_a_whole_file_keeps_its_temporary_name_for_whoever_claims_it(desk: Desk) -> None:
    await desk.matched()
    [dead] = await desk.claim()
    await desk.whole(dead)
    desk.clock.advance(LEASE)
    [heir] = await desk.claim("two", "t2")
    assert (heir.token, heir.stale, heir.identity, heir.target) == ("t1", None, "folder1", f"{FOLDER}/a.csv")
    # Both find it published, and it counts once.
    assert await desk.saved(dead) == {dead.file_id}
    assert await desk.saved(heir) == set()


async def test_a_file_that_was_not_whole_is_not_saved(desk: Desk) -> None:
    await desk.matched()
    [claimed] = await desk.claim()
    assert await desk.saved(claimed) == set()
    assert await desk.rows() == {"a.csv": "pending"}


async def test_metadata_wait_for_their_file(desk: Desk) -> None:
    number = await desk.imported()
    side = to_save("a.csv.json", key="side", part="metadata", describes="a.csv")
    await desk.note(Matches(number, 1, [to_save("a.csv"), side]))
    [data] = await desk.claim()
    assert data.name == "a.csv"
    await desk.whole(data)
    await desk.saved(data)
    assert await desk.state(number) == ("white", 1)
    [described] = await desk.claim("one", "t2")
    assert (described.name, described.described) == ("a.csv.json", data.file_id)
    path = await desk.database.read(lambda c: files.target_of(c, data.file_id))
    assert path == f"{FOLDER}/a.csv"


# Failures.


async def test_a_failed_attempt_makes_the_message_red_until_it_is_saved(desk: Desk) -> None:
    number = await desk.matched()
    [claimed] = await desk.claim()
    await desk.failed(claimed, desk.clock() + timedelta(minutes=1))
    assert await desk.state(number) == ("red", 1)
    assert await desk.rows("sReason") == {"a.csv": "NameRefused"}
    assert await desk.claim("one", "t2") == []
    desk.clock.advance(timedelta(minutes=1))
    [again] = await desk.claim("one", "t2")
    assert again.attempts == 1
    await desk.whole(again)
    await desk.saved(again)
    assert await desk.state(number) == ("green", 1)
    assert await desk.rows("sReason") == {"a.csv": None}


async def test_the_last_failure_ends_it_and_what_describes_it(desk: Desk) -> None:
    number = await desk.imported()
    side = to_save("a.csv.json", key="side", part="metadata", describes="a.csv")
    await desk.note(Matches(number, 1, [to_save("a.csv"), side]))
    [claimed] = await desk.claim()
    await desk.failed(claimed, None)
    assert await desk.rows() == {"a.csv": "failed", "a.csv.json": "skipped"}
    assert await desk.state(number) == ("red", 1)
    assert await desk.database.write(lambda c: files.retry(c, [claimed.file_id], now=desk.clock())) == 1
    assert await desk.rows() == {"a.csv": "pending", "a.csv.json": "pending"}
    assert [each.name for each in await desk.claim("one", "t2")] == ["a.csv"]


async def test_an_operator_may_give_a_file_up(desk: Desk) -> None:
    number = await desk.matched("m1", "a.csv", "b.csv")
    one, two = await desk.claim()
    await desk.failed(one, None)
    await desk.whole(two)
    await desk.saved(two)
    assert await desk.state(number) == ("red", 1)
    assert await desk.database.write(lambda c: files.skip(c, [one.file_id, two.file_id], now=desk.clock())) == 1
    assert await desk.rows() == {"a.csv": "skipped", "b.csv": "saved"}
    assert await desk.state(number) == ("green", 1)


async def test_what_is_being_renamed_is_not_given_up(desk: Desk) -> None:
    await desk.matched()
    [claimed] = await desk.claim()
    await desk.whole(claimed)
    assert await desk.database.write(lambda c: files.skip(c, [claimed.file_id], now=desk.clock())) == 0


async def test_what_arrived_in_a_folder_that_was_replaced_may_be_given_up(desk: Desk) -> None:
    """As its reason advises an operator who found it there."""
    await desk.matched()
    [claimed] = await desk.claim()
    await desk.whole(claimed)
    attempt = Failed(claimed, files.FOLDER_REPLACED, BROKEN, desk.clock() + timedelta(minutes=1))
    await desk.database.write(lambda c: files.note_failed(c, [attempt]))
    assert await desk.database.write(lambda c: files.skip(c, [claimed.file_id], now=desk.clock())) == 1
    assert await desk.rows() == {"a.csv": "skipped"}


async def test_what_failed_while_it_was_to_be_renamed_may_be_given_up_but_not_while_it_is(desk: Desk) -> None:
    number = await desk.matched()
    [claimed] = await desk.claim()
    await desk.whole(claimed)

    async def skip() -> int:
        return await desk.database.write(lambda c: files.skip(c, [claimed.file_id], now=desk.clock()))

    await desk.failed(claimed, desk.clock() + timedelta(minutes=1))
    desk.clock.advance(timedelta(minutes=1))
    [again] = await desk.claim("two", "t2")
    assert await skip() == 0
    await desk.failed(again, desk.clock() + timedelta(hours=1))
    assert await skip() == 1
    assert await desk.state(number) == ("green", 1)
    # Of a process whose claim was over.
    assert await desk.saved(again) == set()


async def test_what_was_claimed_by_a_process_that_died_may_be_given_up_once_its_claim_is_over(desk: Desk) -> None:
    await desk.matched()
    [claimed] = await desk.claim()
    await desk.whole(claimed)
    await desk.failed(claimed, desk.clock())
    await desk.claim("two", "t2")
    desk.clock.advance(LEASE)
    assert await desk.database.write(lambda c: files.skip(c, [claimed.file_id], now=desk.clock())) == 1


async def test_what_ended_while_it_was_to_be_renamed_is_looked_for_before_it_is_written_again(desk: Desk) -> None:
    """Its temporary file, if it is there, was not renamed; if it is not, an operator knows, whose next retry counts."""
    await desk.matched()
    [claimed] = await desk.claim()
    await desk.whole(claimed)
    await desk.failed(claimed, None)

    async def retry() -> Claimed:
        assert await desk.database.write(lambda c: files.retry(c, [claimed.file_id], now=desk.clock())) == 1
        [found] = await desk.claim("two", "t2")
        return found

    again = await retry()
    assert (again.token, again.stale, again.identity) == ("t1", None, "none")
    lost = Failed(again, files.FOLDER_REPLACED, BROKEN, desk.clock() + timedelta(minutes=1))
    await desk.database.write(lambda c: files.note_failed(c, [lost]))
    anew = await retry()
    assert (anew.token, anew.stale, anew.identity) == ("t2", "t1", None)


async def test_what_cannot_be_renamed_is_written_anew(desk: Desk) -> None:
    """By a process that has it: another one, whose claim is over, changes nothing."""
    await desk.matched()
    [claimed] = await desk.claim()
    await desk.whole(claimed)

    async def unwhole(file: Claimed) -> bool:
        return await desk.database.write(lambda c: files.note_unwhole(c, file))

    assert await unwhole(replace(claimed, owner="two")) is False
    assert await unwhole(claimed) is True
    assert await desk.saved(claimed) == set()
    desk.clock.advance(LEASE)
    [again] = await desk.claim("two", "t2")
    assert (again.identity, again.stale) == (None, "t1")


async def test_a_file_without_bytes_is_not_tried_again(desk: Desk) -> None:
    await desk.matched("m1", "a.csv", reason="TooLarge", detail=BROKEN)
    numbers = (await desk.ids()).values()
    assert await desk.database.write(lambda c: files.retry(c, list(numbers), now=desk.clock())) == 0


async def test_a_folder_in_trouble_marks_its_files_which_stay_due(desk: Desk) -> None:
    """Another host may reach it; each file says why it waits, and after seven days it has failed."""
    number = await desk.matched("m1", "a.csv", "b.csv")
    key = rule_matches.folder_key(FOLDER)

    def mark(connection: Connection) -> int:
        return files.mark_folder(connection, key, reason="FolderMissing", detail=BROKEN, now=desk.clock())

    assert await desk.database.write(mark) == 2
    assert await desk.database.write(mark) == 0
    assert await desk.rows("sReason") == {"a.csv": "FolderMissing", "b.csv": "FolderMissing"}
    assert await desk.rows("nAttempts") == {"a.csv": 1, "b.csv": 1}
    assert await desk.state(number) == ("red", 1)
    assert await desk.folders() == [FOLDER]
    desk.clock.advance(timedelta(days=7))
    assert await desk.database.write(mark) == 2
    assert await desk.rows() == {"a.csv": "failed", "b.csv": "failed"}
    numbers = list((await desk.ids()).values())
    assert await desk.database.write(lambda c: files.retry(c, numbers, now=desk.clock())) == 2
    assert await desk.rows("sReason") == {"a.csv": None, "b.csv": None}
    desk.clock.advance(timedelta(days=6))
    assert await desk.database.write(mark) == 2
    assert await desk.rows() == {"a.csv": "pending", "b.csv": "pending"}


# On request.


async def test_rules_applied_by_an_operator_save_nothing_twice_unless_told(desk: Desk) -> None:
    number = await desk.matched("m1", "a.csv")
    [claimed] = await desk.claim()
    await desk.whole(claimed)
    await desk.saved(claimed)
    found = Matches(number, 1, [to_save("a.csv")])

    async def apply(*, again: bool) -> int:
        return await desk.database.write(lambda c: rule_matches.apply(c, found, now=desk.clock(), again=again))

    assert await apply(again=False) == 0
    assert await desk.state(number) == ("green", 1)
    assert await apply(again=True) == 1
    assert await desk.state(number) == ("white", 1)
    assert await apply(again=True) == 1
    assert len(await desk.claim("one", "t2")) == 2


async def test_rules_applied_before_the_check_leave_it_to_be_done(desk: Desk) -> None:
    """Other rules may match the message."""
    number = await desk.imported()
    applied = Matches(number, 1, [to_save("a.csv")])
    assert await desk.database.write(lambda c: rule_matches.apply(c, applied, now=desk.clock(), again=False)) == 1
    assert [each.message_id for each in await desk.unchecked()] == [number]
    assert await desk.note(Matches(number, 1, [to_save("b.csv", rule_id=2)])) == {number}
    assert await desk.state(number) == ("white", 2)
    assert sorted(await desk.rows()) == ["a.csv", "b.csv"]


async def test_a_rule_that_is_applied_leaves_files_of_others_alone(desk: Desk) -> None:
    number = await desk.matched("m1", "a.csv", reason="TooLarge", detail=BROKEN)
    applied = Matches(number, 1, [to_save("b.csv", rule_id=2)])
    await desk.database.write(lambda c: rule_matches.apply(c, applied, now=desk.clock(), again=False))
    assert await desk.rows() == {"a.csv": "failed", "b.csv": "pending"}
    assert await desk.state(number) == ("red", 2)


# A message that was imported again.


async def _again(desk: Desk, number: int, *found: FileToSave) -> None:
    unchecked = update(message).where(message.c.nMessageID == number).values(rule_matches.UNCHECKED)
    await desk.database.write(lambda c: c.execute(unchecked))
    await desk.note(Matches(number, 1, found))


async def test_a_part_that_was_replaced_is_not_saved_any_more(desk: Desk) -> None:
    number = await desk.matched("m1", "a.csv", "b.csv", "c.csv")
    whole, _, saved = await desk.claim()
    await desk.whole(whole, saved)
    await desk.saved(saved)
    await _again(desk, number, to_save("new.csv"))
    assert await desk.rows() == {"a.csv": "pending", "c.csv": "saved", "new.csv": "pending"}


async def test_what_had_no_bytes_is_saved_once_they_are_there_again(desk: Desk) -> None:
    number = await desk.imported()
    side = to_save("a.csv.json", key="side", part="metadata", describes="a.csv")
    await desk.note(Matches(number, 1, [to_save("a.csv"), side]))
    [claimed] = await desk.claim()
    gone = Failed(claimed, rule_matches.NOT_STORED, BROKEN, None)
    await desk.database.write(lambda c: files.note_failed(c, [gone]))
    assert await desk.state(number) == ("red", 1)
    await _again(desk, number, to_save("a.csv"), side)
    assert await desk.rows() == {"a.csv": "pending", "a.csv.json": "pending"}
    assert await desk.state(number) == ("white", 1)
    assert [each.name for each in await desk.claim("one", "t2")] == ["a.csv"]


# On request, at odd times.


async def test_a_file_whose_folder_was_replaced_is_saved_again_on_request(desk: Desk) -> None:
    await desk.matched()
    [claimed] = await desk.claim()
    await desk.whole(claimed)
    lost = Failed(claimed, files.FOLDER_REPLACED, BROKEN, desk.clock() + timedelta(minutes=1))
    await desk.database.write(lambda c: files.note_failed(c, [lost]))
    assert await desk.database.write(lambda c: files.retry(c, [claimed.file_id], now=desk.clock())) == 1
    [again] = await desk.claim("one", "t2")
    assert (again.identity, again.token, again.stale) == (None, "t2", "t1")


async def test_metadata_wait_for_nothing_that_will_not_be_saved(desk: Desk) -> None:
    """Its file was given up, or is saved: none of them is pending for ever."""
    number = await desk.imported()
    sides = [to_save(f"{each}.json", key=f"{each}.json", part="metadata", describes=each) for each in ("a", "b")]
    await desk.note(Matches(number, 1, [to_save("a"), to_save("b"), *sides]))
    given_up, saved = await desk.claim()
    await desk.whole(saved)
    await desk.saved(saved)
    ids = await desk.ids()
    await desk.database.write(lambda c: files.skip(c, [given_up.file_id, ids["b.json"]], now=desk.clock()))
    assert await desk.rows() == {"a": "skipped", "b": "saved", "a.json": "skipped", "b.json": "skipped"}

    async def retry(name: str) -> int:
        return await desk.database.write(lambda c: files.retry(c, [ids[name]], now=desk.clock()))

    assert await retry("a.json") == 0
    assert await retry("b") == 0
    assert await desk.state(number) == ("green", 1)
    assert await retry("b.json") == 1
    assert [each.name for each in await desk.claim("one", "t2")] == ["b.json"]


async def test_what_was_not_begun_to_be_renamed_is_written_anew(desk: Desk) -> None:
    await desk.matched()
    [claimed] = await desk.claim()
    await desk.whole(claimed)
    await desk.database.write(lambda c: files.release(c, [claimed], now=desk.clock(), unwhole=[claimed.file_id]))
    [again] = await desk.claim("two", "t2")
    assert (again.identity, again.stale) == (None, "t1")


async def test_more_folders_than_a_statement_names_hide_no_other(desk: Desk) -> None:
    await desk.matched()
    many = [rule_matches.folder_key(f"/{number}") for number in range(3000)]
    assert await desk.folders(*many) == [FOLDER]
    assert await desk.folders(*many, rule_matches.folder_key(FOLDER)) == []


async def test_a_temporary_file_is_known_until_it_is_deleted(desk: Desk) -> None:
    """Whatever number of processes claim the file, and die before they come to it."""
    await desk.matched()
    await desk.claim()
    desk.clock.advance(LEASE)
    [died] = await desk.claim("two", "t2")
    desk.clock.advance(LEASE)
    [claimed] = await desk.claim("two", "t3")
    assert (died.stale, claimed.stale, claimed.token) == ("t1", "t1", "t3")
    assert await desk.database.write(lambda c: files.begin_anew(c, [claimed])) == {claimed.file_id}
    desk.clock.advance(LEASE)
    [heir] = await desk.claim("three", "t4")
    assert heir.stale == "t3"
    assert await desk.database.write(lambda c: files.begin_anew(c, [claimed])) == set()
