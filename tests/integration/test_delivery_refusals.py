"""A folder refuses one file: the others arrive, it is named, and it arrives once as soon as it is accepted."""

import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from db.queries import files
from delivery import folders
from delivery.folders import ImportFolder
from delivery.posix import PosixDirectory
from tests.databases import Gateway, on_every_database
from tests.doubles.rule_mail import attached, mail
from tests.integration.delivery_site import Fate, Site
from tests.waiting import until

GOOD: Final = b"good"
BAD: Final = b"the one that is refused"
_PATIENCE: Final = timedelta(hours=2)
"""Longer than any pause."""
_WEEK: Final = timedelta(days=7, hours=1)


class Refusals:
    """What the import folder refuses: the file `bad.js` alone, at one call, while `active`."""

    def __init__(self, call: str, number: int) -> None:
        self.call = call
        self.number = number
        self.active = True
        self.looks_first = True
        """False: the name is refused before the file is looked for."""
        self.wanted: Callable[[str], bool] = lambda name: name.startswith("bad")

    def install(self, patch: pytest.MonkeyPatch) -> None:
        rename, unlink, write = PosixDirectory.rename, PosixDirectory.unlink, folders._write

        def renamed(directory: PosixDirectory, temporary: str, name: str) -> None:
            self._meet("rename", self.wanted(name) and (not self.looks_first or directory.exists(temporary)))
            rename(directory, temporary, name)

        def unlinked(directory: PosixDirectory, name: str) -> None:
            self._meet("unlink", self.wanted(name))
            unlink(directory, name)

        def written(handle: int, piece: bytes) -> None:
            self._meet("write", piece == BAD)
            write(handle, piece)

        patch.setattr(PosixDirectory, "rename", renamed)
        patch.setattr(PosixDirectory, "unlink", unlinked)
        patch.setattr(folders, "_write", written)

    def _meet(self, call: str, is_bad: bool) -> None:
        if self.active and self.call == call and is_bad:
            raise OSError(self.number, os.strerror(self.number))


@pytest.fixture
def refusals(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Refusals:
    made = Refusals(*getattr(request, "param", ("rename", errno.EACCES)))
    made.install(monkeypatch)
    return made


@pytest.fixture
async def site(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(gateway, tmp_path)
    yield made
    await made.close()


def refusing(*cases: tuple[str, str]) -> pytest.MarkDecorator:
    """Run with refusals at these calls, for these errors."""
    given = [pytest.param((call, getattr(errno, name)), id=f"{call} {name}") for call, name in cases]
    return pytest.mark.parametrize("refusals", given, indirect=True)


EACH: Final = (
    *(("rename", name) for name in ("EACCES", "EPERM", "EBUSY", "ENOSPC", "EIO", "ENOTEMPTY", "EINVAL", "EILSEQ")),
    *(("write", name) for name in ("ENOSPC", "EFBIG", "EDQUOT", "EACCES")),
)


@refusing(*EACH)
async def test_a_file_that_is_refused_holds_up_no_other_and_is_saved_once_it_is_accepted(
    site: Site, refusals: Refusals
) -> None:
    await site.add_rule()
    await site.receive(
        mail("m1", [attached(0, "a.csv", GOOD), attached(1, "bad.js", BAD)]), mail("m2", [attached(0, "b.csv", GOOD)])
    )
    await site.settle_checks()
    async with site.delivering():
        await until(lambda: site.states_are("red", "green"))
        site.clock.advance(_PATIENCE)
        await until(lambda: _attempts(site, 2))
        # It comes alone, and the folder works on.
        await site.receive(mail("m3", [attached(0, "c.csv", GOOD)]))
        await until(lambda: site.states_are("red", "green", "green"))
        assert await site.files() == ["saved", "pending", "saved", "saved"]
        refusals.active = False
        site.clock.advance(_PATIENCE)
        await until(site.is_settled)
    assert site.saved == [("a.csv", GOOD), ("b.csv", GOOD), ("bad.js", BAD), ("c.csv", GOOD)]
    assert site.leftovers == []


@pytest.mark.usefixtures("refusals")
async def test_more_files_that_are_refused_than_are_claimed_at_once_hold_up_no_other(site: Site) -> None:
    await site.add_rule()
    await site.receive(*(mail(f"m{number}", [attached(0, f"bad{number}.js", BAD)]) for number in range(50)))
    await site.receive(mail("last", [attached(0, "a.csv", GOOD)]))
    await site.settle_checks()
    async with site.delivering():
        await until(lambda: site.saved == [("a.csv", GOOD)])


async def test_a_temporary_file_that_something_locks_holds_up_no_other(
    site: Site, refusals: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writing failed, and it could not be deleted either: not now, nor with the next attempts."""
    refusals.wanted = lambda name: name.startswith(".mail-importer-1-")
    refusals.call, write = "unlink", folders._write

    def full(handle: int, piece: bytes) -> None:
        if refusals.active and piece == BAD:
            raise OSError(errno.ENOSPC, "full")
        write(handle, piece)

    monkeypatch.setattr(folders, "_write", full)
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "bad.js", BAD), attached(1, "a.csv", GOOD)]))
    async with site.delivering():
        await until(lambda: site.saved == [("a.csv", GOOD)])
        site.clock.advance(_PATIENCE)
        await until(lambda: _attempts(site, 2))
        await site.receive(mail("m2", [attached(0, "b.csv", GOOD)]))
        await until(lambda: site.states_are("red", "green"))
        refusals.active = False
        site.clock.advance(_PATIENCE)
        await until(site.is_settled)
    assert site.saved == [("a.csv", GOOD), ("b.csv", GOOD), ("bad.js", BAD)]
    assert site.leftovers == []


async def test_a_folder_that_refuses_every_file_counts_against_none(site: Site, refusals: Refusals) -> None:
    refusals.wanted = lambda _: True
    await site.add_rule()
    await site.receive(*(mail(f"m{number}", [attached(0, "a.csv", b"%d" % number)]) for number in range(3)))
    await site.settle_checks()
    async with site.delivering():
        await until(lambda: site.states_are("red", "red", "red"))
        assert set(await site.files("sReason")) == {"AccessDenied"}
        site.clock.advance(_PATIENCE)
        assert set(await site.files("nAttempts")) == {1}
        refusals.active = False
        await until(site.is_settled)
    assert sorted(content for _, content in site.saved) == [b"0", b"1", b"2"]
    assert site.leftovers == []


async def test_what_is_written_when_the_folder_becomes_full_is_saved(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one byte more is taken, of whatever file."""
    is_full, write = False, folders._write

    def written(handle: int, piece: bytes) -> None:
        nonlocal is_full
        is_full = is_full or piece == BAD
        if is_full:
            raise OSError(errno.ENOSPC, "full")
        write(handle, piece)

    monkeypatch.setattr(folders, "_write", written)
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "a.csv", GOOD), attached(1, "bad.js", BAD), attached(2, "c.csv", GOOD)]))
    async with site.delivering():
        await until(lambda: site.states_are("red"))
        assert await site.files("sReason") == [None, "FolderFull", "FolderFull"]
        assert site.saved == [("a.csv", GOOD)]


async def test_large_files_are_not_written_in_vain_one_after_the_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    write = folders._write

    def written(handle: int, piece: bytes) -> None:
        if piece.startswith(BAD):
            tried.append(piece)
            raise OSError(errno.ENOSPC, "full")
        write(handle, piece)

    monkeypatch.setattr(folders, "_write", written)
    await site.add_rule()
    await site.receive(
        mail("m1", [attached(number, f"{number}.bin", BAD + bytes(size)) for number, size in enumerate((5, 6, 5, 4))]),
        mail("m2", [attached(0, "a.csv", GOOD)]),
    )
    await site.settle_checks()
    async with site.delivering():
        await until(lambda: site.states_are("red", "green"))
    assert [len(each) - len(BAD) for each in tried] == [5, 4]
    assert await site.files("sReason") == [*["NoRoomForFile"] * 4, None]


# Death.


@pytest.mark.slow
@refusing(("rename", "EINVAL"), ("rename", "EACCES"), ("write", "ENOSPC"))
async def test_a_process_may_die_at_any_step_while_a_file_is_refused_and_each_arrives_once(
    site: Site, refusals: Refusals
) -> None:
    await site.add_rule()
    for dies_at in count(1):
        refusals.active = True
        await site.receive(mail(f"m{dies_at}", [attached(0, "a.csv", GOOD), attached(1, "bad.js", BAD)]))
        await site.die(Fate(dies_at))
        is_over = await _attempts(site, 1)
        refusals.active = False
        await site.settle()
        assert sorted(site.watcher.taken) == [("a.csv", GOOD), ("bad.js", BAD)], dies_at
        assert _of_files(site) == [], dies_at
        site.watcher.taken.clear()
        if is_over:
            assert dies_at > 10
            return


@pytest.mark.slow
@refusing(("rename", "EINVAL"), ("rename", "EACCES"))
async def test_the_same_while_it_is_given_up_for_good(site: Site, refusals: Refusals) -> None:
    """It is in no folder, and none has anything left of it; saved again on request, it arrives once."""
    await site.add_rule()
    for dies_at in count(1):
        refusals.active = True
        await site.receive(mail(f"m{dies_at}", [attached(0, "a.csv", GOOD), attached(1, "bad.js", BAD)]))
        await site.settle_checks()
        site.clock.advance(_WEEK)
        await site.die(Fate(dies_at))
        is_over = await site.is_settled()
        await site.settle()
        assert (await site.files())[-2:] == ["saved", "failed"], dies_at
        assert site.watcher.taken == [("a.csv", GOOD)], dies_at
        assert _of_files(site) == [], dies_at
        refusals.active = False
        numbers = await site.files("nFileID")
        await site.database.write(lambda c: files.retry(c, numbers[-1:], now=site.clock()))  # noqa: B023  # run here
        await site.settle()
        assert sorted(site.watcher.taken) == [("a.csv", GOOD), ("bad.js", BAD)], dies_at
        site.watcher.taken.clear()
        if is_over:
            assert dies_at > 10
            return


@pytest.mark.slow
@refusing(("rename", "EINVAL"), ("rename", "EACCES"))
async def test_a_process_dies_at_any_step_before_the_file_is_refused_and_it_arrives_once(
    site: Site, refusals: Refusals
) -> None:
    refusals.looks_first = False
    await site.add_rule()
    for dies_at in count(1):
        refusals.active = False
        await site.receive(mail(f"m{dies_at}", [attached(0, "bad.js", BAD)]))
        await site.die(Fate(dies_at))
        is_over = await site.is_settled()
        refusals.active = True
        async with site.delivering():
            await until(lambda: _is_tried(site))
        refusals.active = False
        site.clock.advance(_PATIENCE)
        await site.settle()
        assert site.watcher.taken == [("bad.js", BAD)], dies_at
        site.watcher.taken.clear()
        if is_over:
            assert dies_at > 10
            return


async def _is_tried(site: Site) -> bool:
    """True once the last file is saved, or was refused."""
    states, attempts = await site.files(), await site.files("nAttempts")
    return await site.is_settled() or (bool(states) and states[-1] == "pending" and attempts[-1] > 0)


async def test_a_file_that_a_slow_process_renames_meanwhile_is_saved(
    site: Site, refusals: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim is over, and its call returns when the process that has the file gives up on the name."""
    refusals.number = errno.EINVAL
    remove = ImportFolder.remove
    lock, is_done = threading.Lock(), False

    def late(folder: ImportFolder, name: str) -> bool:
        nonlocal is_done
        with lock:
            if not is_done and name.startswith(".mail-importer-1-"):
                is_done = True
                (site.folder / name).rename(site.folder / "bad.js")
        return remove(folder, name)

    monkeypatch.setattr(ImportFolder, "remove", late)
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "bad.js", BAD)]))
    await site.settle()
    assert site.watcher.taken == [("bad.js", BAD)]
    assert await site.files() == ["saved"]


# Given up.


@on_every_database
async def test_a_file_that_is_refused_can_be_given_up_and_taken_up_again(site: Site, refusals: Refusals) -> None:
    await _give_up(site)
    assert await site.states_are("green")
    assert len(site.leftovers) == 1  # not renamed, as long as it is there
    refusals.active = False
    assert await _retry(site) == 1
    await site.settle()
    assert site.watcher.taken == [("bad.js", BAD)]
    assert site.leftovers == []


async def test_one_that_was_given_up_and_whose_temporary_file_was_deleted_is_not_taken_for_saved(
    site: Site, refusals: Refusals
) -> None:
    """Nor is it saved twice, had a process renamed it: an operator looks."""
    await _give_up(site)
    for each in site.leftovers:
        (site.folder / each).unlink()
    refusals.active = False
    await _retry(site)
    async with site.delivering():
        await until(lambda: _has_reason(site, files.FOLDER_REPLACED))
        assert site.saved == []
        await _retry(site)
        await until(site.is_settled)
    assert site.saved == [("bad.js", BAD)]


async def _give_up(site: Site) -> None:
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "bad.js", BAD)]))
    async with site.delivering():
        await until(lambda: site.states_are("red"))
    assert await site.database.write(lambda c: files.skip(c, [1], now=site.clock())) == 1
    assert await site.files() == ["skipped"]


async def _retry(site: Site) -> int:
    return await site.database.write(lambda c: files.retry(c, [1], now=site.clock()))


async def _has_reason(site: Site, reason: str) -> bool:
    return await site.files("sReason") == [reason]


async def _attempts(site: Site, number: int) -> bool:
    """True once an attempt at any file failed so often."""
    return max(await site.files("nAttempts"), default=0) >= number


def _of_files(site: Site) -> list[str]:
    """Temporary files but for that of a probe, which the next one deletes."""
    return [each for each in site.leftovers if not each.startswith(".mail-importer-check-")]
