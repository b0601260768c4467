"""Graph, opened as configured: for roles and for commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from availability import Availability
from console.settings import Settings
from console.wiring.calls import USUAL, CallContext
from console.wiring.certificate_store import certificate_store, naming
from console.wiring.credentials import token_source
from graph.certificates import CertificateStore
from graph.client import GraphClient, Observer, open_session
from graph.slots import CallSlots, LocalSlots
from graph.token import TokenSource


@dataclass(frozen=True, slots=True)
class OpenedGraph:
    """The components that call Graph in this process."""

    client: GraphClient
    certificates: CertificateStore
    tokens: TokenSource


@asynccontextmanager
async def open_graph(
    settings: Settings,
    slots: CallSlots | None = None,
    context: CallContext = USUAL,
    availability: Availability | None = None,
    *,
    observer: Observer | None = None,
) -> AsyncIterator[OpenedGraph]:
    """Connections and tokens for as long as the context lasts.

    `slots`, `observer`: see `GraphClient`; without slots: one call at a time per mailbox, for commands beside the
    processors' four. `availability`: learns whether Graph and the sign-in service answer.

    Raises:
        SettingsError: `ca_bundle` or `certificate_store` cannot be used.
    """
    certificates = certificate_store(settings)
    tokens = token_source(settings, settings.graph_url, certificates, context, availability)
    with naming("ca_bundle"):
        session = open_session(
            settings.graph_url,
            ca_bundle=settings.ca_bundle,
            connect_seconds=context.connect_seconds,
            read_seconds=context.read_seconds,
        )
    async with session:
        client = GraphClient(
            session,
            tokens,
            base_url=settings.graph_url,
            slots=LocalSlots(1) if slots is None else slots,
            deadline_seconds=context.call_seconds,
            availability=availability,
            on_delay=context.on_delay,
            observer=observer,
            sleep=context.sleep,
            random=context.random,
            now=context.clock,
        )
        yield OpenedGraph(client, certificates, tokens)
