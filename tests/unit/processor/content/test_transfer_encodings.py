"""Transfer encodings, including malformed ones."""

import base64
import binascii
import time
from contextlib import suppress

import pytest

from processor.content.transfer_encodings import NotDecodable, decode, decode_base64, encoding_name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("base64 ", "base64"),
        ("BASE-64;", "base64"),
        ('"base64" (really (yes))', "base64"),
        ("Quoted Printable", "quoted-printable"),
        ("x-uue", "uuencode"),
        ("7bit (not base64)", None),
        ("binary", None),
        ("", None),
    ],
)
def test_encodings_are_known_in_every_spelling(value: str, name: str | None) -> None:
    """Blanks, comments, quotes, any letter case."""
    assert encoding_name(value) == name


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"c2Vuc29yO3ZhbHVlDQpBOzENCkI7Mg0KQ", b"sensor;value\r\nA;1\r\nB;2\r\n"),
        (b"c2Vu\r\n c29y\r\n", b"sensor"),
        (b"c2Vuc=29y", b"sensor"),
        (b"c2Vuc29", b"senso"),
        (b"YQ==Yg==", b"ab"),
        (b"w6l0\n*!w6k\n", "été".encode()),
        (base64.encodebytes(bytes(range(256)) * 20).replace(b"\n", b"\r\n!", 3), bytes(range(256)) * 20),
        (b" \r\n", b""),
        (b"QmxlaTs0MgoK\r\nQQ==\r\nThis mail was scanned.\r\n", b"Blei;42\n\nA"),
        (b"QmxlaTs0Mgo=\r\n\r\n-- \r\nDisclaimer\r\n", b"Blei;42\n"),
        (b"QmxlaTs0MgoK\n\nScanned by a gateway, no virus found\n", b"Blei;42\n\n"),
        (b"YQ==\r\nYg==\r\n", b"ab"),
        (b"YQ==\n\nYg==\n", b"ab"),
    ],
)
def test_stray_characters_are_passed_over(data: bytes, content: bytes) -> None:
    """Mail programs skip them, too, and a gateway's note below is no part of the file."""
    assert decode_base64(data) == content


@pytest.mark.parametrize("data", [b"sensor;value\nA;1\n", b"hello world, here I am", b"A", b"\xff\xfe"])
def test_what_is_something_else_is_not_decoded(data: bytes) -> None:
    """It is kept unchanged, and the row reports it."""
    with pytest.raises(NotDecodable):
        decode_base64(data)


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"soft= \t\r\nbreak=", b"softbreak"),
        (b"soft=\nbreak= ", b"softbreak"),
        (b"=c2=b5g = x =ZZ", b"\xc2\xb5g = x =ZZ"),
    ],
)
def test_quoted_printable_is_decoded_leniently(data: bytes, content: bytes) -> None:
    """Blanks that were added behind a soft break, lower case, and signs that are not encoded."""
    assert decode(data, "quoted-printable") == content


@pytest.mark.parametrize("begin", [b"", b"!"], ids=["clean", "stray"])
@pytest.mark.parametrize("piece", [b"=\n", b"= ", b"\n\n", b"A\n\n", b"AA=\n", b"A A\n\n!"])
def test_time_grows_with_the_length(piece: bytes, begin: bytes) -> None:
    """Four times the length takes four times as long, not sixteen times."""

    def computing_seconds(pieces: int) -> float:
        began = time.process_time()
        with suppress(NotDecodable):
            decode_base64(begin + piece * pieces)
        decode(piece * pieces, "quoted-printable")
        return time.process_time() - began

    assert computing_seconds(100_000) < 8 * computing_seconds(25_000) + 0.5


def test_uuencode_is_decoded() -> None:
    """The lines between its first and its last are decoded."""
    content = bytes(range(256))
    lines = b"".join(binascii.b2a_uu(content[start : start + 45]) for start in range(0, 256, 45))
    assert decode(b"Hello\n\nbegin 644 a.bin\n" + lines + b"`\nend\nBye\n", "uuencode") == content
