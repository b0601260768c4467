"""Names under which attachments can be written to any disk, each unique within a message. No I/O.

Reserved characters and names: https://learn.microsoft.com/windows/win32/fileio/naming-a-file. No maintained library
suffices: pathvalidate leaves marks that reverse text, `CONIN$`, `NUL .txt` and `..`, and ignores other names.
"""

import mimetypes
import re
import unicodedata
from typing import Final

LONGEST: Final = 200
"""UTF-16 code units, by which SQL Server counts the characters of its nvarchar."""

_MAX_BYTES: Final = 255
_MAX_EXTENSION: Final = 30
_RESERVED: Final = re.compile(r'[<>:"/\\|?*]')
# The digits also as ¹, ² and ³, which Windows takes for 1, 2 and 3.
_DEVICE: Final = re.compile(r"(?:CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])", re.IGNORECASE)
# Controls, marks without a shape of their own (those that reverse text among them), halves of characters, private
# ones (by which file servers write reserved ones), and the separators of lines.
_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_TAR: Final = re.compile(r"[^.\s]\.tar$", re.IGNORECASE)
_EXTENSION: Final = re.compile(r"\.[^.\s]+$")


class FileNames:
    """The names of one message."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        # By first choice: to try them all for each of many equal names would take the square of their number.
        self._counts: dict[str, int] = {}

    def take(self, name: str | None, *, number: int, extension: str = "") -> str:
        """A name like `name` that no other attachment has, letter case aside. Without one: `attachment-{number}`.

        `extension` (`.eml`) is added unless the name ends so already.
        """
        stem, ending = parts(name or "")
        if extension and ending.lower() != extension:
            stem, ending = f"{stem}{ending}", extension
        elif _TAR.search(stem):
            stem, ending = stem[:-4], f"{stem[-4:]}{ending}"
        stem = stem[:LONGEST] or f"attachment-{number}"
        unmarked = _fitting(stem, "", ending)
        first = _key(unmarked)
        count = self._counts.get(first, 1)
        while True:
            candidate = _fitting(stem, f" ({count})", ending) if count > 1 else unmarked
            key = _key(candidate) if count > 1 else first
            if key not in self._taken:
                self._taken.add(key)
                self._counts[first] = count + 1
                return candidate
            count += 1


def extension_for(content_type: str | None) -> str:
    """The usual extension of a content type; empty where there is none."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return mimetypes.guess_extension(kind) or "" if kind != "application/octet-stream" else ""


def is_reserved(name: str) -> bool:
    """Check whether Windows has no file or folder of this name: a device, or a character that it reserves."""
    return bool(_RESERVED.search(name) or _DEVICE.fullmatch(name.partition(".")[0].strip()))


def parts(name: str) -> tuple[str, str]:
    """The harmless part of a name, and its extension with the dot."""
    shown = unicodedata.normalize("NFC", name)
    if not shown.isprintable():  # else it has none that is dropped
        shown = "".join(each for each in shown if unicodedata.category(each) not in _DROPPED)
    clean = " ".join(_RESERVED.sub("_", shown).split()).rstrip(". ")
    found = _EXTENSION.search(clean)
    if found is None or not found.start() or len(found[0]) > _MAX_EXTENSION:
        return clean, ""
    return clean[: found.start()], found[0]


def _fitting(stem: str, mark: str, ending: str) -> str:
    """Stem, mark and ending within the limits; the stem is shortened."""
    if _DEVICE.fullmatch(f"{stem}{mark}".partition(".")[0].strip()):
        stem = f"_{stem}"
    while stem and not _fits(f"{stem}{mark}{ending}"):
        stem = stem[:-1]
    # Strips only what a file system drops, or a dot that would make it another name.
    return f"{stem.rstrip() if mark or ending else stem.rstrip('. ')}{mark}{ending}"


def _fits(name: str) -> bool:
    if name.isascii():
        return len(name) <= LONGEST
    return len(name.encode("utf-16-le")) // 2 <= LONGEST and len(name.encode()) <= _MAX_BYTES


def _key(name: str) -> str:
    """A key, equal for two names that some file system takes for one."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFKC", name.upper()).casefold()
