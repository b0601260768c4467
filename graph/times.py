"""Graph's times: read in every form it sends, written in the one it accepts."""

from datetime import UTC, datetime


def read_time(text: object) -> datetime:
    """Parse a Graph time as aware UTC: up to seven fraction digits, `Z`, any offset or none.

    Raises:
        ValueError: it is no time.
    """
    if not isinstance(text, str):
        raise ValueError(f"A time is a text, not {type(text).__name__}.")  # noqa: TRY004 (callers catch one type)
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def time_text(moment: datetime) -> str:
    """Format an aware time for Graph, `2027-03-08T09:00:00Z`; a fraction of a second is dropped.

    Raises:
        ValueError: it is naive, and so ambiguous.
    """
    if moment.tzinfo is None:
        raise ValueError("A time for Graph must be an aware time.")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
