"""Attachments with something inside, in the forms of Outlook and others."""

import base64
import hashlib
import struct
from datetime import UTC, datetime
from functools import cache
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import pkcs7

from graph.certificates import make_self_signed

MAIL_INTERFACE = bytes.fromhex("0703020000000000c000000000000046")


def tnef(*attachments: bytes, code_page: int = 1252) -> bytes:
    """A `winmail.dat` of attachments that `tnef_file` or `tnef_mail` made, after what `tnef_text` made."""
    version = _attribute(1, 0x0008_9006, struct.pack("<I", 0x10000))
    page = _attribute(1, 0x0006_9007, struct.pack("<II", code_page, 0))
    return struct.pack("<IH", 0x223E9F78, 1) + version + page + b"".join(attachments)


def tnef_text(**bodies: bytes) -> bytes:
    """The text of the mail: `plain`, `html` and `rtf` as properties, `body` as an attribute of its own."""
    numbers = {"plain": 0x1000_001E, "html": 0x1013_0102, "rtf": 0x1009_0102}
    each = [struct.pack("<II", numbers[name], 1) + _sized(bodies[name]) for name in numbers if name in bodies]
    body = _attribute(1, 0x0002_800C, bodies["body"] + b"\0") if "body" in bodies else b""
    return body + (_attribute(1, 0x0006_9003, _properties(*each)) if each else b"")


def tnef_file(
    name: str | None, content: bytes, *, title: str | bytes = "SHORT.TXT", content_id: str | None = None
) -> bytes:
    """A file, with the short name that Outlook gives it and, except for None, the long one."""
    properties = [_text_property(0x370E, "text/csv")]
    if name is not None:
        properties.append(_text_property(0x3707, name))
    if content_id is not None:
        properties.append(_text_property(0x3712, content_id))
    short = title.encode("cp1252") if isinstance(title, str) else title
    return (
        _rendering()
        + _attribute(2, 0x0001_8010, short + b"\0")
        + _attribute(2, 0x0006_800F, content)
        + _attribute(2, 0x0006_9005, _properties(*properties))
    )


def tnef_mail(name: str, stream: bytes) -> bytes:
    """Another mail, as a TNEF stream in the stream."""
    content = struct.pack("<HHII", 0x000D, 0x3701, 1, 16 + len(stream)) + _padded(MAIL_INTERFACE + stream)
    method = struct.pack("<HHI", 0x0003, 0x3705, 5)
    named = struct.pack("<HH", 0x0003, 0x8001) + bytes(16) + struct.pack("<III", 0, 0x85, 7)
    several = struct.pack("<HHI", 0x101F, 0x6001, 2) + b"".join(map(_sized, ("a\0".encode("utf-16-le"), b"b\0\0\0")))
    return _rendering() + _attribute(
        2, 0x0006_9005, _properties(method, named, several, _text_property(0x3001, name), content)
    )


def mail(subject: str, *attachments: tuple[str, bytes] | bytes) -> bytes:
    """A mail with files, or other mails, attached; lines end in CRLF."""
    parts = [b"Content-Type: text/plain; charset=utf-8\r\n\r\nBonjour", *map(_part, attachments)]
    boundary = f"=_{hashlib.sha256(b''.join(parts)).hexdigest()[:40]}".encode()
    head = f"Subject: {subject}\r\nFrom: labor@example.com\r\nMIME-Version: 1.0\r\n".encode()
    head += b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n'
    return head + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def _part(attachment: tuple[str, bytes] | bytes) -> bytes:
    if isinstance(attachment, bytes):
        return b"Content-Type: message/rfc822\r\n\r\n" + attachment
    name, content = attachment
    head = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
    head += f"Content-Disposition: attachment; filename*=utf-8''{quote(name)}\r\n\r\n"
    return head.encode() + base64.encodebytes(content).replace(b"\n", b"\r\n")


def chained(mails: int) -> bytes:
    """A file in a mail in a mail in a mail."""
    found = mail("innermost", ("deep.txt", b"deep"))
    for number in range(1, mails):
        found = mail(str(number), found)
    return found


def signed(content: bytes) -> bytes:
    """An opaque `smime.p7m`."""
    key, certificate = _identity()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, hashes.SHA256())
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def enveloped(content: bytes) -> bytes:
    """An encrypted `smime.p7m`."""
    _, certificate = _identity()
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(content).add_recipient(certificate)
    return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


@cache
def _identity() -> tuple[RSAPrivateKey, x509.Certificate]:
    pair = make_self_signed("mail-importer tests", now=datetime.now(UTC), key_bits=2048)
    assert pair.private_key_pem is not None
    key = serialization.load_pem_private_key(pair.private_key_pem, None)
    assert isinstance(key, RSAPrivateKey)
    return key, x509.load_pem_x509_certificate(pair.public_pem.encode())


def _attribute(level: int, name: int, value: bytes) -> bytes:
    return struct.pack("<BII", level, name, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def _rendering() -> bytes:
    return _attribute(2, 0x0006_9002, bytes(14))


def _properties(*each: bytes) -> bytes:
    return struct.pack("<I", len(each)) + b"".join(each)


def _text_property(name: int, value: str) -> bytes:
    return struct.pack("<HHI", 0x001F, name, 1) + _sized((value + "\0").encode("utf-16-le"))


def _sized(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + _padded(value)


def _padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)
