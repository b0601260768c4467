"""Times as operators write them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import pytest

from console.times import parse_time

NOW: Final = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
"""The last day of February in UTC."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", "2026-02-28T22:00"),
        ("2h", "2026-02-28T21:30"),
        (" 3 D ", "2026-02-25T23:30"),
        ("2w", "2026-02-14T23:30"),
        ("0h", "2026-02-28T23:30"),
        ("today", "2026-02-28T00:00"),
        ("Yesterday", "2026-02-27T00:00"),
        ("2026-03-31", "2026-03-31T00:00"),
        ("2026-03-31 14:30", "2026-03-31T14:30"),
        ("2026-03-31T14:30:00+02:00", "2026-03-31T12:30"),
        ("2026-03-31T14:30:00Z", "2026-03-31T14:30"),
        ("29.11.2026", "2026-11-29T00:00"),
        ("1/2/2026", "2026-02-01T00:00"),
        ("29/11/2026", "2026-11-29T00:00"),
        ("29.11.2026 14:30", "2026-11-29T14:30"),
        ("29/11/2026T09:05:07", "2026-11-29T09:05:07"),
    ],
)
def test_every_form_gives_a_time_in_utc(text: str, expected: str) -> None:
    assert parse_time(text, NOW) == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert parse_time(text, NOW).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2",
        "h",
        "-2h",
        "2y",
        "999999w",
        "30.02.2026",
        "11/29/2026",
        "29.11/2026",
        "29.11.26",
        "29.11.2026 25:00",
        "٢h",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """Day and month are never exchanged to make a date of it."""
    with pytest.raises((ValueError, OverflowError)):
        parse_time(text, NOW)
