"""A small bar chart, as SVG made on the server: sizes and texts; the template draws it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from db.queries.installation import ImportedInHour

WIDTH: Final = 720
HEIGHT: Final = 140
_TOP: Final = 16
_BOTTOM: Final = 20
_LEFT: Final = 44
_GAP: Final = 4
_HOURS_BETWEEN_LABELS: Final = 6
_STEPS: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar. `label`: of the hour, empty for most; `count`: what it stands for."""

    x: float
    y: float
    width: float
    height: float
    label: str
    hour: str
    count: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. `most`: the value at the top of its scale."""

    bars: Sequence[Bar]
    most: int
    total: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    top: int = _TOP
    base: int = HEIGHT - _BOTTOM


def chart_of(hours: Sequence[ImportedInHour]) -> Chart:
    """The chart of the mail of some hours."""
    most = _round_up(max((each.messages for each in hours), default=0))
    step = (WIDTH - _LEFT) / max(1, len(hours))
    tall = HEIGHT - _BOTTOM - _TOP
    bars = []
    for place, each in enumerate(hours):
        height = tall * each.messages / most
        begin = each.begin.astimezone(UTC)
        label = f"{begin:%H}" if begin.hour % _HOURS_BETWEEN_LABELS == 0 else ""
        bars.append(
            Bar(
                round(_LEFT + place * step, 1),
                round(_TOP + tall - height, 1),
                round(step - _GAP, 1),
                round(height, 1),
                label,
                f"{begin:%Y-%m-%d %H}:00",
                each.messages,
            )
        )
    return Chart(bars, most, sum(each.messages for each in hours))


def _round_up(value: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50 and so on."""
    scale = 1
    while True:
        for step in _STEPS:
            if value <= step * scale:
                return step * scale
        scale *= 10
