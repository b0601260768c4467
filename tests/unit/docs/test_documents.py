"""The documents: short where they promise it, readable in a terminal, and what they refer to exists."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.paths import ROOT

_SKIPPED: Final = frozenset({"node_modules", "mail-importer-demo"})
DOCUMENTS: Final = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in _SKIPPED for part in path.relative_to(ROOT).parts)
)
_NAMES: Final = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
_FENCE: Final = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
# A path in the text: of a folder of the repository, so with a slash.
_PATH: Final = re.compile(r"`([a-z_]+(?:/[\w.-]+)+/?)`")
_LONGEST_LINE: Final = 120
_README_BYTES: Final = 6_000
_FOLDERS: Final = frozenset(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
# Made by commands that the documents show.
_MADE: Final = ("certificates/",)


def test_readme_is_short() -> None:
    """It describes the product and links to the rest, which is in docs."""
    assert len((ROOT / "README.md").read_bytes()) <= _README_BYTES


@pytest.mark.parametrize("name", _NAMES)
def test_lines_are_not_too_long(name: str) -> None:
    """Rows of tables excepted, which cannot be divided."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    assert [line for line in lines if len(line) > _LONGEST_LINE and not line.startswith("|")] == []


@pytest.mark.parametrize("name", _NAMES)
def test_links_lead_to_files_and_headings(name: str) -> None:
    document = ROOT / name
    assert [link for link in _links(document) if not _leads_somewhere(document, link)] == []


@pytest.mark.parametrize("name", [name for name in _NAMES if name != "CHANGELOG.md"])
def test_paths_that_a_document_names_exist(name: str) -> None:
    """Modules move; the documents move with them. (The changelog keeps its old names.)"""
    named = {path for path in _PATH.findall((ROOT / name).read_text("utf-8")) if not path.startswith(_MADE)}
    ours = {path for path in named if path.partition("/")[0] in _FOLDERS}
    assert [path for path in sorted(ours) if not (ROOT / path).exists()] == []


def test_every_document_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _links(index)}
    others = {ROOT / "README.md", index, *(ROOT / "tests").rglob("*.md")}
    assert [str(path) for path in DOCUMENTS if path not in linked | others] == []


def _links(document: Path) -> Iterator[str]:
    text = _FENCE.sub("", document.read_text("utf-8"))
    yield from (link for link in _LINK.findall(text) if not link.startswith(("http://", "https://")))


def _leads_somewhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path) if path else document
    if target.is_dir():
        target /= "README.md"
    if not target.is_file():
        return False
    return not anchor or anchor in {_anchor(each) for each in _HEADING.findall(target.read_text("utf-8"))}


def _anchor(heading: str) -> str:
    """As GitHub makes it: lower case, without punctuation, blanks as hyphens."""
    plain = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain).strip().lower().replace(" ", "-")
