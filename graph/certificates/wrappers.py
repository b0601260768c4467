r"""Removes the wrappers of certificate files: text encodings, base64 without a heading, JSON of Key Vault.

Azure Key Vault returns a certificate with its key as a secret: PFX as base64 text without line breaks and without a
password, or PEM (https://learn.microsoft.com/azure/key-vault/certificates/about-certificates). It gets stored as
received: the text, the output of `az` around it, or a variable in which line breaks became `\n`.
"""

import base64
import binascii
import json
import re
from typing import Final

PEM_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 #]+)-----(.*?)-----END \1-----", re.DOTALL)
_DEEPEST: Final = 3
"""Nested wrappers: JSON, base64 in it, PEM in that."""
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")
_KEY_VAULT_NAMES: Final = ("value", "cer", "certificate")
"""The field of a secret; of a certificate; of the output of export tools."""
_BEGIN: Final = b"-----BEGIN "
_LINE: Final = 64


def unwrapped(data: bytes) -> bytes:
    """PEM text with each block on its own lines, or DER, or the data unchanged if nothing is recognised."""
    for _ in range(_DEEPEST):
        data = _as_ascii(data)
        inner = None if _BEGIN in data and not data.startswith(b"{") else _inside(data)
        if inner is None:
            break
        data = inner
    return _tidied(data) if _BEGIN in data else data


def _as_ascii(data: bytes) -> bytes:
    """Text without the byte order mark that some editors prepend; PEM and base64 need only ASCII."""
    if data.startswith(_UTF16_MARKS):
        data = data.decode("utf-16", "replace").encode("ascii", "replace")
    data = data.removeprefix(_UTF8_MARK)
    return data.strip() if data.lstrip()[:1] in {b"{", b'"'} else data


def _inside(data: bytes) -> bytes | None:
    """The content of JSON or base64 text; None: it is neither."""
    if data[:1] in {b"{", b'"'}:
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            return None
        if isinstance(document, dict):
            document = next((document[name] for name in _KEY_VAULT_NAMES if document.get(name)), None)
        return document.encode("ascii", "replace") if isinstance(document, str) else None
    if not _BASE64.fullmatch(data):
        return None
    try:
        found = base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        return None
    # Any text in the alphabet decodes: only a beginning of DER, its base64, PEM or JSON shows that it was base64.
    return found if found.startswith((b"\x30", b"MI", _BEGIN, b"{")) else None


def _tidied(data: bytes) -> bytes:
    """PEM blocks as OpenSSL accepts them: real line breaks, no blanks, 64 characters a line."""
    return PEM_BLOCK.sub(_block, data.replace(b"\\r", b"").replace(b"\\n", b"\n"))


def _block(found: re.Match[bytes]) -> bytes:
    label, content = found.groups()
    if b":" in content:
        return found[0]  # headers of an encrypted key precede its base64
    text = b"".join(content.split())
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return b"\n".join([b"-----BEGIN " + label + b"-----", *lines, b"-----END " + label + b"-----"])
