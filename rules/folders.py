"""Checks of the import folder of a rule, by its text alone: which folders there are, and which of them may be used, is
known to `delivery`.
"""

import re
import unicodedata
from typing import Final

from filenames import is_reserved
from phrases import Phrase

MAX_LENGTH: Final = 1000
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_SHARE: Final = re.compile(r"\\\\[^\\/?.][^\\/]*[\\/]+[^\\/]")
_SEPARATORS: Final = re.compile(r"[\\/]+")
# Controls, halves of characters, separators of lines.
_UNWRITABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


class BadFolder(ValueError):
    """The text is no absolute folder. Its own text is a phrase that names it and the cause."""


def check_folder(text: str) -> None:
    """Check an absolute folder of POSIX (`/srv/import`) or Windows (`D:\\import`, `\\\\server\\share\\import`).

    Raises BadFolder.
    """
    if len(text) > MAX_LENGTH:
        raise BadFolder(Phrase("A folder is longer than {limit} characters.", limit=MAX_LENGTH))
    if any(unicodedata.category(each) in _UNWRITABLE for each in text):
        raise BadFolder(Phrase("{folder!r} has a control character.", folder=text))
    if ".." in _SEPARATORS.split(text):
        raise BadFolder(Phrase("{folder!r} has ..: write the folder itself.", folder=text))
    if text.startswith("/"):
        return
    drive = _DRIVE.match(text)
    if drive is None and not _SHARE.match(text):
        raise BadFolder(
            Phrase(
                "{folder!r} is not absolute: write /srv/import, D:\\import or \\\\server\\share\\import.", folder=text
            )
        )
    for component in _SEPARATORS.split(text[drive.end() if drive else 2 :]):
        _check_component(component, text)


def _check_component(component: str, folder: str) -> None:
    if component.endswith((".", " ")):
        raise BadFolder(
            Phrase(
                "{component!r} in {folder!r} ends with a dot or a blank, which Windows drops.",
                component=component,
                folder=folder,
            )
        )
    if is_reserved(component):
        raise BadFolder(
            Phrase(
                "{component!r} in {folder!r} is no name of a folder on Windows: a device, or a reserved character "
                '(< > : " | ? *).',
                component=component,
                folder=folder,
            )
        )
