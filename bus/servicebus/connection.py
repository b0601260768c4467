"""Connections to Service Bus: by connection string, or by namespace and the sign-in by certificate."""

import ssl
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from azure.core.credentials_async import AsyncTokenCredential
from azure.servicebus import TransportType
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.aio.management import ServiceBusAdministrationClient

POLL_SECONDS: Final = 0.02
"""Time for which a read of the SDK blocks writes; its default of 0.2 s delays every settlement by as much
(docs/servicebus.md, section 3)."""
_TRY_SECONDS: Final = 15.0
_RETRIES: Final = 3
_BACKOFF_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class ServiceBusAddress:
    """The queue's address, and the way to connect.

    Either `connection_string`, or `namespace` (NAME.servicebus.windows.net) with `credential`. `proxy`: URL of an HTTP
    proxy, only with `websockets` (port 443 instead of 5671).
    """

    queue: str
    connection_string: str | None = field(default=None, repr=False)
    namespace: str | None = None
    credential: AsyncTokenCredential | None = field(default=None, repr=False)
    websockets: bool = False
    proxy: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """The namespace's host, for display."""
        if self.connection_string is None:
            return self.namespace or ""
        parts = dict(part.partition("=")[::2] for part in self.connection_string.split(";"))
        endpoint = next((value for key, value in parts.items() if key.strip().lower() == "endpoint"), "")
        return urlsplit(endpoint).netloc

    def open(self) -> ServiceBusClient:
        """A client; nothing is connected yet. Call it where an event loop runs.

        Raises:
            ValueError: the connection string is invalid.
        """
        options: dict[str, Any] = {
            "retry_total": _RETRIES,
            "retry_backoff_factor": _BACKOFF_SECONDS,
            "try_timeout": _TRY_SECONDS,
            "ssl_context": self.tls,
        }
        if self.websockets:
            options["transport_type"] = TransportType.AmqpOverWebsocket
            if self.proxy is not None:
                options["http_proxy"] = _proxy(self.proxy)
        if self.connection_string is not None:
            return ServiceBusClient.from_connection_string(self.connection_string, **options)
        namespace, credential = self._signed_in()
        return ServiceBusClient(namespace, credential, **options)

    def administration(self, **options: Any) -> ServiceBusAdministrationClient:  # noqa: ANN401  # the SDK's own
        """A client that reads the properties of queues, over HTTPS.

        Raises:
            ValueError: the connection string is invalid.
        """
        if self.connection_string is not None:
            return ServiceBusAdministrationClient.from_connection_string(self.connection_string, **options)
        namespace, credential = self._signed_in()
        return ServiceBusAdministrationClient(namespace, credential, **options)

    def _signed_in(self) -> tuple[str, AsyncTokenCredential]:
        if self.namespace is None or self.credential is None:
            raise ValueError("neither a connection string nor a namespace with a credential")
        return self.namespace, self.credential


def _proxy(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    found: dict[str, Any] = {
        # With the scheme: without it the SDK never uses the proxy (docs/servicebus.md, section 6).
        "proxy_hostname": f"{parts.scheme or 'http'}://{host}",
        "proxy_port": parts.port or 8080,
    }
    if parts.username is not None:
        found |= {"username": unquote(parts.username), "password": unquote(parts.password or "")}
    return found
