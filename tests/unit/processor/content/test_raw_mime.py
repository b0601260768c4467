"""The MIME of a message: kept when it is valid."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager

import pytest

from db.records import OriginalRecord
from graph.client import GraphClient
from graph.errors import GraphUnavailable, ItemDenied
from graph.mailbox import Mailbox
from graph.messages import MailReader
from phrases import Phrase
from processor.content.raw_mime import OriginalFetcher
from processor.content.spool import spooling_threads

MAILBOX = Mailbox(1, "Laboratoire", "t", "c", "u", "00" * 20)


class Source(MailReader):
    """Returns these pieces for the original of a message."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        super().__init__(GraphClient.__new__(GraphClient))
        self._pieces = pieces
        self._error = error

    def original(self, mailbox: Mailbox, message_id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        assert (mailbox, message_id) == (MAILBOX, "AAk")
        return self._stream()

    @asynccontextmanager
    async def _stream(self) -> AsyncIterator[AsyncIterator[bytes]]:
        if self._error is not None:
            raise self._error

        async def pieces() -> AsyncIterator[bytes]:
            for piece in self._pieces:
                yield piece

        yield pieces()


async def _fetched(*pieces: bytes, last_attempt: bool = False, error: Exception | None = None) -> OriginalRecord:
    with ExitStack() as files:
        return await OriginalFetcher(Source(*pieces, error=error), limit_mb=1, spooling=spooling_threads()).fetch(
            MAILBOX, "AAk", {}, files, last_attempt=last_attempt
        )


@pytest.mark.parametrize("pieces", [(), (b" ", b"\r\n"), (b"<html>", b"blocked"), (b"\xef\xbb\xbf ", b'{"error": 1}')])
async def test_what_is_no_mime_is_asked_for_again(pieces: tuple[bytes, ...]) -> None:
    """A page of a proxy labelled text/plain, or nothing at all; in the end the row gives the reason for its absence."""
    with pytest.raises(GraphUnavailable, match="Laboratoire"):
        await _fetched(*pieces)
    record = await _fetched(*pieces, last_attempt=True)
    assert (record.state, record.content, record.state_detail) == ("unreadable", None, "NotTheContent")


async def test_a_mail_is_kept_wherever_its_pieces_end() -> None:
    record = await _fetched(b"\r\n", b"S", b"ubject: <html>\r\n\r\n", b"<p>")
    assert (record.state, record.size) == ("stored", 24)


async def test_an_original_that_is_refused_does_not_keep_its_message_out() -> None:
    error = ItemDenied(Phrase("x"), status=403, code="ErrorAccessDenied")
    with pytest.raises(ItemDenied):
        await _fetched(error=error)
    record = await _fetched(error=error, last_attempt=True)
    assert (record.state, record.state_detail) == ("unreadable", "ErrorAccessDenied")
