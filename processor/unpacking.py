"""What is inside attachments gets rows of its own below them: of attached mails, `winmail.dat` and signed mail.

Bounded in bytes, rows and depth here, in time and memory by `processor.isolated_unpacking`: of a bomb the original is
stored, and nothing below it.
"""

import hashlib
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Final

from db.messages import AttachmentRecord
from processor import mime, smime, tnef
from processor.mapping import Texts
from processor.pieces import NotUnpacked, Piece
from processor.spool import IN_MEMORY

_SIGNED_OPAQUE: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNED_CLEAR: Final = "multipart/signed"
_TNEF: Final = frozenset({tnef.CONTENT_TYPE, "application/vnd.ms-tnef"})
_TNEF_NAME: Final = "winmail.dat"
_SIGNED_NAME: Final = ".p7m"
_PROTECTED: Final = "application/x-microsoft-rpmsg-message"
_PROTECTED_NAME: Final = ".rpmsg"


@dataclass(frozen=True, slots=True)
class UnpackingBounds:
    """Of one message, beside what Graph listed; time and memory are bounded by the process that unpacks.

    `total_bytes`: of all that is found, and `times_source` the size of what was packed besides: what is in mails within
    mails is stored once for each.
    """

    total_bytes: int = 16 * 1024 * 1024
    times_source: int = 3
    rows: int = 200
    depth: int = 20


@dataclass(frozen=True, slots=True)
class _Way:
    """How something is unpacked, and the `sOrigin` of what comes out."""

    origin: str
    pieces: Callable[[bytes], Iterator[Piece]]


class _TooMuch(Exception):
    """More than the bounds allow: of this attachment nothing is unpacked."""


class _Allowance:
    """What of the bounds is left."""

    def __init__(self, rows: int, size: int) -> None:
        self.rows = rows
        self.size = size

    def take(self, piece: Piece) -> None:
        self.rows -= 1
        self.size -= len(piece.content)
        if self.rows < 0 or self.size < 0:
            raise _TooMuch("there is more in it than is unpacked of one message.")


def is_packed(record: AttachmentRecord) -> bool:
    """Whether it is of a form that is unpacked."""
    return record.content is not None and _way_of(record) is not None


class Unpacker:
    """Unpacks the attachments of messages."""

    def __init__(self, bounds: UnpackingBounds | None = None) -> None:
        self._bounds = bounds or UnpackingBounds()

    def unpacked(
        self,
        listed: Sequence[AttachmentRecord],
        files: ExitStack,
        texts: Texts,
        *,
        on_begin: Callable[[int], None] = lambda _position: None,
    ) -> list[AttachmentRecord]:
        """Those of one message, and after them what was in them, parents before children.

        Takes time and memory that strangers decide on: for a worker process only. `files` closes, and so deletes, the
        temporary files. What could not be unpacked says so in `state_detail`. `on_begin` is called with the position
        of each that is begun.
        """
        rows = list(listed)
        source = sum(record.size for record in listed if is_packed(record))
        left = _Allowance(self._bounds.rows, self._bounds.total_bytes + self._bounds.times_source * source)
        for record in listed:
            if is_packed(record):
                on_begin(record.position)
                rows[record.position], below = self._below(record, len(rows), left, files, texts)
                rows.extend(below)
        return rows

    def _below(
        self, record: AttachmentRecord, first: int, left: _Allowance, files: ExitStack, texts: Texts
    ) -> tuple[AttachmentRecord, list[AttachmentRecord]]:
        """The record, and the rows of all that is in it, at positions from `first` on."""
        trial = _Allowance(left.rows, left.size)
        rows = [record]
        waiting = deque([(0, 0)])
        with ExitStack() as own:
            while waiting:
                index, depth = waiting.popleft()
                parent = rows[index]
                try:
                    way, pieces = self._pieces(parent, depth, trial)
                except NotUnpacked as exc:
                    rows[index] = replace(parent, state_detail=f"Not unpacked. {exc}")
                    continue
                except _TooMuch as exc:
                    return replace(record, state_detail=f"Not unpacked: {exc}"), []
                for piece in pieces:
                    row = _row(piece, first + len(rows) - 1, parent.position, way.origin, own, texts)
                    if is_packed(row):
                        waiting.append((len(rows), depth + 1))
                    rows.append(row)
            files.push(own.pop_all())
        left.rows, left.size = trial.rows, trial.size
        return rows[0], rows[1:]

    def _pieces(self, record: AttachmentRecord, depth: int, left: _Allowance) -> tuple[_Way, list[Piece]]:
        way = _way_of(record)
        if way is None:
            raise NotUnpacked("Nobody knows how.")
        if depth >= self._bounds.depth:
            raise NotUnpacked(f"It is inside of {depth} others.")
        found: list[Piece] = []
        try:
            for piece in way.pieces(_content(record)):
                left.take(piece)
                found.append(piece)
        except (NotUnpacked, _TooMuch, MemoryError):
            raise
        except Exception as exc:  # what a stranger wrote must not stop the import, whatever a parser stumbles over
            # Not its text, which may be mail.
            raise NotUnpacked(f"It cannot be read ({type(exc).__name__}).") from exc
        return way, found


def _way_of(record: AttachmentRecord) -> _Way | None:
    kind = (record.content_type or "").partition(";")[0].strip().lower()
    name = (record.file_name or "").strip().lower()
    if record.item_type == "message":
        return _Way("smime" if record.origin == "smime" else "item", mime.attachments_in)
    if record.kind != "file":
        return None
    if kind == _PROTECTED or name.endswith(_PROTECTED_NAME):
        return _Way("graph", _sealed)
    if kind in _TNEF or name == _TNEF_NAME:
        return _Way("tnef", tnef.attachments_in)
    if kind in _SIGNED_OPAQUE or name.endswith(_SIGNED_NAME):
        return _Way("smime", partial(smime.pieces_in, is_clear=kind == _SIGNED_CLEAR))
    return None


def _sealed(_content: bytes) -> Iterator[Piece]:
    raise NotUnpacked("It is encrypted (Microsoft's rights management): only Microsoft's programs open it.")


def _content(record: AttachmentRecord) -> bytes:
    if record.content is None or isinstance(record.content, bytes):
        return record.content or b""
    record.content.seek(0)
    return record.content.read(record.size)


def _row(piece: Piece, position: int, parent: int, origin: str, files: ExitStack, texts: Texts) -> AttachmentRecord:
    return AttachmentRecord(
        position=position,
        graph_attachment_id=None,
        kind="item" if piece.is_message else "file",
        file_name=texts.take(piece.name),
        content_type=texts.take(piece.content_type),
        size=len(piece.content),
        inline=piece.inline,
        content_id=texts.take(piece.content_id),
        sha256=hashlib.sha256(piece.content).hexdigest(),
        content=_held(piece.content, files),
        item_type="message" if piece.is_message else None,
        content_location=texts.take(piece.content_location),
        parent_position=parent,
        origin=origin,
    )


def _held(content: bytes, files: ExitStack) -> bytes | IO[bytes]:
    if len(content) <= IN_MEMORY:
        return content
    file = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # `files` closes it
    file.write(content)
    return file
