"""Mail that keeps arriving: generated mail, delivered at a given rate in the background."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from simulator.content.sample_mail import SampleMail
from simulator.state.mail_server import MailServer
from simulator.state.mailboxes import Mailbox

_MAX_AT_ONCE = 50


@dataclass(frozen=True)
class TrafficPlan:
    """Mailboxes, their number of mails in all, the rate (`per_second` 0: at once) and the seed.

    `seconds_apart`: between the times of receipt of two mails, which lie in the past; 0: received as they come.
    """

    mailboxes: tuple[Mailbox, ...]
    messages: int
    per_second: float = 0
    seed: int = 0
    seconds_apart: float = 0


class Traffic:
    """Runs one plan at a time."""

    def __init__(self, mail_server: MailServer, clock: Callable[[], datetime]) -> None:
        self._mail_server = mail_server
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._plan: TrafficPlan | None = None
        self._delivered = 0
        self._started: datetime | None = None
        self._finished: datetime | None = None

    def start(self, plan: TrafficPlan) -> None:
        """Begin a plan.

        Raises:
            ValueError: one is running, or no mailbox is named.
        """
        if self._task and not self._task.done():
            msg = "traffic is running already"
            raise ValueError(msg)
        if not plan.mailboxes:
            msg = "traffic needs a mailbox"
            raise ValueError(msg)
        self._plan, self._delivered = plan, 0
        self._started, self._finished = self._clock(), None
        self._task = asyncio.create_task(self._run(plan))

    async def finished(self) -> None:
        """Return when the plan is done.

        Raises:
            Any error of the delivery.
        """
        if self._task:
            await self._task

    async def stop(self) -> None:
        """Stop; delivered mail stays."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def progress(self) -> dict[str, Any]:
        """Return the progress of the plan, as JSON values."""
        return {
            "running": self._task is not None and not self._task.done(),
            "messages": self._plan.messages if self._plan else 0,
            "delivered": self._delivered,
            "started": self._started.isoformat() if self._started else None,
            "finished": self._finished.isoformat() if self._finished else None,
        }

    async def _run(self, plan: TrafficPlan) -> None:
        loop = asyncio.get_running_loop()
        sample_mail = SampleMail(Random(plan.seed), self._clock)
        started = loop.time()
        while self._delivered < plan.messages:
            due = plan.messages
            if plan.per_second:
                due = min(due, int((loop.time() - started) * plan.per_second) + 1)
            for _ in range(min(due - self._delivered, _MAX_AT_ONCE)):
                mailbox = plan.mailboxes[self._delivered % len(plan.mailboxes)]
                mail = sample_mail.mail_to(mailbox.address, mailbox.display_name)
                earlier = timedelta(seconds=plan.seconds_apart * (plan.messages - self._delivered))
                self._mail_server.deliver(mailbox, mail, received=self._clock() - earlier)
                self._delivered += 1
            wait = started + self._delivered / plan.per_second - loop.time() if plan.per_second else 0
            await asyncio.sleep(max(0.0, wait))
        self._finished = self._clock()
