"""A mail in a file as the facts by which rules decide."""

import base64
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from processor.content.isolated_unpacking import IsolatedUnpacker
from processor.content.mail_files import MailFile, NotAMail, read_mail
from processor.content.spool import spooling_threads
from processor.importer import worker_processes
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()


@pytest.fixture
async def unpacker() -> AsyncIterator[IsolatedUnpacker]:
    async with worker_processes() as processes:
        yield IsolatedUnpacker(processes, spooling_threads())


async def read(unpacker: IsolatedUnpacker, *lines: str) -> MailFile:
    with ExitStack() as files:
        return await read_mail("\r\n".join(lines).encode(), unpacker, files, now=NOW)


def multipart(boundary: str, *parts: tuple[str, ...]) -> list[str]:
    lines = ["MIME-Version: 1.0", f"Content-Type: multipart/mixed; boundary={boundary}", ""]
    for part in parts:
        lines += [f"--{boundary}", *part]
    return [*lines, f"--{boundary}--"]


def csv(name: str, content: str = "a;b") -> tuple[str, ...]:
    return ("Content-Type: text/csv", f"Content-Disposition: attachment; filename={name}", "", content)


async def test_headers_and_text_are_read(unpacker: IsolatedUnpacker) -> None:
    mail = await read(
        unpacker,
        'From: "Lab, central" <lab@example.com>',
        "Sender: office@example.com",
        "To: =?utf-8?q?M=C3=BCller=2C_A?= <a@example.com>, b@example.com",
        "Cc: c@example.com, no address",
        "Bcc: b@example.com",
        "Subject: =?utf-8?q?R=C3=A9sultats?=",
        "Date: Sun, 29 Nov 2026 10:00:00 +0100",
        "Content-Type: text/html; charset=utf-8",
        "",
        "<p>Blei <b>42</b> µg</p>",
    )
    facts = mail.facts
    assert facts.senders == ("lab@example.com", "office@example.com")
    assert facts.recipients == ("a@example.com", "b@example.com", "c@example.com")
    assert (facts.subject, facts.has_html) == ("Résultats", True)
    assert (facts.body_text or "").strip() == "Blei 42 µg"
    assert facts.received == datetime(2026, 11, 29, 9, 0, tzinfo=UTC)
    assert facts.received.utcoffset() == timedelta(hours=1)
    assert (facts.imported, facts.original_state, facts.message_id) == (NOW, "stored", 0)
    assert list(facts.attachments) == []


async def test_attachments_have_the_places_and_origins_of_an_import(unpacker: IsolatedUnpacker) -> None:
    """Attached mail is below the mail, and what is in it below that, at any depth."""
    innermost = ["From: y@example.com", *multipart("d", csv("innermost.csv"))]
    inner = ["From: x@example.com", *multipart("c", csv("inner.csv"), ("Content-Type: message/rfc822", "", *innermost))]
    mail = await read(
        unpacker,
        "From: lab@example.com",
        *multipart(
            "b",
            ("Content-Type: text/plain", "", "text"),
            csv("r.csv"),
            csv("R.csv"),
            ("Content-Type: message/rfc822", "", *inner),
        ),
    )
    found = [(each.position, each.parent, each.origin, each.name) for each in mail.facts.attachments]
    assert [each[:3] for each in found] == [
        (0, None, "graph"),
        (1, None, "graph"),
        (2, None, "graph"),
        (3, 2, "item"),
        (4, 2, "item"),
        (5, 4, "item"),
    ]
    assert [found[number][3] for number in (0, 1, 3, 5)] == ["r.csv", "R.csv", "inner.csv", "innermost.csv"]
    names = [each.safe_name for each in mail.facts.attachments]
    assert names[:2] == ["r.csv", "R (2).csv"]
    assert len({each.lower() for each in names}) == len(names)
    assert mail.facts.body_text == "text"
    assert mail.attachments[0].content == b"a;b"
    assert mail.facts.attachments[0].sha256 == mail.attachments[0].sha256


async def test_a_picture_without_content_id_is_a_file_like_others(unpacker: IsolatedUnpacker) -> None:
    """As it is to a rule once the mail is imported."""
    inline = ("Content-Type: image/png; name=a.png", "Content-Disposition: inline")
    mail = await read(
        unpacker,
        "From: lab@example.com",
        *multipart("b", (*inline, "Content-ID: <logo>", "", "PNG"), (*inline, "", "PNG")),
    )
    assert [each.inline for each in mail.facts.attachments] == [True, False]


async def test_contents_are_decoded(unpacker: IsolatedUnpacker) -> None:
    encoded = base64.b64encode(b"x;y\x00").decode()
    part = ("Content-Type: text/csv; name=a.csv", "Content-Transfer-Encoding: base64", "", encoded)
    mail = await read(unpacker, "From: lab@example.com", *multipart("b", part))
    assert [(each.name, each.size) for each in mail.facts.attachments] == [("a.csv", 4)]


@pytest.mark.parametrize(
    "lines",
    [
        ["From: " + "(" * 5000 + ")" * 5000, "Date: never", "", "text"],
        ["From: @", "Date: Sun, 29 Nov 2026 10:00:00", "Subject:", "", ""],
        ["Subject: \udcff".encode("utf-8", "replace").decode(), "To: <>", "", "text"],
        ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "", "--b"],
    ],
)
async def test_malformed_mail_is_read_as_far_as_it_goes(unpacker: IsolatedUnpacker, lines: list[str]) -> None:
    mail = await read(unpacker, *lines)
    assert (mail.facts.senders, mail.facts.recipients) in {((), ()), (("@",), ())}


@pytest.mark.parametrize("lines", [[""], ["no mail"], ["a;b", "c;d"], ["\x00\x01"]])
async def test_what_is_no_mail_is_refused(unpacker: IsolatedUnpacker, lines: list[str]) -> None:
    with pytest.raises(NotAMail):
        await read(unpacker, *lines)
