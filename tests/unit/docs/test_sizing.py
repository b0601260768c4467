"""docs/sizing.md: its table follows from its figures, and these from the documents that it names."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.paths import ROOT

_DOCUMENT: Final = ROOT / "docs" / "sizing.md"
_TEXT: Final = _DOCUMENT.read_text("utf-8")
_COMPUTED: Final = 11


def _table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, without its first line."""
    part = _TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def _number(text: str) -> float:
    return float(text.replace(",", ""))


FIGURES: Final = {name: _number(value) for name, value, _ in _table("Figures")}
SITES: Final = {row[0]: row[1:] for row in _table("Sites")}
_PEAK_SHARE: Final = FIGURES["share of a day's mail in its busiest hour, percent"] / 100
_LOAD: Final = FIGURES["load of processors in that hour, percent"] / 100


def _peak(_mailboxes: float, day: float) -> float:
    return day * _PEAK_SHARE / 3600


def _sweeps(mailboxes: float, _day: float) -> float:
    return mailboxes / FIGURES["seconds between sweeps of a mailbox"]


def _cores(mailboxes: float, day: float) -> float:
    imports = _peak(mailboxes, day) * FIGURES["CPU time of an imported message, ms"]
    return (imports + _sweeps(mailboxes, day) * FIGURES["CPU time of a sweep, ms"]) / 1000


def _processors(mailboxes: float, day: float) -> float:
    return math.ceil(_peak(mailboxes, day) / (FIGURES["messages a second of a processor"] * _LOAD))


def _memory(mailboxes: float, day: float) -> float:
    one = FIGURES["memory of a processor, MB"] + 3 * FIGURES["memory of each of its three worker processes, MB"]
    return _processors(mailboxes, day) * one + FIGURES["memory of a subscription manager, MB"]


def _disk(day: float, kilobytes: float) -> float:
    return day * 365 * kilobytes / 1_000_000


def _bare_disk(_mailboxes: float, day: float) -> float:
    return _disk(day, FIGURES["rows of a message, KB"])


def _whole_disk(_mailboxes: float, day: float) -> float:
    return _disk(day, FIGURES["rows of a message, KB"] + FIGURES["body and attachments of a message, KB"])


def _monthly_operations(_mailboxes: float, day: float) -> float:
    return day * 30 * FIGURES["operations of Service Bus for a message"] / 1_000_000


def _operations(mailboxes: float, day: float) -> float:
    return _peak(mailboxes, day) * FIGURES["operations of Service Bus for a message"]


_FORMULAS: Final[dict[str, Callable[[float, float], float]]] = {
    "messages a second in the busiest hour": _peak,
    "sweeps a second": _sweeps,
    "cores in use in that hour": _cores,
    "processors": _processors,
    "memory of processors and manager, MB": _memory,
    "disk a year without contents, GB": _bare_disk,
    "disk a year with contents, GB": _whole_disk,
    "operations of Service Bus a month, millions": _monthly_operations,
    "operations of Service Bus a second": _operations,
}


@pytest.mark.parametrize("row", _FORMULAS)
def test_each_row_follows_from_the_figures(row: str) -> None:
    """To the last digit that is shown."""
    sites = zip(SITES["mailboxes"], SITES["messages a day"], SITES[row], strict=True)
    for mailboxes, day, shown in sites:
        digits = len(shown.partition(".")[2])
        assert shown == f"{_FORMULAS[row](_number(mailboxes), _number(day)):,.{digits}f}"


def test_no_number_is_without_a_formula() -> None:
    numbers = {name for name, cells in SITES.items() if all(re.fullmatch(r"[\d,.]+", cell) for cell in cells)}
    assert numbers == {*_FORMULAS, "mailboxes", "messages a day"}
    assert len(numbers) == _COMPUTED


@pytest.mark.parametrize(("name", "value", "source"), _table("Figures"))
def test_each_figure_is_in_the_document_that_it_is_from(name: str, value: str, source: str) -> None:
    """Or the row has the measurement itself; what is assumed is marked."""
    named = re.search(r"\]\(([^)#]+\.md)\)", source)
    if named is None or "measured" in source:
        assert re.search(r"measured|\*\*(assumed|chosen)\*\*|bench", source), name
    elif not source.startswith("put, receive"):
        text = (_DOCUMENT.parent / Path(named[1])).read_text("utf-8")
        assert re.search(rf"(?<![\d.]){re.escape(value)}(?![\d.]*\d)", text), f"{name}: {value} is not in {named[1]}"
