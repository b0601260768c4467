"""The generated mail: the same for the same seed, varied, and with valid files of their types."""

import csv
import io
import struct
import zlib
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes
from random import Random

import pytest

from simulator.content.contents import GeneratedContent, HeldContent, read_all
from simulator.content.mail import Attachment, AttachmentKind, Mail
from simulator.content.sample_mail import SampleMail

MOMENT = datetime(2027, 3, 1, 8, 15, tzinfo=UTC)


def _mails(seed: int, count: int = 300) -> list[Mail]:
    sample_mail = SampleMail(Random(seed), lambda: MOMENT)
    return [sample_mail.mail_to("laboratoire@riviere.example", "Laboratoire") for _ in range(count)]


def _attachments(mails: list[Mail]) -> list[Attachment]:
    return [attachment for mail in mails for attachment in mail.attachments]


def _files(ending: str) -> list[bytes]:
    found = [a.content for a in _attachments(_mails(1)) if a.name.endswith(ending) and a.content]
    assert found
    return [read_all(content) for content in found]


def test_the_same_seed_writes_the_same_letters() -> None:
    """Byte for byte, attachments and ids included; another seed writes others."""
    assert _mails(3, 60) == _mails(3, 60)
    assert _mails(3, 5) != _mails(4, 5)


def test_letters_are_varied() -> None:
    """Kinds of attachment, plain text and HTML, importance, conversations, accents and emoji."""
    mails = _mails(1)
    assert {a.kind for a in _attachments(mails)} == set(AttachmentKind)
    assert {mail.importance for mail in mails} == {"low", "normal", "high"}
    assert {mail.is_html for mail in mails} == {True, False}
    assert max(Counter(mail.conversation_id for mail in mails).values()) > 1
    subjects = "".join(mail.subject or "" for mail in mails)
    assert "é" in subjects
    assert any(ord(character) > 0xFFFF for character in subjects)
    assert len({mail.internet_message_id for mail in mails}) == len(mails)
    assert any(mail.cc for mail in mails)
    assert all(mail.sent and mail.sent < MOMENT for mail in mails)


def test_inline_pictures_are_shown_in_the_body() -> None:
    """The body refers to them by their content id."""
    found = 0
    for mail in _mails(1):
        for attachment in mail.attachments:
            if attachment.is_inline:
                assert f"cid:{attachment.content_id}" in mail.body
                found += 1
    assert found


def test_tables_are_real_csv() -> None:
    """Every row as wide as the header, in both languages."""
    headers = set()
    for data in _files(".csv"):
        text = data.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text), delimiter=";" if ";" in text else ","))
        assert len(rows) > 5
        assert {len(row) for row in rows} == {len(rows[0])}
        headers.add(rows[0][0])
    assert headers == {"station", "logger"}


def test_reports_are_valid_pdf() -> None:
    """The cross-reference table points at the objects."""
    for data in _files(".pdf"):
        assert data.startswith(b"%PDF-1.4")
        table = int(data.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
        lines = data[table:].split(b"\n")
        assert lines[0] == b"xref"
        for number, line in enumerate(lines[3:8], start=1):
            assert data[int(line[:10]) :].startswith(b"%d 0 obj" % number)


@pytest.mark.slow
def test_pictures_are_valid_png_and_jpeg() -> None:
    """PNG: checksums and pixels; JPEG: segments up to its size. Photographs differ."""
    for data in _files(".png"):
        width, height = struct.unpack(">II", data[16:24])
        length = struct.unpack(">I", data[33:37])[0]
        assert data[37:41] == b"IDAT"
        pixels = data[41 : 41 + length]
        assert len(zlib.decompress(pixels)) == height * (1 + 3 * width)
        assert struct.unpack(">I", data[41 + length : 45 + length])[0] == zlib.crc32(b"IDAT" + pixels)
    for data in _files(".jpg"):
        assert _jpeg_size(data) == (160, 120)
    assert len(set(_files(".jpg"))) > 1


def test_bounces_hold_the_original() -> None:
    """It is an item whose MIME can be read."""
    (item, *_) = [a for a in _attachments(_mails(1)) if a.kind is AttachmentKind.ITEM]
    assert item.content
    parsed = message_from_bytes(read_all(item.content))
    assert parsed["Message-ID"].startswith("<")
    assert parsed["To"]


def test_generated_content_is_the_same_each_time_and_differs_by_seed() -> None:
    """Its size is exact."""
    content = GeneratedContent(200_001, seed=1)
    data = b"".join(content.chunks())
    assert len(data) == 200_001
    assert HeldContent(data).sha256 == content.sha256
    assert GeneratedContent(200_001, seed=2).sha256 != content.sha256
    assert GeneratedContent(0).sha256 == HeldContent(b"").sha256


def _jpeg_size(data: bytes) -> tuple[int, int]:
    assert data.startswith(b"\xff\xd8")
    assert data.endswith(b"\xff\xd9")
    at = 2
    while True:
        marker, length = struct.unpack(">xBH", data[at : at + 4])
        if marker == 0xC0:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
