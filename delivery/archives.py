"""Files in a `.zip`, within bounds that hold for the bytes that come out, whatever the archive claims.

Bounds against archives that unpack to far more than they are: https://www.bamsoftware.com/hacks/zipbomb/.
Reasons for which a file cannot be read: `Problem`. A `.zip` in a `.zip` is a file like others.
"""

import bz2
import lzma
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import IO, Final

from delivery.errors import BadArchive
from delivery.zip_directory import BadDirectoryError, Entry, ZipDirectory, data_range, read_directory
from phrases import Phrase
from rules.mail import Member

_PIECE: Final = 64 * 1024
_MAX_DIRECTORY: Final = 2 * 1024 * 1024
"""Bytes: 1,000 files with names of a usual length take a tenth."""
_MAX_DICTIONARY: Final = 64 * 1024 * 1024
"""Bytes that unpacking LZMA may take: as many as its highest level uses."""
_MAX_SIZE: Final = 2**63 - 1
"""The database has no column for more."""

_ENCRYPTED: Final = 0x0001 | 0x0040 | 0x2000
_PATCH: Final = 0x0020
_STORED, _DEFLATED, _BZIP2, _LZMA, _AES = 0, 8, 12, 14, 99


class Problem(StrEnum):
    """`Member.problem` and `BadArchive.reason`. The fixed words are stored and shown.

    BAD_ARCHIVE: of the archive as a whole. TOO_COMPRESSED: it unpacks to far more bytes than it has. OVERLAPPING: its
    bytes are also another file's.
    """

    BAD_ARCHIVE = "BadArchive"
    TOO_MANY = "TooMany"
    TOO_LARGE = "TooLarge"
    TOO_COMPRESSED = "TooCompressed"
    OVERLAPPING = "Overlapping"
    ENCRYPTED = "Encrypted"
    UNSUPPORTED = "Unsupported"
    DAMAGED = "Damaged"


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """`files`: in an archive. `file_bytes`, `total_bytes`: unpacked, of one file and of all that can be read.

    `ratio`: unpacked bytes for each packed one, in files of more than `ratio_from` bytes.
    """

    files: int = 1000
    file_bytes: int = 256 * 1024 * 1024
    total_bytes: int = 1024 * 1024 * 1024
    ratio: int = 250
    ratio_from: int = 1024 * 1024


def members_of(file: IO[bytes], limits: ArchiveLimits) -> list[Member]:
    """The files in an archive, without its folders, each with the problem for which it cannot be read.

    Beyond the number of files that is allowed, the first ones are listed, and none can be read. Likewise none can if
    all that could be read are too large together.

    Raises:
        BadArchive: it is no `.zip`, or its directory is damaged.
        OSError: the file cannot be read.
    """
    return [
        Member(number=entry.number, name=entry.name, size=min(entry.size, _MAX_SIZE), problem=problem and problem.value)
        for entry, problem in _examined(file, limits)
    ]


def pieces_of(file: IO[bytes], number: int, limits: ArchiveLimits) -> Iterator[bytes]:
    """Return an iterator over the bytes of the file at this position, of 64 KiB at most each.

    Raises:
        BadArchive: there is none, or it has a problem; the iterator raises it, too, where the bytes are not those that
            the archive announces. What came before is then of no use.
        OSError: the file cannot be read.
    """
    for entry, problem in _examined(file, limits):
        if entry.number == number:
            if problem is not None:
                raise _unreadable(problem)
            return _verified(file, entry)
    raise _unreadable(Problem.DAMAGED)


def _examined(file: IO[bytes], limits: ArchiveLimits) -> list[tuple[Entry, Problem | None]]:
    try:
        directory = read_directory(file, max_files=limits.files, max_bytes=_MAX_DIRECTORY)
    except BadDirectoryError as exc:
        raise BadArchive(
            Problem.BAD_ARCHIVE.value,
            Phrase("The .zip cannot be read: {cause}. Ask the sender for another one.", cause=Phrase.of(exc)),
        ) from exc
    files = [entry for entry in directory.entries if not entry.is_folder]
    if not directory.is_complete:
        return [(entry, Problem.TOO_MANY) for entry in files]
    examined = list(zip(files, _problems(file, directory, files, limits), strict=True))
    if sum(entry.size for entry, problem in examined if problem is None) > limits.total_bytes:
        return [(entry, problem or Problem.TOO_LARGE) for entry, problem in examined]
    return examined


def _problems(
    file: IO[bytes], directory: ZipDirectory, files: Sequence[Entry], limits: ArchiveLimits
) -> Iterator[Problem | None]:
    bounds = _bounds(directory)
    for entry in files:
        yield _claimed_problem(entry, limits) or _placed_problem(file, entry, bounds.get(entry.offset))


def _bounds(directory: ZipDirectory) -> dict[int, int]:
    """The offset at which the bytes of each entry end at the latest, by its own offset; not of those that share one."""
    counts = Counter(entry.offset for entry in directory.entries)
    return {
        offset: following
        for offset, following in pairwise([*sorted(counts), directory.start])
        if counts[offset] == 1 and offset < following
    }


def _claimed_problem(entry: Entry, limits: ArchiveLimits) -> Problem | None:
    """The problem that the directory shows."""
    if not entry.is_sound or (entry.method == _STORED and entry.packed != entry.size and not entry.flags & _ENCRYPTED):
        return Problem.DAMAGED
    if entry.flags & _ENCRYPTED or entry.method == _AES:
        return Problem.ENCRYPTED
    if entry.method not in _UNPACKERS or entry.flags & _PATCH or entry.is_link:
        return Problem.UNSUPPORTED
    if entry.size > limits.file_bytes:
        return Problem.TOO_LARGE
    if entry.size > limits.ratio_from and entry.size > entry.packed * limits.ratio:
        return Problem.TOO_COMPRESSED
    return None


def _placed_problem(file: IO[bytes], entry: Entry, bound: int | None) -> Problem | None:
    """The problem that the header before the data shows."""
    found = data_range(file, entry)
    if found is None:
        return Problem.DAMAGED
    return Problem.OVERLAPPING if bound is None or found[1] > bound else None


def _verified(file: IO[bytes], entry: Entry) -> Iterator[bytes]:
    """The bytes, as long as they are no more than announced; at the end they have the announced size and checksum."""
    size, checksum = 0, 0
    for piece in _UNPACKERS[entry.method](_packed(file, entry), entry):
        size += len(piece)
        if size > entry.size:
            raise _unreadable(Problem.DAMAGED)
        checksum = zlib.crc32(piece, checksum)
        if piece:
            yield piece
    if size != entry.size or checksum != entry.crc:
        raise _unreadable(Problem.DAMAGED)


def _packed(file: IO[bytes], entry: Entry) -> Iterator[bytes]:
    found = data_range(file, entry)
    if found is None:
        raise _unreadable(Problem.DAMAGED)
    place, end = found
    while place < end:
        file.seek(place)  # each time: the caller may read another file of the archive in between
        piece = file.read(min(_PIECE, end - place))
        if not piece:
            raise _unreadable(Problem.DAMAGED)
        place += len(piece)
        yield piece


def _stored(packed: Iterator[bytes], _: Entry) -> Iterator[bytes]:
    return packed


def _inflated(packed: Iterator[bytes], _: Entry) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in packed:
        data = piece
        while not unpacker.eof:
            made = _guarded(unpacker.decompress, data, _PIECE)
            data = unpacker.unconsumed_tail
            yield made
            # A full piece may have more to come although all data are consumed.
            if not data and len(made) < _PIECE:
                break


def _unbzipped(packed: Iterator[bytes], _: Entry) -> Iterator[bytes]:
    return _streamed(bz2.BZ2Decompressor(), packed)


def _unlzmaed(packed: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    """Read the header of this method, of 9 bytes, and then raw LZMA; see 5.8.8 of the format."""
    first = b""
    while len(first) < 9 and (piece := next(packed, b"")):
        first += piece
    if len(first) < 9 or first[2:4] != b"\x05\x00" or first[4] >= 9 * 5 * 5:
        raise _unreadable(Problem.DAMAGED)
    # More than the file has is never used, but allocated.
    dictionary = min(int.from_bytes(first[5:9], "little"), max(entry.size, 4096))
    if dictionary > _MAX_DICTIONARY:
        raise _unreadable(Problem.UNSUPPORTED)
    rest, lc = divmod(first[4], 9)
    pb, lp = divmod(rest, 5)
    kind = {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}
    try:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[kind])
    except (lzma.LZMAError, ValueError) as exc:
        raise _unreadable(Problem.DAMAGED) from exc
    yield from _streamed(unpacker, packed, first[9:])


def _streamed(
    unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor, packed: Iterator[bytes], first: bytes = b""
) -> Iterator[bytes]:
    piece: bytes | None = first
    while piece is not None and not unpacker.eof:
        yield _guarded(unpacker.decompress, piece, _PIECE)
        piece = next(packed, None) if unpacker.needs_input else b""


def _guarded(unpack: Callable[[bytes, int], bytes], data: bytes, limit: int) -> bytes:
    try:
        return unpack(data, limit)
    # The library of bzip2 raises OSError for damaged data, which is no fault of a disk.
    except (zlib.error, lzma.LZMAError, EOFError, ValueError, OSError) as exc:
        raise _unreadable(Problem.DAMAGED) from exc


def _unreadable(problem: Problem) -> BadArchive:
    return BadArchive(problem.value, Phrase("The file cannot be read from the .zip: {cause}.", cause=_CAUSES[problem]))


_UNPACKERS: Final[dict[int, Callable[[Iterator[bytes], Entry], Iterator[bytes]]]] = {
    _STORED: _stored,
    _DEFLATED: _inflated,
    _BZIP2: _unbzipped,
    _LZMA: _unlzmaed,
}
_CAUSES: Final = {
    Problem.BAD_ARCHIVE: Phrase("the archive is damaged; ask the sender for another one"),
    Problem.TOO_MANY: Phrase("the archive has too many files; ask the sender for several archives"),
    Problem.TOO_LARGE: Phrase("it, or all of the archive, is too large; ask the sender for several archives"),
    Problem.TOO_COMPRESSED: Phrase("it unpacks to suspiciously many bytes; ask the sender for the file itself"),
    Problem.OVERLAPPING: Phrase("its bytes are also those of another file; do not open the archive"),
    Problem.ENCRYPTED: Phrase("it is encrypted; ask the sender for an archive without a password"),
    Problem.UNSUPPORTED: Phrase(
        "its compression is not supported, or it is a link; ask the sender for a usual archive (deflate)"
    ),
    Problem.DAMAGED: Phrase("it is damaged; ask the sender for another archive"),
}
