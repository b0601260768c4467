"""docs/problems.md has every kind of problem, and the keys of `status --json`."""

import re
from typing import Final

from console.translation.labels import word
from db.queries.problems import ProblemKind
from monitoring.facts import Facts, StoredFacts
from monitoring.overview import Overview
from tests.doubles.clock import SettableClock
from tests.paths import ROOT

_TEXT: Final = (ROOT / "docs" / "problems.md").read_text("utf-8")


def test_every_kind_is_described_once_and_has_a_word() -> None:
    assert sorted(re.findall(r"^\| `(\w+)` \| (?:warning|error)", _TEXT, re.MULTILINE)) == sorted(ProblemKind)
    assert all(str(word(kind)) != str(kind) for kind in ProblemKind)


def test_the_keys_of_the_json_are_described() -> None:
    empty = Overview(Facts(SettableClock()(), StoredFacts(), (), None), (), (), (), {}, ())
    described = re.findall(r"^\| `(\w+)` \| (?!warning|error)", _TEXT, re.MULTILINE)
    assert sorted(empty.data()) == sorted(each for each in described if each not in set(ProblemKind))
