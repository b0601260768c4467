"""docs/scale.md: its table follows from its figures and those of docs/sizing.md, by the formulas of both."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.unit.docs import capacity
from tests.unit.docs.capacity import LOAD, SIZING, Document, Formula, Site

SCALE: Final = Document("scale.md")
FIGURES: Final = {**SIZING.figures, **SCALE.figures}
_INPUTS: Final = {"mailboxes", "seconds between sweeps of a mailbox"}


def _installations(site: Site) -> float:
    return math.ceil(site.mailboxes / FIGURES["mailboxes of an installation"])


def _one(site: Site) -> Site:
    """One of the installations."""
    number = _installations(site)
    return Site(site.mailboxes / number, site.day / number, site.sweep_seconds)


def _sum(formula: Formula) -> Formula:
    """Of all installations, each with what it needs whole."""
    return lambda site: _installations(site) * formula(_one(site))


def _renewals(site: Site) -> float:
    life = FIGURES["life of a subscription, minutes"] * 60
    return site.mailboxes / (life * FIGURES["part of it after which it is renewed, percent"] / 100)


def _managers(site: Site) -> float:
    milliseconds = capacity.sweeps(site) * FIGURES["CPU time of a sweep, ms"]
    milliseconds += _renewals(site) * FIGURES["CPU time of a renewal, ms"]
    needed = math.ceil(milliseconds / 1000 / LOAD)
    return max(needed, FIGURES["managers of an installation"])


def _memory(site: Site) -> float:
    of_managers = _managers(site) * FIGURES["memory of a manager of 100,000 accounts, MB"]
    return capacity.memory_of_processors(site) + of_managers


def _calls(site: Site) -> float:
    return capacity.peak(site) * FIGURES["calls of Graph for a message"] + capacity.sweeps(site)


def _calls_of_mailbox(site: Site) -> float:
    return 600 * _calls(site) / site.mailboxes


_FORMULAS: Final[dict[str, Formula]] = {
    "messages a day": lambda site: site.mailboxes * FIGURES["messages of a mailbox a day"],
    "messages a second in the busiest hour": capacity.peak,
    "sweeps a second": capacity.sweeps,
    "installations, each with its application": _installations,
    "processors": _sum(capacity.processors),
    "subscription managers": _sum(_managers),
    "cores in use in that hour": capacity.cores,
    "memory of processors and managers, MB": _sum(_memory),
    "disk a year without contents, GB": capacity.bare_disk,
    "disk a year with contents, GB": capacity.whole_disk,
    "rows written a second": lambda site: capacity.peak(site) * FIGURES["rows of a message"],
    "MB written a second": lambda site: capacity.peak(site) * capacity.kilobytes_of_message() / 1000,
    "cores of the databases that compare accounts": _sum(
        lambda site: (
            _managers(site)
            * (site.mailboxes / 100_000)
            * FIGURES["comparison of 100,000 accounts by the database, ms"]
            / (1000 * FIGURES["seconds between comparisons"])
        )
    ),
    "operations of Service Bus a second": capacity.operations,
    "namespaces of Service Bus Standard": _sum(
        lambda site: math.ceil(capacity.operations(site) / FIGURES["operations of a namespace a second"])
    ),
    "calls of Graph a second": _calls,
    "percent of the limit of an application": lambda site: (
        _calls(_one(site)) * 10 / FIGURES["calls of an application in 10 s, all tenants"] * 100
    ),
    "calls of a mailbox in ten minutes, of 10,000": _calls_of_mailbox,
    "minutes until all subscriptions are made": lambda site: (
        _one(site).mailboxes / FIGURES["subscription calls of an application in a tenant a second"] / 60
    ),
    "renewals a second": _renewals,
    "percent of the limit of subscription calls": lambda site: (
        _renewals(_one(site)) / FIGURES["subscription calls of an application in a tenant a second"] * 100
    ),
    "hours between two lists of all subscriptions": lambda site: max(
        1, _one(site).mailboxes * FIGURES["seconds between two lists for each mailbox"] / 3600
    ),
    "minutes that such a list takes": lambda site: (
        _one(site).mailboxes
        / FIGURES["subscriptions in a page of the list"]
        / FIGURES["pages of the list a second"]
        / 60
    ),
}


def _site(values: Mapping[str, float]) -> Site:
    return Site(values["mailboxes"], values["messages a day"], values["seconds between sweeps of a mailbox"])


@pytest.mark.parametrize("row", _FORMULAS)
def test_each_row_follows_from_the_figures(row: str) -> None:
    SCALE.check_row(row, _FORMULAS[row], _site)


def test_no_number_is_without_a_formula() -> None:
    assert SCALE.numbers() == {*_FORMULAS, *_INPUTS}


def test_no_figure_is_without_use() -> None:
    """Nor is one of docs/sizing.md repeated."""
    text = Path(__file__).read_text("utf-8")
    assert [each for each in SCALE.figures if f'"{each}"' not in text] == []
    assert not SCALE.figures.keys() & SIZING.figures.keys()


@pytest.mark.parametrize(("name", "value", "source"), SCALE.table("Figures"))
def test_each_figure_is_in_the_document_that_it_is_from(name: str, value: str, source: str) -> None:
    SCALE.check_source(name, value, source)
