"""The contents of an attachment, in any form."""

from dataclasses import dataclass, field


class NotUnpacked(Exception):
    """The rest stays where it is; the text gives the reason, in a sentence for an operator, without content of mail."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part from inside. `name` as it stands there; `is_message`: `content` is a mail, as MIME.

    `is_wrapped`: the mail itself that the attachment wraps. `detail`: a note on the content.
    """

    name: str | None = field(repr=False)
    content_type: str | None
    content: bytes = field(repr=False)
    inline: bool = False
    content_id: str | None = None
    content_location: str | None = field(default=None, repr=False)
    is_message: bool = False
    is_wrapped: bool = False
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class BodyText:
    """The text of the mail that is inside, which is no attachment: its bytes, and their format."""

    content: bytes = field(repr=False)
    charset: str | None
    is_html: bool
