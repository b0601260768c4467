"""Downloads of attachments: saved under a harmless name, never shown, whole or broken off."""

import hashlib
import io
import re
from email.message import Message
from typing import Final
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, select, update

from console.web.downloads import content_disposition, content_pieces, download_headers
from console.web.mail_pictures import inline_contents
from db.engine import run_reading, run_writing
from db.queries.contents import READ_BYTES, ContentDiffers, insert_with_content
from db.queries.exports import attachments_of
from db.tables import attachment, message
from tests.databases import on_every_database
from tests.doubles.clock import SettableClock
from threads import DaemonThreads

HEADER: Final = re.compile(r"attachment; filename=\"([^\"\\%;\r\n]+)\"; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]+)")

THREADS = DaemonThreads("downloads", limit=1)


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("results.csv", "results.csv", "results.csv"),
        ("Prüfbericht № 7.csv", "Prufbericht No 7.csv", "Prüfbericht № 7.csv"),
        ("検査.pdf", "attachment-3.pdf", "検査.pdf"),
        ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
        ('a"; filename="b.exe\r\nSet-Cookie: x=y', "a__ filename=_b.exeSet-Cookie_ x=y", None),
        ("invoice\u202efdp.exe\0", "invoicefdp.exe", "invoicefdp.exe"),
        (".htaccess", "htaccess", "htaccess"),
        ("CON.txt", "_CON.txt", "_CON.txt"),
        ("ＣＯＮ／ｘ.txt", "CON_x.txt", "ＣＯＮ／ｘ.txt"),
        ("100%41.txt", "100_41.txt", "100%41.txt"),
        ("..", "attachment-3", "attachment-3"),
        (None, "attachment-3", "attachment-3"),
        ("\ud800", "attachment-3", "attachment-3"),
    ],
)
def test_a_name_becomes_one_to_save_under(name: str | None, plain: str, full: str | None) -> None:
    """For old browsers in ASCII, for others with all letters; no path, device, mark or header in it."""
    found = HEADER.fullmatch(content_disposition(name, number=3))
    assert found is not None
    assert found[1] == plain
    assert full is None or unquote(found[2]) == full


@given(st.none() | st.text(max_size=400))
def test_any_name_makes_one_header_of_an_attachment(name: str | None) -> None:
    """As another program reads it: one line, an attachment, a name without folders and of bounded length."""
    header = content_disposition(name, number=1)
    assert HEADER.fullmatch(header)
    assert len(header) < 1_200
    read = Message()
    read["Content-Disposition"] = header
    assert read.get_content_disposition() == "attachment"
    saved = str(read.get_filename())
    assert saved
    assert not re.search(r"[\x00-\x1f/\\:\u202a-\u202e\u2066-\u2069]", saved)
    assert not saved.startswith(".")


def test_the_type_is_never_that_of_the_sender() -> None:
    """Any bytes, not to be guessed, nor kept, nor run if they were shown."""
    headers = download_headers("page.html", number=1, size=5)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Length"] == "5"


def _stored(engine: Engine, content: bytes, content_id: str | None = None) -> int:
    row = {
        "nMessageID": _message(engine),
        "nPosition": 0,
        "sKind": "file",
        "nSize": len(content),
        "bInline": content_id is not None,
        "sContentID": content_id,
    }
    key = ("nMessageID", "nPosition")
    run_writing(
        engine,
        lambda connection: insert_with_content(
            connection, attachment, row, io.BytesIO(content), size=len(content), key=key
        ),
    )
    return _only(engine, attachment.c.nAttachmentID)


def _message(engine: Engine) -> int:
    row = {"nAccountID": 1, "sGraphMessageID": "m", "bHasAttachments": True, "dtImported": SettableClock()()}
    run_writing(engine, lambda connection: connection.execute(message.insert(), row))
    return _only(engine, message.c.nMessageID)


def _only(engine: Engine, column: Column[int]) -> int:
    """The value of the column in the only row of its table."""
    return run_reading(engine, lambda connection: connection.execute(select(column)).scalar_one())


@on_every_database
async def test_a_large_content_comes_in_pieces(database_engine: Engine) -> None:
    """Only a piece is in memory at a time, and together they are the content."""
    content = b"0123456789abcdef" * (READ_BYTES // 16) + b"end"
    number = _stored(database_engine, content)
    pieces = [piece async for piece in content_pieces(database_engine, number, size=len(content), threads=THREADS)]
    assert [len(each) for each in pieces] == [READ_BYTES, 3]
    assert hashlib.sha256(b"".join(pieces)).digest() == hashlib.sha256(content).digest()


async def test_a_purged_content_breaks_the_download_off(database_engine: Engine) -> None:
    """A content shorter than announced is no whole file."""
    number = _stored(database_engine, b"content")
    purge = update(attachment).values(biContent=None)
    run_writing(database_engine, lambda connection: connection.execute(purge))
    with pytest.raises(ContentDiffers):
        [piece async for piece in content_pieces(database_engine, number, size=7, threads=THREADS)]


def test_inline_pictures_are_found_by_their_content_id(database_engine: Engine) -> None:
    """With or without its brackets; purged meanwhile: none."""
    _stored(database_engine, b"GIF89a", "<logo@lab>")
    number = _only(database_engine, message.c.nMessageID)
    parts = run_reading(database_engine, lambda connection: attachments_of(connection, number))
    read = inline_contents(database_engine, parts)
    assert read("logo@lab") == b"GIF89a"
    assert read("other") is None
    purge = update(attachment).values(biContent=None)
    run_writing(database_engine, lambda connection: connection.execute(purge))
    assert read("logo@lab") is None
