"""Unpacking in a process of its own: the same rows come out, and a hostile attachment costs nothing but itself."""

import asyncio
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db.records import AttachmentRecord
from longtext import LongText
from processor.content import body_text
from processor.content.isolated_unpacking import PRELOAD, IsolatedUnpacker
from processor.content.spool import remove_abandoned_folders, scratch_folder, spooling_threads
from processor.content.texts import Texts
from processor.content.unpacking import Unpacker
from processor.process_pool import ProcessPool, WorkLimits
from tests.paths import ROOT
from tests.samples.nested_mail import mail, signed
from tests.waiting import PATIENCE_SECONDS

MEBIBYTE = 1024 * 1024


@pytest.fixture
async def unpacker() -> AsyncIterator[IsolatedUnpacker]:
    async with ProcessPool(PRELOAD) as pool:
        yield IsolatedUnpacker(pool, spooling_threads())


def _listed(position: int, content: bytes, name: str = "smime.p7m") -> AttachmentRecord:
    return AttachmentRecord(
        position, f"AAk{position}", "file", name, None, len(content), False, None, "sha of the original", content
    )


def _within(folder: Path) -> list[Path]:
    try:
        return list(folder.rglob("*"))
    except FileNotFoundError:  # one was deleted meanwhile
        return _within(folder)


def _bomb() -> bytes:
    """Mails of countless parts within a mail: three megabytes that take seconds, whatever the reader skips."""
    parts = b"Content-Type: multipart/mixed; boundary=c\n\n" + b"--c\n\nx\n" * 40_000
    mails = b"--b\nContent-Type: message/rfc822\n\n" + parts
    return signed(b"Content-Type: multipart/mixed; boundary=b\n\n" + mails * 10)


def _read(row: AttachmentRecord) -> AttachmentRecord:
    if row.content is None or isinstance(row.content, bytes):
        return row
    row.content.seek(0)
    return replace(row, content=row.content.read())


@pytest.mark.slow
async def test_the_same_rows_come_out(unpacker: IsolatedUnpacker) -> None:
    """Contents are large and small, texts counted, and content that was not packed left unchanged."""
    listed = [
        _listed(0, b"plain", "a.txt"),
        _listed(1, signed(mail("One", ("a.bin", bytes(range(256)) * 8000), ("b.txt", b"b"), ("empty", b"")))),
        _listed(2, b"\x30\x80rubbish"),
    ]
    with ExitStack() as files:
        texts = Texts()
        rows = await unpacker.unpacked(listed, files, texts, mailbox="a")
        expected = Unpacker().unpacked(listed, files, Texts())
        assert [_read(row) for row in rows] == [_read(row) for row in expected]
        assert all(hashlib.sha256(_content(row)).hexdigest() == row.sha256 for row in map(_read, rows[3:]))
        assert rows[1].content is listed[1].content
        assert texts.replaced == 0


def _content(row: AttachmentRecord) -> bytes:
    assert isinstance(row.content, bytes)
    return row.content


@pytest.mark.slow
async def test_signed_mail_of_any_usual_size_is_unpacked(unpacker: IsolatedUnpacker) -> None:
    """It was once left packed beyond 8 MB."""
    content = b"0123456789abcdef" * MEBIBYTE
    with ExitStack() as files:
        rows = await unpacker.unpacked(
            [_listed(0, signed(mail("Large", ("a.bin", content))))], files, Texts(), mailbox="a"
        )
        assert [row.state_detail for row in rows] == [None, None, None]
        assert _content(_read(rows[2])) == content


@pytest.mark.slow
async def test_a_hostile_attachment_costs_nothing_but_itself() -> None:
    """It stays unchanged, and is marked; its neighbours are unpacked."""
    bomb = _bomb()
    good = signed(mail("Good", ("a.csv", b"1;2")))
    limits = WorkLimits(seconds=0.5, seconds_a_megabyte=0)
    async with ProcessPool(PRELOAD, limits=limits) as pool:
        with ExitStack() as files:
            rows = await IsolatedUnpacker(pool, spooling_threads()).unpacked(
                [_listed(0, good), _listed(1, bomb), _listed(2, good)], files, Texts(), mailbox="a"
            )
            assert rows[1].content == bomb
            assert rows[1].state == "stored"
            assert rows[1].state_detail == "Not unpacked: it takes more than 0.5 s of computing time."
            assert [row.file_name for row in rows[3:] if row.kind == "file"] == ["a.csv", "a.csv"]
            assert {row.state_detail for row in (rows[0], rows[2], *rows[3:])} == {None}


@pytest.mark.slow
async def test_what_needs_too_much_memory_is_reported() -> None:
    """Behind the fact that it may be a fragment."""
    limits = WorkLimits(memory_mb=150, memory_of_size=0)
    content = signed(mail("Large", ("a.bin", b"0" * 40 * MEBIBYTE)))
    async with ProcessPool(PRELOAD, limits=limits) as pool:
        with ExitStack() as files:
            [row] = await IsolatedUnpacker(pool, spooling_threads()).unpacked(
                [replace(_listed(0, content), state_detail="SizeDiffers: by 1.")], files, Texts(), mailbox="a"
            )
    assert row.state_detail == "SizeDiffers: by 1. Not unpacked: it takes more than 150 MB of memory."
    assert row.content == content


@pytest.mark.slow
async def test_nothing_is_left_in_the_temporary_folder(
    unpacker: IsolatedUnpacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contents have no name there any more while they wait for the database."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ExitStack() as files:
        rows = await unpacker.unpacked(
            [_listed(0, signed(mail("One", ("a.bin", b"0" * 3 * MEBIBYTE))))], files, Texts(), mailbox="a"
        )
        assert len(rows) == 3
        assert {path.name for path in _within(tmp_path) if path.is_file()} <= {"at"}
    assert not _within(tmp_path)


@pytest.mark.slow
async def test_a_long_text_of_a_wrapped_mail_stays_out_of_memory(unpacker: IsolatedUnpacker) -> None:
    """It comes in a file, and is the same; only the first is kept."""
    text = "Messwert Blei: 42 mg/l 😀\r\n" * 20_000
    raw = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text.encode()
    with ExitStack() as files:
        rows = await unpacker.unpacked([_listed(0, signed(raw)), _listed(1, signed(raw))], files, Texts(), mailbox="a")
        wrapped = rows[0].wrapped_text
        assert isinstance(wrapped, LongText)
        assert wrapped.text().split() == text.split()
        assert rows[1].wrapped_text is None


async def test_a_folder_of_a_caller_that_is_gone_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    begun, go_on = threading.Event(), threading.Event()

    def fill(folder: Path) -> None:
        begun.set()
        go_on.wait(10)
        (folder / "mail").write_bytes(b"mail")

    with ExitStack() as files:
        filling = asyncio.create_task(scratch_folder(files, spooling_threads(), fill))
        await asyncio.to_thread(begun.wait, 10)
        filling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await filling
    go_on.set()
    async with asyncio.timeout(60):
        while _within(tmp_path):  # noqa: ASYNC110  # the thread deletes it
            await asyncio.sleep(0.01)


async def _left_by_a_killed_process(age: timedelta) -> Path:
    with ExitStack() as files:
        folder, _ = await scratch_folder(files, spooling_threads(), lambda folder: (folder / "mail").touch())
        files.pop_all()
    moment = (datetime.now(UTC) - age).timestamp()
    os.utime(folder, (moment, moment))
    return folder


async def test_folders_that_a_killed_process_left_are_deleted_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed with its workers, such as for want of memory, leaves mail there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old = await _left_by_a_killed_process(timedelta(days=1, minutes=1))
    young = await _left_by_a_killed_process(timedelta(hours=23))
    another = tmp_path / "mail-importer-report"
    another.mkdir()
    os.utime(another, (0, 0))
    link = tmp_path / f"mail-importer-{'b' * 16}"
    link.symlink_to(another)
    os.utime(link, (0, 0), follow_symlinks=False)
    paused = asyncio.Event()

    async def pause(_seconds: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    removing = asyncio.create_task(remove_abandoned_folders(lambda: datetime.now(UTC), sleep=pause))
    await asyncio.wait_for(paused.wait(), PATIENCE_SECONDS)
    removing.cancel()
    assert [old.exists(), young.exists(), another.exists(), link.is_symlink()] == [False, True, True, True]


def test_a_worker_process_loads_neither_database_nor_log() -> None:
    """They would take most of its start, and several processes start at once."""
    modules = ", ".join((*PRELOAD, *body_text.PRELOAD))
    found = f"import sys, {modules}; print({{'asyncio', 'sqlalchemy', 'structlog'}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", found], text=True, cwd=ROOT) == "set()\n"
