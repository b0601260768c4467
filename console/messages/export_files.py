"""One message as a file: its original byte for byte, or all that the database holds of it as JSON.

Both are streamed: memory use does not grow with an attachment.

The JSON is one object in UTF-8. `format` is FORMAT; then come the fields of the message, times in ISO 8601 (UTC),
unknown ones null; `recipients` (to, cc, bcc, replyTo, each in its order), `headers` in the order of the mail, `copies`
(duplicates not imported again), `original` (state, size and digest of the MIME, never the MIME itself), and
`attachments`, each with its `state`, the reason (`state_detail`), and as its last key `content`: base64, or null where
there is none.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator
from typing import IO, Any, Final

from sqlalchemy import Engine

from console.output import as_json
from db.engine import run_reading
from db.outcomes import ContentState
from db.queries import exports
from db.queries.contents import ContentDiffers, pieces_of
from db.queries.exports import Attachment, Found
from db.tables import attachment, original
from phrases import Phrase
from phrases.commands import quoted

FORMAT: Final = "mail-importer/message/1"
_UNPACKED_BYTES: Final = 1024 * 1024
_GZIP: Final = zlib.MAX_WBITS | 16


class CannotExport(Exception):
    """The requested content is not available. The text is a phrase for the operator."""


def write_original(engine: Engine, account: str, found: Found, target: IO[bytes]) -> None:
    """Write the MIME of the message as Graph gave it.

    Raises:
        CannotExport: it is not kept, or damaged; part of it may be written already.
        DatabaseUnavailable
    """
    mime = run_reading(engine, lambda connection: exports.original_of(connection, found.message_id))
    if mime is None or not mime.there:
        raise CannotExport(_why_not_kept(account, found, mime))
    digest = hashlib.sha256()
    try:
        packed = pieces_of(engine, original, found.message_id, size=mime.stored_size)
        for piece in _unpacked(packed):
            digest.update(piece)
            target.write(piece)
    except (ContentDiffers, zlib.error) as exc:
        raise _damaged(found) from exc
    if digest.hexdigest() != mime.sha256:
        raise _damaged(found)


def write_json(engine: Engine, account: str, found: Found, target: IO[bytes]) -> None:
    """Write all that the database holds of the message.

    Raises:
        CannotExport: it was changed or deleted meanwhile; part of it may be written already.
        DatabaseUnavailable
    """
    facts = run_reading(engine, lambda connection: exports.message_of(connection, found.message_id))
    attachments = run_reading(engine, lambda connection: exports.attachments_of(connection, found.message_id))
    if facts is None:
        raise _changed(found)
    text = _json({"format": FORMAT, "account": account, **facts})
    target.write(text.removesuffix(b"\n}") + b',\n  "attachments": [')
    try:
        for number, each in enumerate(attachments):
            target.write(b",\n" if number else b"\n")
            _write_attachment(engine, each, target)
    except ContentDiffers as exc:
        raise _changed(found) from exc
    target.write(b"\n  ]\n}\n" if attachments else b"]\n}\n")


def _write_attachment(engine: Engine, part: Attachment, target: IO[bytes]) -> None:
    target.write(_json(part.facts, "    ").removesuffix(b"\n    }") + b',\n      "content": ')
    if part.size is None:
        target.write(b"null")
    else:
        target.write(b'"')
        # 3 divides the size of all pieces but the last, so together they are the base64 of the whole.
        for piece in pieces_of(engine, attachment, part.number, size=part.size):
            target.write(base64.b64encode(piece))
        target.write(b'"')
    target.write(b"\n    }")


def _json(value: dict[str, Any], indent: str = "") -> bytes:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=as_json)
    return "\n".join(f"{indent}{line}" for line in text.split("\n")).encode()


def _unpacked(packed: Iterator[bytes]) -> Iterator[bytes]:
    unpacking = zlib.decompressobj(_GZIP)
    for piece in packed:
        while piece:
            # In pieces: a few packed bytes may expand to very many.
            yield unpacking.decompress(piece, _UNPACKED_BYTES)
            piece = unpacking.unconsumed_tail  # noqa: PLW2901  # the rest of it
    yield unpacking.flush()


def _why_not_kept(account: str, found: Found, mime: exports.Original | None) -> Phrase:
    again = Phrase(
        "mail-importer import {account} --force --id {graph_id}", account=quoted(account), graph_id=found.graph_id
    )
    facts: dict[str, object] = {"number": found.message_id, "again": again}
    if mime is None:
        return Phrase(
            "The original of message {number} was not kept: keep_mime was false when it was imported. To fetch it "
            "while the mailbox has the message still, set keep_mime to true, then: {again}",
            **facts,
        )
    if mime.state == ContentState.STORED:
        return Phrase(
            "The original of message {number} was purged (mail-importer db purge). To fetch it while the mailbox has "
            "the message still, set keep_mime to true, then: {again}",
            **facts,
        )
    return Phrase(
        "The original of message {number} could not be had when it was imported ({state}: {detail}). To try it again, "
        "with keep_mime set to true: {again}",
        state=mime.state,
        detail=(mime.state_detail or "no reason given").rstrip("."),
        **facts,
    )


def _damaged(found: Found) -> CannotExport:
    return CannotExport(
        Phrase(
            "The original of message {number} is not what was stored: it was changed or purged meanwhile, or is "
            "damaged. The written file cannot be used.",
            number=found.message_id,
        )
    )


def _changed(found: Found) -> CannotExport:
    return CannotExport(
        Phrase(
            "Message {number} was changed or deleted while it was read; the written file cannot be used. Run it again.",
            number=found.message_id,
        )
    )
