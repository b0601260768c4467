"""Texts that were stored in English, said in the chosen language.

The database has what a role wrote for an operator: why an account waits, how an attempt at a message ended. It is
English there, made of the templates of the catalogue; a text is taken apart by them, and so are the values in it.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from string import Formatter
from typing import Final

from console.language import ENGLISH, catalogue_file, chosen
from phrases import Phrase

_MAGIC: Final = 0x950412DE
_FEWEST_LETTERS: Final = 10
"""Of its own that a template must have, to be taken for what it seems to be."""
_DEEPEST: Final = 3
_END_OF_SENTENCE: Final = re.compile(r"(?<=[.!?]) ")


def recognised(text: str) -> Phrase:
    """The phrase that the text was, where the chosen language is another one; else the text as it is."""
    if isinstance(text, Phrase):
        return text
    language = chosen()
    found = None if language == ENGLISH else _of_language(language).phrase_of(text)
    return Phrase.verbatim(text) if found is None else found


class _AsWritten(str):
    """A value in the form that its template had given it: as a `repr`, or a time in some form."""

    __slots__ = ()

    def __format__(self, _form: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class _Template:
    """One form of a phrase; `other`: its second form, if it counts; `counts_one`: this is the first of two."""

    text: str
    one: str
    many: str | None = None
    counts_one: bool = True
    literals: tuple[str, ...] = field(init=False)
    fields: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = list(Formatter().parse(self.text))
        object.__setattr__(self, "literals", tuple(literal for literal, *_ in parts if literal))
        object.__setattr__(self, "fields", frozenset(name for _, name, *_ in parts if name))

    @property
    def letters(self) -> int:
        """How much of the text is its own."""
        return sum(sign.isalpha() for literal in self.literals for sign in literal)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What texts of this template look like."""
        seen: set[str] = set()
        parts = []
        for literal, name, _, conversion in Formatter().parse(self.text):
            parts.append(re.escape(literal))
            if name is None:
                continue
            quoted = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"" if conversion == "r" else r".+?"
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{quoted})")
            seen.add(name)
        return re.compile("".join(parts), re.DOTALL)

    def may_be(self, text: str) -> bool:
        """Whether its own words are in the text, one after the other: quickly told, unlike the whole."""
        place = 0
        for literal in self.literals:
            place = text.find(literal, place)
            if place < 0:
                return False
            place += len(literal)
        return True


class Recogniser:
    """Takes texts apart by templates, those with most words of their own first."""

    def __init__(self, templates: Iterator[_Template]) -> None:
        ordered = sorted(templates, key=lambda each: each.letters, reverse=True)
        self._telling = [each for each in ordered if each.letters >= _FEWEST_LETTERS or not each.fields]
        self._vague = [each for each in ordered if each.letters < _FEWEST_LETTERS and each.fields]

    def phrase_of(self, text: str, depth: int = 0) -> Phrase | None:
        """What the text was made of; None: nothing that is known."""
        if depth > _DEEPEST or not text.strip():
            return None
        whole = self._whole(text, depth)
        if whole is not None:
            return whole
        ends = [found.start() for found in _END_OF_SENTENCE.finditer(text)]
        for end in reversed(ends):
            head = self._whole(text[:end], depth)
            if head is not None:
                rest = text[end + 1 :]
                return Phrase.joined(head, self.phrase_of(rest, depth + 1) or Phrase.verbatim(rest))
        for end in ends:
            rest_known = self._whole(text[end + 1 :], depth)
            if rest_known is not None:
                return Phrase.joined(Phrase.verbatim(text[:end]), rest_known)
        return None

    def _whole(self, text: str, depth: int) -> Phrase | None:
        for template in self._telling:
            found = self._by(template, text, depth)
            if found is not None:
                return found[0]
        # What says little by itself counts if what is in it is known.
        for template in self._vague:
            found = self._by(template, text, depth)
            if found is not None and found[1]:
                return found[0]
        return None

    def _by(self, template: _Template, text: str, depth: int) -> tuple[Phrase, bool] | None:
        """The phrase, and whether any of its values is known, too."""
        match = template.pattern.fullmatch(text) if template.may_be(text) else None
        if match is None:
            return None
        values: dict[str, object] = {}
        for name, value in match.groupdict().items():
            values[name] = self.phrase_of(value, depth + 1) or _AsWritten(value)
        known = any(isinstance(value, Phrase) for value in values.values())
        count = 1
        if template.many is not None:
            told = match["n"] if "n" in template.fields else "1"
            if not told.isdecimal() or (int(told) == 1) != template.counts_one:
                return None
            count = values["n"] = int(told)
        phrase = Phrase.of_template(template.one, template.many, values, n=count)
        return (phrase, known) if phrase == text else None


@lru_cache(maxsize=1)
def _of_language(language: str) -> Recogniser:
    return Recogniser(templates_in(catalogue_file(language)))


def templates_in(file: Path) -> Iterator[_Template]:
    """The English templates of a compiled catalogue.

    `gettext` keeps those of the first form only. https://www.gnu.org/software/gettext/manual/html_node/MO-Files.html
    """
    content = file.read_bytes()
    order = "<" if struct.unpack_from("<I", content)[0] == _MAGIC else ">"
    count, start = struct.unpack_from(f"{order}II", content, 8)
    for number in range(count):
        length, place = struct.unpack_from(f"{order}II", content, start + 8 * number)
        one, _, many = content[place : place + length].decode().partition("\0")
        if many:
            yield _Template(one, one, many)
            yield _Template(many, one, many, counts_one=False)
        elif one:
            yield _Template(one, one)
