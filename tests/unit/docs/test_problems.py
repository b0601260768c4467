"""docs/problems.md and its French twin have every kind of problem, and the keys of `status --json`."""

import re
from typing import Final

import pytest

from console.translation.labels import word
from console.translation.language import speaking, translated
from db.queries.problems import ProblemKind
from monitoring.facts import Facts, StoredFacts
from monitoring.overview import Overview
from tests.doubles.clock import SettableClock
from tests.paths import ROOT

_ENGLISH: Final = (ROOT / "docs" / "problems.md").read_text("utf-8")
_FRENCH: Final = (ROOT / "docs" / "fr" / "problemes.md").read_text("utf-8")
_KIND: Final = re.compile(r"^\| `(\w+)` \| ((?:warning|error)[^|]*) \|", re.MULTILINE)
_KIND_IN_FRENCH: Final = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)
_KEY: Final = re.compile(r"^\| `(\w+)` \| [^|]+ \|$", re.MULTILINE)


def test_every_kind_is_described_once_and_has_a_word() -> None:
    assert sorted(kind for kind, _ in _KIND.findall(_ENGLISH)) == sorted(ProblemKind)
    assert all(str(word(kind)) != str(kind) for kind in ProblemKind)


def test_the_french_page_has_the_same_kinds_with_the_words_that_the_product_shows() -> None:
    with speaking("fr"):
        expected = [
            (kind, translated(word(kind)), ", ".join(translated(word(each)) for each in severities.split(", ")))
            for kind, severities in _KIND.findall(_ENGLISH)
        ]
    assert _KIND_IN_FRENCH.findall(_FRENCH) == expected


@pytest.mark.parametrize("page", [_ENGLISH, _FRENCH], ids=["en", "fr"])
def test_the_keys_of_the_json_are_described(page: str) -> None:
    empty = Overview(Facts(SettableClock()(), StoredFacts(), (), None), (), (), (), {}, ())
    assert sorted(_KEY.findall(page)) == sorted(empty.data())
