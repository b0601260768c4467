"""Errors of the gateway database, with texts for the user.

DatabaseError
├── DatabaseUnavailable   locked, full, read-only, gone, not answering: work waits, nothing is lost
├── DriverMissing         a driver or library is not installed on this host
├── SchemaNotCurrent      `mail-importer db upgrade` comes first
├── SchemaUnusable        existing tables prevent an upgrade
├── AccountNotFound
├── AccountUnreadable     its row has unusable values
├── AccountExists
├── RuleNotFound
└── RuleExists
"""

from collections.abc import Sequence

from phrases import Phrase


class DatabaseError(Exception):
    """Base of the errors of this package."""

    def __init__(self, text: Phrase) -> None:
        super().__init__(text)


class DatabaseUnavailable(DatabaseError):
    """The database cannot do this now; the same call may succeed later."""


class DriverMissing(DatabaseError):
    """The URL names a driver that cannot be loaded on this host."""


class SchemaNotCurrent(DatabaseError):
    """The schema is older or newer than this program."""


class SchemaUnusable(DatabaseError):
    """Existing tables cannot be used, and an upgrade must not change them so. Nothing was changed.

    Attributes:
        problems: one line each: table and column, what was found, what is required, what to do.
    """

    def __init__(self, problems: Sequence[Phrase]) -> None:
        head = Phrase("The gateway database cannot be upgraded as it is; nothing was changed.")
        last = Phrase("Then run again: mail-importer db upgrade")
        super().__init__(Phrase.joined(head, *problems, last, by="\n  "))
        self.problems = problems


class AccountNotFound(DatabaseError):
    """No account has this name or number."""


class AccountRemoved(AccountNotFound):
    """The account of this name was removed; it is taken up again by adding its mailbox and folder."""


class AccountUnreadable(DatabaseError):
    """The row of the account has unusable values; the account waits until it is corrected."""


class AccountExists(DatabaseError):
    """Another account has this name."""


class UserNotFound(DatabaseError):
    """No user of the web console has this name."""


class UserExists(DatabaseError):
    """Another user of the web console has this name."""


class RuleNotFound(DatabaseError):
    """No import rule has this name."""


class RuleExists(DatabaseError):
    """Another import rule has this name."""


def no_answer(seconds: float) -> DatabaseUnavailable:
    """The error of a transaction that did not end within that bound."""
    return DatabaseUnavailable(
        Phrase(
            "The gateway database did not answer within {seconds:g} seconds. Check its server, and the network "
            "between.",
            seconds=seconds,
        )
    )
