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
from processor.errors import MessageChanged

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


_PARTS = (
    b'Subject: x\r\nContent-Type: multipart/mixed; charset="a;b";\r\n\tBoundary="=_1 \'+ 2"\r\n\r\n'
    b"--=_1 '+ 2\r\n\r\nText\r\n--=_1 '+ 2--\r\n"
)


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_mail_of_parts_is_whole_with_its_last_boundary(size: int) -> None:
    """Wherever its pieces end; one that never comes whole is kept in the end, and its row says so."""

    def pieces(mail: bytes) -> list[bytes]:
        return [mail[start : start + size] for start in range(0, len(mail), size)]

    assert (await _fetched(*pieces(_PARTS))).state_detail is None
    cut = _PARTS.removesuffix(b"--\r\n")
    with pytest.raises(MessageChanged):
        await _fetched(*pieces(cut))
    record = await _fetched(*pieces(cut), last_attempt=True)
    assert (record.state, record.size) == ("stored", len(cut))
    assert (record.state_detail or "").startswith("NoLastBoundary")


@pytest.mark.parametrize(
    "mail",
    [
        b"Subject: x\n\nContent-Type: multipart/mixed; boundary=b\n\n--b\n",
        b"Content-Type: text/plain; boundary=b\n\n--b\n",
        b"Content-Type: multipart/mixed\n\nText",
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nText\n--b--\n\nmore",
    ],
)
async def test_what_has_no_last_boundary_to_come_is_kept(mail: bytes) -> None:
    record = await _fetched(mail)
    assert (record.state, record.state_detail) == ("stored", None)


async def test_a_mail_is_kept_wherever_its_pieces_end() -> None:
    record = await _fetched(b"\r\n", b"S", b"ubject: <html>\r\n\r\n", b"<p>")
    assert (record.state, record.size) == ("stored", 24)


async def test_an_original_that_is_refused_does_not_keep_its_message_out() -> None:
    error = ItemDenied(Phrase("x"), status=403, code="ErrorAccessDenied")
    with pytest.raises(ItemDenied):
        await _fetched(error=error)
    record = await _fetched(error=error, last_attempt=True)
    assert (record.state, record.state_detail) == ("unreadable", "ErrorAccessDenied")
