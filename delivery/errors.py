"""Errors of saving files.

DeliveryError
├── FolderUnavailable   nothing can be saved into the folder now
│   └── FolderRefused   ... nor while settings and links are as they are
├── FileRefused         the folder takes other files, but not this one
├── NameRefused         the folder accepts no such name
├── NameTaken           there is a file of that name
├── TemporaryGone       another program took the temporary file
└── ContentMissing      the part of the message cannot be read from the database
    └── BadArchive      ... or not from the .zip that holds it
"""

from typing import Final

from phrases import Phrase

NAME_TOO_LONG: Final = "NameTooLong"
"""`reason` of a name that is refused for its length: a shorter one may be accepted."""


class DeliveryError(Exception):
    """A file was not saved. `reason`: a fixed word; the text is a phrase for operators, without names of files."""

    def __init__(self, reason: str, text: Phrase) -> None:
        super().__init__(text)
        self.reason = reason
        self.phrase = text


class FolderUnavailable(DeliveryError):
    """Nothing can be saved into the folder now: it is missing, full, read-only, or does not answer.

    `cause`: as the operating system names it; empty: it named none.
    """

    def __init__(self, reason: str, text: Phrase, cause: str = "") -> None:
        super().__init__(reason, text)
        self.cause = cause


class FolderRefused(FolderUnavailable):
    """The folder is not below a root, or is reached through a link: nothing is saved there."""


class FileRefused(DeliveryError):
    """The folder takes other files, but not this one: something locks or forbids it, or has no room for it."""


class NameRefused(DeliveryError):
    """The file system accepts no file of this name."""


class NameTaken(DeliveryError):
    """There is a file of this name; it was not touched."""


class TemporaryGone(DeliveryError):
    """The temporary file is not there: it was renamed before, or another program took it."""


class ContentMissing(DeliveryError):
    """The part of the message is not in the database, or cannot be read: another attempt gives nothing else."""


class BadArchive(ContentMissing):
    """The attachment is no `.zip`, or the file cannot be read from it. `reason`: see `delivery.archives`."""
