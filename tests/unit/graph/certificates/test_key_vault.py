"""Certificates of a Key Vault: its REST API on a TLS socket, signing with a real key. Entra verifies what it signed."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from graph.application import Application
from graph.certificates import Certificate, SoftwareKey, check_key, make_self_signed
from graph.errors import CertificateError, CertificateFault, GraphUnavailable
from graph.token import TokenSource
from graph.transport import tls_context
from simulator.authority import Authority
from simulator.simulator import Simulator, system_clock

keyvault = pytest.importorskip(
    "graph.certificates.keyvault", reason="the extra azure is not installed", exc_type=ImportError
)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Vault:
    """A vault with one certificate, `mail`, in several versions.

    https://learn.microsoft.com/rest/api/keyvault/certificates and .../keys/sign, version 2025-07-01.
    """

    url: str = ""
    versions: dict[str, Certificate] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    failing: dict[str, web.Response] = field(default_factory=dict)
    """Answers by the last part of the path."""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer, and hang up: an error that was expected may hold the client's connection."""
        answered = await self._answer(request)
        answered.force_close()
        return answered

    async def _answer(self, request: web.Request) -> web.Response:
        parts = request.path.strip("/").split("/")
        if request.headers.get("Authorization") != "Bearer of the identity":
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
                return web.json_response({"value": [self._item(each, f"mail/{each}") for each in self.versions]})
            case ["certificates", "mail", version]:
                der = self._parsed(version).public_bytes(Encoding.DER)
                more = {"kid": f"{self.url}/keys/mail/{version}", "cer": base64.b64encode(der).decode()}
                return web.json_response({**self._item(version, f"mail/{version}"), **more})
            case ["keys", "mail", version]:
                return self._key(version)
            case ["keys", "mail", version, "sign"]:
                return await self._sign(version, request)
        return web.json_response({"error": {"code": "NotFound", "message": "none"}}, status=404)

    def _item(self, version: str, path: str) -> dict[str, Any]:
        return {
            "id": f"{self.url}/certificates/{path}",
            "x5t": b64(bytes.fromhex(self.versions[version].thumbprint)),
            "attributes": {"enabled": version not in self.disabled},
        }

    def _parsed(self, version: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.versions[version].public_pem.encode())

    def _key(self, version: str) -> web.Response:
        public = self._parsed(version).public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        numbers = public.public_numbers()
        key = {
            "kid": f"{self.url}/keys/mail/{version}",
            "kty": "RSA",
            "key_ops": ["sign", "verify"],
            "n": b64(numbers.n.to_bytes(256, "big")),
            "e": b64(b"\x01\x00\x01"),
        }
        return web.json_response({"key": key, "attributes": {"enabled": True}})

    async def _sign(self, version: str, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["alg"] == "PS256"
        digest = base64.urlsafe_b64decode(body["value"] + "==")
        key = self.versions[version].key
        assert isinstance(key, SoftwareKey)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        signed = key.key.sign(digest, pss, Prehashed(hashes.SHA256()))
        return web.json_response({"kid": f"{self.url}/keys/mail/{version}", "value": b64(signed)})


@dataclass
class Site:
    vault: Vault
    store: Any
    ca_file: Path


@pytest.fixture(scope="module")
def made() -> list[Certificate]:
    now = system_clock()
    return [make_self_signed(f"mail {number}", now=now, key_bits=2048) for number in (1, 2)]


@pytest.fixture
async def site(tmp_path: Path, made: list[Certificate]) -> AsyncIterator[Site]:
    vault = Vault(versions={"old": made[0], "new": made[1]})
    authority = Authority(tmp_path, system_clock())
    issued = authority.issue("vault")
    context = issued.server_context()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", vault.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    vault.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    tls = tls_context(tmp_path / "ca.pem")
    yield Site(vault, keyvault.KeyVaultStore(vault.url, lambda: ("of the identity", 3600.0), tls=tls), tmp_path)
    await runner.cleanup()
    # Clients have hung up; the sockets of the loop are closed a moment later.
    transports: Any = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]  # asyncio has it nowhere else
    async with asyncio.timeout(5):
        while any(transport._sock is not None for transport in transports.values()):  # noqa: ASYNC110 (nothing else announces it)
            await asyncio.sleep(0.001)


async def on_thread(work: Any, *args: Any) -> Any:  # noqa: ANN401  # of any kind
    """As the product calls a store: never on the loop, which serves the vault here."""
    return await asyncio.get_running_loop().run_in_executor(None, work, *args)


async def test_the_key_signs_in_the_vault_and_entra_accepts_it(
    site: Site, made: list[Certificate], tmp_path: Path
) -> None:
    async with Simulator(tmp_path / "simulator") as simulator:
        registered = simulator.add_application()
        ids = registered.tenant_id, registered.client_id
        simulator.register_certificate(*ids, made[1].public_pem.encode())
        application = Application("support", "account Support", *ids, made[1].thumbprint, False)
        tokens = TokenSource(
            site.store, authority_url=simulator.url, graph_url=simulator.url, ca_bundle=simulator.ca_file
        )
        assert await tokens.token(application)
        assert tokens.certificate_in_use(application) == made[1].thumbprint
    assert site.vault.calls.count("sign") == 1


async def test_an_earlier_version_is_found_by_its_thumbprint(site: Site, made: list[Certificate]) -> None:
    """After a renewal accounts name the old one for a while."""
    for each in made:
        found = await on_thread(site.store.find, each.thumbprint.lower())
        assert (found.thumbprint, found.private_key_pem) == (each.thumbprint, None)
        await on_thread(check_key, found)
    assert site.vault.calls.count("versions") == 1  # the list is kept


async def test_a_version_that_is_new_is_found_at_once(site: Site, made: list[Certificate]) -> None:
    moment = [1000.0]
    site.store._monotonic = lambda: moment[0]
    new = site.vault.versions.pop("new")
    with pytest.raises(CertificateError) as caught:
        await on_thread(site.store.find, new.thumbprint)
    assert caught.value.fault is CertificateFault.NOT_FOUND
    assert made[0].thumbprint in str(caught.value)
    site.vault.versions["new"] = new
    moment[0] += 11
    assert await on_thread(site.store.expiry, new.thumbprint) == new.not_after


async def test_the_list_has_each_version_and_what_is_wrong_with_it(site: Site, made: list[Certificate]) -> None:
    site.vault.disabled = {"old"}
    entries = await on_thread(site.store.list)
    assert [each.certificate.thumbprint for each in entries] == [each.thumbprint for each in made]
    assert "is disabled" in (entries[0].problem or "")
    assert entries[1].problem is None
    with pytest.raises(CertificateError, match="disabled"):
        await on_thread(site.store.find, made[0].thumbprint)


@pytest.mark.parametrize(("part", "role"), [("certificates", "Key Vault Reader"), ("sign", "Key Vault Crypto User")])
async def test_a_missing_role_is_named(site: Site, made: list[Certificate], part: str, role: str) -> None:
    body = b'{"error": {"code": "Forbidden", "message": "Caller is not authorized to perform action on resource."}}'
    site.vault.failing[part] = web.Response(status=403, body=body, content_type="application/json")
    with pytest.raises(CertificateError, match=role) as caught:
        await on_thread(lambda: check_key(site.store.find(made[0].thumbprint)))
    assert "not authorized" in str(caught.value)


async def test_throttling_is_no_fault_of_the_certificate(site: Site, made: list[Certificate]) -> None:
    """The pause that the vault demands is passed on; no thread waits for it."""
    found = await on_thread(site.store.find, made[0].thumbprint)
    site.vault.failing["sign"] = web.Response(
        status=429, headers={"Retry-After": "7"}, body=b"{}", content_type="application/json"
    )
    with pytest.raises(GraphUnavailable) as caught:
        await on_thread(found.key.sign, b"message")
    assert (caught.value.status, caught.value.retry_after) == (429, 7.0)
    assert site.vault.calls.count("sign") == 1


async def test_a_vault_that_is_not_reached_is_an_outage() -> None:
    silent = keyvault.KeyVaultStore("https://127.0.0.1:9", lambda: ("t", 1.0), tls=tls_context())
    with pytest.raises(GraphUnavailable, match="firewall or private endpoint"):
        await on_thread(silent.find, "A" * 40)
    (entry,) = await on_thread(silent.list)
    assert "cannot be reached" in (entry.problem or "")


async def test_a_vault_without_a_trusted_certificate_gets_no_token(site: Site) -> None:
    issued: list[str] = []

    def issue() -> tuple[str, float]:
        issued.append("t")
        return "t", 1.0

    stranger = keyvault.KeyVaultStore(site.vault.url, issue, tls=tls_context())
    with pytest.raises(GraphUnavailable):
        await on_thread(stranger.find, "A" * 40)
    assert not issued


async def test_a_challenge_for_another_service_gets_no_token() -> None:
    """Of a real vault's name: the resource must be the vault's own domain."""
    store = keyvault.KeyVaultStore("https://gateway.vault.azure.net", lambda: ("t", 1.0), tls=tls_context())
    with store._session() as options:
        assert options["verify_challenge_resource"]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("keyvault:Gateway-1", "https://gateway-1.vault.azure.net"),
        ("keyvault: https://gateway.vault.azure.net/", "https://gateway.vault.azure.net"),
    ],
)
def test_a_vault_is_named_by_name_or_address(text: str, url: str) -> None:
    assert keyvault.vault_url(text, "vault.azure.net") == url


@pytest.mark.parametrize(
    "text",
    [
        *("keyvault:", "keyvault:a_b", "keyvault:http://a.vault.azure.net"),
        *("keyvault:https://vault.azure.net.example", "keyvault:https://notvault.azure.net"),
    ],
)
def test_another_text_names_no_vault(text: str) -> None:
    with pytest.raises(ValueError, match="keyvault:NAME"):
        keyvault.vault_url(text, "vault.azure.net")


async def test_a_signature_by_another_key_is_not_used(site: Site, made: list[Certificate]) -> None:
    """Entra would say that the application does not know the certificate, which is not the cause."""
    found = await on_thread(site.store.find, made[0].thumbprint)
    site.vault.versions["old"] = made[1]
    with pytest.raises(CertificateError, match="is not that of certificate") as caught:
        await on_thread(found.key.sign, b"message")
    assert caught.value.fault is CertificateFault.KEY_MISMATCH


async def test_the_firewall_of_the_vault_is_named(site: Site, made: list[Certificate]) -> None:
    body = (
        b'{"error": {"code": "Forbidden", "message": "Client address is not authorized.",'
        b' "innererror": {"code": "ForbiddenByFirewall"}}}'
    )
    site.vault.failing["certificates"] = web.Response(status=403, body=body, content_type="application/json")
    with pytest.raises(CertificateError, match="az keyvault network-rule add"):
        await on_thread(site.store.find, made[0].thumbprint)


async def test_an_outage_of_the_list_stops_no_certificate_that_is_known(site: Site, made: list[Certificate]) -> None:
    """The former list serves on; an unknown certificate waits for the vault, which is not asked for each account."""
    moment = [0.0]
    site.store._monotonic = lambda: moment[0]
    await on_thread(site.store.find, made[0].thumbprint)
    site.vault.failing["certificates"] = web.Response(status=503, body=b"{}", content_type="application/json")
    moment[0] += 1000
    listings = site.vault.calls.count("certificates")
    assert (await on_thread(site.store.find, made[0].thumbprint)).thumbprint == made[0].thumbprint
    for _ in range(3):
        with pytest.raises(GraphUnavailable):
            await on_thread(site.store.find, "A" * 40)
    assert site.vault.calls.count("certificates") == listings + 1
    moment[0] += 20
    site.vault.failing.clear()
    with pytest.raises(CertificateError, match="is not in keyvault"):
        await on_thread(site.store.find, "A" * 40)
