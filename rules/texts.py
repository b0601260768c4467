"""Forms in which texts are compared, made in time that grows with the text, crafted ones included. No I/O."""

import unicodedata
from collections.abc import Iterator
from typing import Final, Literal

Form = Literal["NFC", "NFKC", "NFKD"]

_PIECE: Final = 256
"""Characters. To order accents that follow each other, Python takes time that grows with the square of their number:
hours for a mail of nothing else."""
_GROWTH: Final = 4
"""Some characters stand for a sentence (U+FDFA for 18 letters): a text of them would fill memory."""


def normalized(form: Form, text: str) -> str:
    """The Unicode form of the text."""
    if text.isascii() or unicodedata.is_normalized(form, text):
        return text
    if len(text) <= _PIECE:
        return _normalized(form, text)
    return "".join(_normalized(form, piece) for piece in pieces(text))


def comparable(text: str) -> str:
    """Equal for texts that read the same: letter case, and the coding of accents and wide letters, are ignored."""
    if text.isascii():
        return text.lower()
    return normalized("NFKC", normalized("NFKC", text).casefold())


def comparable_name(name: str) -> str:
    """Equal for file names that differ in letter case alone, or in the coding of accents."""
    return name.lower() if name.isascii() else normalized("NFC", normalized("NFC", name).casefold())


def encoded(text: str) -> bytes:
    """The text as RE2 takes it; halves of characters become question marks."""
    return text.encode("utf-8", "replace")


def _normalized(form: Form, text: str) -> str:
    found = unicodedata.normalize(form, text)
    if len(found) <= _GROWTH * len(text):
        return found
    return unicodedata.normalize("NFD" if form == "NFKD" else "NFC", text)


def pieces(text: str, length: int = _PIECE) -> Iterator[str]:
    """The text in pieces of a length."""
    return (text[start : start + length] for start in range(0, len(text), length))
