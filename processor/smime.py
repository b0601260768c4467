"""What is inside signed mail (S/MIME, RFC 8551). The signature is not verified; nothing encrypted is opened. No I/O."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from asn1crypto import cms

from processor import mime
from processor.pieces import NotUnpacked, Piece

_SEQUENCE: Final = b"\x30"
_ARMOUR: Final = re.compile(rb"-----[A-Z0-9 ]+-----")
_ENCRYPTED: Final = frozenset({"enveloped_data", "encrypted_data", "authenticated_enveloped_data"})


def pieces_in(content: bytes, *, is_clear: bool) -> Iterator[Piece]:
    """The mail that was signed, as one piece; with `is_clear` (`multipart/signed`) what is attached to it.

    Raises:
        NotUnpacked: it is encrypted, or cannot be read.
    """
    if is_clear:
        yield from mime.attachments_in(content)
        return
    yield Piece(None, "message/rfc822", _signed(content), is_message=True)


def _signed(content: bytes) -> bytes:
    try:
        whole = cms.ContentInfo.load(_binary(content))
        kind = whole["content_type"].native
        signed = whole["content"]["encap_content_info"]["content"].native if kind == "signed_data" else None
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise NotUnpacked("It cannot be read as S/MIME.") from exc
    if kind in _ENCRYPTED:
        raise NotUnpacked(f"It is encrypted ({str(kind).replace('_', '-')}).")
    if kind != "signed_data":
        raise NotUnpacked("It is S/MIME, but neither signed nor encrypted.")
    if not isinstance(signed, bytes):
        raise NotUnpacked("It is a signature without what was signed.")
    return signed


def _binary(content: bytes) -> bytes:
    """Some programs attach it as the text it travels in."""
    if content.startswith(_SEQUENCE):
        return content
    try:
        return base64.b64decode(b"".join(_ARMOUR.sub(b"", content).split()), validate=True)
    except binascii.Error:
        return content
