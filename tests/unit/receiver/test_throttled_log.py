"""Log lines for events that a stranger can cause: bounded in number, and complete in their counts."""

from structlog.testing import capture_logs

from receiver.throttled_log import ThrottledLog


def test_an_event_is_logged_at_once_and_then_once_a_minute_with_its_number() -> None:
    seconds = [1000.0]
    throttled = ThrottledLog(lambda: seconds[0])
    with capture_logs() as logs:
        for at in (1000.0, 1001.0, 1030.0, 1059.9, 1060.1, 1061.0, 1121.0):
            seconds[0] = at
            throttled.warning("notification_forged", 2, remote=f"at {at}")
    assert [(line["count"], line["remote"]) for line in logs] == [(2, "at 1000.0"), (8, "at 1060.1"), (4, "at 1121.0")]


def test_the_rest_of_a_burst_is_logged_when_its_minute_is_over() -> None:
    """No further event is needed for it; the line has the facts of the last occurrence."""
    seconds = [1000.0]
    throttled = ThrottledLog(lambda: seconds[0])
    with capture_logs() as logs:
        for remote in ("first", "second", "third"):
            throttled.warning("delivery_refused", remote=remote)
        throttled.warning("endpoint_validated")
        throttled.flush()
        assert [line["event"] for line in logs] == ["delivery_refused", "endpoint_validated"]
        for at in (1060.1, 1061.1, 1121.0):
            seconds[0] = at
            throttled.flush()
    assert [(line["event"], line["count"], line.get("remote")) for line in logs[2:]] == [
        ("delivery_refused", 2, "third")
    ]


def test_what_was_only_counted_is_logged_at_the_end() -> None:
    throttled = ThrottledLog(lambda: 1000.0)
    with capture_logs() as logs:
        for _ in range(3):
            throttled.warning("delivery_refused")
        throttled.flush(at_end=True)
        throttled.flush(at_end=True)
    assert [line["count"] for line in logs] == [1, 2]
