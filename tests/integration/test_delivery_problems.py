"""Each cause of a problem of rules and files, provoked for real: seen once, and over with its end."""

import errno
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import update

from bus.queue import QueueStatus
from console.wiring.delivery import deliverer_of
from db.queries import file_log, files, processes
from db.queries.file_log import FileCriteria
from db.queries.problems import Problem
from db.queries.processes import Process
from db.tables import email_rule
from delivery.errors import FolderUnavailable
from delivery.folders import ImportFolder, Written, open_folder
from delivery.posix import PosixDirectory
from monitoring import facts as stored_facts
from monitoring.evaluation import evaluate
from monitoring.facts import Facts
from phrases import Phrase
from tests.databases import Gateway, on_every_database
from tests.doubles.rule_mail import attached, mail
from tests.integration.delivery_site import Site
from tests.waiting import until

MINUTE = timedelta(minutes=1)
MAIL = mail("m1", [attached(0, "a.csv", b"1"), attached(1, "b.csv", b"2")])


class Monitored(Site):
    """A site with a process that is alive, and its problems."""

    async def begin(self, *roles: str) -> None:
        process = Process("one", "host", roles or ("processor", "subscriptions", "delivery"), "1", self.clock())
        await self.database.write(lambda c: processes.beat(c, process, now=self.clock(), until=self.clock()))

    async def problems(self) -> list[Problem]:
        now = self.clock()
        stored = await self.database.read(lambda c: stored_facts.read(c, None, now=now))
        return evaluate(Facts(now, stored, {"one"}, QueueStatus([])))

    async def kinds(self) -> list[str]:
        return sorted(each.kind.value for each in await self.problems())

    async def has(self, *kinds: str) -> bool:
        return await self.kinds() == sorted(kinds)


@pytest.fixture
async def site(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Monitored]:
    made = Monitored(gateway, tmp_path)
    yield made
    await made.close()


@on_every_database
async def test_a_rule_without_a_delivery_is_a_problem(site: Monitored) -> None:
    await site.begin("processor", "subscriptions")
    assert await site.kinds() == []
    await site.add_rule()
    assert await site.kinds() == ["no_delivery"]
    await site.database.write(lambda c: processes.remove(c, ["one"]))
    await site.begin()
    assert await site.kinds() == []


@on_every_database
async def test_a_folder_that_is_missing_is_one_problem_until_it_is_back(site: Monitored) -> None:
    """Whatever number of files waits: with the reason, and over with the first file that is saved."""
    await site.begin()
    await site.add_rule()
    site.folder.rmdir()
    await site.receive(MAIL)
    async with site.delivering():
        await until(lambda: site.has("folder_unavailable"))
        [found] = await site.problems()
        assert str(site.folder) in found.text
        assert "does not exist" in found.text
        assert (found.count, await site.states()) == (2, [("red", 1)])
        site.folder.mkdir()
        site.clock.advance(2 * MINUTE)
        await until(site.is_settled)
    assert await site.kinds() == []
    assert await site.states() == [("green", 1)]


async def test_a_folder_that_is_full_stays_a_problem_while_it_is_tried(site: Monitored) -> None:
    """Its files are claimed and fail, again and again; between two looks it is no other problem."""
    await site.begin()
    await site.add_rule()
    await site.receive(MAIL)
    full = FolderUnavailable("FolderFull", Phrase("It is full."))
    tried = 0

    def refused(path: str) -> ImportFolder:
        nonlocal tried
        tried += 1
        if tried % 2:  # before, or after they are claimed
            raise full
        opened = open_folder(path, site.settings.delivery_folders)
        opened.write = _raising(full)  # type: ignore[method-assign]  # what a full disk does
        return opened

    deliverer = deliverer_of(site.settings, site.database, site._context("one"), open_folders=refused)
    async with site.delivering(deliverer):
        await until(lambda: site.has("folder_unavailable"))
        while tried < 7:
            site.clock.advance(2 * MINUTE)
            assert await site.kinds() == ["folder_unavailable"]
    assert await site.kinds() == ["folder_unavailable"]


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.EINVAL, "accepts no such name"), (errno.EBUSY, "takes other files, but not this one")]
)
async def test_a_file_that_is_refused_again_and_again_is_a_problem_until_it_is_saved(
    site: Monitored, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    """Long before it has failed for good; something that locks it for a moment is none."""
    rename = PosixDirectory.rename
    refuses = True

    def renamed(directory: PosixDirectory, temporary: str, name: str) -> None:
        if refuses and name == "a.csv":
            raise OSError(number, "refused")
        rename(directory, temporary, name)

    monkeypatch.setattr(PosixDirectory, "rename", renamed)
    await site.begin()
    await site.add_rule()
    await site.receive(MAIL)
    async with site.delivering():
        for attempts in (1, 2, 3):
            await until(partial(_tried, site, attempts))
            assert await site.kinds() == (["files_failed"] if attempts == 3 else [])
            if attempts < 3:
                site.clock.advance(timedelta(hours=1))
        [found] = await site.problems()
        assert (found.count, "rule 'Results'" in found.text, reason in found.text) == (1, True, True)
        refuses = False
        site.clock.advance(timedelta(hours=1))
        await until(site.is_settled)
    assert await site.kinds() == []
    assert [name for name, _ in site.saved] == ["a.csv", "b.csv"]


async def _tried(site: Monitored, number: int) -> bool:
    return max(await site.files("nAttempts"), default=0) >= number


def _raising(error: Exception) -> Callable[..., Written]:
    def write(*_: object) -> Written:
        raise error

    return write


async def test_files_that_failed_for_good_are_a_problem_until_they_are_retried_or_given_up(site: Monitored) -> None:
    await site.begin()
    await site.add_rule()
    site.folder.rmdir()
    await site.receive(MAIL)
    async with site.delivering():
        await until(lambda: site.has("folder_unavailable"))
        site.clock.advance(timedelta(days=8))
        await until(lambda: site.has("files_failed"))
    [found] = await site.problems()
    assert found.count == 2
    assert "rule 'Results'" in found.text
    assert "does not exist" in found.text
    first, second = await site.database.read(lambda c: file_log.numbers(c, FileCriteria()))
    await site.database.write(lambda c: files.skip(c, [first], now=site.clock()))
    site.folder.mkdir()
    await site.database.write(lambda c: files.retry(c, [second], now=site.clock()))
    await site.settle()
    assert await site.kinds() == []
    assert [name for name, _ in site.saved] == ["b.csv"]


@on_every_database
async def test_files_for_a_folder_that_no_delivery_serves_are_late(site: Monitored, tmp_path: Path) -> None:
    await site.begin()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    await site.add_rule(folder=str(elsewhere))
    await site.receive(MAIL)
    async with site.delivering():
        await until(lambda: _is_checked(site))
        site.clock.advance(4 * MINUTE)
        assert await site.kinds() == []
        site.clock.advance(2 * MINUTE)
        [found] = await site.problems()
    assert (found.kind.value, found.count) == ("delivery_late", 2)
    assert str(elsewhere) in found.text


async def _is_checked(site: Monitored) -> bool:
    return await site.states() == [("white", 1)]


@on_every_database
async def test_a_rule_that_another_program_wrote_is_a_problem_until_it_is_corrected(site: Monitored) -> None:
    await site.begin()
    await site.add_rule()
    row = email_rule.c
    wrong = update(email_rule).values(sSubjectKind="matches", sSubject="(")
    await site.database.write(lambda c: c.execute(wrong))
    [found] = await site.problems()
    assert found.kind.value == "rule_unusable"
    assert "'Results'" in found.text
    await site.database.write(lambda c: c.execute(update(email_rule).values({row.sSubject: "Results"})))
    assert await site.kinds() == []
