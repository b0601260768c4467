"""Microsoft's SDK for Graph, `msgraph-sdk`, with its own HTTP client and middleware.

Of its defaults only the address and the trusted roots are changed, which the simulator needs.
https://github.com/microsoftgraph/msgraph-sdk-python
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
from azure.core.credentials import AccessToken
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.kiota_client_factory import DEFAULT_CONNECTION_TIMEOUT, DEFAULT_REQUEST_TIMEOUT
from msgraph.generated.models.item_attachment import ItemAttachment
from msgraph.generated.users.item.messages.item.message_item_request_builder import MessageItemRequestBuilder
from msgraph.graph_request_adapter import GraphRequestAdapter, options
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory

from bench.processor import fetch_all
from bench.stage import Stage
from graph.application import Application
from graph.mailbox import Mailbox
from graph.messages import EXTENDED_PROPERTIES, HEADERS_FIELD, MESSAGE_FIELDS
from graph.token import TokenSource
from graph.transport import tls_context

_PREFER: Final = 'IdType="ImmutableId", outlook.allow-unsafe-html'
# The SDK has no builder for the content of an attachment, but the parts of one.
_CONTENT: Final = "{+baseurl}/users/{user%2Did}/messages/{message%2Did}/attachments/{attachment%2Did}/$value"
_TOKEN_SECONDS: Final = 3600


class Client:
    """Fetches messages by the SDK, as the processor requests them."""

    def __init__(self, adapter: GraphRequestAdapter) -> None:
        self._adapter = adapter
        self._graph = GraphServiceClient(request_adapter=adapter)

    async def fetch_all(self, ledger: list[dict[str, Any]]) -> float:
        """Fetch all messages, four of a mailbox at a time; return the seconds taken."""
        return await fetch_all(ledger, self._fetch)

    async def _fetch(self, user: str, message_id: str) -> None:
        request = self._graph.users.by_user_id(user).messages.by_message_id(message_id)
        found = await request.get(_request_of_message())
        if found.has_attachments or "cid:" in found.body.content:
            attachments = (await request.attachments.get(RequestConfiguration(headers=_headers()))).value
            for each in attachments:
                if isinstance(each, ItemAttachment):
                    await self._content(request.attachments.by_attachment_id(each.id).path_parameters)

    async def _content(self, path_parameters: dict[str, Any]) -> None:
        request = RequestInformation(Method.GET, _CONTENT, path_parameters)
        request.headers.add_all(_headers())
        await self._adapter.send_primitive_async(request, "bytes", {})


@asynccontextmanager
async def open_client(scene: Stage) -> AsyncIterator[Client]:
    """Open a client of the simulator."""
    account = next(iter(scene.account_of_user.values()))
    application = Mailbox.of(account.account_id, account.settings).application
    # As kiota_http.KiotaClientFactory.get_default_client makes it, but for `verify`.
    async with httpx.AsyncClient(
        timeout=httpx.Timeout(DEFAULT_REQUEST_TIMEOUT, connect=DEFAULT_CONNECTION_TIMEOUT),
        http2=True,
        verify=tls_context(scene.ca_file),
    ) as http:
        adapter = GraphRequestAdapter(
            AzureIdentityAuthenticationProvider(_Credential(scene.tokens, application)),
            GraphClientFactory.create_with_default_middleware(client=http, options=options),
        )
        adapter.base_url = f"{scene.url}/v1.0"
        yield Client(adapter)


class _Credential:
    """A credential of azure-core that has the token already."""

    def __init__(self, tokens: TokenSource, application: Application) -> None:
        self._tokens = tokens
        self._application = application

    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        """Return the token of the application."""
        return AccessToken(await self._tokens.token(self._application), int(time.time()) + _TOKEN_SECONDS)


def _request_of_message() -> RequestConfiguration:
    return RequestConfiguration(
        headers=_headers(),
        query_parameters=MessageItemRequestBuilder.MessageItemRequestBuilderGetQueryParameters(
            select=[*MESSAGE_FIELDS.split(","), HEADERS_FIELD], expand=[EXTENDED_PROPERTIES]
        ),
    )


def _headers() -> HeadersCollection:
    headers = HeadersCollection()
    headers.add("Prefer", _PREFER)
    return headers
