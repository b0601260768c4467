"""Attachments: small ones in one response, large ones streamed; odd ones decided, never lost."""

import base64
import hashlib
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import IO, Any

import pytest

from db.records import AttachmentRecord
from graph.client import GraphClient
from graph.errors import (
    GraphError,
    GraphUnavailable,
    ItemCorrupt,
    ItemDenied,
    ItemGone,
    ItemUnconvertible,
    RequestRejected,
)
from graph.mailbox import Mailbox
from graph.messages import MailReader
from phrases import Phrase
from processor.content.attachments import AttachmentFetcher, AttachmentLimits
from processor.content.texts import Texts
from processor.errors import MessageChanged
from tests.samples.nested_mail import mail

MAILBOX = Mailbox(1, "Laboratoire", "t", "c", "u", "00" * 20)
FILE = "#microsoft.graph.fileAttachment"
ITEM = "#microsoft.graph.itemAttachment"
REFERENCE = "#microsoft.graph.referenceAttachment"
MEBIBYTE = 1024 * 1024


class Shelf(MailReader):
    """Graph's responses for a message's attachments; records the requests."""

    def __init__(self, *entries: dict[str, Any], contents: dict[str, bytes] | None = None) -> None:
        super().__init__(GraphClient.__new__(GraphClient))
        self.entries = entries
        self.contents = contents or {}
        self.asked: list[str] = []
        self.vanished = False
        self.later: tuple[dict[str, Any], ...] | None = None
        self.errors: dict[str, Exception] = {}
        self.sent: dict[str, int] = {}
        self.may_be: dict[str, set[str]] = {}

    async def attachments(
        self, mailbox: Mailbox, message_id: str, *, with_content: bool, files: ExitStack | None = None
    ) -> list[dict[str, Any]]:
        del files
        assert (mailbox, message_id) == (MAILBOX, "AAk")
        asked = "list whole" if with_content else "list"
        again, entries = asked in self.asked, self.entries
        if again and self.later is not None:
            entries = self.later
        self.asked.append(asked)
        self._fail(asked)
        selected = ("@odata.type", "id", "name", "contentType", "size", "isInline")
        return [{k: v for k, v in entry.items() if with_content or k in selected} for entry in entries]

    async def attachment(
        self, mailbox: Mailbox, message_id: str, attachment_id: str, *, files: ExitStack | None = None
    ) -> dict[str, Any]:
        del files
        assert (mailbox, message_id) == (MAILBOX, "AAk")
        self.asked.append(f"get {attachment_id}")
        self._fail(attachment_id)
        return next(entry for entry in self.entries if entry["id"] == attachment_id)

    def attachment_content(
        self, mailbox: Mailbox, message_id: str, attachment_id: str, *, may_be: Collection[str] = ()
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        assert (mailbox, message_id) == (MAILBOX, "AAk")
        self.may_be[attachment_id] = set(may_be)
        self.asked.append(f"stream {attachment_id}")
        return self._stream(attachment_id)

    @asynccontextmanager
    async def _stream(self, attachment_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        self._fail(attachment_id)
        if attachment_id not in self.contents:
            raise RequestRejected(Phrase("no content"), status=405)

        async def pieces() -> AsyncIterator[bytes]:
            content = self.contents[attachment_id]
            for start in range(0, len(content), 65_536):
                piece = content[start : start + 65_536]
                self.sent[attachment_id] = self.sent.get(attachment_id, 0) + len(piece)
                yield piece

        yield pieces()

    def _fail(self, asked: str) -> None:
        if asked in self.errors:
            raise self.errors[asked]
        if self.vanished and not asked.startswith("list"):
            raise ItemGone(Phrase("gone"), status=404, code="ErrorItemNotFound")


def _entry(kind: str, identifier: str, /, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # passed through
    return {"@odata.type": kind, "id": identifier, "name": f"{identifier}.bin", "size": 10, "isInline": False, **more}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _size(count: int) -> dict[str, Any]:
    return {"singleValueExtendedProperties": [{"id": "Integer 0xe08", "value": str(count)}]}


SMALL, LARGE = _size(2000), _size(5_000_000)


async def _fetch(
    shelf: Shelf, message: dict[str, Any], *, limits: AttachmentLimits | None = None, last_attempt: bool = False
) -> list[tuple[AttachmentRecord, bytes | None]]:
    with ExitStack() as files:
        records = await AttachmentFetcher(shelf, limits=limits).fetch(
            MAILBOX, "AAk", message, files, Texts(), last_attempt=last_attempt
        )
        return [(record, _bytes(record.content, record.size)) for record in records]


def _bytes(content: bytes | IO[bytes] | None, size: int) -> bytes | None:
    if content is None or isinstance(content, bytes):
        return content
    content.seek(0)
    return content.read(size)


async def test_a_small_message_costs_one_call() -> None:
    """All files come with the list; size and digest are those of the bytes, not Graph's."""
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
        safe_file_name="a.bin",
    )
    assert (second.position, second.size, second.inline, second.content_id) == (1, 0, True, "logo")
    assert second.content_type is None


@pytest.mark.parametrize("message", [LARGE, {}, _size(3 * MEBIBYTE + 1)])
async def test_a_large_message_is_streamed_file_by_file(message: dict[str, Any]) -> None:
    """One whose size Graph omits is, too: a response may be as large as the mail. Nothing is requested twice."""
    shelf = Shelf(
        _entry(FILE, "a", size=100_178), _entry(FILE, "b", contentBytes=""), contents={"a": b"x" * 100_000, "b": b""}
    )

    found = await _fetch(shelf, message)

    assert shelf.asked == ["list", "stream a", "stream b", "get b"]
    assert [content for _, content in found] == [b"x" * 100_000, b""]
    assert [record.size for record, _ in found] == [100_000, 0]
    assert found[0][0].sha256 == hashlib.sha256(b"x" * 100_000).hexdigest()


@pytest.mark.parametrize("size", [MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 3 * MEBIBYTE + 17])
async def test_what_is_too_large_for_memory_waits_in_a_file(size: int) -> None:
    """It is kept byte for byte, at every boundary; the file is gone with its owner."""
    data = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    shelf = Shelf(_entry(FILE, "a", size=size), contents={"a": data})

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


@pytest.mark.slow
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
async def test_an_unknown_kind_is_a_row_with_the_reason(kind: object) -> None:
    """The message keeps all of its attachments, and does not wait for a newer version either."""
    shelf = Shelf({**_entry(FILE, "a", contentBytes="QUJD"), "@odata.type": kind}, _entry(FILE, "b", contentBytes=""))

    found = await _fetch(shelf, SMALL)

    record = found[0][0]
    assert (record.kind, record.state, record.size, record.content) == ("file", "unreadable", 10, None)
    assert "UnknownAttachmentType" in (record.state_detail or "")
    assert (str(kind) in (record.state_detail or "")) == isinstance(kind, str)
    assert found[1][0].state == "stored"
    assert shelf.asked == ["list whole"]


async def test_an_inline_picture_of_a_large_message_keeps_its_content_id() -> None:
    """The list without content lacks it, and the body shows the picture by it."""
    shelf = Shelf(
        _entry(FILE, "logo", isInline=True, contentId="logo@1", contentBytes=_base64(b"png")),
        _entry(FILE, "scan"),
        contents={"scan": b"tif"},
    )

    found = await _fetch(shelf, LARGE)

    assert shelf.asked == ["list", "get logo", "stream scan"]
    assert found[0][0].content_id == "logo@1"
    assert found[0][0].inline
    assert [content for _, content in found] == [b"png", b"tif"]


@pytest.mark.parametrize("inline", [True, False])
async def test_an_attachment_that_vanishes_is_a_row_with_the_reason(inline: bool) -> None:
    """Graph listed it; the rest of the message is imported, and the message is checked once only."""
    shelf = Shelf(_entry(FILE, "a", isInline=inline), _entry(FILE, "b"), contents={"a": b"x", "b": b"y"})
    shelf.vanished, shelf.later = True, ()

    found = await _fetch(shelf, LARGE)

    assert [(record.state, record.size, record.sha256, content) for record, content in found] == [
        ("gone", 10, None, None),
        ("gone", 10, None, None),
    ]
    assert found[0][0].state_detail == "ErrorItemNotFound"
    assert shelf.asked.count("list") == 2


async def test_an_attachment_in_the_place_of_another_starts_the_message_again() -> None:
    """Exchange replaces an unscanned one by the scanned one; the newer one must not be missed."""
    shelf = Shelf(_entry(FILE, "a"))
    shelf.vanished = True
    shelf.later = (_entry(FILE, "scanned"),)

    with pytest.raises(MessageChanged):
        await _fetch(shelf, LARGE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (
            ItemCorrupt(Phrase("x"), status=500, code="ErrorCorruptData", detail="Data is corrupt."),
            "ErrorCorruptData: Data is",
        ),
        (RequestRejected(Phrase("x"), status=400, code="ErrorInvalidRequest"), "ErrorInvalidRequest"),
        (RequestRejected(Phrase("x"), status=405), "HTTP 405"),
    ],
)
async def test_what_exchange_cannot_read_is_a_row_with_the_reason(error: GraphError, detail: str) -> None:
    """It has Graph's code; its neighbours are imported. It is requested again before, since it may be opened later."""
    shelf = Shelf(_entry(FILE, "a"), _entry(ITEM, "b"), contents={"b": b"Subject: x\r\n\r\n"})
    shelf.errors["a"] = error

    with pytest.raises(type(error)):
        await _fetch(shelf, LARGE)
    found = await _fetch(shelf, LARGE, last_attempt=True)

    assert (found[0][0].state, found[0][1], found[0][0].size) == ("unreadable", None, 10)
    assert (found[0][0].state_detail or "").startswith(detail)
    assert found[1][0].state == "stored"


@pytest.mark.parametrize("error", [ItemCorrupt(Phrase("x"), status=500), GraphUnavailable(Phrase("x"), status=504)])
async def test_one_that_spoils_the_whole_list_is_found_by_itself(error: GraphError) -> None:
    """A response with all files in it fails for one of them: each is requested alone."""
    shelf = Shelf(_entry(FILE, "a"), _entry(FILE, "b"), contents={"a": b"a"})
    shelf.errors |= {"list whole": error, "b": ItemCorrupt(Phrase("x"), status=500, code="ErrorCorruptData")}

    found = await _fetch(shelf, SMALL, last_attempt=True)

    assert shelf.asked == ["list whole", "list", "stream a", "stream b"]
    assert [record.state for record, _ in found] == ["stored", "unreadable"]


async def test_what_can_never_be_had_is_not_asked_for_again() -> None:
    """No later attempt makes Exchange convert it."""
    shelf = Shelf(_entry(ITEM, "a"))
    shelf.errors["a"] = ItemUnconvertible(Phrase("x"), status=500, code="ErrorMimeContentConversionFailed")
    ((record, _),) = await _fetch(shelf, LARGE)
    assert (record.state, record.state_detail) == ("unreadable", "ErrorMimeContentConversionFailed")


async def test_one_that_is_listed_and_not_there_is_asked_for_again() -> None:
    """Exchange replicates: only one that is listed no more, or never comes, is gone."""
    shelf = Shelf(_entry(FILE, "a"))
    shelf.errors["a"] = ItemGone(Phrase("x"), status=404, code="ErrorItemNotFound")
    with pytest.raises(MessageChanged):
        await _fetch(shelf, LARGE)
    ((record, _),) = await _fetch(shelf, LARGE, last_attempt=True)
    assert record.state == "gone"


@pytest.mark.parametrize(("status", "given_up"), [(500, True), (503, False), (504, False), (None, False)])
async def test_a_fault_of_exchange_is_waited_for_until_the_last_attempt(status: int | None, given_up: bool) -> None:
    """Only then it is taken for the attachment's own; a transient failure, or a large download, never is."""
    shelf = Shelf(_entry(FILE, "a"), contents={"a": b"a"})
    shelf.errors["a"] = GraphUnavailable(Phrase("x"), status=status, code="ErrorInternalServerError")

    with pytest.raises(GraphUnavailable):
        await _fetch(shelf, LARGE)
    if not given_up:
        with pytest.raises(GraphUnavailable):
            await _fetch(shelf, LARGE, last_attempt=True)
        return
    ((record, _),) = await _fetch(shelf, LARGE, last_attempt=True)
    assert (record.state, record.state_detail) == ("unreadable", "ErrorInternalServerError")


async def test_what_is_larger_than_one_may_be_is_not_kept() -> None:
    """The row has Graph's size, and no digest; the download ends as soon as it is too much."""
    content = b"x" * (2 * MEBIBYTE)
    shelf = Shelf(
        _entry(FILE, "a", size=2 * MEBIBYTE + 300),
        _entry(FILE, "b", size=MEBIBYTE),
        contents={"a": content, "b": content[:MEBIBYTE]},
    )

    found = await _fetch(shelf, LARGE, limits=AttachmentLimits(attachment_mb=1, message_mb=9))

    (large, nothing), (small, whole) = found
    assert (large.state, large.size, large.sha256, nothing) == ("too_large", 2 * MEBIBYTE + 300, None, None)
    assert large.state_detail == "More than attachment_limit_mb (1)."
    assert shelf.sent["a"] == MEBIBYTE + 65_536
    assert (small.state, whole) == ("stored", content[:MEBIBYTE])


async def test_all_of_a_message_together_have_a_limit() -> None:
    """They are kept in Graph's order, up to the limit; a smaller one after that has room again."""
    half = b"x" * (700 * 1024)
    contents = {"a": half, "b": half, "c": b"c"}
    shelf = Shelf(*(_entry(FILE, name, size=len(data)) for name, data in contents.items()), contents=contents)

    found = await _fetch(shelf, LARGE, limits=AttachmentLimits(attachment_mb=1, message_mb=1))

    assert [record.state for record, _ in found] == ["stored", "too_large", "stored"]
    assert found[1][0].state_detail == "With those before it, more than message_limit_mb (1)."


async def test_limits_hold_for_what_came_with_the_list() -> None:
    """Its bytes are here, and are still dropped."""
    content = b"x" * (MEBIBYTE + 1)
    entry = _entry(FILE, "a", contentBytes=_base64(content), size=len(content))
    found = await _fetch(Shelf(entry), SMALL, limits=AttachmentLimits(1, 9))
    assert [(record.state, content) for record, content in found] == [("too_large", None)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "item_type", "safe"),
    [
        (b"Received: from x\r\nSubject: y\r\n\r\n", "message", "Mail 1_2.eml"),
        (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "event", "Mail 1_2.ics"),
        (b"\xef\xbb\xbf\r\nbegin:vcard\r\n", "contact", "Mail 1_2.vcf"),
    ],
)
async def test_an_item_is_recognised_by_its_beginning(content: bytes, item_type: str, safe: str) -> None:
    """One call suffices, and its name opens it."""
    shelf = Shelf(_entry(ITEM, "i", name="Mail 1/2"), contents={"i": content})
    ((record, kept),) = await _fetch(shelf, LARGE)
    assert shelf.asked == ["list", "stream i"]
    assert (kept, record.item_type, record.safe_file_name, record.file_name) == (content, item_type, safe, "Mail 1/2")


@pytest.mark.slow
async def test_an_attached_mail_is_unpacked_after_all_that_graph_listed() -> None:
    """Graph's order and number stay; unpacked ones have names of their own."""
    inner = mail("Inner", ("a.bin", b"deep"))
    shelf = Shelf(
        _entry(ITEM, "i", name="Original"), _entry(FILE, "a", contentBytes=_base64(b"top")), contents={"i": inner}
    )

    found = await _fetch(shelf, SMALL)

    assert [(record.position, record.parent_position, record.safe_file_name, content) for record, content in found] == [
        (0, None, "Original.eml", inner),
        (1, None, "a.bin", b"top"),
        (2, 0, "a (2).bin", b"deep"),
    ]


async def test_a_link_is_kept_where_graph_gives_one() -> None:
    """A large message, whose list lacks it, keeps it, too."""
    facts = {"sourceUrl": "https://files.example/x", "providerType": "oneDriveBusiness", "permission": "view"}
    shelf = Shelf(_entry(REFERENCE, "link", name="Cloud.xlsx", **facts))

    for message, asked in ((SMALL, ["list whole"]), (LARGE, ["list", "get link"])):
        shelf.asked.clear()
        ((record, content),) = await _fetch(shelf, message)
        assert shelf.asked == asked
        assert (record.link, record.link_provider, record.link_permission) == tuple(facts.values())
        assert (record.state, content, record.safe_file_name) == ("linked", None, "Cloud.xlsx")


async def test_a_file_without_a_name_gets_one_by_its_type() -> None:
    """It can then be written, and opened."""
    found = await _fetch(
        Shelf(
            _entry(FILE, "a", name=None, contentType="application/pdf", contentBytes="", contentLocation="http://x/y"),
            _entry(FILE, "b", name="", contentBytes=""),
        ),
        SMALL,
    )
    assert [(record.file_name, record.safe_file_name) for record, _ in found] == [
        (None, "attachment-1.pdf"),
        ("", "attachment-2"),
    ]
    assert found[0][0].content_location == "http://x/y"


async def test_odd_properties_do_not_stop_the_message() -> None:
    """A number in place of the name, a negative size, no id at all."""
    entry = {"@odata.type": REFERENCE, "name": 5, "size": -3, "isInline": "yes"}

    ((record, _),) = await _fetch(Shelf(entry), SMALL)

    assert (record.graph_attachment_id, record.file_name, record.size, record.inline) == (None, None, 0, False)


async def test_names_are_fit_for_the_database() -> None:
    """A NUL or half a character in a file name would have the database refuse the whole message."""
    ((record, _),) = await _fetch(Shelf({**_entry(REFERENCE, "a"), "name": "r\x00s\ud800.csv"}), SMALL)
    assert record.file_name == "r\ufffds\ufffd.csv"


async def test_attachments_that_graph_says_are_there_are_waited_for() -> None:
    """An empty list is checked again; in the end a row names the missing ones."""
    with pytest.raises(GraphUnavailable, match="Laboratoire"):
        await _fetch(Shelf(), {"hasAttachments": True, **SMALL})

    ((record, content),) = await _fetch(Shelf(), {"hasAttachments": True, **SMALL}, last_attempt=True)

    assert (record.state, content) == ("unreadable", None)
    assert (record.state_detail or "").startswith("NotListed")
    assert await _fetch(Shelf(), {"hasAttachments": False, **SMALL}) == []


@pytest.mark.parametrize("size", [0, 1_000, 190_000, 1_600_000])
async def test_a_file_that_was_cut_off_is_asked_for_again(size: int) -> None:
    """A little less than Graph lists is complete: its sizes count more than the bytes."""
    shelf = Shelf(_entry(FILE, "a", size=1_000_000, contentBytes=_base64(b"else")), contents={"a": b"x" * size})
    with pytest.raises(GraphUnavailable, match=f"{size} bytes where it lists 1000000"):
        await _fetch(shelf, LARGE)

    ((record, content),) = await _fetch(shelf, LARGE, last_attempt=True)

    assert (record.state, len(content or b"")) == ("stored", size)
    assert record.state_detail == f"SizeDiffers: Graph lists 1000000 bytes, and gives {size}."


@pytest.mark.parametrize("size", [715_000, 1_000_000 - 178, 1_000_000, 1_400_000])
async def test_sizes_that_graph_may_list_for_a_file_are_believed(size: int) -> None:
    """They include Exchange's own data beside it, are of its base64, or neither."""
    shelf = Shelf(_entry(FILE, "a", size=1_000_000), contents={"a": b"x" * size})
    ((record, _),) = await _fetch(shelf, LARGE)
    assert (record.state, record.state_detail, record.size) == ("stored", None, size)


@pytest.mark.parametrize("message", [SMALL, LARGE])
async def test_a_size_that_is_odd_in_both_ways_is_exchange_s_own(message: dict[str, Any]) -> None:
    """A genuine mail does not wait for its last attempt."""
    shelf = Shelf(_entry(FILE, "a", size=1_000_000, contentBytes=_base64(b"all")), contents={"a": b"all"})
    ((record, content),) = await _fetch(shelf, message)
    assert (record.state, content) == ("stored", b"all")
    assert (record.state_detail or "").startswith("SizeDiffers")


@pytest.mark.parametrize("begins", [b"<html>blocked</html>", b' {"error": 1}'])
async def test_an_item_that_is_a_page_of_a_proxy_is_not_kept(begins: bytes) -> None:
    shelf = Shelf(_entry(ITEM, "i"), contents={"i": begins})
    with pytest.raises(GraphUnavailable, match="proxy"):
        await _fetch(shelf, LARGE)
    ((record, content),) = await _fetch(shelf, LARGE, last_attempt=True)
    assert (record.state, content) == ("unreadable", None)
    assert (record.state_detail or "").startswith("NotTheContent")


@pytest.mark.slow
async def test_only_a_file_of_that_kind_may_come_as_html_or_json() -> None:
    """The mail, or the file's name, gives the kind; without either, any kind may come."""
    files = {
        "a": ("Application/JSON; charset=utf-8", "a.bin"),
        "b": (None, "b.html"),
        "c": ("application/octet-stream", "c.htm"),
        "d": ("text/csv", "d.csv"),
        "e": (None, None),
    }
    entries = [_entry(FILE, each, contentType=kind, name=name) for each, (kind, name) in files.items()]
    shelf = Shelf(*entries, _entry(ITEM, "i"), contents=dict.fromkeys([*files, "i"], b"0123456789"))

    await _fetch(shelf, LARGE)

    pages = {"text/html", "application/json"}
    assert {each: found & pages for each, found in shelf.may_be.items()} == {
        "a": {"application/json"},
        "b": {"text/html"},
        "c": {"text/html"},
        "d": set(),
        "e": pages,
        "i": set(),
    }


async def test_one_that_is_refused_does_not_keep_its_message_out() -> None:
    shelf = Shelf(_entry(FILE, "a"), _entry(FILE, "b"), contents={"b": b"0123456789"})
    shelf.errors["a"] = ItemDenied(Phrase("x"), status=403, code="ErrorAccessDenied")
    with pytest.raises(ItemDenied):
        await _fetch(shelf, LARGE)
    (refused, _), (other, _) = await _fetch(shelf, LARGE, last_attempt=True)
    assert (refused.state, refused.state_detail, other.state) == ("unreadable", "ErrorAccessDenied", "stored")


async def test_an_empty_file_is_believed_when_both_ways_to_ask_for_it_agree() -> None:
    """Graph lists Exchange's own data beside the bytes, too."""
    shelf = Shelf(_entry(FILE, "a", size=210, contentBytes=""), contents={"a": b""})
    ((record, content),) = await _fetch(shelf, LARGE)
    assert (record.state, content, record.state_detail, record.is_confirmed) == ("stored", b"", None, True)


@pytest.mark.parametrize("message", [SMALL, LARGE])
@pytest.mark.parametrize("listed", [2_178, 90_000])
async def test_a_file_that_comes_empty_in_both_ways_is_asked_for_again(message: dict[str, Any], listed: int) -> None:
    """A proxy may empty both; and the final action in the mailbox must not destroy it."""
    shelf = Shelf(_entry(FILE, "a", size=listed, contentBytes=""), contents={"a": b""})
    with pytest.raises(GraphUnavailable, match=f"0 bytes where it lists {listed}"):
        await _fetch(shelf, message)
    ((record, _),) = await _fetch(shelf, message, last_attempt=True)
    assert record.state_detail == f"SizeDiffers: Graph lists {listed} bytes, and gives 0."
    assert not record.is_confirmed


async def test_a_file_that_is_cut_off_in_one_answer_is_taken_from_the_other() -> None:
    whole = b"1;2\n" * 2_500
    shelf = Shelf(_entry(FILE, "a", size=10_178, contentBytes=_base64(whole[:1_000])), contents={"a": whole})
    ((record, content),) = await _fetch(shelf, SMALL)
    assert (content, record.state_detail, record.is_confirmed) == (whole, None, True)


async def test_nothing_in_place_of_a_file_is_asked_for_again() -> None:
    """The last attempt accepts the result; but the action in the mailbox then must not destroy the rest."""
    shelf = Shelf(_entry(FILE, "a", size=2_000, contentBytes=_base64(b"1;2\n" * 400)), contents={"a": b""})
    with pytest.raises(GraphUnavailable, match="0 bytes where it lists 2000"):
        await _fetch(shelf, LARGE)
    ((record, _),) = await _fetch(shelf, LARGE, last_attempt=True)
    assert not record.is_confirmed


async def test_nothing_in_place_of_an_attached_mail_is_asked_for_again() -> None:
    with pytest.raises(GraphUnavailable, match="gave nothing"):
        await _fetch(Shelf(_entry(ITEM, "a", size=2_000), contents={"a": b""}), LARGE)
