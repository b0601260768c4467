"""Responses too long for memory equal the result of `json.loads`, with their long strings in files."""

import json
import tracemalloc
from contextlib import ExitStack
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.client import GraphClient
from graph.errors import GraphUnavailable
from graph.long_answers import MAX_BESIDE, LongAnswer
from graph.mailbox import Mailbox
from hostfaults import HostFault
from longtext import LONG, LongText, storable
from tests.doubles.scripted_graph import Script, raw

MEBIBYTE: Final = 1024 * 1024
BODY: Final = ('Prüfbericht "№ 7" \\ 😀\r\n\t\x01' * (LONG // 16))[: LONG + 100]


def read(data: bytes, files: ExitStack, *, piece: int = 4096) -> Any:  # noqa: ANN401  # JSON
    answer = LongAnswer(files)
    for start in range(0, len(data), piece):
        answer.feed(data[start : start + piece])
    return answer.finish()


def in_memory(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Return the same with the text of each LongText in its place."""
    if isinstance(value, LongText):
        return value.text()
    if isinstance(value, list):
        return [in_memory(each) for each in value]
    return {key: in_memory(each) for key, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("as_ascii", [True, False])
@pytest.mark.parametrize("piece", [1021, 65_536])
def test_long_strings_go_to_files_and_all_else_stays(piece: int, as_ascii: bool) -> None:
    """It does not matter what the pieces cut in two: characters, escapes, pairs of them."""
    answer = {"id": "A\\", "body": {"content": BODY, "n": [1, -2.5e3, True, None, ""]}, "other": [BODY[::-1], "short"]}
    with ExitStack() as files:
        found = read(json.dumps(answer, ensure_ascii=as_ascii).encode(), files, piece=piece)
        assert isinstance(found["body"]["content"], LongText)
        assert isinstance(found["other"][0], LongText)
        assert in_memory(found) == answer


def test_what_is_known_of_a_long_text() -> None:
    """Half characters and NUL, which no database accepts, are replaced and counted; two halves are one character."""
    sent = "\\ud83d\\ude00 \\ud83d \\u0000 " + "a" * LONG
    with ExitStack() as files:
        [text] = read(f'["{sent}"]'.encode(), files)
        wanted, replaced = storable(json.loads(f'"{sent}"'))
        assert text.text() == wanted
        assert wanted.startswith("😀 \ufffd \ufffd a")
        assert (text.facts.size, text.facts.characters) == (len(wanted.encode()), len(wanted))
        assert text.facts.replaced == replaced == 2


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@given(value=_JSON, piece=st.integers(1, 40), as_ascii=st.booleans())
def test_any_json_cut_anywhere(value: Any, piece: int, as_ascii: bool) -> None:  # noqa: ANN401  # JSON
    """The result is that of Python's own reader."""
    with ExitStack() as files:
        assert read(json.dumps(value, ensure_ascii=as_ascii).encode(), files, piece=piece) == value


@pytest.mark.parametrize(
    "sent",
    [
        b'{"a": "' + b"x" * (LONG + 1),
        b'{"a": "' + b"x" * (LONG + 1) + b"\\",
        b'{"a": NaN}',
        b'{"' + b"x" * (LONG + 1) + b'": 1}',
        b'["' + b"x" * (LONG + 1) + b'\\u12"]',
        b'["' + b"x" * (LONG + 1) + b'\\x41"]',
        b"[" + b" " * MAX_BESIDE + b"]",
        b"<html>",
    ],
)
def test_what_is_no_whole_json(sent: bytes) -> None:
    with (
        ExitStack() as files,
        pytest.raises(ValueError, match=r"^(the answer|a word|a long|an escape|Expecting|Invalid|Unterminated)"),
    ):
        read(sent, files, piece=65_536)


@pytest.mark.slow
def test_memory_does_not_grow_with_a_body() -> None:
    """Thirty megabytes, an emoji among them: Python would take four bytes for each character."""
    with ExitStack() as files:
        answer = LongAnswer(files)
        tracemalloc.start()
        try:
            answer.feed('{"body": "😀'.encode())
            for _ in range(30 * MEBIBYTE // 131_072):
                answer.feed(b"<p>Nitrat</p> " * 9_362)
            answer.feed(b'"}')
            found = answer.finish()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert isinstance(found, dict)
        assert found["body"].facts.size > 29 * MEBIBYTE
    assert peak < 8 * MEBIBYTE


async def test_a_call_with_files_keeps_long_strings_out_of_memory(
    client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    """A short response is unchanged; of one that is no JSON no file stays open."""
    answer = {"id": "A", "body": {"content": BODY}}
    server.say(raw(body=json.dumps(answer).encode()), raw(body=b'{"id": "B"}'), raw(body=b'["' + b"x" * LONG * 2))
    with ExitStack() as files:
        found = await client.request(mailbox, "GET", "/x", files=files)
        assert isinstance(found["body"]["content"], LongText)
        assert in_memory(found) == answer
        assert await client.request(mailbox, "GET", "/x", files=files) == {"id": "B"}
        with pytest.raises(GraphUnavailable, match="whole JSON"):
            await client.request(mailbox, "GET", "/x", files=files)
    assert found["body"]["content"].file.closed


async def test_an_answer_without_end_is_not_held_in_memory(
    client: GraphClient, server: Script, mailbox: Mailbox
) -> None:
    """A call that expects nothing long reads no more than sixteen megabytes."""
    server.say(raw(body=b'["' + b"x" * (MAX_BESIDE + 3 * MEBIBYTE) + b'"]'))
    with pytest.raises(GraphUnavailable, match="whole JSON"):
        await client.request(mailbox, "POST", "/x", json={})  # it is not repeated


async def test_a_full_temporary_disk_is_no_fault_of_graph(
    client: GraphClient, server: Script, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host waits, and the message is not counted as failed."""
    server.say(raw(body=json.dumps({"body": BODY}).encode()))

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("graph.long_answers.tempfile.TemporaryFile", full)
    with ExitStack() as files, pytest.raises(HostFault, match="full"):
        await client.request(mailbox, "GET", "/x", files=files)


@pytest.mark.parametrize("piece", [1, 5, 6, 7, 11, 4096])
def test_halves_of_characters_are_read_alike_wherever_they_are_cut(piece: int) -> None:
    """A half before a whole pair is lost alone."""
    escaped = "\\ud83d\\ud83d\\ude00\\ude00\\ud83d" + "a" * LONG
    with ExitStack() as files:
        [text] = read(f'["{escaped}"]'.encode(), files, piece=piece)
        assert text.text()[:6] == "\ufffd😀\ufffd\ufffdaa"
