"""Internet headers of a mail that are kept (`tblEmailHeader`)."""

from collections.abc import Collection, Mapping
from typing import Final, Literal

Kept = Literal["none", "selected", "all"]

SELECTED: Final = frozenset(
    {
        "authentication-results",
        "auto-submitted",
        "content-language",
        "date",
        "disposition-notification-to",
        "in-reply-to",
        "list-id",
        "organization",
        "precedence",
        "received-spf",
        "references",
        "return-path",
        "thread-topic",
        "user-agent",
        "x-auto-response-suppress",
        "x-mailer",
        "x-ms-exchange-organization-authas",
        "x-ms-exchange-organization-scl",
        "x-priority",
    }
)
"""Headers that distinguish a person's mail from a machine's, a reply from a new one, and a proven sender from a claimed
one. In lower case: names of headers have none (RFC 5322)."""

NAMES: Final[Mapping[Kept, Collection[str] | None]] = {"none": (), "selected": SELECTED, "all": None}
"""The names that are kept; None: all."""
