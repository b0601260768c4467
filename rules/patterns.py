"""Patterns of file names and subjects, and words of bodies. Each takes time that grows with the text alone. No I/O."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Protocol

import re2

from phrases import Phrase
from rules.texts import comparable_name, encoded, normalized
from rules.wildcards import Wildcard
from rules.words import words_of

_MAX_MEMORY: Final = 2 * 1024 * 1024
"""Bytes of one regular expression. RE2 gets slower when it needs more, not wrong."""
_MAX_PATTERN: Final = 1000
_MAX_NAME: Final = 255
_WILD: Final = {"*": ".*", "?": "."}
_SEPARATORS: Final = frozenset("/\\")


class BadPattern(ValueError):
    """The text is no such pattern. Its own text is a phrase that names it and the cause."""


class Regex:
    """A regular expression of RE2, searched in any letter case unless it says `(?-i)`."""

    def __init__(self, text: str) -> None:
        """Raises BadPattern."""
        if not text.strip():
            raise BadPattern(Phrase("A regular expression is empty."))
        if len(text) > _MAX_PATTERN:
            raise BadPattern(_too_long(text, _MAX_PATTERN))
        self.text = normalized("NFC", text)
        self._found: Any = compiled(self.text, text)

    def fits(self, subject: bytes) -> bool:
        """Check whether the expression fits somewhere in a text in NFC and UTF-8."""
        return self._found.search(subject) is not None


class _Pattern(Protocol):
    def fits(self, text: str, /) -> bool: ...


class _SingleWildcard:
    """A text in which `*` stands for anything, and `?` for one character."""

    def __init__(self, text: str) -> None:
        self._regex: Any = compiled(_as_regex(text), text, dot_nl=True)

    def fits(self, text: str) -> bool:
        return self._regex.fullmatch(encoded(text)) is not None


class NamePatterns:
    """Patterns of file names with `*` and `?`, in any letter case; brackets stand for themselves."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Raises BadPattern."""
        exact, suffixes = set(), set()
        others: list[_Pattern] = []
        self.patterns = tuple(map(_checked_name, texts))
        for pattern in self.patterns:
            if "?" in pattern:
                others.append(_SingleWildcard(pattern))
            elif "*" not in pattern:
                exact.add(pattern)
            elif pattern.rfind("*") == 0:
                suffixes.add(pattern[1:])
            else:
                others.append(Wildcard(pattern))
        self._exact = frozenset(exact)
        self._suffixes = tuple(sorted(suffixes))
        self._others = tuple(others)

    @property
    def keys(self) -> AbstractSet[str]:
        """Patterns, one of which is among the `keys_of_name` that fits, unless one of `searched` fits."""
        return {each for each in self.patterns if _is_key(each)}

    @property
    def searched(self) -> Sequence[str]:
        """The other patterns."""
        return [each for each in self.patterns if not _is_key(each)]

    def fits(self, name: str) -> bool:
        """Check whether one fits the name, which is a `comparable_name`."""
        if name in self._exact or name.endswith(self._suffixes):
            return True
        return any(each.fits(name) for each in self._others)


def keys_of_name(name: str) -> Iterator[str]:
    """The name, and each `*.csv` that fits it."""
    yield name
    dot = name.find(".", max(0, len(name) - _MAX_NAME))
    while dot >= 0:
        yield f"*{name[dot:]}"
        dot = name.find(".", dot + 1)


def line_of(text: str) -> str:
    """The text as one of the lines in which the expressions of `line_expression` are searched."""
    return text.replace("\n", " ")


def literal(text: str) -> str:
    """The expression that finds the text."""
    return str(re2.escape(text.encode("utf-8", "replace").decode()))


def line_expression(wildcard: str) -> str:
    """An expression found in lines if one of them fits the wildcard."""
    return f"(?m:^{_as_regex(line_of(wildcard))}$)"


class BodyWords:
    """Words that stand in a text in this order, whatever is between; those in double quotes follow each other."""

    def __init__(self, text: str) -> None:
        """Raises BadPattern."""
        if text.count('"') % 2:
            raise BadPattern(Phrase("A double quote is missing in {text!r}.", text=text))
        parts = [
            words_of(part)
            for number, quoted in enumerate(text.split('"'))
            for part in ([quoted] if number % 2 else quoted.split())
        ]
        self._parts = tuple(part for part in parts if part.strip())
        if not self._parts:
            raise BadPattern(Phrase("{text!r} has no word: letters or digits.", text=text))

    def fit(self, words: str) -> bool:
        """Check whether the text fits of which these are the `words_of`."""
        place = 0
        for part in self._parts:
            found = words.find(part, place)
            if found < 0:
                return False
            place = found + len(part) - 1  # the blank after one word is the one before the next
        return True


def _is_key(pattern: str) -> bool:
    stem = pattern.removeprefix("*.")
    return not {"*", "?"} & set(stem)


def _checked_name(text: str) -> str:
    pattern = comparable_name(text.strip())
    if not pattern:
        raise BadPattern(Phrase("A pattern of file names is empty."))
    if _SEPARATORS & set(pattern):
        raise BadPattern(
            Phrase("{text!r} has a path separator: a file is compared by its name alone, without folders.", text=text)
        )
    if len(pattern) > _MAX_NAME:
        raise BadPattern(_too_long(text, _MAX_NAME))
    return pattern


def _too_long(text: str, limit: int) -> Phrase:
    return Phrase("{text!r} is longer than {limit} characters.", text=f"{text[:40]}...", limit=limit)


def _as_regex(wildcard: str) -> str:
    return "".join(_WILD.get(each) or literal(each) for each in wildcard)


def compiled(pattern: str, shown: str = "", *, dot_nl: bool = False, max_memory: int = _MAX_MEMORY) -> Any:  # noqa: ANN401  # re2 has no types
    """The expression of RE2, in any letter case. Raises BadPattern, with the text `shown`."""
    options = re2.Options()
    options.max_mem = max_memory
    options.log_errors = False
    options.case_sensitive = False
    options.never_capture = True
    options.dot_nl = dot_nl
    try:
        return re2.compile(encoded(pattern), options)
    except re2.error as exc:
        cause = exc.args[0] if exc.args else ""
        problem = cause.decode("utf-8", "replace") if isinstance(cause, bytes) else str(cause)
        raise BadPattern(
            Phrase("{text!r} is no regular expression of RE2: {problem}.", text=shown, problem=problem)
        ) from exc
