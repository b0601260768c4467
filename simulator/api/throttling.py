"""Graph's limits (docs/graph.md, section 8): concurrent calls and calls per window."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from simulator.calls import GraphError, Operation


@dataclass(frozen=True)
class Limits:
    """The limits of docs/graph.md, section 8; a window's count starts with the first call in it.

    Refused calls count as well. The limits of subscriptions are for an application in one tenant, and `_of_app` for it
    in all tenants.
    """

    concurrent_per_mailbox: int = 4
    requests_per_mailbox: int = 10_000
    mailbox_window_secs: float = 600
    subscription_calls: int = 500
    subscription_calls_of_app: int = 2_000
    subscription_lists: int = 25
    subscription_lists_of_app: int = 40
    subscription_reauthorizations: int = 1_000
    subscription_reauthorizations_of_app: int = 4_000
    subscription_window_secs: float = 20
    concurrency_retry_after_secs: int = 1


class Throttle:
    """Counts calls by application and mailbox, and refuses those over the limit."""

    def __init__(self, limits: Limits, clock: Callable[[], datetime]) -> None:
        self.limits = limits
        self.refused = 0
        self.refused_subscription_calls = 0
        self.high_water: dict[str, int] = {}
        self._clock = clock
        self._open: dict[tuple[str, str], int] = {}
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def enter(self, client_id: str, user_id: str) -> None:
        """Begin a call on a mailbox; `leave` must follow once its answer is sent whole.

        Raises:
            GraphError: 429; the call has not begun.
        """
        limits = self.limits
        key = (client_id, user_id)
        self._count(key, limits.requests_per_mailbox, limits.mailbox_window_secs)
        running = self._open.get(key, 0)
        if running >= limits.concurrent_per_mailbox:
            self.refused += 1
            text = "Application is over its MailboxConcurrency limit."
            raise GraphError(
                429, "ApplicationThrottled", text, {"Retry-After": str(limits.concurrency_retry_after_secs)}
            )
        self._open[key] = running + 1
        if running + 1 > self.high_water.get(user_id, 0):
            self.high_water[user_id] = running + 1

    def leave(self, client_id: str, user_id: str) -> None:
        """End a call that `enter` admitted."""
        self._open[(client_id, user_id)] -= 1

    def count_subscription_call(self, tenant_id: str, client_id: str, operation: Operation) -> None:
        """Count a call on subscriptions.

        Raises:
            GraphError: 429.
        """
        limits = self.limits
        kind, limit, most_of_app = "subscriptions", limits.subscription_calls, limits.subscription_calls_of_app
        if operation is Operation.LIST_SUBSCRIPTIONS:
            kind, limit, most_of_app = "list", limits.subscription_lists, limits.subscription_lists_of_app
        elif operation is Operation.REAUTHORIZE_SUBSCRIPTION:
            kind = "reauthorize"
            limit, most_of_app = limits.subscription_reauthorizations, limits.subscription_reauthorizations_of_app
        try:
            self._count((f"{client_id} {tenant_id}", kind), limit, limits.subscription_window_secs)
            self._count((client_id, kind), most_of_app, limits.subscription_window_secs)
        except GraphError:
            self.refused_subscription_calls += 1
            raise

    def _count(self, key: tuple[str, str], limit: int, window: float) -> None:
        now = self._clock().timestamp()
        start, count = self._windows.get(key, (now, 0))
        if now - start >= window:
            start, count = now, 0
        self._windows[key] = (start, count + 1)
        if count >= limit:
            self.refused += 1
            wait = max(1, int(start + window - now) + 1)
            raise GraphError(429, "TooManyRequests", "Too many requests.", {"Retry-After": str(wait)})
