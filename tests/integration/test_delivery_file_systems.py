"""Import folders on file systems in trouble: files wait, their messages are red, then all arrive once."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from console.wiring.delivery import deliverer_of
from db.queries import files
from delivery import folder_lane
from delivery.folders import ImportFolder, open_folder
from tests.databases import Gateway
from tests.doubles import fuse_share
from tests.doubles.fuse_share import Share
from tests.doubles.rule_mail import attached, mail
from tests.integration.delivery_site import Site
from tests.waiting import until

CSV: Final = b"1;2\n"
_PATIENCE: Final = timedelta(hours=2)
"""Longer than any pause."""


@pytest.fixture
async def site(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(gateway, tmp_path)
    yield made
    await made.close()


@contextlib.contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=False, capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip(f"nothing can be mounted here: {mount.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def small(site: Site) -> Iterator[Path]:
    """A file system of 1 MiB, as the import folder."""
    with _mounted(site.folder, "size=1m"):
        yield site.folder


def _remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def _contents(folder: Path) -> list[bytes]:
    return sorted(each.read_bytes() for each in folder.iterdir() if not each.name.startswith("."))


async def _is(site: Site, *states: str) -> bool:
    return [found for found, _ in await site.states()] == list(states)


async def test_a_disk_that_is_full_at_the_last_byte_is_emptied(site: Site, small: Path) -> None:
    """No half file is left; what fits is saved meanwhile."""
    await site.add_rule()
    page = os.sysconf("SC_PAGE_SIZE")
    room = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
    (small / "of another program").write_bytes(bytes(page))
    too_long = os.urandom(room - page + 1)
    await site.receive(mail("m1", [attached(0, "large.bin", too_long)]))
    async with site.delivering():
        await until(lambda: _is(site, "red"))
        assert await site.files("sReason") == ["NoRoomForFile"]
        assert site.leftovers == []
        assert _names(small) == ["of another program"]
        (small / "of another program").unlink()
        site.clock.advance(_PATIENCE)
        await until(lambda: _is(site, "green"))
    assert site.saved == [("large.bin", too_long)]
    assert site.leftovers == []


async def test_a_read_only_mount_becomes_writable(site: Site, small: Path) -> None:
    await site.add_rule()
    _remount(small, "ro")
    await site.receive(mail("m1", [attached(0, "a.csv", CSV), attached(1, "b.csv", CSV)]))
    async with site.delivering():
        await until(lambda: _is(site, "red"))
        assert await site.files("sReason") == ["FolderReadOnly", "FolderReadOnly"]
        _remount(small, "rw")
        site.clock.advance(_PATIENCE)
        await until(lambda: _is(site, "green"))
    assert site.saved == [("a.csv", CSV), ("b.csv", CSV)]


class _VanishingFolder(ImportFolder):
    """Of which the test learns when a file is about to be written, or renamed."""

    before: Callable[[str], None]

    def free_name(self, name: str, taken: object = ()) -> str:
        self.before("write")
        return super().free_name(name, taken)  # type: ignore[arg-type]  # as the class

    def publish(self, temporary: str, name: str) -> None:
        self.before("publish")
        super().publish(temporary, name)


@pytest.mark.parametrize("returns", ["the same", "another"])
@pytest.mark.parametrize("call", ["write", "publish"])
async def test_a_folder_vanishes_in_the_middle_and_returns(site: Site, returns: str, call: str) -> None:
    """One that is made anew: only the file whose renaming had begun is left to the operator, who looks for it."""
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "a.csv", b"a"), attached(1, "b.csv", b"b"), attached(2, "c.csv", b"c")]))
    away = site.root / "away"
    vanished = False

    def vanish(calling: str) -> None:
        nonlocal vanished
        if calling == call and not vanished:
            vanished = True
            site.folder.rename(away)
            if returns == "another":
                shutil.rmtree(away)

    def opened(path: str) -> ImportFolder:
        found = _VanishingFolder(path, open_folder(path, site.settings.delivery_folders)._directory)
        found.before = vanish
        return found

    moved = returns == "the same"
    one = deliverer_of(site.settings, site.database, site._context("one"), open_folders=opened)
    async with site.delivering(one):
        if moved:
            # Its handle still leads there: moved away, it is the folder that it was.
            await until(lambda: vanished)
            await until(site.is_settled)
            away.rename(site.folder)
        else:
            await until(lambda: _is(site, "red"))
            assert set(await site.files("sReason")) == {"FolderMissing"}
            site.folder.mkdir()
            site.clock.advance(_PATIENCE)
            if call == "publish":
                await until(lambda: len(site.saved) == 2)
                await until(lambda: _has_reasons(site, "FolderReplaced", "None", "None"))
                await _retry(site)
        await until(lambda: _is(site, "green"))
    assert site.saved == [("a.csv", b"a"), ("b.csv", b"b"), ("c.csv", b"c")]
    assert site.leftovers == []


async def _has_reasons(site: Site, *reasons: str) -> bool:
    return sorted(map(str, await site.files("sReason"))) == list(reasons)


async def _has_reason(site: Site, reason: str) -> bool:
    return reason in await site.files("sReason")


async def _retry(site: Site) -> None:
    numbers = await site.files("nFileID")
    assert await site.database.write(lambda c: files.retry(c, numbers, now=site.clock())) == 1


# A share whose server does not answer.


@pytest.fixture
def share(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Share]:
    lacking = fuse_share.missing()
    if lacking:
        pytest.skip(f"a share that hangs cannot be mounted: {lacking}")
    monkeypatch.setattr(folder_lane, "_SILENT_SECONDS", 0.5)
    monkeypatch.setattr(folder_lane, "_LOOK_SECONDS", 0.1)
    (tmp_path / "source").mkdir()
    (site.root / "share").mkdir()
    with fuse_share.mounted(tmp_path / "source", site.root / "share") as mounted:
        yield mounted
        mounted.go_on()


@pytest.mark.slow
async def test_a_share_that_hangs_holds_up_no_other_folder(site: Site, share: Share, tmp_path: Path) -> None:
    await site.add_rule(name="Share", folder=str(share.folder))
    await site.add_rule()
    large = os.urandom(3 * 1024 * 1024)
    await site.receive(mail("m1", [attached(0, "a.csv", CSV), attached(1, "large.bin", large)]))
    served = site.deliverer()
    async with site.delivering(served):
        await until(lambda: _names(tmp_path / "source"))
        share.hang()
        await site.receive(*(mail(f"n{each}", [attached(0, "b.csv", b"%d" % each)]) for each in range(5)))
        await until(lambda: len(site.saved) == 7)
        await until(lambda: bool(served._hanging))
        await until(lambda: _has_reason(site, "FolderHangs"))
        share.go_on()
        await until(lambda: not served._hanging)
        site.clock.advance(_PATIENCE)
        await until(site.is_settled, seconds=60)
    assert _contents(tmp_path / "source") == sorted([CSV, large, *(b"%d" % each for each in range(5))])
    assert {state for state, _ in await site.states()} == {"green"}


@pytest.mark.slow
async def test_a_delivery_ends_in_time_while_a_share_hangs(site: Site, share: Share) -> None:
    await site.add_rule(name="Share", folder=str(share.folder))
    share.hang()
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    stop = asyncio.Event()
    served = site.deliverer()
    running = asyncio.create_task(served.run(stop))
    await until(lambda: bool(served._lanes))
    stop.set()
    await asyncio.wait_for(running, 60)
    share.go_on()
    site.clock.advance(_PATIENCE)
    await site.settle()
    assert _names(share.folder) == ["a.csv"]
