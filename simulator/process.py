"""The simulator as a process: a ready-made tenant, application and mailboxes, until it is cancelled."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from simulator.api.delivery import DeliveryRules
from simulator.api.throttling import Limits
from simulator.simulator import Simulator, system_clock
from simulator.state.subscriptions import SubscriptionRules

READY_MADE_MAILBOXES = (
    ("laboratoire@riviere.example", "Laboratoire – résultats"),
    ("loggers@riviere.example", "Data loggers"),
    ("terrain@riviere.example", "Équipe de terrain"),
    ("field.north@riviere.example", "Field team North"),
    ("alertes@riviere.example", "Alertes et dépassements"),
)


@dataclass(frozen=True)
class ReadyMadeMailbox:
    """A mailbox to try the product with."""

    address: str
    display_name: str
    user_id: str


@dataclass(frozen=True)
class Ready:
    """The data needed to use the simulator; ids are the same at every start with the same seed.

    A certificate's public part (`.cer`, `.pem`, `.crt`) put into `uploads` is registered for the application.
    """

    url: str
    ca_file: Path
    uploads: Path
    tenant_id: str
    client_id: str
    mailboxes: tuple[ReadyMadeMailbox, ...]


async def serve(
    *,
    directory: Path,
    port: int = 0,
    on_ready: Callable[[Ready], Awaitable[None] | None],
    host: str = "127.0.0.1",
    seed: int = 0,
    clock: Callable[[], datetime] = system_clock,
    mailboxes: int | None = None,
    limits: Limits | None = None,
    subscriptions: SubscriptionRules | None = None,
    delivery: DeliveryRules | None = None,
) -> None:
    """Run the simulator until cancelled; `on_ready` is called once it listens.

    `mailboxes` is their number; those beyond the ready-made names are numbered.

    Raises:
        OSError: the port is taken, or the directory cannot be written.
    """
    simulator = Simulator(
        directory,
        host=host,
        port=port,
        seed=seed,
        clock=clock,
        limits=limits,
        subscriptions=subscriptions,
        delivery=delivery,
    )
    async with simulator:
        uploads = directory / "uploads"
        uploads.mkdir(exist_ok=True)
        application = simulator.add_application(uploads=uploads)
        made = [simulator.add_mailbox(address, name) for address, name in _names(mailboxes)]
        ready = Ready(
            url=simulator.url,
            ca_file=simulator.ca_file,
            uploads=uploads,
            tenant_id=application.tenant_id,
            client_id=application.client_id,
            mailboxes=tuple(ReadyMadeMailbox(m.address, m.display_name, m.user_id) for m in made),
        )
        result = on_ready(ready)
        if inspect.isawaitable(result):
            await result
        await asyncio.Event().wait()


def _names(wanted: int | None) -> list[tuple[str, str]]:
    names = list(READY_MADE_MAILBOXES)
    if wanted is None:
        return names
    names += [(f"station{n:03}@riviere.example", f"Station {n:03}") for n in range(len(names) + 1, wanted + 1)]
    return names[:wanted]
