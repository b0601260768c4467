"""The clock of the product."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time of this host."""
    return datetime.now(UTC)
