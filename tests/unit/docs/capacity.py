"""Figures and formulas of docs/sizing.md, which docs/scale.md shares."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.paths import ROOT


class Document:
    """A document with a table of figures (name, value, source) and one of sites (name, a value for each site)."""

    def __init__(self, name: str) -> None:
        self.path: Path = ROOT / "docs" / name
        self._text = self.path.read_text("utf-8")
        self.figures = {figure: number(value) for figure, value, _ in self.table("Figures")}
        self.sites = {row[0]: row[1:] for row in self.table("Sites")}

    def table(self, heading: str) -> list[list[str]]:
        """The rows of the table under a heading, without its first line."""
        part = self._text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
        rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in row] for row in rows[2:]]

    def numbers(self) -> set[str]:
        """The rows of the sites that are all numbers."""
        return {name for name, cells in self.sites.items() if all(re.fullmatch(r"[\d,.]+", cell) for cell in cells)}

    def check_row(self, row: str, formula: "Formula", facts: "Callable[[Mapping[str, float]], Site]") -> None:
        """Compute a row anew, to the last digit that is shown."""
        for place, shown in enumerate(self.sites[row]):
            site = facts({name: number(self.sites[name][place]) for name in self.numbers()})
            digits = len(shown.partition(".")[2])
            assert shown == f"{formula(site):,.{digits}f}", f"{row} of site {place + 1}"

    def check_source(self, name: str, value: str, source: str) -> None:
        """The figure is in the document that it is from, or the row has the measurement itself; or it is marked."""
        named = re.search(r"\]\(([^)#]+\.(?:md|py))(?:#[^)]*)?\)", source)
        if named is None or "measured" in source:
            assert re.search(r"measured|\*\*(assumed|chosen)\*\*|bench", source), name
            return
        text = (self.path.parent / named[1]).resolve().read_text("utf-8").replace("_", "")
        plain = value.replace(",", "")
        found = re.search(rf"(?<![\d.])({re.escape(value)}|{re.escape(plain)})(?![\d.]*\d)", text)
        assert found, f"{name}: {value} is not in {named[1]}"


@dataclass(frozen=True, slots=True)
class Site:
    """Differences between sites: mailboxes, messages a day, seconds between sweeps of a mailbox."""

    mailboxes: float
    day: float
    sweep_seconds: float


Formula = Callable[[Site], float]


def number(text: str) -> float:
    """A number as the documents write it."""
    return float(text.replace(",", ""))


SIZING: Final = Document("sizing.md")
FIGURES: Final = SIZING.figures
LOAD: Final = FIGURES["load of processors in that hour, percent"] / 100
_PEAK_SHARE: Final = FIGURES["share of a day's mail in its busiest hour, percent"] / 100


def peak(site: Site) -> float:
    """Messages a second in the busiest hour."""
    return site.day * _PEAK_SHARE / 3600


def sweeps(site: Site) -> float:
    """Sweeps a second."""
    return site.mailboxes / site.sweep_seconds


def cores(site: Site) -> float:
    """Cores in use in the busiest hour."""
    imports = peak(site) * FIGURES["CPU time of an imported message, ms"]
    return (imports + sweeps(site) * FIGURES["CPU time of a sweep, ms"]) / 1000


def processors(site: Site) -> float:
    """Processors that are under the chosen load in the busiest hour."""
    by_latency = FIGURES["deliveries that a processor has in flight"] / FIGURES["latency of Graph, ms"]
    by_cpu = 1 / FIGURES["CPU time of an imported message, ms"]
    return math.ceil(peak(site) / (1000 * min(by_latency, by_cpu) * LOAD))


def memory_of_processors(site: Site) -> float:
    """Megabytes of all of them, with their worker processes."""
    one = FIGURES["memory of a processor, MB"] + 3 * FIGURES["memory of each of its three worker processes, MB"]
    return processors(site) * one


def bare_disk(site: Site) -> float:
    """Gigabytes a year without contents."""
    return _disk(site, FIGURES["rows of a message, KB"])


def whole_disk(site: Site) -> float:
    """Gigabytes a year with contents."""
    return _disk(site, kilobytes_of_message())


def kilobytes_of_message() -> float:
    """Rows, body and attachments."""
    return FIGURES["rows of a message, KB"] + FIGURES["body and attachments of a message, KB"]


def monthly_operations(site: Site) -> float:
    """Millions of operations of Service Bus."""
    return site.day * 30 * FIGURES["operations of Service Bus for a message"] / 1_000_000


def operations(site: Site) -> float:
    """Operations of Service Bus a second."""
    return peak(site) * FIGURES["operations of Service Bus for a message"]


def _disk(site: Site, kilobytes: float) -> float:
    return site.day * 365 * kilobytes / 1_000_000
