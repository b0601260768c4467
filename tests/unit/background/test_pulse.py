"""The pulse of a process."""

from background.pulse import STUCK_SECONDS, Pulse


class _Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_loop_without_a_round_for_half_a_minute_is_stuck() -> None:
    """Others are not; a round ends it."""
    time = _Time()
    pulse = Pulse(monotonic=time)
    pulse.beat("hangs")
    pulse.beat("works")
    time.now += STUCK_SECONDS
    assert pulse.stuck() == []
    pulse.beat("works")
    time.now += 1
    assert pulse.stuck() == ["hangs"]
    assert pulse.ages() == {"hangs": STUCK_SECONDS + 1, "works": 1.0}
    pulse.beat("hangs")
    assert pulse.stuck() == []


def test_a_pause_on_purpose_does_not_count() -> None:
    """Service Bus may request a long one."""
    time = _Time()
    pulse = Pulse(monotonic=time)
    pulse.beat("waits", pause=300)
    time.now += 300
    assert pulse.ages() == {"waits": 0.0}
    time.now += STUCK_SECONDS + 1
    assert pulse.stuck() == ["waits"]
