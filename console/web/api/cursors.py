"""Cursors of pages: opaque texts, so that no program makes its own."""

import base64
import binascii

from console.web.api.declarations import Refused


def cursor_of(text: str) -> str:
    """The cursor of a place, which a text names."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode()


def text_of(cursor: str) -> str:
    """The text of a cursor.

    Raises:
        Refused: it is none.
    """
    try:
        text = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise Refused.cursor() from None
    if not text or "\0" in text:
        raise Refused.cursor()
    return text
