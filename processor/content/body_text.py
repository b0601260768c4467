"""Bodies as plain text: a short one at once, others on a thread, a long one in a worker process, from file to file."""

import asyncio
from concurrent.futures import Executor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from graph.mailbox import Mailbox
from longtext import LongText
from processor.content.plain_text import MAX_READ, plain_text, write_bare_text
from processor.content.spool import scratch_folder
from processor.content.temporary_files import taken_from_scratch
from processor.process_pool import LimitExceeded, ProcessPool
from threads import DaemonThreads

PRELOAD: Final = ("processor.content.plain_text",)
"""Modules of a worker process that reads bodies."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_SOON_LAID_OUT: Final = 4096
"""Characters of HTML that become text in less time than a thread takes to begin."""
_LAID_OUT_SIDE_BY_SIDE: Final = 2
_HTML: Final = "html"
_TEXT: Final = "text"


class BodyTexts:
    """Makes plain text of HTML bodies."""

    def __init__(self, processes: ProcessPool, spooling: Executor) -> None:
        """`spooling`: threads that write temporary files."""
        self._processes = processes
        self._spooling = spooling
        self._layout = DaemonThreads("layout", limit=_LAID_OUT_SIDE_BY_SIDE)

    async def of_html(self, body: str | LongText, files: ExitStack, *, mailbox: Mailbox) -> str | LongText | None:
        """Lay out the HTML as text; `files` closes, and so deletes, the file of a long text.

        None: nothing could be read of it, or it takes too much; that is logged.

        Raises:
            HostFault: no temporary file can be written now.
            PoolUnusable
        """
        if isinstance(body, str):
            if len(body) < _SOON_LAID_OUT:
                return plain_text(body)
            return await asyncio.get_running_loop().run_in_executor(self._layout, plain_text, body)
        characters = body.facts.characters
        if characters > MAX_READ:
            log.warning("body_text_left_out", characters=characters, most=MAX_READ)
            return None
        try:
            return await self._of_long(body, files, mailbox)
        except LimitExceeded as exc:
            log.warning("body_text_left_out", characters=characters, detail=str(exc))
            return None

    async def _of_long(self, body: LongText, files: ExitStack, mailbox: Mailbox) -> LongText | None:
        run = asyncio.get_running_loop().run_in_executor
        with ExitStack() as own:
            folder, _ = await scratch_folder(own, self._spooling, partial(_write_html, body))
            facts = await self._processes.run(
                write_bare_text,
                folder / _HTML,
                folder / _TEXT,
                mailbox=mailbox.counted_as,
                size=body.facts.size,
                scratch=folder,
            )
            if facts is None:
                return None
            file = await run(self._spooling, taken_from_scratch, folder / _TEXT, own)
            files.push(own.pop_all())
        return LongText(file, facts)


def _write_html(body: LongText, folder: Path) -> None:
    with (folder / _HTML).open("wb") as file:
        for block in body.blocks():
            file.write(block)
