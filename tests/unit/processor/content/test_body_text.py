"""Long bodies become text in a worker process, from file to file."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Final

import pytest
import structlog

from longtext import LongText, LongTextWriter
from processor.content.body_text import PRELOAD, BodyTexts
from processor.content.spool import spooling_threads
from processor.process_pool import ProcessPool, WorkLimits
from tests.doubles.scripted_graph import make_mailbox

ROWS: Final = 40_000
HTML: Final = "<html><body>" + "<p>Grüße &amp; Nitrat</p>\r\n" * ROWS + "</body></html><p>Messwert 42</p>"
MAILBOX: Final = make_mailbox()


def long_text(text: str, files: ExitStack) -> LongText:
    file = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # `files` closes it
    writer = LongTextWriter(file)
    writer.write(text)
    return writer.finish()


@pytest.fixture
async def pool() -> AsyncIterator[ProcessPool]:
    async with ProcessPool(PRELOAD, lanes=1) as made:
        yield made


@pytest.mark.slow
async def test_a_long_body(pool: ProcessPool) -> None:
    """Tags that the pieces cut in two are read, and so is text behind the end of the document."""
    with ExitStack() as files:
        found = await BodyTexts(pool, spooling_threads()).of_html(long_text(HTML, files), files, mailbox=MAILBOX)
        assert isinstance(found, LongText)
        text = found.text()
    assert text == "\n".join(["Grüße & Nitrat"] * ROWS + ["Messwert 42"])
    assert found.facts.characters == len(text)
    assert found.file.closed


async def test_a_body_that_takes_too_much_is_left_out_and_reported() -> None:
    limits = WorkLimits(seconds=0.0, seconds_a_megabyte=0.0, memory_mb=64, memory_of_size=0)
    async with ProcessPool(PRELOAD, lanes=1, limits=limits) as pool:
        with ExitStack() as files, structlog.testing.capture_logs() as events:
            body = long_text(HTML, files)
            assert await BodyTexts(pool, spooling_threads()).of_html(body, files, mailbox=MAILBOX) is None
    assert [event["event"] for event in events if event["event"] == "body_text_left_out"] == ["body_text_left_out"]


async def test_a_body_without_text(pool: ProcessPool) -> None:
    with ExitStack() as files:
        body = long_text("<style>" + "a" * 300_000 + "</style>", files)
        assert await BodyTexts(pool, spooling_threads()).of_html(body, files, mailbox=MAILBOX) is None
