"""The attachments of a mail in MIME form (RFC 2045 to 2049). No I/O."""

from collections.abc import Callable, Iterator
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import SMTP, EmailPolicy
from typing import Any, Final, TypeAlias, TypeVar

from processor.pieces import NotUnpacked, Piece

T = TypeVar("T")

_MESSAGE: Final = "message/rfc822"
_BODIES: Final = frozenset({"text/plain", "text/html"})
_MOST_OF_A_HEADER: Final = 1_000
_MOST_PARTS: Final = 500
# As it was written, but for ends of lines: those the parser does not keep.
_AS_IT_STANDS: Final = SMTP.clone(refold_source="none")


class _Reading(EmailPolicy):
    """Python's own, but headers are read up to a length: the time that takes grows with the square of it."""

    def header_fetch_parse(self, name: str, value: str) -> Any:  # noqa: ANN401  # the signature is Python's
        """The header as it is read."""
        return super().header_fetch_parse(name, value[:_MOST_OF_A_HEADER])


class _Parts:
    """Makes the parts of one mail, up to a number: each costs time before anybody knows what is in it."""

    def __init__(self) -> None:
        self._made = 0

    def __call__(self, *, policy: EmailPolicy | None = None) -> EmailMessage:
        """One part."""
        self._made += 1
        if self._made > _MOST_PARTS:
            raise NotUnpacked(f"It has more than {_MOST_PARTS} parts.")
        return EmailMessage(policy)


# Only type checkers know it as generic.
_AnyMessage: TypeAlias = "Message[Any, Any]"


def attachments_in(mail: bytes) -> Iterator[Piece]:
    """What is attached to the mail, in its order; its text is left out, and attached mails are not looked into.

    Raises:
        NotUnpacked: it has more parts than any mail that was written by people.
    """
    left: list[_AnyMessage] = [BytesParser(_class=_Parts(), policy=_Reading()).parsebytes(mail)]
    while left:
        part = left.pop()
        children = _parts_of(part)
        kind = _content_type(part)
        if kind == _MESSAGE and children:
            yield _attached_mail(part, children[0])
        elif kind.startswith("multipart/") and children:
            left.extend(reversed(children))
        elif not _is_body(part, kind):
            yield _file(part, kind)


def _parts_of(part: _AnyMessage) -> list[_AnyMessage]:
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def _asked(ask: Callable[[], T], otherwise: T) -> T:
    """What the parser makes of a header; `otherwise` where it stumbles: a bad header keeps no part out."""
    try:
        return ask()
    except Exception:  # noqa: BLE001  # malformed headers raise whatever the parser stumbles over
        return otherwise


def _content_type(part: _AnyMessage) -> str:
    return _asked(part.get_content_type, "application/octet-stream")


def _is_body(part: _AnyMessage, kind: str) -> bool:
    return kind in _BODIES and _file_name(part) is None and _disposition(part) != "attachment"


def _file_name(part: _AnyMessage) -> str | None:
    return _asked(part.get_filename, None)


def _disposition(part: _AnyMessage) -> str | None:
    unread: str | None = "attachment"
    return _asked(part.get_content_disposition, unread)


def _header(part: _AnyMessage, name: str) -> str | None:
    value = _asked(lambda: part[name], None)
    return None if value is None else str(value).strip() or None


def _file(part: _AnyMessage, kind: str) -> Piece:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):  # a part made of parts, as a delivery report is
        content = b"".join(map(_bytes, _parts_of(part)))
    content_id = _header(part, "content-id")
    return Piece(
        name=_file_name(part),
        content_type=kind,
        content=content,
        inline=_disposition(part) == "inline",
        content_id=None if content_id is None else content_id.removeprefix("<").removesuffix(">"),
        content_location=_header(part, "content-location"),
    )


def _attached_mail(part: _AnyMessage, mail: _AnyMessage) -> Piece:
    name = _file_name(part) or _header(mail, "subject")
    return Piece(name, _MESSAGE, _bytes(mail), inline=_disposition(part) == "inline", is_message=True)


def _bytes(part: _AnyMessage) -> bytes:
    return part.as_bytes(policy=_AS_IT_STANDS)
