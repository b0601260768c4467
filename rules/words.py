"""The words of texts, by which rules search them, made in time that grows with the text. No I/O.

Its tables take longer to make than to load the rest of the rules, and few processes search.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from rules.texts import normalized, pieces

_LONG_PIECE: Final = 65_536

# Accents of all scripts. Not the vowels of Thai or Hindi, nor the marks by which は, ば and ぱ differ.
_ACCENTS: Final = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
# Have no shape; HTML hides them within words.
_HIDDEN: Final = re.compile("[\u00ad\u200c\u200d\u2060\ufeff]+")
# Letters that Unicode does not take for another one with an accent.
_LETTERS: Final = (("œ", "oe"), ("æ", "ae"), ("ø", "o"), ("ł", "l"), ("đ", "d"), ("ħ", "h"), ("ŧ", "t"), ("ı", "i"))


def _marks(first: int, last: int) -> str:
    return "".join(each for each in map(chr, range(first, last)) if unicodedata.category(each).startswith("M"))


_MARK: Final = f"{_marks(0x0300, 0x1AB0)}\u3099\u309a"
_NOT_IN_WORDS: Final = re.compile(rf"[^\w{_MARK}]+")
# Scripts that put no blanks between words: Thai, Lao, Myanmar, Khmer, kana, Chinese.
_UNSPACED: Final = (
    "\u0e01-\u0edf\u1000-\u109f\u1780-\u17d3\u3005-\u3007\u3041-\u3098\u309d-\u30ff\u31f0-\u31ff\u3400-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_VOICED: Final = ("\u3099", "\u309a")
_UNSPACED_RUN: Final = re.compile(rf"[{_UNSPACED}{''.join(_VOICED)}]+")


def words_of(text: str) -> str:
    """The words of a text, each between single blanks, without letter case and accents.

    A word is made of letters, digits and `_`. In a script without blanks between words, each letter is one.
    """
    try:
        return _western_words(text)
    except UnicodeEncodeError:
        return _words(text)


def _separated(folded: str) -> Iterator[str]:
    """The text with single blanks between its words, in pieces: as one, it would take many times its memory."""
    ended = True
    for piece in pieces(folded, _LONG_PIECE):
        single = _NOT_IN_WORDS.sub(" ", _UNSPACED_RUN.sub(_letters, piece))
        if ended:
            single = single.removeprefix(" ")
        if single:
            ended = single.endswith(" ")
            yield single


def _letters(run: re.Match[str]) -> str:
    """The letters of a run, between blanks; ば, which is は and a mark here, stays one."""
    separated = f" {' '.join(run[0])} "
    for mark in _VOICED:
        separated = separated.replace(f" {mark}", mark)
    return separated


def _words(text: str) -> str:
    plain = _HIDDEN.sub("", text)
    folded = _ACCENTS.sub("", normalized("NFKD", _ACCENTS.sub("", plain))).casefold()
    for letter, plain_letters in _LETTERS:
        folded = folded.replace(letter, plain_letters)
    return f" {''.join(_separated(folded)).strip()} "


def _western_words(text: str) -> str:
    """The same, ten times as fast. Raises UnicodeEncodeError for a text beyond the letters of Western Europe."""
    raw = text.encode(_WESTERN)
    if not raw.isascii():
        for byte, letters in _EXPANDED:
            raw = raw.replace(byte, letters)
    words = b" ".join(_single_blanks(raw.translate(_WESTERN_WORDS, _WESTERN_HIDDEN)))
    return f" {words.decode(_WESTERN).replace(*_MICRO)} "


def _single_blanks(words: bytes) -> Iterator[bytes]:
    """The words with single blanks between them, in pieces: a list of all would take many times their memory."""
    start = 0
    while start < len(words):
        end = words.find(b" ", start + _LONG_PIECE)
        end = len(words) if end < 0 else end
        piece = b" ".join(words[start:end].split())
        if piece:
            yield piece
        start = end


def _western_tables() -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
    """Result of each byte: one, or several."""
    table, expanded = bytearray(b" " * 256), []
    for byte in range(256):
        try:
            letters = _words(bytes([byte]).decode(_WESTERN)).strip().replace(_MICRO[1], _MICRO[0]).encode(_WESTERN)
        except UnicodeDecodeError:  # not used
            continue
        if len(letters) == 1:
            table[byte] = letters[0]
        elif letters:
            expanded.append((bytes([byte]), letters))
    return bytes(table), expanded


_WESTERN: Final = "cp1252"
_WESTERN_HIDDEN: Final = "\u00ad".encode(_WESTERN)
_MICRO: Final = ("\u00b5", "\u03bc")
"""The sign and the Greek letter that stands for it in comparisons, which that coding has not."""
_WESTERN_WORDS, _EXPANDED = _western_tables()
