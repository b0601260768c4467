"""Graph's raw JSON, odd shapes included, to the records of the database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from db.records import AttachmentRecord, MessageRecord, RecipientRecord
from longtext import LongTextWriter
from processor.content import headers, mapping
from processor.content.texts import Texts


def _record(message: dict[str, Any]) -> MessageRecord:
    return mapping.message_record(7, "AAk", message, [], correlation="c-1", texts=Texts())


def _person(name: Any, address: Any) -> dict[str, Any]:  # noqa: ANN401  # odd values are the point
    return {"emailAddress": {"name": name, "address": address}}


@pytest.mark.parametrize("message", [{}, dict.fromkeys(["subject", "from", "sender", "body", "toRecipients"])])
def test_what_is_missing_or_null_stays_none(message: dict[str, Any]) -> None:
    """None is never an empty text: it would be mistaken for a subject that is empty."""
    record = _record(message)

    assert (record.account_id, record.graph_message_id, record.correlation) == (7, "AAk", "c-1")
    assert record.internet_message_id is None
    assert record.conversation_id is None
    assert record.subject is None
    assert (record.from_name, record.from_address) == (None, None)
    assert (record.sent, record.received) == (None, None)
    assert record.importance is None
    assert (record.body_type, record.body) == (None, None)
    assert record.has_attachments is False
    assert list(record.recipients) == []


def test_an_empty_subject_stays_empty() -> None:
    """The sender wrote an empty one."""
    assert _record({"subject": ""}).subject == ""


@pytest.mark.parametrize("odd", [17, True, [], {}, ["x"], {"content": 3}])
def test_another_shape_than_documented_becomes_none(odd: object) -> None:
    """A number in place of text is not the text."""
    names = ["subject", "from", "sender", "body", "sentDateTime", "importance", "internetMessageId", "toRecipients"]
    record = _record(dict.fromkeys(names, odd))

    assert record.subject is None
    assert record.from_address is None
    assert record.body is None
    assert record.sent is None
    assert record.importance is None
    assert record.internet_message_id is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"from": _person("A", "a@x"), "sender": _person("B", "b@x")}, ("A", "a@x")),
        ({"sender": _person("B", "b@x")}, ("B", "b@x")),
        ({"from": None, "sender": _person("B", "b@x")}, ("B", "b@x")),
        ({"from": {}, "sender": _person("B", "b@x")}, ("B", "b@x")),
        ({"from": {"emailAddress": None}, "sender": _person("B", "b@x")}, ("B", "b@x")),
        ({"from": _person("A", None)}, ("A", None)),
        ({"from": {"emailAddress": {"name": "A"}}}, ("A", None)),
        (
            {"from": _person("A", "/O=EXCHANGELABS/OU=X/CN=RECIPIENTS/CN=A")},
            ("A", "/O=EXCHANGELABS/OU=X/CN=RECIPIENTS/CN=A"),
        ),
        ({"from": _person(5, ["a@x"])}, (None, None)),
    ],
)
def test_from_is_the_author_else_the_sender(message: dict[str, Any], expected: tuple[str | None, str | None]) -> None:
    """A delegate's mail is from its author; a legacy DN is kept unchanged, an absent address is none."""
    record = _record(message)
    assert (record.from_name, record.from_address) == expected


def test_recipients_keep_kind_order_and_position() -> None:
    """Recipients without an address count, so that the positions are Graph's."""
    record = _record(
        {
            "toRecipients": [_person("One", "1@x"), None, _person("Three", None), "4@x"],
            "ccRecipients": [_person("Copy", "c@x")],
            "bccRecipients": [],
            "replyTo": [_person(None, "r@x"), {"emailAddress": {}}],
        }
    )

    assert list(record.recipients) == [
        RecipientRecord("to", 0, "One", "1@x"),
        RecipientRecord("to", 1, None, None),
        RecipientRecord("to", 2, "Three", None),
        RecipientRecord("to", 3, None, None),
        RecipientRecord("cc", 0, "Copy", "c@x"),
        RecipientRecord("replyTo", 0, None, "r@x"),
        RecipientRecord("replyTo", 1, None, None),
    ]


_AT = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2027-03-01T08:15:00Z", _AT),
        ("2027-03-01T08:15:00", _AT),
        ("2027-03-01T08:15:00.1234567+00:00", _AT + timedelta(microseconds=123456)),
        ("2027-03-01T08:15:00.1234567Z", _AT + timedelta(microseconds=123456)),
        ("2027-03-01T13:45:00+05:30", _AT),
        ("2027-02-28T20:15:00-12:00", _AT),
        ("1601-01-01T00:00:00Z", datetime(1601, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("2027-13-01T08:15:00Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1_700_000_000, None),
        ({"dateTime": "2027-03-01T08:15:00"}, None),
    ],
)
def test_times_are_aware_utc_or_none(value: object, expected: datetime | None) -> None:
    """Seven digits, any offset, the year Exchange writes for none; garbage is no time."""
    found = mapping.time(value)

    assert found == expected
    assert found is None or found.tzinfo is UTC or found.tzinfo == timezone.utc  # noqa: UP017


@pytest.mark.parametrize(
    ("value", "expected", "replaced"),
    [
        ("\u00e9t\u00e9 \U0001f600", "\u00e9t\u00e9 \U0001f600", 0),
        ("half \ud83d of one", "half \ufffd of one", 1),
        ("\udc00\ud800", "\ufffd\ufffd", 2),
        ("\ud83d\ude00", "\U0001f600", 0),
        ("a\x00b\x00", "a\ufffdb\ufffd", 2),
        ("replaced by another: \ufffd, by us: \x00", "replaced by another: \ufffd, by us: \ufffd", 1),
        ("line\r\n\ttab", "line\r\n\ttab", 0),
        (None, None, 0),
        (5, None, 0),
        (b"bytes", None, 0),
    ],
)
def test_text_is_what_a_database_can_store(value: object, expected: str | None, replaced: int) -> None:
    """No half characters and no NUL; a pair that came in two escapes is whole again. Replacements are counted."""
    texts = Texts()
    assert texts.take(value) == expected
    assert texts.replaced == replaced


def test_unstorable_characters_are_replaced_everywhere() -> None:
    """Names and addresses come from strangers too."""
    record = _record({"subject": "\ud800", "body": {"content": "\x00"}, "toRecipients": [_person("\udfff", "a\x00@x")]})

    assert record.subject == "\ufffd"
    assert record.body == "\ufffd"
    assert record.recipients[0] == RecipientRecord("to", 0, "\ufffd", "a\ufffd@x")


@pytest.mark.parametrize("spelling", ["Integer 0x0E08", "Integer 0xe08", "integer 0x0e08", "Integer 0xE08"])
def test_the_size_is_read_however_exchange_spells_the_property(spelling: str) -> None:
    """It may come back without the leading zero of the request."""
    message = {"singleValueExtendedProperties": [{"id": "String 0x1", "value": "9"}, {"id": spelling, "value": "4711"}]}
    assert mapping.size_of(message) == 4711


@pytest.mark.parametrize(
    "properties",
    [None, [], {}, 5, "x", [None], [5], [{"id": "Integer 0x0E09", "value": "1"}], [{"id": "Integer 0xE08"}]],
)
def test_an_unknown_size_is_none(properties: object) -> None:
    """Any other value there is ignored."""
    assert mapping.size_of({"singleValueExtendedProperties": properties}) is None


def _attached(value: str) -> dict[str, Any]:
    return {"singleValueExtendedProperties": [{"id": "Boolean 0xe1b", "value": value}]}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"hasAttachments": True}, True),
        ({"hasAttachments": False}, None),
        ({"hasAttachments": False, "body": {"content": '<img src="cid:x">'}}, None),
        ({"hasAttachments": False, "body": {"content": "<p>plain</p>"}}, None),
        ({"hasAttachments": None}, None),
        ({}, None),
        ({"hasAttachments": "false"}, None),
        ({"hasAttachments": False, **_attached("")}, None),
        ({"hasAttachments": False, **_attached("true")}, None),
        ({"hasAttachments": False, **_attached("True")}, None),
        ({"hasAttachments": False, **_attached("false")}, False),
        ({"hasAttachments": False, "body": None, **_attached("False")}, False),
        ({"hasAttachments": None, **_attached("false")}, None),
        ({"hasAttachments": False, "body": {"content": "cid:x"}, **_attached("false")}, None),
        ({"hasAttachments": True, **_attached("false")}, True),
    ],
)
def test_attachments_are_looked_for_unless_there_are_surely_none(
    message: dict[str, Any], expected: bool | None
) -> None:
    """Unknown is not "no": `hasAttachments` is false if all are inline, and a futile list costs a call only."""
    assert mapping.has_attachments(message) is expected


@pytest.mark.parametrize(
    ("facts", "body", "expected"),
    [
        ({"inline": False}, "", True),
        ({"content_type": "application/pdf"}, '<object data="cid:logo@1">', True),
        ({}, '<img src="CID:Logo@1">', False),
        ({}, "<p>see below</p>", True),
        ({"content_id": None}, '<img src="cid:logo@1">', True),
        ({"content_type": None}, '<img src="cid:logo@1">', True),
        ({"inline": False, "parent_position": 0}, "", False),
    ],
)
def test_a_picture_that_the_body_shows_is_no_file(facts: dict[str, Any], body: str, expected: bool) -> None:
    """All other attachments are files, whatever the mail calls them: some programs send every file inline."""
    picture = AttachmentRecord(
        position=0,
        graph_attachment_id="a",
        kind="file",
        file_name="x",
        content_type="image/png",
        size=1,
        inline=True,
        content_id="logo@1",
        sha256=None,
        content=None,
    )
    picture = replace(picture, **facts)
    assert mapping.files_among([picture], {"body": {"content": body}}) is expected
    assert mapping.files_among([], {"body": {"content": body}}) is False


def test_a_long_body_may_show_a_picture(tmp_path: Path) -> None:
    """It is not searched; so a filter does not exclude the mail for it."""
    with (tmp_path / "body").open("w+b") as file:
        message = {"body": {"content": LongTextWriter(file).finish()}}
        picture = AttachmentRecord(0, "a", "file", "x", "image/png", 1, True, "logo@1", None, None)
        assert mapping.files_among([picture], message) is None
        assert mapping.files_among([picture, replace(picture, inline=False)], message) is True
        assert mapping.files_among([], message) is False


@pytest.mark.parametrize(
    ("text", "limit", "kept", "shortened"),
    [
        ("abc", 3, "abc", 0),
        ("abcd", 3, "abc", 1),
        ("a😀", 3, "a😀", 0),
        # Never half of a character that SQL Server counts as two.
        ("ab😀", 3, "ab", 1),
        ("a\ud83d", 2, "a\ufffd", 0),
    ],
)
def test_text_is_cut_where_its_column_ends(text: str, limit: int, kept: str, shortened: int) -> None:
    texts = Texts()
    assert texts.take(text, limit=limit) == kept
    assert texts.shortened == shortened


@pytest.mark.parametrize("content", ['<img src="CID:x">', '<img src="Cid:logo@01">', "background:url(cid:x)"])
def test_a_picture_in_the_body_is_found_in_any_letter_case(content: str) -> None:
    """The scheme of a URL has no case."""
    message = {"hasAttachments": False, "body": {"content": content}, **_attached("false")}
    assert mapping.has_attachments(message) is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("#microsoft.graph.fileAttachment", "file"),
        ("#Microsoft.Graph.FileAttachment", "file"),
        ("#microsoft.graph.itemAttachment", "item"),
        ("#microsoft.graph.referenceAttachment", "reference"),
        ("#microsoft.graph.hologramAttachment", None),
        (None, None),
        (5, None),
    ],
)
def test_the_kind_of_an_attachment(kind: object, expected: str | None) -> None:
    """Letter case varies; an unknown kind is none."""
    assert mapping.kind_of({"@odata.type": kind}) == expected


def test_all_that_graph_returns_has_its_place() -> None:
    """Each field is kept unchanged; sender and author apart."""
    record = _record(
        {
            "from": _person("Chef", "chef@labo.example"),
            "sender": _person("Sekretariat", "sek@labo.example"),
            "createdDateTime": "2026-03-01T10:00:00Z",
            "categories": ["Gr\u00fcn", "", None, "Blau"],
            "flag": {"flagStatus": "flagged"},
            "conversationIndex": "AQHZ",
            "isRead": False,
            "webLink": "https://outlook.office365.com/owa/?ItemID=x",
            "parentFolderId": "AAMkFolder=",
            "changeKey": "CQAAABYA",
            "singleValueExtendedProperties": [{"id": "Integer 0xe08", "value": "4711"}],
        }
    )
    assert (record.from_name, record.sender_name) == ("Chef", "Sekretariat")
    assert (record.from_address, record.sender_address) == ("chef@labo.example", "sek@labo.example")
    assert record.created == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert (record.categories, record.flag_status, record.conversation_index) == (
        ["Gr\u00fcn", "Blau"],
        "flagged",
        "AQHZ",
    )
    assert (record.read, record.parent_folder_id, record.change_key) == (False, "AAMkFolder=", "CQAAABYA")
    assert (record.web_link, record.size) == ("https://outlook.office365.com/owa/?ItemID=x", 4711)


@pytest.mark.parametrize("nothing", [None, [], {}, "", 0, [None], {"flagStatus": None}])
def test_what_graph_does_not_tell_is_null(nothing: object) -> None:
    """Missing, null, or of another shape: never an empty text."""
    fields = ("sender", "createdDateTime", "categories", "flag", "isRead", "singleValueExtendedProperties")
    for message in ({}, dict.fromkeys(fields, nothing)):
        record = _record(message)
        assert (record.sender_name, record.created, record.flag_status, record.read, record.size) == (None,) * 5
        assert (list(record.categories), list(record.headers)) == ([], [])


@pytest.mark.parametrize(
    ("kept", "names"),
    [
        ("none", []),
        ("selected", ["IN-REPLY-TO", "References"]),
        ("all", ["Received", "IN-REPLY-TO", "received", "References"]),
    ],
)
def test_headers_are_kept_in_order_as_the_setting_says(kept: headers.Kept, names: list[str]) -> None:
    """Repeated ones are kept as often as they are there; an invalid header is skipped."""
    listed = [
        {"name": "Received", "value": "from a"},
        {"name": "IN-REPLY-TO", "value": None},
        {"name": "received", "value": "from b"},
        {"name": None, "value": "x"},
        "odd",
        {"name": "References", "value": "<a@b>\x00"},
    ]
    record = mapping.message_record(
        7,
        "AAk",
        {"internetMessageHeaders": listed},
        [],
        correlation="c-1",
        texts=Texts(),
        headers=headers.NAMES[kept],
    )
    assert [each.name for each in record.headers] == names
    assert all(each.value == "<a@b>\ufffd" for each in record.headers if each.name == "References")
