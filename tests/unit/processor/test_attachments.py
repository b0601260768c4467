"""Attachments: small ones in one answer, large ones streamed; odd ones decided, never lost."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import IO, Any

import pytest

from db.messages import AttachmentRecord
from graph.client import GraphClient
from graph.errors import ItemGone, RequestRejected
from graph.mailbox import Mailbox
from graph.messages import MailReader
from processor.attachments import AttachmentFetcher
from processor.errors import MessageChanged, Unprocessable
from processor.mapping import Texts

MAILBOX = Mailbox(1, "Laboratoire", "t", "c", "u", "00" * 20)
FILE = "#microsoft.graph.fileAttachment"
ITEM = "#microsoft.graph.itemAttachment"
REFERENCE = "#microsoft.graph.referenceAttachment"
MEBIBYTE = 1024 * 1024


class Shelf(MailReader):
    """Graph's answers, as a message's attachments would have them; notes what was asked."""

    def __init__(self, *entries: dict[str, Any], contents: dict[str, bytes] | None = None) -> None:
        super().__init__(GraphClient.__new__(GraphClient))
        self.entries = entries
        self.contents = contents or {}
        self.asked: list[str] = []
        self.vanished = False

    async def attachments(self, mailbox: Mailbox, message_id: str, *, with_content: bool) -> list[dict[str, Any]]:
        assert (mailbox, message_id) == (MAILBOX, "AAk")
        self.asked.append("list whole" if with_content else "list")
        hidden = set() if with_content else {"contentBytes", "contentId"}
        return [{k: v for k, v in entry.items() if k not in hidden} for entry in self.entries]

    async def attachment(self, mailbox: Mailbox, message_id: str, attachment_id: str) -> dict[str, Any]:
        assert (mailbox, message_id) == (MAILBOX, "AAk")
        self.asked.append(f"get {attachment_id}")
        if self.vanished:
            raise ItemGone("gone", status=404)
        return next(entry for entry in self.entries if entry["id"] == attachment_id)

    def attachment_content(
        self, mailbox: Mailbox, message_id: str, attachment_id: str
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        assert (mailbox, message_id) == (MAILBOX, "AAk")
        self.asked.append(f"stream {attachment_id}")
        return self._stream(attachment_id)

    @asynccontextmanager
    async def _stream(self, attachment_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        if self.vanished:
            raise ItemGone("gone", status=404)
        if attachment_id not in self.contents:
            raise RequestRejected("no content", status=405)

        async def pieces() -> AsyncIterator[bytes]:
            content = self.contents[attachment_id]
            for start in range(0, len(content), 65_536):
                yield content[start : start + 65_536]

        yield pieces()


def _entry(kind: str, name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # passed through
    return {"@odata.type": kind, "id": name, "name": f"{name}.bin", "size": 10, "isInline": False, **more}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _size(count: int) -> dict[str, Any]:
    return {"singleValueExtendedProperties": [{"id": "Integer 0xe08", "value": str(count)}]}


SMALL, LARGE = _size(2000), _size(5_000_000)


async def _fetch(shelf: Shelf, message: dict[str, Any]) -> list[tuple[AttachmentRecord, bytes | None]]:
    with ExitStack() as files:
        records = await AttachmentFetcher(shelf).fetch(MAILBOX, "AAk", message, files, Texts())
        return [(record, _bytes(record.content, record.size)) for record in records]


def _bytes(content: bytes | IO[bytes] | None, size: int) -> bytes | None:
    if content is None or isinstance(content, bytes):
        return content
    content.seek(0)
    return content.read(size)


async def test_a_small_message_costs_one_call() -> None:
    """All files come with the list; size and digest are those of the bytes, not what Graph says."""
    shelf = Shelf(
        _entry(FILE, "a", contentBytes=_base64(b"one"), contentType="text/csv", contentId=None),
        _entry(FILE, "b", contentBytes="", isInline=True, contentId="logo", contentType=None),
    )

    found = await _fetch(shelf, SMALL)

    assert shelf.asked == ["list whole"]
    (first, one), (second, empty) = found
    assert (one, empty) == (b"one", b"")
    assert first == AttachmentRecord(
        position=0,
        graph_attachment_id="a",
        kind="file",
        file_name="a.bin",
        content_type="text/csv",
        size=3,
        inline=False,
        content_id=None,
        sha256=hashlib.sha256(b"one").hexdigest(),
        content=b"one",
    )
    assert (second.position, second.size, second.inline, second.content_id) == (1, 0, True, "logo")
    assert second.content_type is None


@pytest.mark.parametrize("message", [LARGE, {}, _size(3 * MEBIBYTE + 1)])
async def test_a_large_message_is_streamed_file_by_file(message: dict[str, Any]) -> None:
    """So is one whose size nobody tells: an answer may be as large as the mail."""
    shelf = Shelf(_entry(FILE, "a"), _entry(FILE, "b"), contents={"a": b"x" * 100_000, "b": b""})

    found = await _fetch(shelf, message)

    assert shelf.asked == ["list", "stream a", "stream b"]
    assert [content for _, content in found] == [b"x" * 100_000, b""]
    assert [record.size for record, _ in found] == [100_000, 0]
    assert found[0][0].sha256 == hashlib.sha256(b"x" * 100_000).hexdigest()


@pytest.mark.parametrize("size", [MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 3 * MEBIBYTE + 17])
async def test_what_is_too_large_for_memory_waits_in_a_file(size: int) -> None:
    """Byte for byte, at every boundary; the file is gone with its owner."""
    data = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    shelf = Shelf(_entry(FILE, "a"), contents={"a": data})

    with ExitStack() as files:
        (record,) = await AttachmentFetcher(shelf).fetch(MAILBOX, "AAk", LARGE, files, Texts())
        held = record.content
        assert _bytes(held, record.size) == data
    assert record.size == size
    assert record.sha256 == hashlib.sha256(data).hexdigest()
    assert isinstance(held, bytes) == (size <= MEBIBYTE)
    assert held is not None
    if not isinstance(held, bytes):
        assert held.closed


@pytest.mark.parametrize("damaged", ["not base64!", "QUJ", "é", 17, None])
async def test_bytes_that_cannot_be_decoded_are_asked_for_raw(damaged: object) -> None:
    """A garbled contentBytes costs a call, not the file."""
    shelf = Shelf(_entry(FILE, "a", contentBytes=damaged), contents={"a": b"ABC"})

    ((record, content),) = await _fetch(shelf, SMALL)

    assert shelf.asked == ["list whole", "stream a"]
    assert (content, record.size) == (b"ABC", 3)


async def test_an_attached_item_is_fetched_as_its_mime() -> None:
    """Graph's JSON has no bytes of it."""
    shelf = Shelf(_entry(ITEM, "mail", contentType=None), contents={"mail": b"Subject: x\r\n\r\n"})

    ((record, content),) = await _fetch(shelf, SMALL)

    assert (record.kind, content, record.size) == ("item", b"Subject: x\r\n\r\n", 14)
    assert record.sha256 == hashlib.sha256(b"Subject: x\r\n\r\n").hexdigest()


async def test_a_reference_has_no_content_and_is_not_asked_for() -> None:
    """Its $value would be a 405."""
    shelf = Shelf(_entry(REFERENCE, "link", size=321))

    ((record, content),) = await _fetch(shelf, SMALL)

    assert shelf.asked == ["list whole"]
    assert (record.kind, record.size, record.sha256, content) == ("reference", 321, None, None)


@pytest.mark.parametrize("kind", ["#microsoft.graph.hologramAttachment", None, 5])
async def test_an_unknown_kind_is_a_dead_letter_with_its_reason(kind: object) -> None:
    """Better than a message without one of its attachments."""
    shelf = Shelf({**_entry(FILE, "a", contentBytes=""), "@odata.type": kind})

    with pytest.raises(Unprocessable) as caught:
        await _fetch(shelf, SMALL)

    assert caught.value.reason == "UnknownAttachmentType"


async def test_an_inline_picture_of_a_large_message_keeps_its_content_id() -> None:
    """The list without content lacks it, and the body shows the picture by it."""
    shelf = Shelf(
        _entry(FILE, "logo", isInline=True, contentId="logo@1", contentBytes=_base64(b"png")),
        _entry(FILE, "scan", size=4_000_000),
        contents={"scan": b"tif"},
    )

    found = await _fetch(shelf, LARGE)

    assert shelf.asked == ["list", "get logo", "stream scan"]
    assert found[0][0].content_id == "logo@1"
    assert found[0][0].inline
    assert [content for _, content in found] == [b"png", b"tif"]


@pytest.mark.parametrize("inline", [True, False])
async def test_an_attachment_that_vanishes_starts_the_message_again(inline: bool) -> None:
    """Half a message is never stored."""
    shelf = Shelf(_entry(FILE, "a", isInline=inline), contents={"a": b"x"})
    shelf.vanished = True

    with pytest.raises(MessageChanged):
        await _fetch(shelf, LARGE)


async def test_odd_properties_do_not_stop_the_message() -> None:
    """A number where the name belongs, a negative size, no id at all."""
    entry = {"@odata.type": REFERENCE, "name": 5, "size": -3, "isInline": "yes"}

    ((record, _),) = await _fetch(Shelf(entry), SMALL)

    assert (record.graph_attachment_id, record.file_name, record.size, record.inline) == (None, None, 0, False)


async def test_names_are_fit_for_the_database() -> None:
    """A NUL or half a character in a file name would have the database refuse the whole message."""
    ((record, _),) = await _fetch(Shelf({**_entry(REFERENCE, "a"), "name": "r\x00s\ud800.csv"}), SMALL)
    assert record.file_name == "r\ufffds\ufffd.csv"
