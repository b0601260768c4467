"""Quiet times of alerts."""

from datetime import UTC, datetime

import pytest

from console.quiet_times import QuietTimes

# 2026-03-30 is a Monday.


@pytest.mark.parametrize(
    ("text", "moment", "quiet"),
    [
        ("22:00-06:00", "2026-03-30T21:59", False),
        ("22:00-06:00", "2026-03-30T22:00", True),
        ("22:00-06:00", "2026-03-31T05:59", True),
        ("22:00-06:00", "2026-03-31T06:00", False),
        ("12:00 - 13:00", "2026-03-31T12:30", True),
        ("sat,sun", "2026-04-04T00:00", True),
        ("sat,sun", "2026-04-05T23:59", True),
        ("sat,sun", "2026-04-06T00:00", False),
        ("Fri 22:00-06:00", "2026-04-04T05:00", True),
        ("Fri 22:00-06:00", "2026-04-05T05:00", False),
        ("sun 22:00-06:00", "2026-04-06T05:00", True),
        ("22:00-06:00; sat, sun", "2026-04-04T12:00", True),
        ("22:00-24:00", "2026-03-30T23:59", True),
        ("22:00-24:00", "2026-03-31T00:00", False),
    ],
)
def test_a_moment_is_quiet_or_not(text: str, moment: str, quiet: bool) -> None:
    assert QuietTimes.parse(text).covers(datetime.fromisoformat(moment).replace(tzinfo=UTC), UTC) is quiet


@pytest.mark.parametrize(
    "text", ["", ";", "22:00", "25:00-06:00", "22:60-06:00", "sam", "sat-sun", "22:00-06:00,", "x"]
)
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no list of times such as 22:00-06:00; sat,sun"):
        QuietTimes.parse(text)
