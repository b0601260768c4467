"""Figures that benchmarks measure, each with its goal and the baseline of the same run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure.

    `baseline`: what it is compared with, with its value in the same run; empty where the value is no comparison.
    `is_most`: the goal is the highest good value, as of memory; otherwise the lowest. `shown`: the value's format.
    """

    name: str
    value: float
    unit: str = ""
    goal: float | None = None
    baseline: str = ""
    is_most: bool = False
    shown: str = ".2f"

    @property
    def is_good(self) -> bool:
        """True if it reaches its goal, or has none."""
        return self.goal is None or (self.value <= self.goal if self.is_most else self.value >= self.goal)
