"""Patterns of names, addresses, subjects and bodies: against plain oracles, and in time that grows with the text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import patterns
from rules.addresses import Address, AddressPattern, AddressSet, BadAddress
from rules.patterns import BadPattern, BodyWords, NamePatterns, Regex
from rules.wildcards import Wildcard
from rules.words import words_of

_DOMAINS = ("b.example", "a.b.example", "c.a.b.example", "example.org")


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_wildcards(pattern: str, text: str) -> None:
    """* stands for anything, or nothing."""
    assert Wildcard(pattern).fits(text) is bool(re.fullmatch(pattern.replace("*", ".*"), text))


@given(st.text("aé[].*?+\n", min_size=1, max_size=6), st.text("aé[].+\n", max_size=10))
def test_names(pattern: str, name: str) -> None:
    """* and ? are all that a pattern of names knows."""
    stripped = pattern.strip()
    if not stripped:
        with pytest.raises(BadPattern):
            NamePatterns([pattern])
        return
    regex = re.escape(stripped).replace(r"\*", ".*").replace(r"\?", ".")
    assert NamePatterns([pattern]).fits(name) is bool(re.fullmatch(regex, name, re.DOTALL))


@given(
    st.lists(st.sampled_from(["x@b.example", "b.example", "*.b.example", "@b.example", "y@a.b.example"]), max_size=3),
    st.sampled_from(["x", "y", "X+1"]),
    st.sampled_from(_DOMAINS),
)
def test_sets_of_addresses(entries: list[str], local: str, domain: str) -> None:
    """A set fits what one of its patterns fits."""
    address = Address.of(f"{local}@{domain}")
    assert AddressSet(entries).fits(address) is any(AddressPattern(each).fits(address) for each in entries)


def test_stars_are_for_recipients() -> None:
    """* before the @ is refused where it would stand for itself."""
    with pytest.raises(BadAddress):
        AddressSet(["a*@b.example"])
    assert AddressSet(["a*@b.example"], wildcards=True).fits(Address.of("ab@b.example"))


@given(st.lists(st.sampled_from(["a", "b", '"a b"', '"b a a"']), min_size=1, max_size=4), st.text("ab ", max_size=12))
def test_body_words(parts: list[str], body: str) -> None:
    """Whole words in order; those in quotes follow each other."""
    regex = r"\b.*?\b".join(rf"\b{part.strip(chr(34)).replace(' ', ' +')}\b" for part in parts)
    oracle = re.search(regex, body) is not None
    found = BodyWords(" ".join(parts)).fit(words_of(body))
    assert found is oracle


class _CountedText(str):
    """A text that counts how far it was searched."""

    __slots__ = ("searched",)

    searched: int

    def find(self, part: str, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]  # as it is used
        found = super().find(part, start, len(self) if end is None else end)
        self.searched = getattr(self, "searched", 0) + (len(self) if found < 0 else found + len(part)) - start
        return found


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_no_text_is_searched_twice(size: int) -> None:
    """However many stars or words there are, each goes on where the last ended."""
    name = _CountedText("a" * size)
    assert not Wildcard("*a" * 50 + "*b*").fits(name)
    assert name.searched <= 2 * size
    body = _CountedText(" a" * size + " ")
    assert not BodyWords("a " * 50 + "b").fit(body)
    assert body.searched <= 3 * size


_LONG = "a" * 100_000


@pytest.mark.parametrize("expression", ["(a+)+$", "(a|aa)*c", "(.*a){20}b$", "(a?){1000}a{1000}$"])
@pytest.mark.timeout(60)
def test_expressions_made_to_cost(expression: str) -> None:
    """Expressions that take others years end: RE2 takes time that grows with the text."""
    assert not Regex(expression).fits(f"{_LONG}d".encode())


@pytest.mark.parametrize("pattern", ["*a" * 100 + "?b", "?*" * 100 + "b", "*a" * 100 + "*b*"])
@pytest.mark.timeout(60)
def test_names_made_to_cost(pattern: str) -> None:
    """So do patterns of names."""
    assert not NamePatterns([pattern]).fits(_LONG)


def test_memory_of_an_expression_is_bounded() -> None:
    """RE2 is given a bound of memory, and writes nothing about bad expressions to standard error."""
    options = Regex("a")._found.options
    assert options.max_mem == patterns._MAX_MEMORY
    assert not options.log_errors
    assert not options.case_sensitive
