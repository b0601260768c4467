"""The engine under `accounts test`: order, dependencies, time, and handling of errors."""

import asyncio
from collections.abc import Awaitable, Callable

import click
import pytest

from bus.errors import QueueUnavailable
from console.checks.runner import Check, Finding, Result, Step, passed, run_checks, warned
from db.errors import DatabaseUnavailable
from graph.diagnostics import Failure, HostUnreached
from graph.errors import AccessDenied, CertificateError, CertificateFault, GraphUnavailable, SignInRefused
from phrases import Phrase

Run = Callable[[], Awaitable[Finding]]


async def fine() -> Finding:
    return passed(Phrase("good"))


async def forever() -> Finding:
    await asyncio.Event().wait()
    raise AssertionError


def raising(error: Exception) -> Run:
    async def run() -> Finding:
        raise error

    return run


def check(name: str, run: Run = fine, *needs: str, seconds: float = 10.0) -> Check:
    return Check(name, Phrase(name), run, needs, seconds)


def results(steps: list[Step]) -> dict[str, Result]:
    return {step.name: step.finding.result for step in steps}


async def test_what_depends_on_a_failure_is_not_tried_and_the_rest_is() -> None:
    broken = raising(DatabaseUnavailable(Phrase("locked")))
    steps = await run_checks(
        [check("a", broken), check("b", fine, "a"), check("c", fine, "b"), check("d"), check("e", fine, "d")]
    )
    assert results(steps) == {
        "a": Result.FAILED,
        "b": Result.NOT_TRIED,
        "c": Result.NOT_TRIED,
        "d": Result.PASSED,
        "e": Result.PASSED,
    }


async def test_a_warning_holds_nothing_up() -> None:
    async def doubtful() -> Finding:
        return warned("odd", Phrase("It is odd."), Phrase("Look."))

    steps = await run_checks([check("a", doubtful), check("b", fine, "a")])
    assert results(steps) == {"a": Result.WARNED, "b": Result.PASSED}


async def test_a_check_that_takes_too_long_is_ended_and_reported() -> None:
    [step] = await run_checks([check("slow", forever, seconds=0.05)])
    assert (step.finding.result, step.finding.code) == (Result.FAILED, "timedOut")


async def test_when_the_time_of_the_whole_is_over_nothing_more_is_tried() -> None:
    steps = await run_checks([check("slow", forever), check("b")], whole_seconds=0.05)
    assert results(steps) == {"slow": Result.FAILED, "b": Result.NOT_TRIED}
    assert "time" in steps[1].finding.found


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HostUnreached(Failure.SILENT, Phrase("Silence."), Phrase("Knock.")), "connectionTimedOut"),
        (CertificateError(Phrase("Gone."), advice=Phrase("Find it."), fault=CertificateFault.NOT_FOUND), "notFound"),
        (SignInRefused(Phrase("No."), advice=Phrase("Ask."), aadsts=700027), "AADSTS700027"),
        (SignInRefused(Phrase("No."), advice=Phrase("Ask."), code="invalid_client"), "invalid_client"),
        (AccessDenied(Phrase("No."), advice=Phrase("Ask."), code="ErrorAccessDenied"), "ErrorAccessDenied"),
        (GraphUnavailable(Phrase("Later.")), "graphUnavailable"),
        (QueueUnavailable(Phrase("Full.")), "queueUnavailable"),
        (DatabaseUnavailable(Phrase("Locked.")), "databaseUnavailable"),
        (click.ClickException("Wrong."), "clickException"),
    ],
)
async def test_an_error_for_administrators_becomes_a_failure_with_its_words(error: Exception, code: str) -> None:
    [step] = await run_checks([check("a", raising(error))])
    assert (step.finding.result, step.finding.code) == (Result.FAILED, code)
    assert step.finding.cause


async def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        await run_checks([check("a", raising(ZeroDivisionError()))])


async def test_each_is_reported_as_it_ends() -> None:
    reported: list[str] = []
    await run_checks([check("a"), check("b")], on_end=lambda step: reported.append(step.name))
    assert reported == ["a", "b"]
