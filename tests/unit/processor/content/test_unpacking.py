"""Contents of attachments: found byte for byte, placed below their container, and never beyond the bounds."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.outcomes import SIZE_DIFFERS
from db.records import AttachmentRecord
from processor.content.texts import Texts
from processor.content.unpacking import Unpacker, UnpackingBounds
from tests.samples.nested_mail import chained, enveloped, mail, signed, tnef, tnef_file, tnef_mail, tnef_text

MEBIBYTE = 1024 * 1024


def _listed(position: int, content: bytes, name: str = "x.bin", kind: str | None = None) -> AttachmentRecord:
    return AttachmentRecord(
        position, f"AAk{position}", "file", name, kind, len(content), False, None, "sha of the original", content
    )


def _item(position: int, content: bytes) -> AttachmentRecord:
    return replace(_listed(position, content, "Original"), kind="item", item_type="message")


def _unpacked(*listed: AttachmentRecord, bounds: UnpackingBounds | None = None) -> list[AttachmentRecord]:
    with ExitStack() as files:
        rows = Unpacker(bounds).unpacked(listed, files, Texts())
        assert [row.position for row in rows] == list(range(len(rows)))
        for row in rows[len(listed) :]:
            assert row.parent_position is not None
            assert row.parent_position < row.position
            assert row.size == len(_bytes(row))
            if row.state == "stored":
                assert row.sha256 == hashlib.sha256(_bytes(row)).hexdigest()
        return [replace(row, content=_bytes(row)) for row in rows]


def _bytes(row: AttachmentRecord) -> bytes:
    if row.content is None or isinstance(row.content, bytes):
        return row.content or b""
    row.content.seek(0)
    return row.content.read()


def _tree(rows: Sequence[AttachmentRecord]) -> list[tuple[str | None, int | None, str, str]]:
    return [(row.file_name, row.parent_position, row.origin, row.kind) for row in rows]


def test_the_files_of_an_attached_mail_are_rows_below_it() -> None:
    """They may have any bytes and names; its text is no attachment."""
    content = bytes(range(256)) * 3
    [original, first, second] = _unpacked(_item(0, mail("Résultats", ("résultats 測.csv", content), ("b", b""))))

    assert _tree([first, second]) == [("résultats 測.csv", 0, "item", "file"), ("b", 0, "item", "file")]
    assert (first.content, second.content) == (content, b"")
    assert first.content_type == "application/octet-stream"
    assert (original.state, original.state_detail, original.sha256) == ("stored", None, "sha of the original")


def test_mails_in_mails_keep_their_bytes() -> None:
    """The attached mail is a row unchanged, named by its subject, and its own attachments are below it."""
    inner = mail("Inner", ("deep.txt", b"deep"))
    rows = _unpacked(_item(0, mail("Outer", ("a.txt", b"a"), inner, ("b.txt", b"b"))))

    assert _tree(rows[1:]) == [
        ("a.txt", 0, "item", "file"),
        ("Inner", 0, "item", "item"),
        ("b.txt", 0, "item", "file"),
        ("deep.txt", 2, "item", "file"),
    ]
    assert rows[2].content == inner
    assert rows[2].item_type == "message"


def test_pictures_shown_in_an_attached_mail_keep_their_content_id() -> None:
    """A reader that displays that mail needs it."""
    raw = (
        b"Content-Type: multipart/related; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<img src=cid:p@1>\r\n"
        b"--b\r\nContent-Type: image/png\r\nContent-ID: <p@1>\r\nContent-Location: p.png\r\n"
        b"Content-Disposition: inline; filename=p.png\r\n\r\nPNG\r\n--b--\r\n"
    )
    [_, picture] = _unpacked(_item(0, raw))
    assert (picture.content_id, picture.inline, picture.content_location) == ("p@1", True, "p.png")
    assert picture.content_type == "image/png"


def test_a_delivery_report_is_kept_with_its_parts() -> None:
    """A mail server's report in it is an attachment; so is the mail it is about."""
    raw = (
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nAction: failed\r\n\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Original\r\n\r\nHello\r\n--b--\r\n"
    )
    [_, report, original] = _unpacked(_item(0, raw))
    assert report.content_type == "message/delivery-status"
    assert b"Action: failed" in (report.content if isinstance(report.content, bytes) else b"")
    assert (original.file_name, original.item_type) == ("Original", "message")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("winmail.dat", "application/ms-tnef"),
        ("WINMAIL.DAT", None),
        ("winmail (1).dat", "application/octet-stream"),
        ("x", "Application/VND.ms-tnef; name=y"),
    ],
)
def test_what_outlook_packed_is_found(name: str, kind: str | None) -> None:
    """It has its long name, its type and cid, beside the original."""
    stream = tnef(tnef_file("Prüfbericht № 7.csv", b"a;b", content_id="c@1"), tnef_file("second.csv", b""))
    [original, first, second] = _unpacked(_listed(0, stream, name, kind))

    assert original.content == stream
    assert _tree([first, second]) == [
        ("Prüfbericht № 7.csv", 0, "tnef", "file"),
        ("second.csv", 0, "tnef", "file"),
    ]
    assert (first.content, first.content_type, first.content_id) == (b"a;b", "text/csv", "c@1")
    assert second.content == b""


def test_a_mail_packed_by_outlook_is_looked_into() -> None:
    """The packed mail is a stream of the same form."""
    inner = tnef(tnef_file("deep.csv", b"deep"))
    rows = _unpacked(_listed(0, tnef(tnef_mail("Inner", inner), tnef_file("a.csv", b"a")), "winmail.dat"))
    assert _tree(rows[1:]) == [
        ("Inner", 0, "tnef", "file"),
        ("a.csv", 0, "tnef", "file"),
        ("deep.csv", 1, "tnef", "file"),
    ]
    assert (rows[1].content, rows[3].content) == (inner, b"deep")


@pytest.mark.parametrize("cut", [0, 3, 5, 9, 41, 120])
def test_a_winmail_in_which_nothing_is_whole_stays_alone(cut: int) -> None:
    """The row has the reason; the import goes on."""
    rows = _unpacked(_listed(0, tnef(tnef_file("a.csv", b"a" * 50))[:cut], "winmail.dat"))
    assert (rows[0].state_detail or "").startswith("Not unpacked. It is")
    assert len(rows) == 1


def test_what_is_whole_in_a_winmail_is_kept() -> None:
    """It may end anywhere: each file that came whole is a row, and the original reports that this is not all."""
    contents = {"SHORT.TXT": b"a" * 30, "long.csv": b"b" * 30}
    whole = tnef(tnef_file(None, contents["SHORT.TXT"]), tnef_file("long.csv", contents["long.csv"]))
    found = set()
    for cut in range(6, len(whole) - 2):
        [original, *files] = _unpacked(_listed(0, whole[:cut], "winmail.dat"))
        # Without its long name a file has the short one.
        assert all(file.content == contents[file.file_name or ""] for file in files[:1])
        assert all(file.content == contents["long.csv"] for file in files[1:])
        found.add((len(files), original.state_detail is not None))
    # If it ends between two files, there is no sign of the second.
    assert found == {(0, False), (0, True), (1, True), (1, False), (2, True), (2, False)}


def test_the_name_of_a_file_is_found_in_properties_that_are_cut_off() -> None:
    """Its long name with the extension comes before its content id, which is missing."""
    stream = tnef(tnef_file("Messwerte.xlsx", b"42", title="MESSWE~1.XLS", content_id="x" * 50))[:-40]
    [original, file] = _unpacked(_listed(0, stream, "winmail.dat"))
    assert (file.file_name, file.content) == ("Messwerte.xlsx", b"42")
    assert (original.state_detail or "").startswith("Unpacked in part. ")


def test_sums_and_what_follows_the_end_cost_nothing() -> None:
    """Programs write wrong checksums, omit the last, and append line ends."""
    whole = tnef(tnef_file("a.csv", b"abc"))
    wrong = whole[:-2] + b"\xff\xff"
    for stream, detail in (
        (whole[:-2], None),
        (wrong, None),
        (whole + b"\r\n", "Unpacked in part. It is damaged or cut off: 2 bytes at its end cannot be read."),
        (whole + bytes(900), "Unpacked in part. It is damaged or cut off: 900 bytes at its end cannot be read."),
    ):
        [original, file] = _unpacked(_listed(0, stream, "winmail.dat"))
        assert (file.file_name, file.content, original.state_detail) == ("a.csv", b"abc", detail)


@pytest.mark.parametrize(
    ("code_page", "name"),
    [(1252, "Prüfbericht €.csv"), (1251, "Вода.csv"), (932, "水質①.csv"), (65001, "测.csv"), (28592, "Kraków.csv")],
)
def test_names_of_eight_bits_are_of_the_code_page(code_page: int, name: str) -> None:
    """The stream states it (attOemCodepage), anywhere in it."""
    charset = {65001: "utf-8", 28592: "iso8859-2"}.get(code_page, f"cp{code_page}")
    [_, file] = _unpacked(
        _listed(0, tnef(tnef_file(None, b"x", title=name.encode(charset)), code_page=code_page), "winmail.dat")
    )
    assert file.file_name == name


_HTML = "<p>Grüße: 42 mg/l</p>"
_ENCAPSULATED = rb"Gr\'fc\'dfe: {\*\htmltag84 <b>}42\htmlrtf \b x\htmlrtf0  mg/l"
_RICH = rb"{\rtf1\ansi\ansicpg1252\fromhtml1 {\*\htmltag64 <p>}" + _ENCAPSULATED + b"}"


def _uncompressed(content: bytes) -> bytes:
    return len(content).to_bytes(4, "little") * 2 + b"MELA" + bytes(4) + content


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param({"html": _HTML.encode("cp1252")}, id="html"),
        pytest.param({"html": _HTML.encode("cp1252"), "plain": b"poorer\0", "body": b"poorer"}, id="html-first"),
        pytest.param({"plain": "Grüße: 42 mg/l\0".encode("cp1252"), "rtf": _uncompressed(_RICH)}, id="plain"),
        pytest.param({"body": "Grüße: 42 mg/l".encode("cp1252")}, id="body"),
        pytest.param({"rtf": _uncompressed(_RICH)}, id="rtf"),
        pytest.param({"rtf": _uncompressed(_RICH), "plain": b" \r\n\0", "body": b"\r\n"}, id="rtf-behind-blanks"),
        pytest.param({"html": b"<meta charset=utf-8>" + _HTML.encode()}, id="html-with-its-charset"),
    ],
)
def test_the_text_in_a_winmail_is_the_text_of_the_mail(bodies: dict[str, bytes]) -> None:
    """Outlook wrote it in any form; the richest counts first."""
    [original] = _unpacked(_listed(0, tnef(tnef_text(**bodies)), "winmail.dat"))
    assert (original.wrapped_text, original.state_detail) == ("Grüße: 42 mg/l", None)


@pytest.mark.parametrize("rich", [b"cut", bytes(16)], ids=["cut off", "of an unknown form"])
def test_a_text_of_a_winmail_that_cannot_be_read_costs_no_file(rich: bytes) -> None:
    stream = tnef(tnef_text(rtf=rich), tnef_file("a.csv", b"a;b"))
    [original, file] = _unpacked(_listed(0, stream, "winmail.dat"))
    assert (file.file_name, file.content) == ("a.csv", b"a;b")
    assert original.state_detail is not None
    assert original.state_detail.startswith("Unpacked in part. Its text is ")


@pytest.mark.parametrize("kind", ["application/pkcs7-mime; smime-type=signed-data", "application/x-pkcs7-mime", None])
def test_signed_mail_is_opened(kind: str | None) -> None:
    """The signed content is a mail, byte for byte, and its attachments are below it."""
    inner = mail("Signed", ("report.csv", b"1;2"))
    [original, entity, report] = _unpacked(_listed(0, signed(inner), "smime.p7m", kind))

    assert original.state_detail is None
    assert (entity.parent_position, entity.origin, entity.item_type) == (0, "smime", "message")
    assert entity.content == inner
    assert (report.parent_position, report.origin, report.content) == (1, "smime", b"1;2")


def test_clear_signed_mail_is_opened() -> None:
    """Exchange keeps it as one attachment, in the form it was sent in."""
    body = mail("Inner", ("report.csv", b"1;2"))
    raw = b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n" + body + b"--s\r\nContent-Type: application/"
    raw += b'pkcs7-signature; name="smime.p7s"\r\nContent-Transfer-Encoding: base64\r\n\r\nMAA=\r\n--s--\r\n'
    rows = _unpacked(_listed(0, raw, "smime.p7m", "multipart/signed"))
    assert _tree(rows[1:]) == [("report.csv", 0, "smime", "file"), ("smime.p7s", 0, "smime", "file")]


@pytest.mark.parametrize(
    ("make", "reported"),
    [
        pytest.param(lambda: enveloped(b"secret"), "Not unpacked. It is encrypted (enveloped-data).", id="encrypted"),
        pytest.param(lambda: b"\x30\x80rubbish", "Not unpacked. It cannot be read as S/MIME.", id="rubbish"),
        pytest.param(lambda: b"", "Not unpacked. It cannot be read as S/MIME.", id="empty"),
    ],
)
def test_what_cannot_be_opened_is_kept_and_reported(make: Callable[[], bytes], reported: str) -> None:
    """An encrypted mail is for its recipient only."""
    content = make()
    [original] = _unpacked(_listed(0, content, "smime.p7m", "application/pkcs7-mime"))
    assert (original.state, original.content, original.state_detail) == ("stored", content, reported)


@pytest.mark.parametrize("times", [1, 2])
def test_signed_text_is_the_text_of_the_mail(times: int) -> None:
    """Exchange shows none of it; it may be signed repeatedly. An attached mail's text does not count."""
    inner = b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\npoorer\r\n--b\r\n"
    inner += b"Content-Type: text/html; charset=iso-8859-1\r\n\r\n<p>Gr\xfc\xdfe</p>\r\n--b--\r\n"
    wrapped = signed(inner)
    for _ in range(times - 1):
        head = b"Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        wrapped = signed(head + base64.encodebytes(wrapped))
    rows = _unpacked(_listed(0, wrapped, "smime.p7m"), _item(1, mail("Attached", ("a", b"a"))))
    assert [row.wrapped_text for row in rows[:2]] == ["Grüße", None]
    assert all(row.wrapped_text is None for row in rows[2:])


@pytest.mark.parametrize(
    ("name", "inner", "kind"),
    [
        ("IT001_0042.xml", b'<?xml version="1.0"?><a/>', "text/xml"),
        ("Messwerte.pdf", b"%PDF-1.7\n...", "application/pdf"),
        ("Archiv.zip", b"PK\x03\x04...", "application/zip"),
        ("Notiz vom 3. Mai.txt", b"Date: heute\nSubject: Blei\n\n42 mg/l", "text/plain"),
        ("leer.txt", b"", "text/plain"),
    ],
)
def test_a_signed_document_is_a_file(name: str, inner: bytes, kind: str) -> None:
    """It has its own name, in any format; also signed twice, and in the text form that some programs make of it."""
    once = signed(inner)
    armoured = b"-----BEGIN PKCS7-----\n" + base64.encodebytes(once) + b"-----END PKCS7-----\n"
    for rows in (_unpacked(_listed(0, once, f"{name}.p7m")), _unpacked(_listed(0, armoured, f"{name}.P7M"))):
        [_, file] = rows
        assert (file.file_name, file.content, file.content_type) == (name, inner, kind)
        assert (file.kind, file.item_type, file.origin, file.parent_position) == ("file", None, "smime", 0)
    [_, outer, file] = _unpacked(_listed(0, signed(once), f"{name}.p7m.p7m"))
    assert (outer.file_name, file.file_name, file.content) == (f"{name}.p7m", name, inner)


def test_a_signed_document_without_a_name_is_recognised_by_its_beginning() -> None:
    """The label `smime.p7m` does not show it; any other name is that of the document."""
    for name, document in (("smime.p7m", None), ("Befund.P7M", "Befund.pdf")):
        [_, file] = _unpacked(_listed(0, signed(b"%PDF-1.4"), name))
        assert (file.file_name, file.kind, file.content_type) == (document, "file", "application/pdf")


@pytest.mark.parametrize("inner", [b"<?xml version='1.0'?><a/>", b"0;1;2"])
def test_what_was_signed_twice_is_the_document_under_its_name(inner: bytes) -> None:
    """The name does not tell how often, and a table may begin like a signature."""
    [_, file] = _unpacked(_listed(0, signed(signed(inner)), "IT0_1.xml.p7m"))
    assert (file.file_name, file.content) == ("IT0_1.xml", inner)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("weiter.eml", "application/octet-stream"), ("W.EML", None), ("x", "message/rfc822"), (None, "message/global")],
)
def test_a_mail_that_is_attached_as_a_file_is_opened(name: str | None, kind: str | None) -> None:
    """It is opened like an attached item; a file with a wrong label is reported as none."""
    record = replace(_listed(0, mail("Inner", ("a.csv", b"1;2")), kind=kind), file_name=name)
    [original, file] = _unpacked(record)
    assert (file.file_name, file.content, file.origin, original.kind) == ("a.csv", b"1;2", "item", "file")
    [only] = _unpacked(_listed(0, b"\x00\x01", "a.eml"))
    assert only.state_detail == "Not unpacked. It is called a mail and is none."


def test_rows_of_several_attachments_count_on_after_the_listed_ones() -> None:
    """Graph's order comes first; parents stand before their children."""
    rows = _unpacked(
        _listed(0, b"plain"),
        _item(1, mail("One", ("one.txt", b"1"))),
        _listed(2, tnef(tnef_file("two.txt", b"2")), "winmail.dat"),
    )
    assert _tree(rows[3:]) == [("one.txt", 1, "item", "file"), ("two.txt", 2, "tnef", "file")]


def test_nesting_ends_somewhere() -> None:
    """The innermost mail that is read is kept whole, and marked as not opened."""
    rows = _unpacked(_item(0, chained(24)))
    assert len(rows) == 21
    assert rows[-1].state_detail == "Not unpacked. It is inside of 20 others."
    assert b"deep.txt" in (rows[-1].content if isinstance(rows[-1].content, bytes) else b"")


@pytest.mark.parametrize("count", [199, 200, 201, 700])
def test_the_first_two_hundred_are_rows_and_one_row_counts_the_rest(count: int) -> None:
    """The rows are of all parts of the message, in any place; the mail is stored whole in any case."""
    bomb = mail("Bomb", *((f"{number}.txt", b"12345") for number in range(count)))
    [original, *rows] = _unpacked(_item(0, bomb))
    assert [row.file_name for row in rows[:200]] == [f"{number}.txt" for number in range(min(count, 200))]
    if count <= 200:
        assert (len(rows), original.state_detail) == (count, None)
        return
    [missing] = rows[200:]
    assert (missing.state, missing.sha256, missing.parent_position) == ("too_large", None, 0)
    said = f"Missing here: {count - 200}. Of one message at most 200 are unpacked, of 16 MB together."
    assert missing.state_detail == said
    assert original.state_detail == "Unpacked in part. There is more in it than is unpacked of one message."


@pytest.mark.parametrize(
    ("bounds", "first"),
    [
        (UnpackingBounds(rows=5), ["0.txt", "1.txt", "2.txt", "3.txt"]),
        (UnpackingBounds(total_bytes=11, times_source=0), ["0.txt", "1.txt"]),
    ],
    ids=["rows", "bytes"],
)
def test_what_has_no_room_is_counted_once_for_all(bounds: UnpackingBounds, first: list[str]) -> None:
    """The first ones have rows, and attachments not unpacked to the end report so."""
    bomb = mail("Bomb", *((f"{number}.txt", b"12345") for number in range(6)))
    rows = _unpacked(
        _item(0, mail("Good", ("a.txt", b"a"))), _item(1, bomb), _item(2, mail("Too", ("b.txt", b"bb"))), bounds=bounds
    )
    assert [row.file_name for row in rows[3:]] == ["a.txt", *first, None]
    assert (rows[-1].parent_position, rows[-1].state) == (1, "too_large")
    assert (rows[-1].state_detail or "").startswith(f"Missing here: {6 - len(first) + 1}. ")
    assert [row.state_detail is None for row in rows[:3]] == [True, False, False]


@pytest.mark.slow
@pytest.mark.timeout(30)
def test_a_mail_of_countless_parts_costs_little_time() -> None:
    """Others wait for their turn meanwhile: beyond 10,000 they are not counted."""
    part = b"--b\r\nContent-Type: text/x\r\n\r\nx\r\n"
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 200_000
    rows = _unpacked(_item(0, raw))
    assert (len(rows), (rows[-1].state_detail or "")[:31]) == (202, "Missing here: 10,000 or more. O")


def test_large_contents_wait_in_a_file() -> None:
    """Memory is for many messages at a time; the file is gone with its owner."""
    content = b"0123456789" * 200_000
    with ExitStack() as files:
        rows = Unpacker().unpacked([_item(0, mail("Large", ("a", content)))], files, Texts())
        held = rows[1].content
        assert held is not None
        assert not isinstance(held, bytes)
        assert _bytes(rows[1]) == content
    assert held.closed


_TEXT = b"--b\r\nContent-Type: text/plain\r\n\r\nBlei 42\r\n"
_FILE = b"--b\r\nContent-Type: text/csv; name=a.csv\r\n\r\nBlei;42\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(_TEXT + _FILE, id="no-end"),
        pytest.param(_TEXT + b"--b--\r\n" + _FILE + b"--b--\r\n", id="early-end"),
        pytest.param(
            b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + _TEXT + b"--b--\r\n" + _FILE, id="same"
        ),
        pytest.param(
            b"--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\nBlei 42\r\n"
            b"--bb\r\nContent-Type: text/html\r\n\r\n\r\n--bb--\r\n" + _FILE,
            id="empty-html",
        ),
    ],
)
def test_text_and_files_of_odd_multiparts_are_found(parts: bytes) -> None:
    """Ends that are missing, early or of another multipart; an alternative in which nothing is."""
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts
    [signed_mail, file] = _unpacked(_listed(0, raw, "smime.p7m", "multipart/signed"))
    assert (signed_mail.wrapped_text, file.file_name, _bytes(file).strip()) == ("Blei 42", "a.csv", b"Blei;42")


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("text/html; charset=us-ascii", b"<meta charset=iso-8859-2>3 \xb3", "3 ł"),
        ("text/html; charset=x-unknown", b"<meta charset=iso-8859-2>3 \xb3", "3 ł"),
        ("text/html", "<meta charset=utf-16>3 µg/l".encode(), "3 µg/l"),
        ("text/html; charset=utf-7", b"<p>+2AA- 42", "\ufffd 42"),
        ("text/html", b"<p style='padding-left: " + b"9" * 400 + b"em'>42", "42"),
    ],
)
def test_the_text_of_signed_html_is_read_in_any_charset(kind: str, content: bytes, text: str) -> None:
    """The HTML states the charset where the header does not, or names none that exists; odd HTML stops nothing."""
    raw = f"Content-Type: {kind}\r\n\r\n".encode() + content
    [row] = _unpacked(_listed(0, raw, "signed", "multipart/signed"))
    assert row.wrapped_text == text


@pytest.mark.parametrize("begin", [b"\xef\xbb\xbf", b"\r\n\r\n"], ids=["mark", "lines"])
def test_a_mail_file_may_begin_with_marks_and_empty_lines(begin: bytes) -> None:
    """Editors and scripts write them; mail programs pass over them."""
    rows = _unpacked(_listed(0, begin + mail("Mail", ("a.csv", b"1")), "a.eml"))
    assert _tree(rows[1:]) == [("a.csv", 0, "item", "file")]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 3000, id="nested-without-end"),
        pytest.param(b"Content-Type: text/plain" + b"; a=b" * 100_000 + b"\r\n\r\nx", id="header-without-end"),
        pytest.param(b"Content-Type: message/rfc822\r\n\r\n" * 2000, id="mails-without-end"),
        pytest.param(b"\xff\xfe" * 500, id="no-mail-at-all"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"Content-Type: \xff/\xff; name=\xfe\r\nContent-Disposition: ;;;\r\n\r\nx", id="garbled"),
    ],
)
@pytest.mark.timeout(30)
def test_a_malformed_mail_stops_nothing(raw: bytes) -> None:
    """It is stored unchanged, and its readable parts are found."""
    rows = _unpacked(_item(0, raw))
    assert rows[0].content == raw
    assert len(rows) <= 21


@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_damage_stops_nothing(data: st.DataObject) -> None:
    """Any byte may be wrong or missing: the original is stored, and so are its neighbours."""
    name, whole = data.draw(
        st.sampled_from(
            [
                ("winmail.dat", tnef(tnef_file("a.csv", b"a" * 20), tnef_mail("m", tnef(tnef_file("b.csv", b"b"))))),
                ("smime.p7m", signed(mail("Signed", ("report.csv", b"1;2")))),
            ]
        )
    )
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + data.draw(st.binary(max_size=4)) + whole[place + data.draw(st.integers(0, 6)) :]
    rows = _unpacked(_listed(0, damaged, name), _listed(1, b"neighbour"))
    assert (rows[0].content, rows[1].content) == (damaged, b"neighbour")
    assert rows[0].state == "stored"


def test_one_that_may_be_a_fragment_remains_known_as_such() -> None:
    """The reason that it is not unpacked does not hide that it was cut off, which the action afterwards must know."""
    detail = f"{SIZE_DIFFERS} Graph lists 9000 bytes, and gives 3."
    [row] = _unpacked(replace(_listed(0, b"cut", "a.eml"), state_detail=detail))
    assert row.state_detail == f"{detail} Not unpacked. It is called a mail and is none."
    assert not row.is_confirmed
