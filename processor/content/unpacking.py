"""Unpacks attachments into rows of their own below them: attached mails, `winmail.dat` and signed mail.

Bounded in bytes, rows and depth here, in time and memory by `processor.content.isolated_unpacking`: the original is
stored in any case, and content beyond the bounds is counted.
"""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Final

from db.outcomes import ContentState
from db.records import AttachmentRecord
from hostfaults import HostFault, temporary_file_fault
from processor.content import mime, smime, tnef
from processor.content.charsets import codec_of, decoded
from processor.content.parts import BodyText, NotUnpacked, Part
from processor.content.plain_text import plain_text
from processor.content.temporary_files import IN_MEMORY, open_file
from processor.content.texts import Texts

_SIGNED_OPAQUE: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNED_CLEAR: Final = "multipart/signed"
_TNEF: Final = frozenset({tnef.CONTENT_TYPE, "application/vnd.ms-tnef"})
# Also as programs name a second file of that name.
_TNEF_NAME: Final = re.compile(r"winmail[ _-]?(?:\d+|\(\d+\))?\.dat")
_SIGNED_NAME: Final = ".p7m"
_PROTECTED: Final = "application/x-microsoft-rpmsg-message"
_PROTECTED_NAME: Final = ".rpmsg"
_MAIL_NAME: Final = ".eml"
_MEGABYTE: Final = 1024 * 1024
_MAX_COUNTED: Final = 10_000
"""Parts counted of one attachment beyond the bounds: counting takes time, too."""
# The charset that HTML states (https://html.spec.whatwg.org, section 13.2.3.2).
_META_CHARSET: Final = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_META_BYTES: Final = 1024
_TOO_MUCH: Final = "There is more in it than is unpacked of one message."


@dataclass(frozen=True, slots=True)
class UnpackingBounds:
    """Bounds of one message, beside what Graph listed; time and memory are bounded by the process that unpacks.

    `total_bytes`: of all that is found, and `times_source` the packed size besides: contents of mails within mails are
    stored once for each.
    """

    total_bytes: int = 16 * 1024 * 1024
    times_source: int = 3
    rows: int = 200
    depth: int = 20


@dataclass(frozen=True, slots=True)
class _Packing:
    """A form that is unpacked: the `sOrigin` of its contents, and the reader.

    `is_wrapping`: it is another form of a mail, whose text is inside.
    """

    origin: str
    pieces: Callable[[bytes], Iterator[Part | BodyText]]
    is_wrapping: bool = False


@dataclass(slots=True)
class _Allowance:
    """The rest of the bounds of one message, and the parts for which there was no room.

    `missing_from`: position and origin of the first of those.
    """

    rows: int
    size: int
    missing: int = 0
    missing_from: tuple[int, str] | None = None

    def take(self, piece: Part) -> bool:
        """Use up room for it; return False where there is none."""
        if not self.rows or len(piece.content) > self.size:
            return False
        self.rows -= 1
        self.size -= len(piece.content)
        return True


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A row that is to be unpacked. `is_own`: its text is the message's, however often it is wrapped."""

    index: int
    depth: int
    is_own: bool


def is_packed(record: AttachmentRecord) -> bool:
    """True if it is of a form that is unpacked."""
    return record.content is not None and _packing_of(record) is not None


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
        """The attachments of one message, and after them their contents, parents before children.

        Takes time and memory that untrusted content decides: for a worker process only. `files` closes, and so deletes,
        the temporary files. A row not unpacked, or only in part, states it in `state_detail`; the last row counts the
        contents beyond the bounds. `on_begin` is called with the position of each that is begun.
        """
        rows = list(listed)
        source = sum(record.size for record in listed if is_packed(record))
        room = self._bounds.total_bytes + self._bounds.times_source * source
        left = _Allowance(self._bounds.rows, room)
        for record in listed:
            if is_packed(record):
                on_begin(record.position)
                rows[record.position], below = self._below(record, len(rows), left, files, texts)
                rows.extend(below)
        if left.missing_from is not None:
            rows.append(self._missing(len(rows), left.missing, room, *left.missing_from))
        return rows

    def _below(
        self, record: AttachmentRecord, first: int, left: _Allowance, files: ExitStack, texts: Texts
    ) -> tuple[AttachmentRecord, list[AttachmentRecord]]:
        """The record with the text it wraps, and the rows of all that is in it, at positions from `first` on."""
        rows = [record]
        waiting = deque([_Waiting(0, 0, is_own=True)])
        wrapped_text: str | None = None
        while waiting:
            each = waiting.popleft()
            parent = rows[each.index]
            packing = _packing_of(parent)
            if packing is None:  # only rows with a packing wait
                continue
            found, problem = self._found(packing, parent, each.depth, left)
            if problem is not None:
                rows[each.index] = parent.with_problem(problem)
            for piece in found:
                if isinstance(piece, BodyText):
                    if each.is_own and packing.is_wrapping and wrapped_text is None:
                        wrapped_text = texts.take(_plain(piece))
                    continue
                row = _row(piece, first + len(rows) - 1, parent.position, packing.origin, files, texts)
                if is_packed(row):
                    is_own = each.is_own and packing.is_wrapping and (piece.is_wrapped or not piece.is_message)
                    waiting.append(_Waiting(len(rows), each.depth + 1, is_own))
                rows.append(row)
        return replace(rows[0], wrapped_text=wrapped_text), rows[1:]

    def _found(
        self, packing: _Packing, record: AttachmentRecord, depth: int, left: _Allowance
    ) -> tuple[list[Part | BodyText], str | None]:
        """The parts of the record that have room, and the reason that these are not all."""
        found: list[Part | BodyText] = []
        missing = 0
        try:
            if depth >= self._bounds.depth:
                raise NotUnpacked(f"It is inside of {depth} others.")  # noqa: TRY301  # ends as the reader's own do
            for piece in packing.pieces(_content(record)):
                if isinstance(piece, BodyText) or left.take(piece):
                    found.append(piece)
                else:
                    missing += 1
                if missing == _MAX_COUNTED:
                    break
            problem = _TOO_MUCH if missing else None
        except NotUnpacked as exc:
            problem = str(exc)
        except (HostFault, MemoryError):
            raise
        except Exception as exc:  # noqa: BLE001  # untrusted content must not stop the import, whatever a parser does
            # Not its text, which may be mail.
            problem = f"It cannot be read ({type(exc).__name__})."
        if missing:
            left.missing += missing
            left.missing_from = left.missing_from or (record.position, packing.origin)
        if problem is None:
            return found, None
        return found, f"{'Unpacked in part' if found else 'Not unpacked'}. {problem}"

    def _missing(self, position: int, count: int, room: int, parent: int, origin: str) -> AttachmentRecord:
        """The row in place of those that have none; there was room for `room` bytes."""
        number = f"{count:,}" if count < _MAX_COUNTED else f"{_MAX_COUNTED:,} or more"
        bounds = f"at most {self._bounds.rows} are unpacked, of {room // _MEGABYTE} MB together"
        return AttachmentRecord(
            position=position,
            graph_attachment_id=None,
            kind="file",
            file_name=None,
            content_type=None,
            size=0,
            inline=False,
            content_id=None,
            sha256=None,
            content=None,
            state=ContentState.TOO_LARGE,
            state_detail=f"Missing here: {number}. Of one message {bounds}.",
            parent_position=parent,
            origin=origin,
        )


def _packing_of(record: AttachmentRecord) -> _Packing | None:
    kind = (record.content_type or "").partition(";")[0].strip().lower()
    name = (record.file_name or "").strip().lower()
    if record.item_type == "message":
        is_signed = record.origin == "smime"
        return _Packing("smime" if is_signed else "item", mime.pieces_in, is_wrapping=is_signed)
    if record.kind != "file":
        return None
    if kind == _PROTECTED or name.endswith(_PROTECTED_NAME):
        return _Packing("graph", _sealed)
    if kind in _TNEF or _TNEF_NAME.fullmatch(name):
        return _Packing("tnef", tnef.pieces_in, is_wrapping=True)
    if kind in _SIGNED_OPAQUE or name.endswith(_SIGNED_NAME) or (kind == _SIGNED_CLEAR and record.is_listed):
        opened = partial(smime.pieces_in, is_clear=kind == _SIGNED_CLEAR, name=record.file_name)
        return _Packing("smime", opened, is_wrapping=True)
    if kind in mime.MESSAGES or name.endswith(_MAIL_NAME):
        return _Packing("item", _mail_file)
    return None


def _mail_file(content: bytes) -> Iterator[Part | BodyText]:
    begun = content.lstrip(b"\r\n")
    if not mime.is_mail(begun):
        raise NotUnpacked("It is called a mail and is none.")
    return mime.pieces_in(begun)


def _plain(body: BodyText) -> str | None:
    """The text without HTML; None where there is nothing to be read."""
    label = body.charset
    if body.is_html and codec_of(label) is None:
        label = _stated_charset(body.content)
    text = decoded(body.content, label)
    shown = plain_text(text) if body.is_html else text
    return shown if shown and not shown.isspace() else None


def _stated_charset(html: bytes) -> str | None:
    found = _META_CHARSET.search(html[:_META_BYTES])
    label = None if found is None else found[1].decode()
    # Nothing could be found in it, if it were of two bytes each.
    return "utf-8" if label is not None and label.lower().startswith("utf-16") else label


def _sealed(_content: bytes) -> Iterator[Part | BodyText]:
    raise NotUnpacked("It is encrypted (Microsoft's rights management): only Microsoft's programs open it.")


def _content(record: AttachmentRecord) -> bytes:
    if record.content is None or isinstance(record.content, bytes):
        return record.content or b""
    record.content.seek(0)
    return record.content.read(record.size)


def _row(piece: Part, position: int, parent: int, origin: str, files: ExitStack, texts: Texts) -> AttachmentRecord:
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
        state_detail=piece.detail,
    )


def _held(content: bytes, files: ExitStack) -> bytes | IO[bytes]:
    if len(content) <= IN_MEMORY:
        return content
    file = open_file(files)
    try:
        file.write(content)
    except OSError as exc:
        raise temporary_file_fault(exc) from exc
    return file
