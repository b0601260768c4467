"""A Key Vault: its REST API on a TLS socket, with keys that sign.

https://learn.microsoft.com/rest/api/keyvault/certificates and .../keys/sign, version 2025-07-01.
"""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from graph.certificates import Certificate, SoftwareKey
from simulator.authority import Authority


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Vault:
    """A vault with one certificate, `mail`, in several versions."""

    url: str = ""
    versions: dict[str, Certificate] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    """Versions whose key and certificate are deleted; soft-deleted ones answer as if they were not there."""
    key_ids: dict[str, str] = field(default_factory=dict)
    """Ids of keys that are named instead of the right ones."""
    page: int = 25
    """Versions in one answer."""
    calls: list[str] = field(default_factory=list)
    """The last part of the path of each request that had a token."""
    failing: dict[str, web.Response] = field(default_factory=dict)
    """Answers by the last part of the path."""
    accepts: Callable[[str], bool] = lambda token: token == "of the identity"
    """Tells tokens of the identity from others."""
    requests: int = 0
    """All of them, those for a challenge included."""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer, and hang up: an error that was expected may hold the client's connection."""
        answered = await self._answer(request)
        answered.force_close()
        return answered

    async def _answer(self, request: web.Request) -> web.Response:
        parts = request.path.strip("/").split("/")
        self.requests += 1
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not self.accepts(token):
            challenge = 'Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"'
            return web.json_response({}, status=401, headers={"WWW-Authenticate": challenge})
        self.calls.append(parts[-1])
        assert "api-version" in request.query
        if parts[-1] in self.failing:
            failed = self.failing[parts[-1]]
            return web.Response(status=failed.status, body=failed.body, headers=failed.headers)
        match parts:
            case ["certificates"]:
                return web.json_response({"value": [self._item(next(iter(self.versions)), "mail")]})
            case ["certificates", "mail", "versions"]:
                return self._page(request)
            case ["certificates", "mail", version] if version not in self.deleted:
                der = self._parsed(version).public_bytes(Encoding.DER)
                kid = self.key_ids.get(version, f"{self.url}/keys/mail/{version}")
                more = {"kid": kid, "cer": base64.b64encode(der).decode()}
                return web.json_response({**self._item(version, f"mail/{version}"), **more})
            case ["keys", "mail", version, "sign"] if version not in self.deleted:
                return await self._sign(version, request)
        return web.json_response({"error": {"code": "KeyNotFound", "message": "It is not in this vault."}}, status=404)

    def _page(self, request: web.Request) -> web.Response:
        start = int(request.query.get("$skiptoken", "0"))
        found = list(self.versions)
        more = f"{self.url}{request.path}?api-version=7.6&$skiptoken={start + self.page}"
        return web.json_response(
            {
                "value": [self._item(each, f"mail/{each}") for each in found[start : start + self.page]],
                "nextLink": more if start + self.page < len(found) else None,
            }
        )

    def _item(self, version: str, path: str) -> dict[str, Any]:
        return {
            "id": f"{self.url}/certificates/{path}",
            "x5t": b64(bytes.fromhex(self.versions[version].thumbprint)),
            "attributes": {"enabled": version not in self.disabled},
        }

    def _parsed(self, version: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.versions[version].public_pem.encode())

    async def _sign(self, version: str, request: web.Request) -> web.Response:
        body = await request.json()
        if version in self.disabled:
            error = {"code": "Forbidden", "message": "Operation sign is not allowed on a disabled key."}
            return web.json_response({"error": {**error, "innererror": {"code": "KeyDisabled"}}}, status=403)
        assert body["alg"] == "PS256"
        digest = base64.urlsafe_b64decode(body["value"] + "==")
        key = self.versions[version].key
        assert isinstance(key, SoftwareKey)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        signed = key.key.sign(digest, pss, Prehashed(hashes.SHA256()))
        return web.json_response({"kid": f"{self.url}/keys/mail/{version}", "value": b64(signed)})


@asynccontextmanager
async def key_vault(authority: Authority, versions: dict[str, Certificate]) -> AsyncIterator[Vault]:
    """Serve a vault on loopback, with a certificate of the authority."""
    vault = Vault(versions=versions)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", vault.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.issue("vault").server_context()).start()
    vault.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield vault
    finally:
        await runner.cleanup()
