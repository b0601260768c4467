"""The services that pages share, put together once for each process."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bus.queue import NotificationQueue
from console.settings import Settings
from console.web.alert_targets import AlertTargets
from console.web.entra import EntraSignIn
from console.web.events import Streams
from console.web.jobs import Jobs
from console.web.limits import SignInLimits
from console.web.passwords import Passwords
from console.web.rendering import Templates
from console.web.security import Addresses
from console.web.sessions import Sessions
from console.web.tokens import RandomBytes
from console.wiring.calls import CallContext
from console.wiring.overview import OverviewCache
from db.engine import Database


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that pages use.

    `settings`: with the console's own bounds of the database; `given`: as they are given, to be shown.
    `database`: the console's own connections, few, with a short time limit of a statement. `entra`: None where users
    sign in with passwords.
    """

    settings: Settings
    given: Settings
    database: Database
    queue: NotificationQueue
    clock: Callable[[], datetime]
    random: RandomBytes
    calls: CallContext
    addresses: Addresses
    templates: Templates
    sessions: Sessions
    sign_in_limits: SignInLimits
    passwords: Passwords
    entra: EntraSignIn | None
    jobs: Jobs
    streams: Streams
    overview: OverviewCache
    alert_targets: AlertTargets
    trials: asyncio.Semaphore
    """Turns of trials of rules, which take processor time."""
    stop: asyncio.Event
