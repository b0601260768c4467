"""What is known of the services: outages from failures, and their end by an answer."""

from datetime import timedelta

import pytest

from availability import Availability, Service
from tests.doubles.clock import SettableClock


class Watched:
    """An availability whose time a test moves."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.began = self.clock()
        self.moment = 0.0
        self.availability = Availability(clock=self.clock, monotonic=lambda: self.moment)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        self.moment += seconds

    def fail(self, times: int, *, every: float = 5.0, account_id: int | None = None) -> None:
        for _ in range(times):
            self.pass_time(every)
            self.availability.failed(Service.GRAPH, "refused", account_id=account_id)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_failures_in_a_row_are_an_outage_since_the_first(watched: Watched) -> None:
    watched.fail(4)
    (found,) = watched.availability.outages()
    assert (found.service, found.why) == (Service.GRAPH, "refused")
    assert (found.since, found.seen) == (
        watched.began + timedelta(seconds=5),
        watched.began + timedelta(seconds=20),
    )


@pytest.mark.parametrize(("times", "every"), [(2, 60.0), (50, 0.01)])
def test_a_few_failures_and_a_burst_of_them_are_none(watched: Watched, times: int, every: float) -> None:
    watched.fail(times, every=every)
    assert watched.availability.is_failing(Service.GRAPH)
    assert watched.availability.outages() == []


def test_an_answer_ends_it(watched: Watched) -> None:
    watched.fail(4)
    watched.availability.answered(Service.GRAPH)
    assert not watched.availability.is_failing(Service.GRAPH)
    watched.fail(2)
    assert watched.availability.outages() == []


def test_each_account_counts_once(watched: Watched) -> None:
    for account_id in (1, 2, 1, 2, 1):
        watched.fail(1, account_id=account_id)
    assert watched.availability.outages()[0].accounts == 2


def test_what_is_called_no_more_is_no_outage_for_ever(watched: Watched) -> None:
    """Nothing probes a certificate store: when the last account is disabled, no answer would end its outage."""
    watched.fail(4)
    watched.pass_time(901)
    assert watched.availability.outages() == []
    assert not watched.availability.is_failing(Service.GRAPH)
    watched.fail(4)
    (found,) = watched.availability.outages()
    assert found.since > watched.began + timedelta(seconds=900)


def test_services_are_apart(watched: Watched) -> None:
    watched.fail(4)
    watched.availability.answered(Service.SIGN_IN)
    assert [each.service for each in watched.availability.outages()] == [Service.GRAPH]


def test_silence_is_measured_from_the_last_answer(watched: Watched) -> None:
    assert watched.availability.silence(Service.GRAPH) == timedelta.max
    watched.availability.answered(Service.GRAPH)
    watched.pass_time(12)
    assert watched.availability.silence(Service.GRAPH) == timedelta(seconds=12)
