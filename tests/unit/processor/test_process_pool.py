"""Work in processes of its own: the others go on, whatever it does there."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from processor.process_pool import LimitExceeded, PoolUnusable, ProcessPool, WorkerEnded, WorkLimits
from tests.doubles import worker_tasks
from tests.waiting import until

MEBIBYTE = 1024 * 1024
QUICK = WorkLimits(seconds=0.2, waiting_seconds=20)


@pytest.fixture
async def pool() -> AsyncIterator[ProcessPool]:
    async with ProcessPool(limits=QUICK) as pool:
        yield pool


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    # A zombie of a parent that is gone runs no more.
    status = Path(f"/proc/{process_id}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def _count(folder: Path, pattern: str) -> int:
    return len(list(folder.glob(pattern)))


async def test_one_process_serves_work_that_comes_one_after_the_other(pool: ProcessPool) -> None:
    """It is started when there is work, and not again."""
    assert not pool._workers
    processes = {await pool.run(worker_tasks.process_id, mailbox="a", size=0) for _ in range(3)}
    assert len(processes) == 1
    assert os.getpid() not in processes
    large = bytes(range(256)) * 40_000
    assert await pool.run(worker_tasks.doubled, large, mailbox="a", size=len(large)) == 2 * large


async def test_an_error_of_the_work_is_raised_here(pool: ProcessPool) -> None:
    with pytest.raises(ZeroDivisionError, match="as asked"):
        await pool.run(worker_tasks.failing, mailbox="a", size=0)
    assert await pool.run(worker_tasks.talkative, mailbox="a", size=0) == "read"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="in tests/windows")
@pytest.mark.parametrize(
    ("work", "reported"),
    [(worker_tasks.computing, "0.2 s of computing time"), (worker_tasks.hungry, "256 MB of memory")],
)
async def test_work_that_takes_too_much_is_given_up(
    work: Callable[[], object], reported: str, pool: ProcessPool
) -> None:
    """The process is replaced; the next work does not notice."""
    before = await pool.run(worker_tasks.process_id, mailbox="a", size=0)
    with pytest.raises(LimitExceeded, match=reported):
        await pool.run(work, mailbox="a", size=0)
    assert await pool.run(worker_tasks.process_id, mailbox="a", size=0) != before


async def test_work_that_waits_for_ever_is_given_up() -> None:
    """The limit holds while no computing time passes, and on systems that do not limit it."""
    async with ProcessPool(limits=WorkLimits(seconds=0.1, waiting_seconds=0.1)) as pool:
        with pytest.raises(LimitExceeded):
            await pool.run(worker_tasks.sleeping, mailbox="a", size=0)


@pytest.mark.parametrize(("times", "survives"), [(1, True), (2, False)])
async def test_a_process_that_is_killed_is_replaced(
    times: int, survives: bool, pool: ProcessPool, tmp_path: Path
) -> None:
    """One kill may be an accident; two are the work's doing."""
    work = partial(worker_tasks.dying, tmp_path / "deaths", times=times)
    if survives:
        assert await _run_partial(pool, work) == "alive"
    else:
        with pytest.raises(WorkerEnded):
            await _run_partial(pool, work)
    assert await pool.run(worker_tasks.process_id, mailbox="a", size=0)


async def _run_partial(pool: ProcessPool, work: Callable[[], str]) -> str:
    # A partial object is picklable, too; it has no name for the log.
    return await pool.run(worker_tasks.called, work, mailbox="a", size=0)


async def test_a_caller_that_is_cancelled_ends_the_work(pool: ProcessPool, tmp_path: Path) -> None:
    """A processor that stops waits for no work."""
    started = tmp_path / "started"
    call = asyncio.create_task(pool.run(worker_tasks.sleeping, started, mailbox="a", size=0))
    await until(lambda: started.exists() and bool(started.read_text()))
    call.cancel()
    await asyncio.wait([call])
    await until(lambda: not _is_running(int(started.read_text())))


async def test_the_end_of_the_pool_ends_all_work(tmp_path: Path) -> None:
    pool = ProcessPool()
    started = tmp_path / "started"
    call = asyncio.create_task(pool.run(worker_tasks.sleeping, started, mailbox="a", size=0))
    await until(lambda: started.exists() and bool(started.read_text()))
    began = time.monotonic()
    await pool.close()
    assert time.monotonic() - began < 10
    with pytest.raises((PoolUnusable, WorkerEnded)):
        await call
    with pytest.raises(PoolUnusable):
        await pool.run(worker_tasks.process_id, mailbox="a", size=0)


@pytest.mark.slow
async def test_work_of_one_mailbox_or_of_much_size_leaves_a_lane_to_the_others(tmp_path: Path) -> None:
    """It holds for any amount of waiting work."""
    async with ProcessPool(lanes=3) as pool:
        calls = [
            asyncio.create_task(pool.run(worker_tasks.sleeping, tmp_path / f"a{number}", mailbox="a", size=0))
            for number in range(6)
        ]
        await until(lambda: _count(tmp_path, "a*") == 2)
        assert await pool.run(worker_tasks.process_id, mailbox="b", size=0)
        assert _count(tmp_path, "a*") == 2
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        calls = [
            asyncio.create_task(
                pool.run(worker_tasks.sleeping, tmp_path / f"l{number}", mailbox=number, size=20 * MEBIBYTE)
            )
            for number in range(3)
        ]
        await until(lambda: _count(tmp_path, "l*") == 1)
        for mailbox in ("c", "d"):
            assert await pool.run(worker_tasks.process_id, mailbox=mailbox, size=0)
        assert _count(tmp_path, "l*") == 1
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


async def test_a_process_has_no_secrets_and_imports_nothing_from_here(
    pool: ProcessPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It has neither settings of the environment, nor a module that lies in the current folder."""
    monkeypatch.setenv("MAIL_IMPORTER_DATABASE_URL", "mssql://user:secret@host")
    (tmp_path / "processor").mkdir()
    (tmp_path / "processor" / "__init__.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    environment, folder, paths = await pool.run(worker_tasks.surroundings, mailbox="a", size=0)
    assert "secret" not in str(environment)
    assert folder != str(tmp_path)
    assert "" not in paths


async def test_a_process_that_does_not_start_is_reported(pool: ProcessPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the machine's fault, not the mail's."""
    monkeypatch.setattr("processor.process_pool.sys.executable", "/bin/false")
    with pytest.raises(PoolUnusable, match="/bin/false"):
        await pool.run(worker_tasks.process_id, mailbox="a", size=0)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
async def test_processes_end_with_their_parent_however_that_ended(tmp_path: Path) -> None:
    """They end in the midst of work, too; temporary files go with them."""
    scratch, started = tmp_path / "scratch", tmp_path / "started"
    scratch.mkdir()
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from processor.process_pool import ProcessPool\n"
        "from tests.doubles import worker_tasks\n"
        "asyncio.run(ProcessPool().run(\n"
        "    worker_tasks.sleeping, Path(sys.argv[1]), mailbox='a', size=2**30, scratch=Path(sys.argv[2])))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, started, scratch]) as parent:  # noqa: ASYNC220  # a test
        await until(lambda: started.exists() and bool(started.read_text()))
        parent.send_signal(signal.SIGKILL)
    await until(lambda: not _is_running(int(started.read_text())))
    assert not scratch.exists()


@pytest.mark.slow
async def test_a_process_serves_on_however_large_its_parent_is(pool: ProcessPool) -> None:
    """Memory of the parent does not count as the process's own."""
    ballast = bytearray(300 * MEBIBYTE)
    ballast[::4096] = b"x" * (len(ballast) // 4096)
    processes = {await pool.run(worker_tasks.process_id, mailbox="a", size=0) for _ in range(3)}
    assert len(processes) == 1
    assert ballast


@pytest.mark.slow
async def test_a_process_that_used_much_memory_is_replaced(pool: ProcessPool) -> None:
    """The next work is to have the same memory as any other."""
    before = await pool.run(worker_tasks.process_id, mailbox="a", size=0)
    large = bytes(60 * MEBIBYTE)
    assert await pool.run(worker_tasks.doubled, large, mailbox="a", size=len(large))
    assert await pool.run(worker_tasks.process_id, mailbox="a", size=0) != before


async def test_processes_that_were_killed_while_idle_cost_no_work(pool: ProcessPool) -> None:
    """The system killed them, for lack of memory, or an operator."""
    for each in await asyncio.gather(*(pool.run(worker_tasks.process_id, mailbox=name, size=0) for name in "ab")):
        os.kill(each, signal.SIGKILL)
        await until(lambda each=each: not _is_running(each))
    assert await pool.run(worker_tasks.process_id, mailbox="a", size=0)


async def test_a_machine_that_starts_no_process_is_reported(pool: ProcessPool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(PoolUnusable, match="Resource temporarily unavailable"):
        await pool.run(worker_tasks.process_id, mailbox="a", size=0)
