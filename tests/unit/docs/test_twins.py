"""The French twins of documents: what their English pages name and list, they have, too."""

import re
from typing import Final

import pytest

from console.translation.labels import word
from console.translation.language import speaking, translated
from tests.paths import ROOT

_DOCS: Final = ROOT / "docs"
_BLOCK: Final = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`]+)`")
_ENGLISH_ALONE: Final = "## What it costs"
"""A last section that a twin leaves to the English page."""
_SHOWN: Final = re.compile(r"^\| [^|]+ \| (?:nom )?affiché \|.*\n.*\n((?:\| .*\n)+)", re.MULTILINE)
"""A table whose second column has what the product shows for the code in the first one."""
_CODE_AND_WORD: Final = re.compile(r"^\| `(\w+)` \| ([^|]+) \|", re.MULTILINE)

_TWINS: Final = [
    ("operate", "exploitation"),
    ("problems", "problemes"),
    ("troubleshooting", "depannage"),
    ("windows", "windows"),
]
_each_twin: Final = pytest.mark.parametrize(("english", "french"), _TWINS)


def _english(name: str) -> str:
    return (_DOCS / f"{name}.md").read_text("utf-8").partition(_ENGLISH_ALONE)[0]


def _french(name: str) -> str:
    return (_DOCS / "fr" / f"{name}.md").read_text("utf-8")


def _named(text: str) -> set[str]:
    """Commands, options, settings, columns, events: all between backticks."""
    return {" ".join(each.split()) for each in _CODE.findall(_BLOCK.sub("", text))}


@_each_twin
def test_a_twin_names_what_its_page_names(english: str, french: str) -> None:
    assert sorted(_named(_english(english)) - _named(_french(french))) == []


@_each_twin
@pytest.mark.parametrize("start", ["## ", "### ", "| "])
def test_a_twin_has_as_many_sections_and_rows(english: str, french: str, start: str) -> None:
    pages = (_BLOCK.sub("", _english(english)), _BLOCK.sub("", _french(french)))
    counted = [sum(line.startswith(start) for line in page.splitlines()) for page in pages]
    assert counted[0] == counted[1]


@_each_twin
def test_a_page_and_its_twin_refer_to_each_other(english: str, french: str) -> None:
    assert f"[fr/{french}.md](fr/{french}.md)" in _english(english)
    assert f"[../{english}.md](../{english}.md)" in _french(french)


@pytest.mark.parametrize(("french", "tables"), [("exploitation", 3), ("problemes", 1)])
def test_codes_have_the_words_that_the_product_shows(french: str, tables: int) -> None:
    found = _SHOWN.findall(_french(french))
    assert len(found) == tables
    rows = _CODE_AND_WORD.findall("".join(found))
    with speaking("fr"):
        assert rows == [(code, translated(word(code))) for code, _ in rows]
