"""What is inside attachments: found byte for byte, below what it was in, and never more than is good for anybody."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.messages import AttachmentRecord
from processor.mapping import Texts
from processor.unpacking import Unpacker, UnpackingBounds
from tests.packed import chained, enveloped, mail, signed, tnef, tnef_file, tnef_mail

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
            assert row.sha256 == hashlib.sha256(_bytes(row)).hexdigest()
            assert row.size == len(_bytes(row))
        return [replace(row, content=_bytes(row)) for row in rows]


def _bytes(row: AttachmentRecord) -> bytes:
    if row.content is None or isinstance(row.content, bytes):
        return row.content or b""
    row.content.seek(0)
    return row.content.read()


def _tree(rows: Sequence[AttachmentRecord]) -> list[tuple[str | None, int | None, str, str]]:
    return [(row.file_name, row.parent_position, row.origin, row.kind) for row in rows]


def test_the_files_of_an_attached_mail_are_rows_below_it() -> None:
    """Whatever their bytes and names; its text is no attachment."""
    content = bytes(range(256)) * 3
    [original, first, second] = _unpacked(_item(0, mail("Résultats", ("résultats 測.csv", content), ("b", b""))))

    assert _tree([first, second]) == [("résultats 測.csv", 0, "item", "file"), ("b", 0, "item", "file")]
    assert (first.content, second.content) == (content, b"")
    assert first.content_type == "application/octet-stream"
    assert (original.state, original.state_detail, original.sha256) == ("stored", None, "sha of the original")


def test_mails_in_mails_keep_their_bytes() -> None:
    """The attached mail is a row as it stands there, named by its subject, and its own attachments are below it."""
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
    """Whoever shows that mail needs it."""
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
    """What a mail server says in it is an attachment; so is the mail it is about."""
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
    [("winmail.dat", "application/ms-tnef"), ("WINMAIL.DAT", None), ("x", "Application/VND.ms-tnef; name=y")],
)
def test_what_outlook_packed_is_found(name: str, kind: str | None) -> None:
    """By its long name, with its type and cid, beside the original."""
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
    """It is a stream of the same form."""
    inner = tnef(tnef_file("deep.csv", b"deep"))
    rows = _unpacked(_listed(0, tnef(tnef_mail("Inner", inner), tnef_file("a.csv", b"a")), "winmail.dat"))
    assert _tree(rows[1:]) == [
        ("Inner", 0, "tnef", "file"),
        ("a.csv", 0, "tnef", "file"),
        ("deep.csv", 1, "tnef", "file"),
    ]
    assert (rows[1].content, rows[3].content) == (inner, b"deep")


@pytest.mark.parametrize("cut", [0, 3, 5, 6, 9, 41, 120, -1, -30])
def test_a_damaged_winmail_stays_alone(cut: int) -> None:
    """With the reason; the import goes on."""
    stream = tnef(tnef_file("a.csv", b"a" * 50))[:cut]
    rows = _unpacked(_listed(0, stream, "winmail.dat"))
    if cut == 6:  # an empty stream is whole
        assert rows[0].state_detail is None
    else:
        assert (rows[0].state_detail or "").startswith("Not unpacked. It is")
    assert len(rows) == 1


@pytest.mark.parametrize("kind", ["application/pkcs7-mime; smime-type=signed-data", "application/x-pkcs7-mime", None])
def test_signed_mail_is_opened(kind: str | None) -> None:
    """What was signed is a mail, byte for byte, and its attachments are below it."""
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
    ("make", "told"),
    [
        pytest.param(lambda: enveloped(b"secret"), "Not unpacked. It is encrypted (enveloped-data).", id="encrypted"),
        pytest.param(lambda: b"\x30\x80rubbish", "Not unpacked. It cannot be read as S/MIME.", id="rubbish"),
        pytest.param(lambda: b"", "Not unpacked. It cannot be read as S/MIME.", id="empty"),
    ],
)
def test_what_cannot_be_opened_is_kept_and_says_so(make: Callable[[], bytes], told: str) -> None:
    """An encrypted mail is for its recipient only."""
    content = make()
    [original] = _unpacked(_listed(0, content, "smime.p7m", "application/pkcs7-mime"))
    assert (original.state, original.content, original.state_detail) == ("stored", content, told)


def test_rows_of_several_attachments_count_on_after_the_listed_ones() -> None:
    """Graph's order comes first; parents stand before their children."""
    rows = _unpacked(
        _listed(0, b"plain"),
        _item(1, mail("One", ("one.txt", b"1"))),
        _listed(2, tnef(tnef_file("two.txt", b"2")), "winmail.dat"),
    )
    assert _tree(rows[3:]) == [("one.txt", 1, "item", "file"), ("two.txt", 2, "tnef", "file")]


def test_nesting_ends_somewhere() -> None:
    """The innermost mail that is looked at is kept whole, and says that it was not opened."""
    rows = _unpacked(_item(0, chained(24)))
    assert len(rows) == 21
    assert rows[-1].state_detail == "Not unpacked. It is inside of 20 others."
    assert b"deep.txt" in (rows[-1].content if isinstance(rows[-1].content, bytes) else b"")


@pytest.mark.parametrize(
    "bounds",
    [UnpackingBounds(rows=5), UnpackingBounds(total_bytes=25, times_source=0)],
    ids=["rows", "bytes"],
)
def test_a_bomb_is_stored_and_not_unpacked(bounds: UnpackingBounds) -> None:
    """Nothing of it, with the reason; what is beside it is unpacked as far as there is room."""
    bomb = mail("Bomb", *((f"{number}.txt", b"12345") for number in range(6)))
    rows = _unpacked(
        _item(0, mail("Good", ("a.txt", b"a"))), _item(1, bomb), _item(2, mail("Too", ("b", b"b"))), bounds=bounds
    )
    assert _tree(rows[3:]) == [("a.txt", 0, "item", "file"), ("b", 2, "item", "file")]
    assert rows[1].content == bomb
    assert rows[1].state_detail == "Not unpacked: there is more in it than is unpacked of one message."
    assert (rows[0].state_detail, rows[2].state_detail) == (None, None)


@pytest.mark.timeout(30)
def test_a_mail_of_countless_parts_costs_little_time() -> None:
    """Others wait for their turn meanwhile."""
    part = b"--b\r\nContent-Type: text/x\r\n\r\nx\r\n"
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 200_000
    [row] = _unpacked(_item(0, raw))
    assert row.state_detail == "Not unpacked. It has more than 500 parts."


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
    """It is stored as it is, and what can be found in it is found."""
    rows = _unpacked(_item(0, raw))
    assert rows[0].content == raw
    assert len(rows) <= 21


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_stops_nothing(data: st.DataObject) -> None:
    """Wherever a byte is wrong or missing, the original is stored, and so are its neighbours."""
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
