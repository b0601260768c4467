"""The central directory of a `.zip`, read piece by piece within bounds.

Not by `zipfile`, which reads the whole directory into memory, and refuses all files of an archive for one whose name,
version or extra field it does not understand; until Python 3.11.8 it does not notice entries that overlap, either.
Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final
from zlib import crc32

from phrases import Phrase

_END: Final = struct.Struct("<4s4H2LH")
_END_SIGNATURE: Final = b"PK\x05\x06"
_LOCATOR: Final = struct.Struct("<4sLQL")
_LOCATOR_SIGNATURE: Final = b"PK\x06\x07"
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_END_64_SIGNATURE: Final = b"PK\x06\x06"
_ENTRY: Final = struct.Struct("<4s4B4H3L5H2L")
_ENTRY_SIGNATURE: Final = b"PK\x01\x02"
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_LOCAL_SIGNATURE: Final = b"PK\x03\x04"

_MAX_COMMENT: Final = 0xFFFF
_UNKNOWN: Final = 0xFFFF_FFFF
"""Stands for a number that is in the ZIP64 extra field."""
_ZIP64: Final = 0x0001
_UNICODE_PATH: Final = 0x7075
_UTF8: Final = 0x0800
_UNIX: Final = 3
_FILE_TYPE: Final = 0o170000
_SYMLINK: Final = 0o120000


class BadDirectoryError(Exception):
    """The file is no `.zip`, or its directory is damaged; the text is a phrase that names the cause."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the directory. `raw_name`: as stored. `packed`, `size`: in bytes, as claimed.

    `offset`: of its local header in the file. `is_sound`: False if a field is missing or out of bounds.
    """

    number: int
    name: str = field(repr=False)
    raw_name: bytes = field(repr=False)
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    is_link: bool
    is_sound: bool

    @property
    def is_folder(self) -> bool:
        """True if it is a folder: by its name, as in every program."""
        return self.name.endswith(("/", "\\"))


@dataclass(frozen=True, slots=True)
class ZipDirectory:
    """The entries. `start`: offset of the directory in the file. `is_complete`: False if more are there."""

    entries: list[Entry]
    start: int
    is_complete: bool


def read_directory(file: IO[bytes], *, max_files: int, max_bytes: int) -> ZipDirectory:
    """Read the directory, but no more than this number of files and bytes.

    Raises:
        BadDirectoryError: there is none, or it is damaged.
    """
    start, length, shift = _find_directory(file)
    entries: list[Entry] = []
    files = 0
    # A directory that is cut off by the bound ends in half an entry.
    for entry in _entries(file, start, min(length, max_bytes), shift, may_be_cut=length > max_bytes):
        files += not entry.is_folder
        if files > max_files:
            return ZipDirectory(entries, start, is_complete=False)
        entries.append(entry)
    return ZipDirectory(entries, start, is_complete=length <= max_bytes)


def data_range(file: IO[bytes], entry: Entry) -> tuple[int, int] | None:
    """Offsets of the first byte of the data of an entry and of the one after the last; None: its header is damaged."""
    header = _read(file, entry.offset, _LOCAL.size)
    if len(header) < _LOCAL.size:
        return None
    signature, _, flags, method, *_, name_length, extra_length = _LOCAL.unpack(header)
    name = _read(file, entry.offset + _LOCAL.size, name_length)
    if signature != _LOCAL_SIGNATURE or name != entry.raw_name or method != entry.method or (flags ^ entry.flags) & 1:
        return None
    begin = entry.offset + _LOCAL.size + name_length + extra_length
    return begin, begin + entry.packed


def _find_directory(file: IO[bytes]) -> tuple[int, int, int]:
    """Start and length of the directory, and the number of bytes before the archive (of a self-extracting one)."""
    end, record = _find_end(file)
    _, disk, first_disk, _, _, length, offset, _ = record
    if disk not in {0, 0xFFFF} or first_disk not in {0, 0xFFFF}:
        raise BadDirectoryError(Phrase("it is a part of several"))
    large = _find_end_64(file, end)
    if large is not None:
        end, length, offset = large
    start = end - length
    if start < 0 or offset > start:
        raise BadDirectoryError(Phrase("its directory is damaged"))
    return start, length, start - offset


def _find_end(file: IO[bytes]) -> tuple[int, tuple[int, ...]]:
    """Offset and fields of the record at the end; a comment may follow it."""
    size = file.seek(0, 2)
    begin = max(0, size - _MAX_COMMENT - _END.size)
    tail = _read(file, begin, size - begin)
    found = tail.rfind(_END_SIGNATURE, 0, max(0, len(tail) - _END.size + len(_END_SIGNATURE)))
    if found < 0:
        raise BadDirectoryError(Phrase("it is no .zip, or its end is missing"))
    return begin + found, _END.unpack_from(tail, found)


def _find_end_64(file: IO[bytes], end: int) -> tuple[int, int, int] | None:
    """Offset of the record of ZIP64, and length and offset of the directory that it has; None: there is none."""
    place = end - _LOCATOR.size - _END_64.size
    if place < 0:
        return None
    record = _read(file, place, _END_64.size + _LOCATOR.size)
    if len(record) < _END_64.size + _LOCATOR.size or not record.startswith(_END_64_SIGNATURE):
        return None
    signature, disk, _, disks = _LOCATOR.unpack_from(record, _END_64.size)
    if signature != _LOCATOR_SIGNATURE:
        return None
    if disk or disks > 1:
        raise BadDirectoryError(Phrase("it is a part of several"))
    *_, length, offset = _END_64.unpack_from(record)
    return place, length, offset


def _entries(file: IO[bytes], start: int, length: int, shift: int, *, may_be_cut: bool) -> Iterator[Entry]:
    data = _read(file, start, length)
    place = number = 0
    while place < len(data):
        entry = _entry(data, place, number, shift)
        if entry is None:
            if may_be_cut:
                return
            raise BadDirectoryError(Phrase("its directory is damaged"))
        place += entry[1]
        number += 1
        yield entry[0]
    if place < length:
        raise BadDirectoryError(Phrase("its directory is damaged"))


def _entry(data: bytes, place: int, number: int, shift: int) -> tuple[Entry, int] | None:
    """The entry at this place, and its length; None: it is not whole."""
    if len(data) - place < _ENTRY.size:
        return None
    fields = _ENTRY.unpack_from(data, place)
    signature, _, system, _, _, flags, method, _, _, crc, packed, size = fields[:12]
    name_length, extra_length, comment_length, _, _, attributes, offset = fields[12:]
    begin = place + _ENTRY.size
    length = _ENTRY.size + name_length + extra_length + comment_length
    if signature != _ENTRY_SIGNATURE or place + length > len(data):
        return None
    raw_name = data[begin : begin + name_length]
    extra = _extra_fields(data[begin + name_length : begin + name_length + extra_length])
    numbers = _large_numbers([size, packed, offset], extra.get(_ZIP64, b""))
    name = _decoded(raw_name, flags, extra.get(_UNICODE_PATH, b""))
    entry = Entry(
        number=number,
        name=name,
        raw_name=raw_name,
        flags=flags,
        method=method,
        crc=crc,
        packed=numbers[1],
        size=numbers[0],
        offset=numbers[2] + shift,
        is_link=system == _UNIX and attributes >> 16 & _FILE_TYPE == _SYMLINK,
        is_sound=bool(name) and _UNKNOWN not in numbers,
    )
    return entry, length


def _extra_fields(extra: bytes) -> dict[int, bytes]:
    """The extra fields by their ids; damaged ones, and those after them, are left out."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        place += 4
        if place + length > len(extra):
            break
        found.setdefault(kind, extra[place : place + length])
        place += length
    return found


def _large_numbers(numbers: list[int], extra: bytes) -> list[int]:
    """The numbers, with those that are unknown from the ZIP64 extra field; they remain unknown if it lacks them."""
    found: list[int] = []
    for number in numbers:
        if number == _UNKNOWN and len(extra) >= 8:
            found.append(int.from_bytes(extra[:8], "little"))
            extra = extra[8:]
        else:
            found.append(number)
    return found


def _decoded(raw: bytes, flags: int, unicode_path: bytes) -> str:
    """The name up to a null character.

    Without the flag of UTF-8, Info-ZIP and others add the name in an extra field, which holds while its checksum is
    that of the stored name; macOS and many libraries write UTF-8 all the same, and MS-DOS its code page.
    """
    if not flags & _UTF8 and unicode_path[:1] == b"\x01" and unicode_path[1:5] == crc32(raw).to_bytes(4, "little"):
        raw = unicode_path[5:]
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        name = raw.decode("cp437")
    return name.partition("\0")[0]


def _read(file: IO[bytes], offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)
