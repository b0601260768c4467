"""Saves the due files of one folder, some at a time, each by the protocol of `db.queries.files`."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePath
from random import Random
from typing import IO, Any, Final, Protocol, TypeVar

import structlog

from db.engine import Database
from db.errors import DatabaseUnavailable
from db.outcomes import FilePart
from db.queries import files
from db.queries.files import FOLDER_REPLACED, LEASE, MAX_WAIT, Claimed, DueFolder, Failed, Whole
from delivery.contents import Contents
from delivery.errors import (
    NAME_TOO_LONG,
    ContentMissing,
    DeliveryError,
    FileRefused,
    FolderUnavailable,
    NameRefused,
    NameTaken,
    TemporaryGone,
)
from delivery.folder_faults import FULL, MAYBE_OF_FILE, NO_NEW_FILE, refusal_of
from delivery.folders import ImportFolder, Written, temporary_name
from delivery.metrics import DeliveryMetrics
from hostfaults import HostFault
from phrases import Phrase

T = TypeVar("T")

_BATCH: Final = 20
_PIECE: Final = 256 * 1024
_SILENT_SECONDS: Final = 60.0
"""Time after which a folder hangs in which no call returns and no byte is written."""
_LOOK_SECONDS: Final = 15.0
_BATCH_SECONDS: Final = 5.0
"""Time after which the files of a batch that are written are renamed: a consumer waits for them."""
_MAX_NAMES: Final = 50
_FIRST_PAUSE: Final = timedelta(minutes=1)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class OpenFolder(Protocol):
    """Opens an import folder below the roots of this host; see `delivery.folders.open_folder`."""

    def __call__(self, path: str) -> ImportFolder:
        """Raises FolderUnavailable."""


class FolderHangs(FolderUnavailable):
    """The folder does not answer: a thread waits for it, until it does."""

    def __init__(self, path: str, call: "asyncio.Future[Any]") -> None:
        super().__init__(
            "FolderHangs",
            Phrase(
                "The folder {path} does not answer: nothing happened there for {seconds:.0f} s. Look after the file "
                "server or the network; the files wait.",
                path=path,
                seconds=_SILENT_SECONDS,
            ),
        )
        self.call = call


@dataclass(frozen=True, slots=True)
class LaneContext:
    """State that lanes share. `threads`: for calls that block on a folder; `reading`: on the database."""

    database: Database
    contents: Contents
    open_folder: OpenFolder
    owner: str
    threads: Executor
    reading: Executor
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    random: Random
    metrics: DeliveryMetrics


@dataclass(slots=True)
class _Progress:
    """The last time at which something happened in the folder."""

    at: float


@dataclass(slots=True)
class _Prepared:
    """A file whose temporary one is whole. `is_noted`: the database knows it already."""

    whole: Whole
    is_noted: bool = False


@dataclass(slots=True)
class _Batch:
    """The files of one claim, by what became of them."""

    claimed: Sequence[Claimed]
    prepared: list[_Prepared] = field(default_factory=list)
    published: list[Claimed] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """Targets chosen so far."""
    bytes: int = 0
    noted: set[int] = field(default_factory=set)
    """Files that were recorded as whole just now, and whose renaming has not begun."""

    @property
    def left(self) -> list[Claimed]:
        """Those that are neither published nor failed."""
        done = {each.file_id for each in (*self.published, *(failed.file for failed in self.failed))}
        return [each for each in self.claimed if each.file_id not in done]


class FolderLane:
    """One folder, and its files. One call into the folder at a time.

    Attributes:
        is_open: True once the folder was opened: what failed later concerns files.
    """

    def __init__(self, context: LaneContext, folder: DueFolder) -> None:
        self._context = context
        self._folder = folder
        self.is_open = False
        self._progress = _Progress(context.monotonic())
        self._batch = _Batch(())
        self._renewed_at = context.monotonic()
        self._calling: asyncio.Future[Any] | None = None
        """The call that was begun last."""
        self._full: tuple[int, FolderUnavailable] | None = None
        """The size of the smallest file that found no room in this turn: as large ones are not written in vain."""

    async def run(self, stop: asyncio.Event, *, seconds: float) -> bool:
        """Save the files that are due, until there are none, or for this time; return True if there may be more.

        Raises:
            FolderUnavailable: nothing can be saved now. FolderHangs: and a thread of `threads` is still busy.
            DatabaseUnavailable
            OSError: this host lacks what it needs; see `hostfaults`.
        """
        ends = self._context.monotonic() + seconds
        open_folder = partial(self._context.open_folder, self._folder.path)
        opened = await self._call(open_folder, undo=lambda late: late.close())
        self.is_open = True
        try:
            while not stop.is_set() and await self._some(opened, stop):
                if self._context.monotonic() >= ends:
                    return True
        finally:
            self._close(opened)
        return stop.is_set()

    def _close(self, opened: ImportFolder) -> None:
        """Close the folder, on a thread, as each call; nothing waits for it. Not below a call that still uses it."""

        def close(_: object = None) -> None:
            self._context.threads.submit(opened.close)

        if self._calling is None or self._calling.done():
            close()
        else:
            self._calling.add_done_callback(close)

    async def _some(self, opened: ImportFolder, stop: asyncio.Event) -> int:
        context = self._context
        token = secrets.token_hex(16)
        now = context.clock()
        began = self._renewed_at = context.monotonic()
        claimed = await context.database.write(
            lambda connection: files.claim(
                connection, self._folder.key, owner=context.owner, token=token, now=now, limit=_BATCH
            )
        )
        batch = self._batch = _Batch(claimed)
        try:
            await self._discard_stale(opened, batch)
            await self._save(opened, batch, until=lambda: stop.is_set() or context.monotonic() - began > _BATCH_SECONDS)
        except (Exception, asyncio.CancelledError):
            # What the database does not learn now, the next claim finds out: the error itself is what matters.
            with contextlib.suppress(DatabaseUnavailable):
                await self._leave(batch)
            raise
        await self._leave(batch)
        return len(claimed)

    async def _save(self, opened: ImportFolder, batch: _Batch, *, until: Callable[[], bool]) -> None:
        """Write the files of the batch and rename them; also those before one that this host or folder has no room
        for."""
        try:
            for each in batch.left:
                await self._prepare(opened, each, batch)
                if until():
                    break
        except (FolderUnavailable, HostFault, OSError) as exc:
            if not isinstance(exc, FolderUnavailable) or exc.reason in NO_NEW_FILE:
                await self._publish(opened, batch)
            raise
        await self._publish(opened, batch)

    async def _leave(self, batch: _Batch) -> None:
        """Settle what is done, and hand back what is not."""
        await self._settle(batch)
        left, now = batch.left, self._context.clock()
        if left:
            await self._context.database.write(
                lambda connection: files.release(connection, left, now=now, unwhole=batch.noted)
            )

    # Writing.

    async def _discard_stale(self, opened: ImportFolder, batch: _Batch) -> None:
        """Delete the temporary files of earlier claims, and only then have those of this one named."""
        deleted = []
        for each in batch.claimed:
            if each.stale is not None:
                try:
                    await self._call(partial(opened.remove, temporary_name(each.file_id, each.stale)))
                except FolderUnavailable as exc:
                    batch.failed.append(self._failure(each, await self._refusal(opened, exc)))
                else:
                    deleted.append(each)
        if deleted:
            held = await self._context.database.write(lambda connection: files.begin_anew(connection, deleted))
            batch.claimed = [
                replace(each, stale=None) if each.file_id in held else each
                for each in batch.claimed
                if each not in deleted or each.file_id in held
            ]

    async def _prepare(self, opened: ImportFolder, claimed: Claimed, batch: _Batch) -> None:
        """Have a temporary file that is whole, or note the failure."""
        try:
            if claimed.identity is not None:
                await self._resume(opened, claimed, claimed.identity, batch)
                return
            name = await self._name(opened, claimed, batch)
            written = await self._write(opened, claimed)
            batch.bytes += written.size
            target = str(PurePath(self._folder.path) / name)
            batch.prepared.append(_Prepared(Whole(claimed, opened.identity, target, written.size, written.sha256)))
        except (ContentMissing, NameRefused) as exc:
            batch.failed.append(self._failure(claimed, exc, is_final=isinstance(exc, ContentMissing)))
        except FolderUnavailable as exc:
            batch.failed.append(self._failure(claimed, await self._refusal(opened, exc)))

    async def _refusal(self, opened: ImportFolder, exc: FolderUnavailable) -> FileRefused:
        """The error about one file, of a folder that takes another one just now.

        Raises:
            FolderUnavailable: it takes none.
        """
        if exc.reason not in MAYBE_OF_FILE:
            raise exc
        await self._call(opened.probe)
        return refusal_of(self._folder.path, exc)

    async def _resume(self, opened: ImportFolder, claimed: Claimed, identity: str, batch: _Batch) -> None:
        """Find out what became of a file that was to be renamed when its process ended."""
        temporary = temporary_name(claimed.file_id, claimed.token)
        # In the same folder its renaming is repeated even if it is gone: only that makes sure that it outlasts a power
        # failure.
        if opened.is_same(identity) or await self._call(partial(opened.exists, temporary)):
            whole = Whole(claimed, opened.identity, claimed.target or claimed.name)
            batch.prepared.append(_Prepared(whole, is_noted=True))
        else:
            batch.failed.append(
                self._failure(
                    claimed,
                    FolderUnavailable(
                        FOLDER_REPLACED,
                        Phrase(
                            "The file was being renamed in the folder {path} when its process ended. By now that is "
                            "another folder, or the temporary file is gone. Look whether the file arrived, then run: "
                            "mail-importer delivery retry --id {number} (saves it again), or delivery skip --id "
                            "{number}.",
                            path=self._folder.path,
                            number=claimed.file_id,
                        ),
                    ),
                )
            )

    async def _name(self, opened: ImportFolder, claimed: Claimed, batch: _Batch) -> str:
        """A free name that no other file of the batch has."""
        wanted = await self._wanted_name(claimed)
        while True:
            try:
                name = await self._call(partial(opened.free_name, wanted, batch.names))
            except NameRefused as exc:
                if exc.reason != NAME_TOO_LONG:
                    raise
                wanted = opened.shortened(wanted)
            else:
                batch.names.add(name.casefold())
                return name

    async def _wanted_name(self, claimed: Claimed) -> str:
        if FilePart(claimed.part) is not FilePart.METADATA or claimed.described is None:
            return claimed.name
        number = claimed.described
        target = await self._context.database.read(lambda connection: files.target_of(connection, number))
        return claimed.name if target is None else f"{PurePath(target).name}.json"

    async def _write(self, opened: ImportFolder, claimed: Claimed) -> Written:
        with await self._read(partial(self._context.contents.read, claimed)) as content:
            size = content.seek(0, os.SEEK_END)
            content.seek(0)
            if self._full is not None and size >= self._full[0]:
                raise self._full[1]
            temporary = temporary_name(claimed.file_id, claimed.token)
            try:
                return await self._call(
                    partial(opened.write, temporary, _pieces(content, self._progressed)),
                    undo=lambda _: opened.remove(temporary),
                )
            except FolderUnavailable as exc:
                if exc.reason == FULL:
                    self._full = size, exc
                raise

    # Renaming.

    async def _publish(self, opened: ImportFolder, batch: _Batch) -> None:
        """Rename what is whole, once the database knows it."""
        new = [each.whole for each in batch.prepared if not each.is_noted]
        held = await self._note_whole(new)
        batch.noted |= held
        for each in batch.prepared:
            batch.noted.discard(each.whole.file.file_id)
            if not each.is_noted and each.whole.file.file_id not in held:
                # The lease ended, and another process has the file: it writes its own.
                await self._call(partial(opened.remove, _temporary_of(each.whole)))
                continue
            try:
                await self._rename(opened, each, batch)
            except NameRefused as exc:
                await self._withdraw(opened, each.whole, self._failure(each.whole.file, exc), batch)
            except FolderUnavailable as exc:
                failure = self._failure(each.whole.file, await self._refusal(opened, exc))
                if failure.due is None:
                    await self._withdraw(opened, each.whole, failure, batch)
                else:  # it stays as it is: what locks it now may be done with it then
                    batch.failed.append(failure)

    async def _withdraw(self, opened: ImportFolder, whole: Whole, failure: Failed, batch: _Batch) -> None:
        """Have a file that cannot be renamed written anew, if at all.

        The database learns of that first: it takes what is whole and no longer there for renamed. If the process dies
        in between, the next claim deletes the temporary file.
        """
        temporary = _temporary_of(whole)
        try:
            if not await self._call(partial(opened.exists, temporary)):
                batch.published.append(whole.file)  # before, when its name was accepted
                return
            if not await self._context.database.write(lambda connection: files.note_unwhole(connection, whole.file)):
                return  # another process has it
            was_there = await self._call(partial(opened.remove, temporary))
        except FolderUnavailable as exc:
            await self._refusal(opened, exc)
            was_there = True  # it is left to the next claim
        if was_there:
            batch.failed.append(failure)
        elif await self._note_whole([whole]):
            # A process whose claim was over had begun to rename it before, and now it did.
            batch.published.append(whole.file)

    async def _rename(self, opened: ImportFolder, prepared: _Prepared, batch: _Batch) -> None:
        for _ in range(_MAX_NAMES):
            whole = prepared.whole
            name = PurePath(whole.target).name
            try:
                await self._call(partial(opened.publish, _temporary_of(whole), name))
            except NameTaken:
                name = await self._name(opened, whole.file, batch)
                prepared.whole = replace(whole, target=str(PurePath(self._folder.path) / name))
                if not await self._note_whole([prepared.whole]):
                    return
            except TemporaryGone:
                # It was whole: renamed before, or by a process that has the file now, or taken by another program.
                log.info("file_published_before", file=whole.file.file_id, message_number=whole.file.message_id)
                batch.published.append(whole.file)
                return
            else:
                batch.published.append(whole.file)
                return
        raise NameRefused("NoFreeName", Phrase("Each name that was tried is taken: other programs write there, too."))

    async def _note_whole(self, files_whole: Sequence[Whole]) -> set[int]:
        if not files_whole:
            return set()
        now = self._context.clock()
        return await self._context.database.write(lambda connection: files.note_whole(connection, files_whole, now=now))

    async def _settle(self, batch: _Batch) -> None:
        metrics, now = self._context.metrics, self._context.clock()
        if batch.published:
            await self._context.database.write(
                lambda connection: files.note_saved(connection, batch.published, now=now)
            )
            metrics.files.labels("saved").inc(len(batch.published))
            metrics.bytes.inc(batch.bytes)
            log.info("files_saved", folder=self._folder.path, files=len(batch.published))
        if batch.failed:
            await self._context.database.write(lambda connection: files.note_failed(connection, batch.failed))
            for each in batch.failed:
                metrics.files.labels("failed" if each.due is None else "retried").inc()
                log.warning(
                    "file_failed", file=each.file.file_id, message_number=each.file.message_id, reason=each.reason
                )

    def _failure(self, claimed: Claimed, exc: DeliveryError, *, is_final: bool = False) -> Failed:
        now = self._context.clock()
        pause = min(_FIRST_PAUSE * 2 ** min(claimed.attempts, 10), MAX_WAIT) * self._context.random.uniform(0.8, 1.0)
        ends = is_final or claimed.retry_until <= now
        return Failed(claimed, exc.reason, exc.phrase, None if ends else now + pause)

    # Calls that block.

    async def _read(self, function: Callable[[], T]) -> T:
        return await self._finished(asyncio.get_running_loop().run_in_executor(self._context.reading, function))

    async def _call(self, function: Callable[[], T], *, undo: Callable[[T], object] | None = None) -> T:
        """Run a call into the folder, for as long as something happens there.

        `undo`: is called with the result where it comes when nothing waits for it any more.

        Raises:
            FolderHangs
        """
        self._progressed()
        call = asyncio.get_running_loop().run_in_executor(self._context.threads, function)
        self._calling = call
        try:
            return await self._finished(call, watched=True)
        except (FolderHangs, asyncio.CancelledError):
            if undo is not None:
                call.add_done_callback(partial(self._undo, undo))
            raise

    def _undo(self, undo: Callable[[T], object], call: "asyncio.Future[T]") -> None:
        if not call.cancelled() and call.exception() is None:
            self._context.threads.submit(undo, call.result())

    async def _finished(self, call: "asyncio.Future[T]", *, watched: bool = False) -> T:
        """The result of a call; meanwhile the files of the batch remain this process's. `watched`: it may hang."""
        while True:
            done, _ = await asyncio.wait([call], timeout=_LOOK_SECONDS)
            monotonic = self._context.monotonic()
            if not done and watched and monotonic - self._progress.at > _SILENT_SECONDS:
                raise FolderHangs(self._folder.path, call)
            if monotonic - self._renewed_at > LEASE.total_seconds() / 4:
                self._renewed_at = monotonic
                await self._renew()
            if done:
                return call.result()

    async def _renew(self) -> None:
        now, left = self._context.clock(), self._batch.left
        # A claim that ends is no error: what is written then is not renamed.
        with contextlib.suppress(DatabaseUnavailable):
            await self._context.database.write(lambda connection: files.renew(connection, left, now=now))

    def _progressed(self) -> None:
        self._progress.at = self._context.monotonic()


def _temporary_of(whole: Whole) -> str:
    return temporary_name(whole.file.file_id, whole.file.token)


def _pieces(content: IO[bytes], progressed: Callable[[], None]) -> Iterator[bytes]:
    while piece := content.read(_PIECE):
        progressed()
        yield piece
        progressed()
