"""Time, chance and bounds of calls of Microsoft's services; light to load, for commands that make none."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from console.wiring.clock import utc_now

if TYPE_CHECKING:
    from graph.client import OnDelay


@dataclass(frozen=True, slots=True)
class CallContext:
    """Things from outside of sign-in and calls of Graph: time, chance and bounds.

    `connect_seconds`: TLS included. `sign_in_seconds`, `read_seconds`: without a byte from that service.
    `call_seconds`: of a call with all its waits. `failures_remembered_seconds`: see `TokenSource`. `on_delay`: see
    `graph.client.OnDelay`.
    """

    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    connect_seconds: float = 10.0
    sign_in_seconds: float = 30.0
    read_seconds: float = 40.0
    call_seconds: float = 60.0
    failures_remembered_seconds: float = 5.0
    on_delay: "OnDelay | None" = None


USUAL: Final = CallContext()
