"""Runs checks in their order: what depends on a failed one is not tried, and none takes longer than it may.

A check finds something out and says so, or raises what its subject raises; the errors of the packages that are written
for an administrator become its failure.
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
"""After which no further check begins, and the one that runs is ended."""

NOTHING: Final = Phrase("")
NO_FACTS: Final[Mapping[str, object]] = MappingProxyType({})


class Result(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    WARNED = "warned"
    """It works; something should be seen to, or could not be found out."""
    FAILED = "failed"
    NOT_TRIED = "not_tried"
    """Another one that it depends on failed, or the time was over."""
    NOT_NEEDED = "not_needed"
    """The settings ask for nothing of the kind."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. Nothing in it is secret.

    `found` says it to people, `facts` to programs; `code` names why it did not pass, `cause` and `remedy` say so.
    """

    result: Result
    found: Phrase = NOTHING
    facts: Mapping[str, object] = field(default_factory=dict)
    code: str | None = None
    cause: Phrase = NOTHING
    remedy: Phrase = NOTHING


@dataclass(frozen=True, slots=True)
class Check:
    """One step. `needs`: the names of those that must not have failed; `seconds`: how long it may take."""

    name: str
    title: Phrase
    run: Callable[[], Awaitable[Finding]]
    needs: Sequence[str] = ()
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """A check that is over."""

    name: str
    title: Phrase
    finding: Finding
    seconds: float

    def data(self) -> dict[str, Any]:
        """What programs read of it, in English whatever people read."""
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
    """All is well."""
    return Finding(Result.PASSED, found, facts)


def warned(
    code: str, cause: Phrase, remedy: Phrase, facts: Mapping[str, object] = NO_FACTS, *, found: Phrase = NOTHING
) -> Finding:
    """It works, but."""
    return Finding(Result.WARNED, found, facts, code, cause, remedy)


def failed(
    code: str, cause: Phrase, remedy: Phrase, facts: Mapping[str, object] = NO_FACTS, *, found: Phrase = NOTHING
) -> Finding:
    """It does not work."""
    return Finding(Result.FAILED, found, facts, code, cause, remedy)


def not_needed(why: Phrase) -> Finding:
    """The settings ask for nothing of the kind."""
    return Finding(Result.NOT_NEEDED, why)


async def run_checks(
    checks: Sequence[Check],
    *,
    on_begin: Callable[[Check], AbstractContextManager[object]] = lambda _check: nullcontext(),
    on_end: Callable[[Step], None] = lambda _step: None,
    whole_seconds: float = WHOLE_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Step]:
    """Run them in order. `on_begin` gives a context that lasts while a check runs; `on_end` is told of its end."""
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
    """How many ended so."""
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
            Phrase("Try again. If it lasts, look at the network between this machine and the service."),
        )
    except (GraphError, QueueError, DatabaseError, click.ClickException) as error:
        return finding_of(error)


def finding_of(error: Exception) -> Finding:
    """The failure that an error for administrators stands for."""
    if isinstance(error, AccountError):
        return failed(code_of(error), error.summary, error.advice, _facts(error))
    if isinstance(error, GraphError):
        advice = Phrase("Try again. If it lasts, see the service health in the Microsoft 365 admin centre.")
        return failed(code_of(error), Phrase.of(error), advice, _facts(error))
    text = error.message if isinstance(error, click.ClickException) else error
    return failed(_lower_camel(type(error).__name__), Phrase.of(text), NOTHING)


def code_of(error: GraphError) -> str:
    """A name for the reason, for programs."""
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
