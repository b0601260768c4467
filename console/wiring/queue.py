"""The queue, opened as configured: for roles and for commands."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from bus.queue import NotificationQueue
from console.settings import Settings, SettingsError
from db.engine import Database
from graph.errors import GraphError
from phrases import Phrase

if TYPE_CHECKING:
    from bus.servicebus.connection import ServiceBusAddress


@asynccontextmanager
async def open_queue(
    settings: Settings, database: Database | None, *, clock: Callable[[], datetime], counting_seconds: float = math.inf
) -> AsyncIterator[NotificationQueue]:
    """The queue that the settings name, for as long as the context lasts.

    `counting_seconds`: bound of a count of Service Bus, which reads each message; what it has not read then is missing.

    Raises:
        SettingsError: it cannot be used as configured.
    """
    queue = _made(settings, database, clock=clock, counting_seconds=counting_seconds)
    try:
        yield queue
    finally:
        await queue.close()


def _made(
    settings: Settings, database: Database | None, *, clock: Callable[[], datetime], counting_seconds: float
) -> NotificationQueue:
    # The unused adapter is not loaded: each takes time to load.
    if settings.queue == "servicebus":
        from bus.servicebus.adapter import ServiceBusQueue  # noqa: PLC0415  # see above

        return ServiceBusQueue(servicebus_address(settings), clock=clock, counting_seconds=counting_seconds)
    from bus.database.adapter import DatabaseQueue  # noqa: PLC0415  # see above

    if database is None:
        raise SettingsError(Phrase("queue: the queue 'database' needs the gateway database."))
    return DatabaseQueue(database, clock=clock)


def servicebus_address(settings: Settings) -> "ServiceBusAddress":
    """The address of the Service Bus queue that the settings name.

    Raises:
        SettingsError: `ca_bundle` or `certificate_store` cannot be used.
    """
    from bus.servicebus.connection import ServiceBusAddress  # noqa: PLC0415  # see above
    from bus.servicebus.credential import RESOURCE, EntraCredential  # noqa: PLC0415  # see above
    from console.wiring.certificate_store import naming  # noqa: PLC0415  # see above
    from console.wiring.credentials import application_of, token_source  # noqa: PLC0415  # see above
    from console.wiring.identity import signing_in  # noqa: PLC0415  # see above
    from graph.transport import proxy_for, tls_context  # noqa: PLC0415  # see above

    with naming("ca_bundle"):
        tls = tls_context(settings.ca_bundle)
    websockets = settings.servicebus_transport == "websockets"
    common = partial(ServiceBusAddress, settings.servicebus_queue, websockets=websockets, tls=tls)
    if settings.servicebus_connection_string is not None:
        address = common(connection_string=settings.servicebus_connection_string.get_secret_value())
    else:
        setting = "servicebus_credential"
        tokens = token_source(settings, RESOURCE, credential=setting)
        tenant_id, client_id = signing_in(
            settings, setting, tenant_id=settings.servicebus_tenant_id, client_id=settings.servicebus_client_id
        )
        application = application_of(
            Phrase.verbatim("Azure Service Bus"),
            settings.servicebus_namespace or "",
            tenant_id=tenant_id,
            client_id=client_id,
            thumbprint=settings.servicebus_thumbprint,
        )
        credential = EntraCredential(lambda: tokens.expiring(application), refused=GraphError)
        address = common(namespace=settings.servicebus_namespace, credential=credential)
    return address if not websockets else replace(address, proxy=proxy_for(f"https://{address.host}"))
