"""Problems for tests of alerts."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from db.queries.problems import Problem, ProblemKind, Severity, StoredProblem
from phrases import Phrase
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)


def found(kind: ProblemKind = ProblemKind.GRAPH_UNREACHABLE, **facts: Any) -> Problem:  # noqa: ANN401  # any field
    """A problem as the evaluation finds it."""
    made = Problem(
        kind,
        Severity.ERROR,
        Phrase("Microsoft Graph cannot be reached from {hosts}: {why}.", hosts="host-1", why="connection refused"),
        Phrase("Check the server."),
    )
    return replace(made, **facts)


def stored(number: int = 1, *, age: timedelta = HOUR, now: datetime = NOW, **facts: Any) -> StoredProblem:  # noqa: ANN401  # any field
    """An open problem of that age."""
    problem = found()
    made = StoredProblem(
        number=number,
        kind=problem.kind,
        severity=problem.severity,
        account_id=None,
        scope="",
        first_seen=now - age,
        opened=now - age,
        last_seen=now,
        cleared=None,
        count=1,
        text=problem.text,
        remedy=problem.remedy,
        alerted=None,
        key=f"key {number}",
    )
    return replace(made, **facts)
