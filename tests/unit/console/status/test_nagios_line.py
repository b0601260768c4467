"""The state of the installation as one line for a monitoring system."""

from datetime import timedelta

import pytest

from console.status.view import nagios_line
from console.translation import language
from db.queries.problems import Problem, ProblemKind, Severity
from monitoring.facts import Facts, StoredFacts
from monitoring.overview import Overview, merged
from phrases import Phrase
from tests.unit.alerts.problems import NOW, stored


def line(*problems: Problem) -> str:
    facts = Facts(NOW, StoredFacts(), alive=(), queue=None)
    return "".join(nagios_line(Overview(facts, problems, (), (), {}, ())))


def problem(text: str, severity: Severity = Severity.ERROR) -> Problem:
    return Problem(ProblemKind.DEAD_LETTERS, severity, Phrase("{name!r} failed.", name=text), "", since=NOW)


def test_no_text_adds_performance_data() -> None:
    """An account may have any name."""
    text, _, performance = line(problem("a | dead_letters=0;;;")).partition(" | ")
    assert "a ¦ dead_letters=0" in text
    assert performance.startswith("problems=1 ")


@pytest.mark.parametrize("host", ["a|b", "h" * 2000], ids=["bar", "long"])
def test_a_text_that_is_changed_is_translated_all_the_same(host: str) -> None:
    text = Phrase("Microsoft Graph cannot be reached from {hosts}: {why}.", hosts=host, why="refused")
    with language.speaking("fr"):
        shown = line(Problem(ProblemKind.GRAPH_UNREACHABLE, Severity.ERROR, text, ""))
        assert language.translated(text)[:30].replace("|", "¦") in shown
    assert text[:20] not in shown


def test_a_text_of_any_length_makes_a_line_that_a_plugin_may_print() -> None:
    assert len(line(*(problem("x" * 2_000_000) for _ in range(5)))) < 4096


def test_errors_are_in_the_line_before_warnings_that_began_earlier() -> None:
    warnings = [problem(f"warning {number}", Severity.WARNING) for number in range(5)]
    assert "'error' failed" in line(*warnings, problem("error"))


@pytest.mark.parametrize("severity", ["critical", ""])
def test_a_severity_that_is_unknown_hides_no_problem(severity: str) -> None:
    known = stored(kind="database_trouble", severity=severity, age=timedelta(hours=1))
    assert [each.severity for each in merged([], [known], NOW)] == [Severity.ERROR]
