"""The contents of signed mail and signed documents (S/MIME, RFC 8551; CAdES). No I/O.

The signature is not verified; nothing encrypted is opened.
"""

import mimetypes
import re
import zlib
from collections.abc import Iterator
from typing import Final

from asn1crypto import cms, core

from processor.content import mime
from processor.content.parts import BodyText, NotUnpacked, Part
from processor.content.transfer_encodings import NotDecodable, decode_base64

_SEQUENCE: Final = b"\x30"
_ARMOUR: Final = re.compile(rb"-----[A-Z0-9 ]+-----")
_NO_NAMES: Final = frozenset({"", "smime"})
_ENDING: Final = re.compile(r"\.p7[mz]\Z", re.IGNORECASE)
_COMPRESSED: Final = "compressed_data"
_OPEN: Final = frozenset({"signed_data", _COMPRESSED})
_MAX_INFLATED_BYTES: Final = 64 * 1024 * 1024
_BEGINNINGS: Final = {
    b"%PDF-": "application/pdf",
    b"PK\x03\x04": "application/zip",
    b"<?xml": "text/xml",
    b"\xef\xbb\xbf<?xml": "text/xml",
}
_ENCRYPTED: Final = frozenset({"enveloped_data", "encrypted_data", "authenticated_enveloped_data"})


def pieces_in(content: bytes, *, is_clear: bool, name: str | None = None) -> Iterator[Part | BodyText]:
    """The signed content, as one part: a mail, or the document that `name` is of, without its `.p7m` (CAdES).

    With `is_clear` (`multipart/signed`) the text of the mail and what is attached to it.

    Raises:
        NotUnpacked: it is encrypted, or cannot be read.
    """
    if is_clear:
        yield from mime.pieces_in(content)
        return
    document = _document_name(name)
    signed = _signed_once_more(_signed(content), document)
    if _is_mail(signed, document):
        yield Part(document, "message/rfc822", signed, is_message=True, is_wrapped=True)
    else:
        kind = _content_type(signed, document)
        yield Part(document or _name_of(name, kind), kind, signed)


def _signed_once_more(signed: bytes, document: str | None) -> bytes:
    """The document itself where others signed what one had signed, and the name does not tell (`invoice.xml.p7m`)."""
    while document is not None and _ENDING.search(document) is None and signed.startswith(_SEQUENCE):
        try:
            signed = _signed(signed)
        except NotUnpacked:
            break
    return signed


def _document_name(name: str | None) -> str | None:
    """The name of the document whose signed form is called `name`; None for `smime.p7m`, as all signed mail is called.

    A signed document has the name of the document, with an ending more: `invoice.xml.p7m`.
    """
    document = _ENDING.sub("", (name or "").strip())
    return document if "." in document else None


def _name_of(name: str | None, kind: str | None) -> str | None:
    """The name of a document whose signed form has no extension but its own: `invoice.p7m`."""
    stem = _ENDING.sub("", (name or "").strip())
    if stem.lower() in _NO_NAMES or stem == (name or "").strip():
        return None
    return f"{stem}{mimetypes.guess_extension(kind or '') or ''}"


def _is_mail(signed: bytes, document: str | None) -> bool:
    if document is None:
        # A part without headers begins with an empty line.
        return mime.is_mail(signed) or signed[:1] in {b"", b"\r", b"\n"}
    return mime.is_mail(signed) if document.lower().endswith(".eml") else mime.is_part(signed)


def _content_type(signed: bytes, document: str | None) -> str | None:
    begun = next((kind for beginning, kind in _BEGINNINGS.items() if signed.startswith(beginning)), None)
    return begun or mimetypes.guess_type(document or "")[0]


def _signed(content: bytes) -> bytes:
    try:
        whole = cms.ContentInfo.load(_binary(content))
        kind = whole["content_type"].native
        inside = whole["content"]["encap_content_info"]["content"] if kind in _OPEN else None
        # The library would parse a known structure; the raw bytes are needed.
        signed = bytes(inside) if isinstance(inside, core.OctetString | core.ParsableOctetString) else None
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise NotUnpacked("It cannot be read as S/MIME.") from exc
    if kind in _ENCRYPTED:
        raise NotUnpacked(f"It is encrypted ({str(kind).replace('_', '-')}).")
    if kind not in _OPEN:
        raise NotUnpacked("It is S/MIME, but neither signed nor encrypted.")
    if signed is None:
        raise NotUnpacked("It is a signature without what was signed.")
    return _inflated(signed) if kind == _COMPRESSED else signed


def _inflated(content: bytes) -> bytes:
    inflating = zlib.decompressobj()
    try:
        inflated = inflating.decompress(content, _MAX_INFLATED_BYTES)
    except zlib.error as exc:
        raise NotUnpacked("It cannot be read as S/MIME.") from exc
    if inflating.unconsumed_tail:
        raise NotUnpacked(
            f"It is larger than {_MAX_INFLATED_BYTES // (1024 * 1024)} MB once it is no longer compressed."
        )
    return inflated


def _binary(content: bytes) -> bytes:
    """The binary form: some programs attach the text form of the transport."""
    if content.startswith(_SEQUENCE):
        return content
    try:
        return decode_base64(_ARMOUR.sub(b"", content))
    except NotDecodable:
        return content
