"""The spans of the processor: from the queue to the commit, in the trace that the notification began."""

import time
from datetime import datetime
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from db.outcomes import Outcome
from processor.settlement import Abandon, DeadLetter, Decision, DeliveryObserver, InFlight, NotSettled

_NANOSECONDS: Final = 1_000_000_000
_CONTEXT: Final = TraceContextTextMapPropagator()
_WAITS: Final = frozenset({Outcome.WAITING, Outcome.DEFERRED})
"""Outcomes of deliveries that come back after a wait, again and again: no work was done."""


class DeliverySpans(DeliveryObserver):
    """The spans of the processor, made when a delivery ends."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def settled(self, work: InFlight, decision: Decision | NotSettled) -> None:
        """See `DeliveryObserver.settled`."""
        if decision.outcome in _WAITS:
            return
        ended = time.time_ns()
        traceparent = None if work.notification is None else work.notification.traceparent
        parent = Context() if traceparent is None else _CONTEXT.extract({"traceparent": traceparent}, Context())
        span = self._tracer.start_span(
            "import message",
            context=parent,
            kind=SpanKind.CONSUMER,
            start_time=_nanoseconds(work.received),
            attributes=_attributes(work, decision),
        )
        if isinstance(decision, DeadLetter | NotSettled):
            span.set_status(Status(StatusCode.ERROR, decision.reason))
        elif isinstance(decision, Abandon) and decision.error is not None:
            span.set_status(Status(StatusCode.ERROR, decision.cause))
        inside = trace.set_span_in_context(span, parent)
        if trace.get_current_span(parent).get_span_context().is_valid:
            self._record("wait in the queue", parent, work.delivery.enqueued, _nanoseconds(work.received))
        if work.progress.fetched is not None:
            fetched = _nanoseconds(work.progress.fetched)
            self._record("fetch from Microsoft Graph", inside, work.received, fetched)
            self._record("write and settle", inside, work.progress.fetched, ended)
        span.end(ended)

    def _record(self, name: str, context: Context, began: datetime, ended: int) -> None:
        self._tracer.start_span(name, context=context, start_time=_nanoseconds(began)).end(ended)


def _attributes(work: InFlight, decision: Decision | NotSettled) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        "mail_importer.outcome": decision.outcome,
        "mail_importer.attempt": work.delivery.delivery_count,
    }
    if work.notification is not None:
        found["mail_importer.account_id"] = work.notification.account_id
        found["mail_importer.correlation"] = work.notification.correlation
        found["mail_importer.source"] = work.notification.source
    return found


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * _NANOSECONDS)
