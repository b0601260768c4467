"""Runs checks in order: dependents of a failed one are not tried, and each has a time limit.

A check returns its finding, or raises the errors of its subject; the errors of the packages that are written for an
administrator become its failure.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import click

from bus.errors import QueueError
from db.errors import DatabaseError
from graph.diagnostics import HostUnreached
from graph.errors import AccountError, CertificateError, GraphError, SignInRefused
from phrases import Phrase

WHOLE_SECONDS: Final = 60.0
"""Limit after which no further check begins, and the running one is ended."""

NOTHING: Final = Phrase("")
NO_FACTS: Final[Mapping[str, object]] = MappingProxyType({})


class Result(StrEnum):
    """The outcome of a check."""

    PASSED = "passed"
    WARNED = "warned"
    """It works; something should be corrected, or could not be determined."""
    FAILED = "failed"
    NOT_TRIED = "not_tried"
    """A check that it depends on failed or was not tried, or the time was over."""
    NOT_NEEDED = "not_needed"
    """The settings do not require it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The finding of a check. Nothing in it is secret.

    `found` is for users, `facts` for programs; `code` names the reason it did not pass, `cause` and `remedy`
    explain it.
    """

    result: Result
    found: Phrase = NOTHING
    facts: Mapping[str, object] = field(default_factory=dict)
    code: str | None = None
    cause: Phrase = NOTHING
    remedy: Phrase = NOTHING


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `needs`: the names of those that must not have failed; `seconds`: its time limit."""

    name: str
    title: Phrase
    run: Callable[[], Awaitable[Finding]]
    needs: Sequence[str] = ()
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """A finished check."""

    name: str
    title: Phrase
    finding: Finding
    seconds: float

    def data(self) -> dict[str, Any]:
        """The data for programs, in English in any output language."""
        finding = self.finding
        return {
            "name": self.name,
            "title": str(self.title),
            "result": str(finding.result),
            "seconds": round(self.seconds, 3),
            "found": str(finding.found) or None,
            "evidence": dict(finding.facts),
            "code": finding.code,
            "cause": str(finding.cause) or None,
            "cure": str(finding.remedy) or None,
        }


def passed(found: Phrase = NOTHING, facts: Mapping[str, object] = NO_FACTS) -> Finding:
    """The check passed."""
    return Finding(Result.PASSED, found, facts)


def warned(
    code: str, cause: Phrase, remedy: Phrase, facts: Mapping[str, object] = NO_FACTS, *, found: Phrase = NOTHING
) -> Finding:
    """The check passed with a warning."""
    return Finding(Result.WARNED, found, facts, code, cause, remedy)


def failed(
    code: str, cause: Phrase, remedy: Phrase, facts: Mapping[str, object] = NO_FACTS, *, found: Phrase = NOTHING
) -> Finding:
    """The check failed."""
    return Finding(Result.FAILED, found, facts, code, cause, remedy)


def not_needed(why: Phrase) -> Finding:
    """The settings do not require it."""
    return Finding(Result.NOT_NEEDED, why)


async def run_checks(
    checks: Sequence[Check],
    *,
    on_begin: Callable[[Check], AbstractContextManager[object]] = lambda _check: nullcontext(),
    on_end: Callable[[Step], None] = lambda _step: None,
    whole_seconds: float = WHOLE_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Step]:
    """Run checks in order. `on_begin` returns a context that lasts while one runs; `on_end` receives each result."""
    steps: dict[str, Step] = {}
    began = monotonic()
    for check in checks:
        left = whole_seconds - (monotonic() - began)
        finding = _not_to_be_tried(check, steps, left)
        started = monotonic()
        if finding is None:
            with on_begin(check):
                finding = await _found(check, min(left, check.seconds))
        steps[check.name] = Step(check.name, check.title, finding, monotonic() - started)
        on_end(steps[check.name])
    return list(steps.values())


def count(steps: Sequence[Step], result: Result) -> int:
    """Count those with this result."""
    return sum(step.finding.result is result for step in steps)


def _not_to_be_tried(check: Check, steps: Mapping[str, Step], left: float) -> Finding | None:
    for name in check.needs:
        before = steps.get(name)
        if before is not None and before.finding.result in {Result.FAILED, Result.NOT_TRIED}:
            return Finding(Result.NOT_TRIED, facts={"needs": name})
    if left <= 0:
        return Finding(Result.NOT_TRIED, Phrase("the time for the whole test is over"))
    return None


async def _found(check: Check, seconds: float) -> Finding:
    try:
        async with asyncio.timeout(seconds):
            return await check.run()
    except TimeoutError:
        return failed(
            "timedOut",
            Phrase("It was not done within {seconds:.0f} seconds.", seconds=seconds),
            Phrase("Try again. If it persists, check the network between this machine and the service."),
        )
    except (GraphError, QueueError, DatabaseError, click.ClickException) as error:
        return finding_of(error)


def finding_of(error: Exception) -> Finding:
    """Convert an error for administrators to a failure."""
    if isinstance(error, AccountError):
        return failed(code_of(error), error.summary, error.advice, _facts(error))
    if isinstance(error, GraphError):
        advice = Phrase("Try again. If it lasts, see the service health in the Microsoft 365 admin centre.")
        return failed(code_of(error), Phrase.of(error), advice, _facts(error))
    text = error.message if isinstance(error, click.ClickException) else error
    return failed(_lower_camel(type(error).__name__), Phrase.of(text), NOTHING)


def code_of(error: GraphError) -> str:
    """The name of the reason, for programs."""
    if isinstance(error, HostUnreached):
        return str(error.failure)
    if isinstance(error, CertificateError):
        return str(error.fault)
    if isinstance(error, SignInRefused) and error.aadsts is not None:
        return f"AADSTS{error.aadsts}"
    return error.code or _lower_camel(type(error).__name__)


def _facts(error: GraphError) -> dict[str, object]:
    facts = {"status": error.status, "graph_code": error.code, "request_id": error.request_id, "said": error.detail}
    return {name: value for name, value in facts.items() if value}


def _lower_camel(name: str) -> str:
    return name[:1].lower() + name[1:]
