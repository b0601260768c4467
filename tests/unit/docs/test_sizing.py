"""docs/sizing.md: its table follows from its figures, and these from the documents that it names."""

from collections.abc import Mapping
from typing import Final

import pytest

from tests.unit.docs import capacity
from tests.unit.docs.capacity import FIGURES, SIZING, Formula, Site

_FORMULAS: Final[dict[str, Formula]] = {
    "messages a second in the busiest hour": capacity.peak,
    "sweeps a second": capacity.sweeps,
    "cores in use in that hour": capacity.cores,
    "processors": capacity.processors,
    "memory of processors and manager, MB": lambda site: (
        capacity.memory_of_processors(site) + FIGURES["memory of a subscription manager, MB"]
    ),
    "disk a year without contents, GB": capacity.bare_disk,
    "disk a year with contents, GB": capacity.whole_disk,
    "operations of Service Bus a month, millions": capacity.monthly_operations,
    "operations of Service Bus a second": capacity.operations,
}


def _site(values: Mapping[str, float]) -> Site:
    return Site(values["mailboxes"], values["messages a day"], FIGURES["seconds between sweeps of a mailbox"])


@pytest.mark.parametrize("row", _FORMULAS)
def test_each_row_follows_from_the_figures(row: str) -> None:
    SIZING.check_row(row, _FORMULAS[row], _site)


def test_no_number_is_without_a_formula() -> None:
    assert SIZING.numbers() == {*_FORMULAS, "mailboxes", "messages a day"}


@pytest.mark.parametrize(("name", "value", "source"), SIZING.table("Figures"))
def test_each_figure_is_in_the_document_that_it_is_from(name: str, value: str, source: str) -> None:
    if not source.startswith("put, receive"):
        SIZING.check_source(name, value, source)
