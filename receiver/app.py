"""The HTTP application: the response to each request of the contract.

The response to a delivery is 202 once its genuine items are durable in the queue, 503 when they cannot be queued: then
Graph keeps them and retries for up to 4 hours (docs/graph.md, section 3). Forged items do not change the response, so
that a forger gets no information.
"""

import itertools
import math
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web

from background.readiness import STOPPING, Readiness
from bus.errors import QueueUnavailable
from bus.notification import Notification
from bus.queue import NotificationSender
from hostfaults import host_fault_of
from receiver import validation
from receiver.body import BodyLimits, BodyReader, Refused
from receiver.delivery_log import DeliveryLog
from receiver.intake import Intake, IntakeLimits
from receiver.metrics import ReceiverMetrics
from receiver.notifications import Classified, NotACollection, classify
from receiver.server import GENUINE
from receiver.throttled_log import ThrottledLog

Spans = Callable[[int], AbstractContextManager[str | None]]
"""Opens a span of the trace around the put of so many items; returns its `traceparent`."""

_DELIVERIES: Final = frozenset({"/notifications", "/lifecycle"})
_RETRY_AFTER_SECONDS: Final = 10


class Receiver:
    """Validates deliveries and queues the genuine items."""

    def __init__(
        self,
        queue: NotificationSender,
        *,
        account_of: Callable[[object], int | None],
        clock: Callable[[], datetime],
        metrics: ReceiverMetrics,
        throttled: ThrottledLog,
        readiness: Readiness,
        intake_limits: IntakeLimits | None = None,
        body_limits: BodyLimits | None = None,
        spans: Spans | None = None,
    ) -> None:
        """`account_of`: the account a `clientState` proves, None when it proves nothing.

        `readiness`: of the whole process, for `/health/ready`: what another role of it cannot process is better sent
        elsewhere. `spans`: None where no traces are wanted.
        """
        self._account_of = account_of
        self._readiness = readiness
        self._spans = spans
        self._clock = clock
        self._metrics = metrics
        self._intake = Intake(queue, intake_limits or IntakeLimits(), metrics)
        self._bodies = BodyReader(body_limits or BodyLimits())
        self._delivery_log = DeliveryLog(metrics, throttled)
        self._pages = {"/health/live": self._live, "/health/ready": self._ready}
        self._counters: dict[tuple[str, int], Callable[[], None]] = {}
        # Unique without reading the system's randomness at every request.
        self._process = uuid.uuid4().hex[:16]
        self._requests = itertools.count(1)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer any request."""
        path = request.path
        started = time.perf_counter()
        try:
            if path in _DELIVERIES:
                response = await self._answer_delivery(request)
            else:
                response = await self._answer_other(path, request.method)
        except Exception:  # aiohttp logs it, and answers
            self._count(path, HTTPStatus.INTERNAL_SERVER_ERROR, time.perf_counter() - started)
            raise
        self._count(path, response.status, time.perf_counter() - started)
        return response

    def _count(self, path: str, status: int, seconds: float) -> None:
        known = "other"
        if path in _DELIVERIES:
            known = path
            self._metrics.seconds.observe(seconds)
        count = self._counters.get((known, status))
        if count is None:
            count = self._counters[known, status] = self._metrics.answers.labels(known, str(int(status))).inc
        count()

    async def _answer_other(self, path: str, method: str) -> web.Response:
        show = self._pages.get(path)
        if show is None:
            return web.Response(status=404, text="Not found.")
        if method not in {"GET", "HEAD"}:
            return web.Response(status=405, text="Method not allowed; use GET.", headers={"Allow": "GET, HEAD"})
        return await show()

    async def _answer_delivery(self, request: web.BaseRequest) -> web.Response:
        token = request.query.get("validationToken") if "?" in request.raw_path else None
        if token is not None and request.method in {"GET", "POST"}:
            answer = validation.answer(token)
            if answer.status == HTTPStatus.OK:
                self._delivery_log.validated(request.path)
            return answer
        if request.method != "POST":
            return web.Response(status=405, text="Notifications are sent by POST.", headers={"Allow": "GET, POST"})
        correlation = f"{self._process}-{next(self._requests):x}"
        try:
            found = await self._classify(request, correlation)
            if found.genuine:
                request[GENUINE] = True
                await self._queue(found.genuine)
        except Refused as exc:
            self._delivery_log.refused(exc.status, str(exc), request.remote)
            return web.Response(status=exc.status, text=str(exc), headers=exc.headers)
        except QueueUnavailable as exc:
            return self._postponed(correlation, str(exc), exc.retry_after)
        except Exception as exc:
            fault = host_fault_of(exc)
            if fault is None:
                raise
            return self._postponed(correlation, str(fault))
        self._delivery_log.accepted(found, correlation, request.remote)
        return web.Response(status=202)

    async def _queue(self, genuine: Sequence[Notification]) -> None:
        if self._spans is None:
            await self._intake.take(genuine)
            return
        with self._spans(len(genuine)) as traceparent:
            await self._intake.take([replace(each, traceparent=traceparent) for each in genuine])

    def _postponed(self, correlation: str, why: str, asked: float | None = None) -> web.Response:
        self._delivery_log.postponed(correlation, why)
        return web.Response(
            status=503,
            text="The queue cannot take the notifications now.",
            headers={"Retry-After": str(max(_RETRY_AFTER_SECONDS, math.ceil(asked or 0)))},
        )

    async def _classify(self, request: web.BaseRequest, correlation: str) -> Classified:
        try:
            # A wrong Content-Type or Content-Encoding is no reason to lose a delivery: the body itself decides.
            body = await self._bodies.read(request)
            return await classify(body, account_of=self._account_of, received=self._clock(), correlation=correlation)
        except NotACollection as exc:
            if request.headers.get("Content-Encoding", "identity").lower() == "identity":
                raise Refused(400, str(exc)) from exc
            text = "The body is compressed; send it without Content-Encoding."
            raise Refused(415, text, {"Accept-Encoding": "identity"}) from exc

    async def _live(self) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ready(self) -> web.Response:
        obstacles = await self._readiness.obstacles()
        if not obstacles:
            return web.json_response({"status": "ok"})
        if STOPPING in obstacles:
            return web.json_response({"status": "stopping"}, status=503)
        # This page is public: it has no reasons, whose texts may name a file, a host or a certificate.
        self._delivery_log.not_ready(" ".join(obstacles.values()))
        return web.json_response({"status": "unavailable"}, status=503)
