"""Import filters of an account: columns of `tblEmailAccountSettings`, that other programs write, too.

Lists of senders are texts with an entry a line, or separated by commas, semicolons or blanks; lists of subjects have
an entry a line. The meaning and validity of the entries is up to `processor.filters`.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row

from db.queries.entry_lists import lines, separated, stored


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters as entered. Empty, or None: no restriction. Sizes in bytes."""

    senders_allowed: tuple[str, ...] = ()
    senders_denied: tuple[str, ...] = ()
    subjects_allowed: tuple[str, ...] = ()
    subjects_denied: tuple[str, ...] = ()
    has_attachments: bool | None = None
    size_least: int | None = None
    size_most: int | None = None


TEXTS: Final = ("sFilterSendersAllowed", "sFilterSendersDenied", "sFilterSubjectsAllowed", "sFilterSubjectsDenied")
NUMBERS: Final = ("nFilterSizeLeast", "nFilterSizeMost")
"""Their columns."""

NONE: Final = Filters()
"""Filters of an account that imports everything."""


def of_row(row: Row[Any]) -> Filters:
    """Read them from a row of the account, whose columns hold texts and numbers."""
    return Filters(
        senders_allowed=separated(row.sFilterSendersAllowed),
        senders_denied=separated(row.sFilterSendersDenied),
        subjects_allowed=lines(row.sFilterSubjectsAllowed),
        subjects_denied=lines(row.sFilterSubjectsDenied),
        has_attachments=row.bFilterHasAttachments,
        size_least=row.nFilterSizeLeast,
        size_most=row.nFilterSizeMost,
    )


def columns(filters: Filters) -> dict[str, Any]:
    """The columns of the row."""
    return {
        "sFilterSendersAllowed": stored(filters.senders_allowed),
        "sFilterSendersDenied": stored(filters.senders_denied),
        "sFilterSubjectsAllowed": stored(filters.subjects_allowed),
        "sFilterSubjectsDenied": stored(filters.subjects_denied),
        "bFilterHasAttachments": filters.has_attachments,
        "nFilterSizeLeast": filters.size_least,
        "nFilterSizeMost": filters.size_most,
    }
