"""What is found inside an attachment, whatever form that has."""

from dataclasses import dataclass, field


class NotUnpacked(Exception):
    """The rest stays where it is; the text says why, in a sentence for an operator without anything of the mail."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing from inside. `name` as it stands there; `is_message`: `content` is a mail, as MIME.

    `is_wrapped`: the mail itself that the attachment is the wrapping of. `detail`: what is to be known of the content.
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
    """The text of the mail that is inside, which is no attachment: its bytes, and how to read them."""

    content: bytes = field(repr=False)
    charset: str | None
    is_html: bool
