"""What is found inside an attachment, whatever form that has."""

from dataclasses import dataclass, field


class NotUnpacked(Exception):
    """The original stays alone; the text says why, in a sentence for an operator without anything of the mail."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing from inside. `name` as it stands there; `is_message`: `content` is a mail, as MIME."""

    name: str | None = field(repr=False)
    content_type: str | None
    content: bytes = field(repr=False)
    inline: bool = False
    content_id: str | None = None
    content_location: str | None = field(default=None, repr=False)
    is_message: bool = False
