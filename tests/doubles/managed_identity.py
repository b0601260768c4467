"""The endpoint of managed identities on a host of Azure: App Service's protocol, which Container Apps speak too.

https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
"""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator.state.tenants import FederatedCredential

ISSUER: Final = "https://login.microsoftonline.com/11111111-1111-4111-8111-111111111111/v2.0"
SUBJECT: Final = "22222222-2222-4222-8222-222222222222"
CLIENT_ID: Final = "33333333-3333-4333-8333-333333333333"
AUDIENCE: Final = "api://AzureADTokenExchange"
_HEADER: Final = "a secret of this host"


@dataclass
class ManagedIdentityHost:
    """A host that has an identity."""

    key: rsa.RSAPrivateKey
    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What Azure sets in each process of the host."""
        return {"IDENTITY_ENDPOINT": self.url, "IDENTITY_HEADER": _HEADER}

    @property
    def credential(self) -> FederatedCredential:
        """What an application registers to trust the identity."""
        return FederatedCredential(ISSUER, SUBJECT, self.key.public_key(), AUDIENCE)

    def token(self, audience: str = AUDIENCE, **claims: str) -> str:
        """A token of the identity, signed by its issuer."""
        now = int(time.time())
        usual: dict[str, object] = {
            "iss": ISSUER,
            "sub": SUBJECT,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
        }
        return jwt.encode({**usual, "jti": str(uuid.uuid4()), **claims}, self.key, "RS256", {"kid": "issuer"})

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a request for a token."""
        if request.headers.get("X-IDENTITY-HEADER") != _HEADER:
            return web.json_response({"statusCode": 401, "message": "no such header"}, status=401)
        if request.query.get("client_id", CLIENT_ID) != CLIENT_ID:
            return web.json_response({"statusCode": 400, "message": "No User Assigned identity found"}, status=400)
        resource = request.query["resource"]
        return web.json_response(
            {
                "access_token": self.token(resource),
                "expires_on": str(int(time.time()) + 3600),
                "resource": resource,
                "token_type": "Bearer",
            }
        )


@asynccontextmanager
async def managed_identity_host(key: rsa.RSAPrivateKey) -> AsyncIterator[ManagedIdentityHost]:
    """Serve the endpoint on loopback."""
    host = ManagedIdentityHost(key)
    application = web.Application()
    application.router.add_get("/msi/token", host.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host.url = f"http://127.0.0.1:{runner.addresses[0][1]}/msi/token"
        yield host
    finally:
        await runner.cleanup()
