"""Unpacking within a worker process, and the form in which records and contents go there and back. Light to load.

Contents are passed beside the records: a few in the frames, the others in files of a folder that exists as long as the
call.
"""

import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Final, TypeAlias

from db.records import AttachmentRecord
from longtext import LONG, PIECE_BYTES, LongTextFacts, LongTextWriter
from processor.content.temporary_files import IN_MEMORY, section_of, taken_from_scratch
from processor.content.texts import Texts
from processor.content.unpacking import Unpacker

LISTED: Final = "listed"
FOUND: Final = "found"
TEXT: Final = "text"
AT: Final = "at"
"""The files of the folder: contents that are listed, those that are found, a long text, the position begun last."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes of the file beside."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class LongWrapped:
    """A text in the file beside that the attachment at `position` wraps."""

    position: int
    facts: LongTextFacts


Written: TypeAlias = list[tuple[AttachmentRecord, "bytes | Extent | None"]]
"""Records without their content, and the content of each."""


def unpack(passed: Written, folder: Path) -> tuple[Written, LongWrapped | None, int, int]:
    """Unpack in the worker process; return all rows, those that were listed without content; the text that one of them
    wraps, where it is long; characters replaced, texts shortened.
    """
    texts = Texts()
    with ExitStack() as files:
        listed = read_back(passed, folder / LISTED, files)
        rows = Unpacker().unpacked(listed, files, texts, on_begin=lambda position: _note(folder / AT, position))
        unpacked = [replace(row, content=None) for row in rows[: len(listed)]] + rows[len(listed) :]
        text = _long_wrapped(unpacked, folder / TEXT)
        return written(unpacked, folder / FOUND), text, texts.replaced, texts.shortened


def _long_wrapped(rows: list[AttachmentRecord], path: Path) -> LongWrapped | None:
    """Leave the rows the first wrapped text, which alone is used; or write it to the file, where it is long."""
    wrapping = [each.position for each in rows if each.wrapped_text is not None]
    if not wrapping:
        return None
    first, *others = wrapping
    for position in others:
        rows[position] = replace(rows[position], wrapped_text=None)
    text = rows[first].wrapped_text
    if not isinstance(text, str) or len(text.encode()) <= LONG:
        return None
    rows[first] = replace(rows[first], wrapped_text=None)
    with path.open("wb") as file:
        writer = LongTextWriter(file)
        for start in range(0, len(text), PIECE_BYTES):
            writer.write(text[start : start + PIECE_BYTES])
        return LongWrapped(first, writer.finish().facts)


def _note(path: Path, position: int) -> None:
    path.write_text(str(position), "ascii")


def written(records: Iterable[AttachmentRecord], path: Path) -> Written:
    """The records; contents that exceed `IN_MEMORY` together are in the file."""
    passed: Written = []
    left = IN_MEMORY
    with path.open("wb") as file:
        for record in records:
            content = record.content
            if isinstance(content, bytes) and len(content) <= left:
                left -= len(content)
                passed.append((replace(record, content=None), content))
            elif content is None:
                passed.append((record, None))
            else:
                offset = file.tell()
                source: IO[bytes] = BytesIO(content) if isinstance(content, bytes) else content
                source.seek(0)
                shutil.copyfileobj(source, file, IN_MEMORY)
                passed.append((replace(record, content=None), Extent(offset, file.tell() - offset)))
    return passed


def read_back(passed: Written, path: Path, files: ExitStack) -> list[AttachmentRecord]:
    """The records with their contents, for as long as `files` are open."""
    file = taken_from_scratch(path, files)
    return [
        replace(
            record, content=section_of(file, content.offset, content.size) if isinstance(content, Extent) else content
        )
        for record, content in passed
    ]
