"""Readiness of this process: the obstacles that keep it from its work now."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import background

STARTING: Final = "starting"
STOPPING: Final = "stopping"

_NO_ANSWER: Final = "no answer"
_CANCEL_SECONDS: Final = 0.5

Condition = Callable[[], str | None]
"""Returns at once: None, or the obstacle, for the log."""
Probe = Callable[[], Awaitable[str | None]]
"""The same of something that has to be asked."""


class Readiness:
    """Obstacles by reason, a fixed word; their text is for the log alone.

    An answer of a probe is remembered for some seconds, and there is one question at a time: requests of a health page,
    however many, cannot load the service that is probed, nor pile up in front of one that hangs.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        remembered_seconds: float = 5.0,
        answer_seconds: float = 10.0,
    ) -> None:
        self._monotonic = monotonic
        self._remembered_seconds = remembered_seconds
        self._answer_seconds = answer_seconds
        self._conditions: dict[str, Condition] = {}
        self._probes: dict[str, _Probing] = {}

    def add(self, reason: str, condition: Condition) -> None:
        """Watch a condition; it replaces that of the same reason."""
        self._conditions[reason] = condition

    def probe(self, reason: str, probe: Probe) -> None:
        """Probe something when it is asked for."""
        self._probes[reason] = _Probing(probe, self._monotonic, self._remembered_seconds, self._answer_seconds)

    async def obstacles(self) -> dict[str, str]:
        """The obstacles of now; empty: ready. Nothing is probed by a process that starts or stops."""
        found = {reason: text for reason, condition in self._conditions.items() if (text := condition()) is not None}
        if STARTING in found or STOPPING in found:
            return found
        answers = await asyncio.gather(*(each.answer() for each in self._probes.values()))
        probed = zip(self._probes, answers, strict=True)
        return found | {reason: text for reason, text in probed if text is not None}

    async def close(self) -> None:
        """Cancel the questions that were not answered."""
        tasks = [each.task for each in self._probes.values() if each.task is not None]
        await background.cancel(*tasks, within=_CANCEL_SECONDS)


class _Probing:
    """The answers of one probe."""

    def __init__(
        self, probe: Probe, monotonic: Callable[[], float], remembered_seconds: float, answer_seconds: float
    ) -> None:
        self._probe = probe
        self._monotonic = monotonic
        self._remembered_seconds = remembered_seconds
        self._answer_seconds = answer_seconds
        self.task: asyncio.Task[None] | None = None
        self._began = self._remembered_until = monotonic()
        self._answer: str | None = _NO_ANSWER

    async def answer(self) -> str | None:
        if self.task is None:
            if self._monotonic() < self._remembered_until:
                return self._answer
            self._began = self._monotonic()
            self._answer = _NO_ANSWER  # also where the probe fails by an error of its own, which is logged
            self.task = background.start(self._ask(), name="readiness")
        left = self._began + self._answer_seconds - self._monotonic()
        await asyncio.wait([self.task], timeout=max(0.0, left))
        return self._answer

    async def _ask(self) -> None:
        try:
            self._answer = await self._probe()
            self._remembered_until = self._monotonic() + self._remembered_seconds
        finally:
            self.task = None
