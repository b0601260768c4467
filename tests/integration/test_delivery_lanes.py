"""Folders that do not answer, or have many files, hold up no others: whatever their number."""

import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from sqlalchemy import Connection, update
from structlog.testing import capture_logs

from console.wiring.delivery import deliverer_of
from db.errors import DatabaseUnavailable
from db.tables import email_file
from delivery import deliverer as deliverers
from delivery import folder_lane
from delivery.deliverer import FOLDERS_AT_ONCE, MAX_HANGING, Deliverer
from delivery.folders import ImportFolder, Written, open_folder
from phrases import Phrase
from tests.databases import Gateway
from tests.doubles.rule_mail import attached, mail
from tests.integration.delivery_site import Site
from tests.waiting import until

T = TypeVar("T")

CSV: Final = b"1;2\n"
_THREADS: Final = FOLDERS_AT_ONCE + MAX_HANGING


class Gate:
    """What folders wait for that hang: of those whose name begins with `hang`, each call does."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.handles: set[ImportFolder] = set()
        """Folders that are open."""
        self.hangs_in = ""
        """The call that hangs; empty: opening."""
        self.reached: list[str] = []
        """Paths of the folders of which a call waited here."""

    def wait(self, path: str, call: str) -> None:
        if Path(path).name.startswith("hang") and call == self.hangs_in:
            self.reached.append(path)
            self.opened.wait()

    def open(self, path: str, roots: list[str]) -> ImportFolder:
        self.wait(path, "")
        found = GatedFolder(path, open_folder(path, roots)._directory)
        found.gate = self
        self.handles.add(found)
        return found


class GatedFolder(ImportFolder):
    """A folder of which a call waits for a gate."""

    gate: Gate

    def write(self, temporary: str, pieces: Any) -> Written:  # noqa: ANN401  # as the class
        self.gate.wait(self.path, "write")
        return super().write(temporary, pieces)

    def publish(self, temporary: str, name: str) -> None:
        self.gate.wait(self.path, "publish")
        super().publish(temporary, name)
        self.gate.wait(self.path, "published")

    def close(self) -> None:
        self.gate.handles.remove(self)
        super().close()


@pytest.fixture
async def site(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(folder_lane, "_LOOK_SECONDS", 0.05)
    made = Site(gateway, tmp_path)
    yield made
    await made.close()


@pytest.fixture
def gate() -> Gate:
    return Gate()


def _deliverer(site: Site, gate: Gate, name: str = "host one") -> Deliverer:
    roots = list(site.settings.delivery_folders)
    return deliverer_of(
        site.settings, site.database, site._context(name), open_folders=lambda path: gate.open(path, roots)
    )


async def _add_folders(site: Site, names: list[str]) -> None:
    for each in names:
        (site.root / each).mkdir()
        await site.add_rule(name=each, folder=str(site.root / each))


def _silence(site: Site, gate: Gate, served: Deliverer) -> int:
    """Let a minute pass in which nothing happens, once a call hangs; return the number of folders that hang."""
    if len(gate.reached) > len(served._hanging):
        site.pass_time(seconds=61)
    return len(served._hanging)


def _there(site: Site, name: str) -> list[tuple[str, bytes]]:
    return [(each.name, each.read_bytes()) for each in (site.root / name).iterdir()]


@pytest.mark.parametrize("number", [60, _THREADS - 1])
async def test_many_folders_hang_and_another_is_served(site: Site, gate: Gate, number: int) -> None:
    names = [f"hang{each}" for each in range(number)]
    await _add_folders(site, names)
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    served = _deliverer(site, gate)
    async with site.delivering(served):
        await until(lambda: _silence(site, gate, served) == number)
        # Imported while all of them hang: each rule also selects it for its own folder.
        await _add_folders(site, ["works"])
        site.clock.advance(timedelta(seconds=11))  # rules are read again
        await site.receive(mail("m2", [attached(0, "b.csv", CSV)]))
        saved = site.root / "works" / "b.csv"
        await until(saved.exists)  # the temporary file beside it may go at any moment
        assert saved.read_bytes() == CSV
        assert set(await site.files("sReason")) == {"FolderHangs", None}
        gate.opened.set()
        await until(lambda: not served._hanging)
        site.clock.advance(timedelta(minutes=2))
        await until(site.is_settled, seconds=60)
    assert _there(site, "works") == [("b.csv", CSV)]
    assert all(sorted(_there(site, each)) == [("a.csv", CSV), ("b.csv", CSV)] for each in names)
    await until(lambda: not gate.handles)


async def test_more_folders_hang_than_there_are_threads_and_that_is_reported(site: Site, gate: Gate) -> None:
    names = [f"hang{each}" for each in range(_THREADS + 5)]
    await _add_folders(site, names)
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    served = _deliverer(site, gate)
    with capture_logs() as logs:
        async with site.delivering(served):
            await until(
                lambda: _silence(site, gate, served) and any(each["event"] == "delivery_blocked" for each in logs)
            )
            assert len(served._hanging) == _THREADS
            gate.opened.set()
            await until(lambda: any(each["event"] == "delivery_unblocked" for each in logs))
            site.clock.advance(timedelta(minutes=2))
            await until(site.is_settled, seconds=60)
    assert all(_there(site, each) == [("a.csv", CSV)] for each in names)


@pytest.mark.parametrize("call", ["write", "publish", "published"])
async def test_a_call_that_returns_late_leaves_nothing_behind(site: Site, gate: Gate, call: str) -> None:
    """Meanwhile another host, which reaches the folder, saved the file."""
    gate.hangs_in = call
    await _add_folders(site, ["hangs"])
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    served = _deliverer(site, gate)
    async with site.delivering(served):
        await until(lambda: _silence(site, gate, served) == 1)
        async with site.delivering(site.deliverer(name="host two")):
            await until(site.is_settled)
        gate.opened.set()
        await until(lambda: not gate.handles)
    assert _there(site, "hangs") == [("a.csv", CSV)]
    assert await site.files() == ["saved"]


async def test_folders_with_many_files_take_turns_with_others(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverers, "FOLDERS_AT_ONCE", 1)
    monkeypatch.setattr(deliverers, "_TURN_SECONDS", 0.0)
    await _add_folders(site, ["many", "few"])
    await site.receive(*(mail(f"m{each}", [attached(0, "a.csv", CSV)]) for each in range(60)))
    await site.database.write(
        lambda c: c.execute(
            update(email_file)
            .where(email_file.c.sFolder.like("%few"))
            .values(dtDue=site.clock() + timedelta(seconds=1))
        )
    )
    order: list[str] = []

    def opened(path: str) -> ImportFolder:
        order.append(Path(path).name)
        return open_folder(path, site.settings.delivery_folders)

    one = deliverer_of(site.settings, site.database, site._context("one"), open_folders=opened)
    async with site.delivering(one):
        await until(site.is_settled)
    assert len(order) >= 6
    assert set(order[:2]) == set(order[2:4]) == {"many", "few"}, order


async def test_thousands_of_folders_in_trouble_hide_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a statement can name."""
    monkeypatch.setattr("db.queries.files._MAX_NAMED", 5)
    monkeypatch.setattr(deliverers, "_OLDEST", 3)
    for each in range(20):
        await site.add_rule(name=f"missing {each}", folder=str(site.root / f"missing {each}"))
        await site.add_rule(name=f"elsewhere {each}", folder=f"/elsewhere/{each}")
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    async with site.delivering():
        await until(lambda: site.saved == [("a.csv", CSV)])


async def test_a_database_that_takes_nothing_is_not_asked_without_pause(
    site: Site, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is full, or read-only: what is due can be read."""
    await site.add_rule()
    await site.receive(mail("m1", [attached(0, "a.csv", CSV)]))
    opened = 0
    served = _deliverer(site, gate)
    lanes = served._context
    write = lanes.database.write
    is_down = True

    async def refused(work: Callable[[Connection], T]) -> T:
        nonlocal opened
        if is_down and "claim" in work.__code__.co_names:
            opened += 1
            raise DatabaseUnavailable(Phrase("The database is full."))
        return await write(work)

    monkeypatch.setattr(lanes.database, "write", refused)
    served._poll_seconds = 0.2
    async with site.delivering(served):
        await until(lambda: opened >= 3)
        tries = opened
        assert tries < 10
        is_down = False
        await until(site.is_settled)
    assert site.saved == [("a.csv", CSV)]
