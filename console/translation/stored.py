"""Translates texts that were stored in English to the chosen language.

The database has texts of roles for an operator: why an account waits, how an attempt at a message ended. They are
English there, made of the templates of the catalogue; these parse a text, and the values in it.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from string import Formatter
from typing import Final

from console.translation.language import ENGLISH, catalogue_file, chosen
from phrases import Phrase

_MAGIC: Final = 0x950412DE
_FEWEST_LETTERS: Final = 8
"""Letters of its own that a template must have, to be recognised by them."""
_DEEPEST: Final = 3
_BEGINNING: Final = 4
"""Letters by which templates are looked up; those that begin with a value have fewer."""
_MAX_SENTENCES: Final = 12
"""The rest belongs to the last of them."""
_QUOTED: Final = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_END_OF_SENTENCE: Final = re.compile(r"(?<=[.!?]) ")


def recognised(text: str) -> Phrase:
    """The phrase that the text was, where the chosen language is not English; else the text as it is."""
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
    """The form `text` of a phrase, whose forms are `one` and, if it counts, `many`; `counts_one`: it is `one`."""

    text: str
    one: str
    many: str | None = None
    counts_one: bool = True

    @cached_property
    def literals(self) -> list[str]:
        """Its own words, between the values."""
        return [literal for literal, *_ in Formatter().parse(self.text) if literal]

    @cached_property
    def fields(self) -> set[str]:
        """The names of its values."""
        return {name for _, name, *_ in Formatter().parse(self.text) if name}

    @cached_property
    def letters(self) -> int:
        """The number of letters of its own."""
        return sum(sign.isalpha() for literal in self.literals for sign in literal)

    @property
    def says_something(self) -> bool:
        """True if there is more in it than values, blanks and full stops."""
        return any(literal.strip(" .\n") for literal in self.literals)

    @property
    def is_vague(self) -> bool:
        """True if it has so few letters that only known values identify it."""
        return bool(self.fields) and self.letters < _FEWEST_LETTERS

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern of texts of this template."""
        seen: set[str] = set()
        parts = []
        for literal, name, _, conversion in Formatter().parse(self.text):
            parts.append(re.escape(literal))
            if name is None:
                continue
            form = _QUOTED if conversion == "r" else r"\d+" if name == "n" and self.many else ".+?"
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{form})")
            seen.add(name)
        return re.compile("".join(parts), re.DOTALL)

    @cached_property
    def ends(self) -> tuple[str, str]:
        """The fixed beginning and end of its texts."""
        parts = list(Formatter().parse(self.text))
        return parts[0][0], "" if parts[-1][1] is not None else parts[-1][0]

    def may_be(self, text: str) -> bool:
        """True if its own words are in the text, one after the other: a quick check before the whole."""
        beginning, end = self.ends
        if not text.startswith(beginning) or not text.endswith(end):
            return False
        place = 0
        for literal in self.literals:
            place = text.find(literal, place)
            if place < 0:
                return False
            place += len(literal)
        return True


@dataclass(frozen=True, slots=True)
class _Found:
    """The parts of a text; `told`: the number of its letters that are of templates."""

    parts: tuple[Phrase, ...] = ()
    told: int = 0

    @property
    def phrase(self) -> Phrase:
        """All parts."""
        return Phrase.joined(*self.parts)


class Recogniser:
    """Parses texts by templates, sentence by sentence, so that most of their letters are of templates."""

    def __init__(self, templates: Iterable[_Template]) -> None:
        self._by_beginning: dict[str, list[_Template]] = {}
        for each in templates:
            if each.says_something:
                self._by_beginning.setdefault(each.ends[0][:_BEGINNING], []).append(each)
        self._known: dict[tuple[str, int], _Found | None] = {}

    def phrase_of(self, text: str) -> Phrase | None:
        """The phrase the text was made of; None: no template fits."""
        self._known.clear()
        found = self._best(text, 0)
        return found.phrase if found.told else None

    def _best(self, text: str, depth: int) -> _Found:
        starts = [0, *(end.end() for end in _END_OF_SENTENCE.finditer(text))][:_MAX_SENTENCES]
        ends = [*(start - 1 for start in starts[1:]), len(text)]
        ways = [_Found()]
        for last, end in enumerate(ends):
            candidates = []
            for first in range(last + 1):
                sentences = text[starts[first] : end]
                found = self._whole(sentences, depth) or _Found((Phrase.verbatim(sentences),))
                before = ways[first]
                candidates.append(_Found((*before.parts, *found.parts), before.told + found.told))
            ways.append(max(candidates, key=lambda each: (each.told, -len(each.parts))))
        return ways[-1]

    def _whole(self, text: str, depth: int) -> _Found | None:
        """Parse by one template, with values; None: none fits."""
        if depth > _DEEPEST:
            return None
        if (text, depth) not in self._known:
            candidates = (
                each for length in range(_BEGINNING + 1) for each in self._by_beginning.get(text[:length], ())
            )
            found = (self._by(each, text, depth) for each in dict.fromkeys(candidates) if each.may_be(text))
            self._known[text, depth] = max(filter(None, found), key=lambda each: each.told, default=None)
        return self._known[text, depth]

    def _by(self, template: _Template, text: str, depth: int) -> _Found | None:
        match = template.pattern.fullmatch(text)
        if match is None:
            return None
        inside = {name: self._best(value, depth + 1) for name, value in match.groupdict().items()}
        told = sum(each.told for each in inside.values())
        if template.is_vague and told < _FEWEST_LETTERS:
            return None
        values: dict[str, object] = {
            name: inside[name].phrase if inside[name].told else _AsWritten(value)
            for name, value in match.groupdict().items()
        }
        count = 1
        if template.many is not None:
            number = match["n"] if "n" in template.fields else "1"
            if (int(number) == 1) != template.counts_one:
                return None
            count = values["n"] = int(number)
        phrase = Phrase.of_template(template.one, template.many, values, n=count)
        return _Found((phrase,), template.letters + told) if phrase == text else None


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
