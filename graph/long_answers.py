"""JSON that is too long for memory, read while it arrives: its long texts are written to files.

Only strings can be long in Graph's responses (a body, a file in base64), so all else is kept unchanged, with a token in
place of each long string, and is decoded at the end by Python's own reader.
"""

import codecs
import json
import re
import tempfile
from collections import deque
from contextlib import ExitStack
from typing import Final

from longtext import LONG, LongText, LongTextWriter

MAX_BESIDE: Final = 16 * 1024 * 1024
"""Bytes of a response without its long strings; Graph's largest (thousands of recipients) has some 2 MB."""

# JSON has no such value; Python's reader passes it to `parse_constant`.
_TOKEN: Final = b"NaN"
_NO_JSON: Final = re.compile(rb"[NI]")
# A string up to its end; an escape split by the end of the piece is left for the next one.
_RUN: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
# Text decodable by itself: no part of an escape, and no half of a surrogate pair whose other half may follow.
_UNIT: Final = r"\\u(?![dD][89abAB])[0-9a-fA-F]{4}"
_PAIR: Final = rf"\\u[dD][89abAB][0-9a-fA-F]{{2}}(?:{_UNIT}|(?=[^\\]|\\[^u]|\\u[dD][89abAB]))"
_WHOLE: Final = re.compile(rf"(?:[^\\]++|\\[^u]|{_UNIT}|{_PAIR})*+", re.DOTALL)
_MAX_ESCAPE: Final = 12


class LongAnswer:
    """Decodes one response. Blocks: not for the event loop.

    Args:
        files: closes, and so deletes, the temporary files.
    """

    def __init__(self, files: ExitStack) -> None:
        self._files = files
        self._beside = bytearray()
        self._carried = b""
        self._string: bytearray | None = None
        self._long: _LongString | None = None
        self._texts: deque[LongText] = deque()

    def feed(self, data: bytes) -> None:
        """Add the next piece, split at any byte.

        Raises:
            ValueError: this is no JSON, or it has more than MAX_BESIDE bytes beside its long strings.
        """
        data, place = self._carried + data, 0
        self._carried = b""
        while place < len(data):
            if self._string is None:
                place = self._outside(data, place)
                continue
            found = _RUN.match(data, place)
            end = place if found is None else found.end()
            self._inside(data[place:end])
            if end == len(data):
                return
            if data[end : end + 1] != b'"':
                self._carried = data[end:]  # a backslash, whose other half follows
                return
            self._end_string()
            place = end + 1

    def finish(self) -> object:
        """Return the response as `json.loads` would, with a LongText in place of each string of more than LONG bytes.

        Raises:
            ValueError, RecursionError: it is no whole JSON.
        """
        if self._string is not None or self._carried:
            raise ValueError("the answer ends within a string")
        found = json.loads(self._beside, parse_constant=lambda _: self._texts.popleft())
        if self._texts:
            raise ValueError("a long string stands where none can be")
        return found

    def _outside(self, data: bytes, place: int) -> int:
        end = data.find(b'"', place)
        stop = len(data) if end < 0 else end
        if _NO_JSON.search(data, place, stop):
            raise ValueError("a word that JSON has not")
        self._add(data[place:stop])
        if end < 0:
            return stop
        self._string = bytearray()
        return end + 1

    def _inside(self, raw: bytes) -> None:
        if self._string is None:
            raise ValueError("no string has begun")
        if self._long is not None:
            self._long.add(raw)
            return
        self._string += raw
        if len(self._string) > LONG:
            self._long = _LongString(self._files)
            self._long.add(bytes(self._string))
            self._string.clear()

    def _end_string(self) -> None:
        if self._long is not None:
            self._texts.append(self._long.finish())
            self._add(_TOKEN)
        else:
            self._add(b'"' + bytes(self._string or b"") + b'"')
        self._string = self._long = None

    def _add(self, raw: bytes) -> None:
        self._beside += raw
        if len(self._beside) > MAX_BESIDE:
            raise ValueError("the answer is longer than any of Graph")


class _LongString:
    """The inside of a JSON string, written as text while it arrives."""

    def __init__(self, files: ExitStack) -> None:
        file = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # `files` closes it
        self._writer = LongTextWriter(file)
        # Like json.loads for bytes: halves of surrogate pairs are allowed.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        self._left = ""

    def add(self, raw: bytes) -> None:
        """Add the next bytes; they may end within a character, or within an escape, but not after a backslash."""
        text = self._left + self._decoder.decode(raw)
        found = _WHOLE.match(text)
        end = 0 if found is None else found.end()
        self._write(text[:end])
        self._left = text[end:]
        if len(self._left) > _MAX_ESCAPE:
            raise ValueError("an escape that JSON has not")

    def finish(self) -> LongText:
        """Return the text at the end of the string."""
        self._decoder.decode(b"", final=True)
        self._write(self._left)
        return self._writer.finish()

    def _write(self, escaped: str) -> None:
        if escaped:
            self._writer.write(json.loads(f'"{escaped}"'))
