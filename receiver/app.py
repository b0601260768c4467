"""The HTTP application: what each request of the contract is answered.

The answer to a delivery is 202 once its genuine items are durable in the queue, 503 when they cannot be made so: then
Graph keeps them and tries again for up to 4 hours (graph.md, section 3). Forged items change nothing in the answer, so
that a forger learns nothing.
"""

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bus.errors import QueueUnavailable
from bus.queue import NotificationSender
from receiver import handshake
from receiver.intake import Intake, IntakeLimits
from receiver.metrics import ReceiverMetrics
from receiver.notifications import NotACollection, Sorted, read_collection, sort_out

LARGEST_BODY: Final = 4 * 1024 * 1024
_DELIVERIES: Final = frozenset({"/notifications", "/lifecycle"})
_LARGE_BODY: Final = 256 * 1024
_FORGERY_LOG_SECONDS: Final = 60.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Seconds until a body must be complete; bodies over 256 KiB in memory at a time; seconds of `Retry-After`."""

    body_seconds: float = 10.0
    large_bodies: int = 8
    retry_after_seconds: int = 10


class _Refused(Exception):
    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class Receiver:
    """Validates deliveries and puts what is genuine into the queue."""

    def __init__(
        self,
        queue: NotificationSender,
        *,
        account_of: Callable[[object], int | None],
        clock: Callable[[], datetime],
        metrics: ReceiverMetrics,
        intake_limits: IntakeLimits | None = None,
        body_limits: BodyLimits | None = None,
    ) -> None:
        """`account_of`: the account a `clientState` proves, None when it proves nothing."""
        self._queue = queue
        self._account_of = account_of
        self._clock = clock
        self._metrics = metrics
        self._intake = Intake(queue, intake_limits or IntakeLimits(), metrics)
        self._limits = body_limits or BodyLimits()
        self._large_bodies = asyncio.Semaphore(self._limits.large_bodies)
        self._pages = {
            "/health/live": self._live,
            "/health/ready": self._ready,
            "/metrics": self._show_metrics,
        }
        self._counters: dict[tuple[str, int], Callable[[], None]] = {}
        # Bound once: a logger that is looked up at every call costs as much as the rest of the line.
        self._log = log.bind()
        self._queued: list[str] = []
        self._queued_count = 0
        self._stopping = False
        # Unique without asking the system for randomness at every request.
        self._process = uuid.uuid4().hex[:16]
        self._requests = itertools.count(1)
        self._forged_since_logged = 0
        self._forgery_logged_at = float("-inf")

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer any request."""
        path = request.path
        if path in _DELIVERIES:
            started = time.perf_counter()
            response = await self._answer_delivery(request)
            self._metrics.seconds.observe(time.perf_counter() - started)
        else:
            response = await self._answer_other(path, request.method)
        return self._counted(path, response)

    def stop_accepting(self) -> None:
        """Tell load balancers, by `/health/ready`, to send nothing more here."""
        self._stopping = True

    def _counted(self, path: str, response: web.Response) -> web.Response:
        known = path if path in _DELIVERIES else "other"
        count = self._counters.get((known, response.status))
        if count is None:
            count = self._metrics.answers.labels(known, str(response.status)).inc
            self._counters[known, response.status] = count
        count()
        return response

    async def _answer_other(self, path: str, method: str) -> web.Response:
        show = self._pages.get(path)
        if show is None:
            return web.Response(status=404, text="There is nothing here.")
        if method not in {"GET", "HEAD"}:
            return web.Response(status=405, text="This is read by GET.", headers={"Allow": "GET, HEAD"})
        return await show()

    async def _answer_delivery(self, request: web.BaseRequest) -> web.Response:
        token = request.query.get("validationToken") if "?" in request.raw_path else None
        if token is not None and request.method in {"GET", "POST"}:
            validation = handshake.answer(token)
            if validation.status == HTTPStatus.OK:
                self._log.info("endpoint_validated", path=request.path)
            return validation
        if request.method != "POST":
            return web.Response(status=405, text="Notifications are sent by POST.", headers={"Allow": "GET, POST"})
        correlation = f"{self._process}-{next(self._requests):x}"
        try:
            found = await self._sort_out(request, correlation)
            if found.genuine:
                await self._intake.take(found.genuine)
        except _Refused as exc:
            self._log.warning("delivery_refused", correlation=correlation, status=exc.status, error=str(exc))
            return web.Response(status=exc.status, text=str(exc), headers=exc.headers)
        except QueueUnavailable as exc:
            self._log.warning("delivery_postponed", correlation=correlation, error=str(exc))
            return self._come_again()
        self._account_for(found, correlation, request)
        return web.Response(status=202)

    async def _sort_out(self, request: web.BaseRequest, correlation: str) -> Sorted:
        try:
            # What the sender calls its content is no reason to lose it: the body itself decides.
            items = read_collection(await self._read(request))
        except NotACollection as exc:
            if request.headers.get("Content-Encoding", "identity").lower() == "identity":
                raise _Refused(400, str(exc)) from exc
            text = "The body is compressed; send it without Content-Encoding."
            raise _Refused(415, text, {"Accept-Encoding": "identity"}) from exc
        except web.RequestPayloadError as exc:
            raise _Refused(400, "The body ends too early, or its chunks are broken.") from exc
        return sort_out(items, account_of=self._account_of, received=self._clock(), correlation=correlation)

    async def _read(self, request: web.BaseRequest) -> bytes:
        if (request.content_length or 0) > LARGEST_BODY:
            raise _Refused(413, f"The body is larger than {LARGEST_BODY} bytes.")
        if request.content.is_eof() and request.content.total_bytes <= _LARGE_BODY:
            return request.content.read_nowait()  # came whole with its headers, as nearly all do
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._read_within_limits(request)
        except TimeoutError as exc:
            raise _Refused(408, f"The body took longer than {self._limits.body_seconds:g} s.") from exc

    async def _read_within_limits(self, request: web.BaseRequest) -> bytes:
        if (request.content_length or 0) <= _LARGE_BODY:
            start = await _read_up_to(request, _LARGE_BODY)
            if len(start) <= _LARGE_BODY:
                return start
        else:
            start = b""
        if self._large_bodies.locked():
            raise QueueUnavailable(f"{self._limits.large_bodies} large bodies are being read already.")
        async with self._large_bodies:
            body = start + await _read_up_to(request, LARGEST_BODY - len(start))
        if len(body) > LARGEST_BODY:
            raise _Refused(413, f"The body is larger than {LARGEST_BODY} bytes.")
        return body

    def _account_for(self, found: Sorted, correlation: str, request: web.BaseRequest) -> None:
        if found.genuine:
            self._metrics.genuine.inc(len(found.genuine))
            self._report(correlation, len(found.genuine))
        if found.malformed:
            self._metrics.malformed.inc(found.malformed)
            self._log.warning("notification_malformed", correlation=correlation, count=found.malformed)
        if found.forged:
            self._metrics.forged.inc(found.forged)
            self._log_forgery(found.forged, correlation, request.remote)

    def _report(self, correlation: str, count: int) -> None:
        """Log what was queued, in one line for all requests whose items were written together.

        A line a request would cost a quarter of the receiver's time (bench/receiver.py).
        """
        if not self._queued:
            asyncio.get_running_loop().call_soon(self._log_queued)
        self._queued.append(correlation)
        self._queued_count += count

    def _log_queued(self) -> None:
        self._log.info("notification_queued", count=self._queued_count, correlations=self._queued)
        self._queued = []
        self._queued_count = 0

    def _log_forgery(self, count: int, correlation: str, remote: str | None) -> None:
        # A forger must not fill the disk with our log: one line a minute says how many there were.
        self._forged_since_logged += count
        now = time.monotonic()
        if now - self._forgery_logged_at >= _FORGERY_LOG_SECONDS:
            self._log.warning(
                "notification_forged", count=self._forged_since_logged, correlation=correlation, remote=remote
            )
            self._forged_since_logged = 0
            self._forgery_logged_at = now

    def _come_again(self) -> web.Response:
        return web.Response(
            status=503,
            text="The queue cannot take the notifications now.",
            headers={"Retry-After": str(self._limits.retry_after_seconds)},
        )

    async def _live(self) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ready(self) -> web.Response:
        if self._stopping:
            return web.json_response({"status": "stopping"}, status=503)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                await self._queue.check()
        except (QueueUnavailable, TimeoutError) as exc:
            return web.json_response({"status": "unavailable", "queue": str(exc) or "no answer"}, status=503)
        return web.json_response({"status": "ok", "queue": "ok"})

    async def _show_metrics(self) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _read_up_to(request: web.BaseRequest, most: int) -> bytes:
    """The rest of the body, or a little more than `most` bytes of it when it is longer."""
    pieces: list[bytes] = []
    size = 0
    while size <= most:
        piece = await request.content.readany()
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
