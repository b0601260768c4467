"""Variants of a file name: with a number, or shorter. No I/O."""

import re
from typing import Final

from delivery.errors import NAME_TOO_LONG, NameRefused
from phrases import Phrase

_EXTENSION: Final = re.compile(r"(?<=.)\.[^.\s]{1,29}$")
_LADDER: Final = (255, 143, 100, 60)
"""Bytes. 143: eCryptfs, also on storage appliances that encrypt shares."""


def numbered(name: str, number: int, limit: int) -> str:
    """`name (2).csv`, in at most `limit` bytes; 1: without a number."""
    stem, ending = _parts(name)
    return _fitting(stem, f" ({number})" if number > 1 else "", ending, limit)


def shortened(name: str) -> str:
    """A shorter name that begins and ends like this one.

    Raises:
        NameRefused: it is short already.
    """
    length = _length(name)
    for limit in _LADDER:
        if length > limit:
            return numbered(name, 1, limit)
    raise NameRefused(NAME_TOO_LONG, Phrase("The file system accepts no name of {length} bytes.", length=length))


def checked(name: str) -> str:
    """The name, if it is one: a single component that every system can write.

    Raises:
        NameRefused: it is not.
    """
    if name in {"", ".", ".."} or any(each in name for each in "/\\\0") or not _is_text(name):
        raise NameRefused(
            "NameRefused", Phrase("A file cannot have this name: it is empty, or has reserved characters.")
        )
    return name


def _parts(name: str) -> tuple[str, str]:
    found = _EXTENSION.search(name)
    return (name, "") if found is None else (name[: found.start()], found[0])


def _fitting(stem: str, mark: str, ending: str, limit: int) -> str:
    room = limit - _length(mark) - _length(ending)
    if _length(stem) > room:
        # Half a character at the cut is dropped.
        stem = stem.encode()[: max(room, 0)].decode(errors="ignore").rstrip(". ")
    return f"{stem}{mark}{ending}"


def _length(name: str) -> int:
    return len(name.encode())


def _is_text(name: str) -> bool:
    """False for halves of characters, which no encoding has."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
