"""Certificates of a Key Vault: its REST API on a TLS socket, signing with a real key. Entra verifies what it signed."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from availability import Availability, Service
from graph.application import Application
from graph.certificates import Certificate, check_key, make_self_signed
from graph.certificates.certificate import described
from graph.errors import CertificateError, CertificateFault, GraphUnavailable
from graph.token import TokenSource
from graph.transport import tls_context
from simulator.authority import Authority
from simulator.simulator import Simulator, system_clock
from tests.doubles.key_vault import Vault, key_vault

keyvault = pytest.importorskip(
    "graph.certificates.keyvault", reason="the extra azure is not installed", exc_type=ImportError
)


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
    authority = Authority(tmp_path, system_clock())
    async with key_vault(authority, {"old": made[0], "new": made[1]}) as vault:
        tls = tls_context(tmp_path / "ca.pem")
        yield Site(vault, keyvault.KeyVaultStore(vault.url, lambda: ("of the identity", 3600.0), tls=tls), tmp_path)


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
    assert "Connection refused" in str(entry.problem)


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (socket.EAI_NONAME, "DNS knows no host named gateway.vault.azure.net"),
        (socket.EAI_AGAIN, "no DNS server answers when asked for gateway.vault.azure.net"),
    ],
)
async def test_a_name_that_is_not_resolved_is_a_cause_of_its_own(
    number: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(number, "not resolved")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    store = keyvault.KeyVaultStore("https://gateway.vault.azure.net", lambda: ("t", 1.0), tls=tls_context())
    with pytest.raises(GraphUnavailable) as caught:
        await on_thread(store.find, "A" * 40)
    assert why in str(caught.value)
    assert caught.value.why == f"the Key Vault keyvault:https://gateway.vault.azure.net: {why}"


async def test_an_outage_is_one_of_the_vault_and_not_of_the_sign_in_service(
    site: Site, made: list[Certificate], tmp_path: Path
) -> None:
    """Operators would look for the fault at Microsoft's sign-in service."""
    moment = [0.0]
    availability = Availability(clock=system_clock, monotonic=lambda: moment[0])
    async with Simulator(tmp_path / "simulator") as simulator:
        registered = simulator.add_application()
        ids = registered.tenant_id, registered.client_id
        simulator.register_certificate(*ids, made[1].public_pem.encode())
        application = Application("support", "account Support", *ids, made[1].thumbprint, False)
        tokens = TokenSource(
            site.store,
            authority_url=simulator.url,
            graph_url=simulator.url,
            ca_bundle=simulator.ca_file,
            failures_remembered_seconds=0.0,
            availability=availability,
        )
        await on_thread(site.store.find, made[1].thumbprint)
        site.vault.failing["sign"] = web.Response(status=503, body=b"{}", content_type="application/json")
        for _ in range(3):
            moment[0] += 10
            with pytest.raises(GraphUnavailable, match="Key Vault"):
                await tokens.token(application)
        (outage,) = availability.outages()
        assert outage.service is Service.CREDENTIALS
        assert outage.why == f"the Key Vault {site.store.name}: status 503"
        site.vault.failing.clear()
        moment[0] += 10
        assert await tokens.token(application)
    assert availability.outages() == []


async def test_a_vault_without_a_trusted_certificate_gets_no_token(site: Site) -> None:
    issued: list[str] = []

    def issue() -> tuple[str, float]:
        issued.append("t")
        return "t", 1.0

    stranger = keyvault.KeyVaultStore(site.vault.url, issue, tls=tls_context())
    with pytest.raises(GraphUnavailable):
        await on_thread(stranger.find, "A" * 40)
    assert not issued


async def test_an_untrusted_vault_is_told_so(site: Site) -> None:
    stranger = keyvault.KeyVaultStore(site.vault.url, lambda: ("t", 1.0), tls=tls_context())
    with pytest.raises(GraphUnavailable, match="TLS certificate is not trusted"):
        await on_thread(stranger.find, "A" * 40)


async def test_a_signature_of_a_known_key_is_one_request(site: Site, made: list[Certificate]) -> None:
    """Neither the list nor the key is read again, however much later."""
    moment = [0.0]
    site.store._monotonic = lambda: moment[0]
    await on_thread((await on_thread(site.store.find, made[1].thumbprint)).key.sign, b"first")
    before = site.vault.requests
    for number in range(3):
        moment[0] += 3600
        found = await on_thread(site.store.find, made[1].thumbprint)
        assert await on_thread(found.key.sign, b"%d" % number)
    assert site.vault.requests - before == 3


async def test_a_version_that_was_disabled_is_told_and_read_anew(site: Site, made: list[Certificate]) -> None:
    found = await on_thread(site.store.find, made[0].thumbprint)
    site.vault.disabled = {"old"}
    with pytest.raises(CertificateError, match="not allowed on a disabled key") as caught:
        await on_thread(found.key.sign, b"message")
    assert caught.value.fault is CertificateFault.KEY_UNREADABLE
    assert "Enable that version" in caught.value.advice
    site.vault.disabled = set()
    found = await on_thread(site.store.find, made[0].thumbprint)
    assert await on_thread(found.key.sign, b"message")


async def test_a_deleted_key_is_an_error_until_it_is_recovered(site: Site, made: list[Certificate]) -> None:
    found = await on_thread(site.store.find, made[0].thumbprint)
    site.vault.deleted = {"old"}
    for work, argument in ((found.key.sign, b"message"), (site.store.find, made[0].thumbprint)):
        with pytest.raises(CertificateError, match="no longer in keyvault") as caught:
            await on_thread(work, argument)
        assert "az keyvault certificate recover" in caught.value.advice
    site.vault.deleted = set()
    found = await on_thread(site.store.find, made[0].thumbprint)
    assert await on_thread(found.key.sign, b"message")


async def test_a_certificate_that_is_deleted_while_they_are_listed_hides_no_other(site: Site) -> None:
    body = b'{"error": {"code": "CertificateNotFound", "message": "It is deleted."}}'
    site.vault.failing["versions"] = web.Response(status=404, body=body, content_type="application/json")
    assert await on_thread(site.store.list) == []


async def test_all_pages_of_versions_are_read(site: Site, made: list[Certificate]) -> None:
    site.vault.page = 1
    site.vault.versions = {"new": made[1], "old": made[0]}
    assert (await on_thread(site.store.find, made[0].thumbprint)).thumbprint == made[0].thumbprint
    assert site.vault.calls.count("versions") == 2


@pytest.mark.parametrize(
    "key_id",
    [
        *("", "mail", "https://127.0.0.1:99999/keys/mail/old", "{url}/keys/mail", "{url}/secrets/mail/old"),
        *("https://elsewhere.vault.azure.net/keys/mail/old", "http://127.0.0.1/keys/mail/old"),
    ],
)
async def test_a_certificate_without_a_key_of_the_vault_is_told_so(
    site: Site, made: list[Certificate], key_id: str
) -> None:
    """To try again would never help, and another host would get a token for vaults."""
    site.vault.key_ids["old"] = key_id.format(url=site.vault.url)
    with pytest.raises(CertificateError, match="has no key in that vault") as caught:
        await on_thread(site.store.find, made[0].thumbprint)
    assert caught.value.fault is CertificateFault.KEY_MISSING
    problems = [str(entry.problem) for entry in await on_thread(site.store.list) if entry.problem]
    assert problems == [str(caught.value.summary)]


async def test_a_key_of_another_kind_is_refused(site: Site) -> None:
    """Entra accepts RSA alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "curve")])
    now = system_clock()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = described(builder.sign(key, hashes.SHA256()), has_private_key=True)
    site.vault.versions = {"curve": certificate}
    with pytest.raises(CertificateError, match="RSA") as caught:
        await on_thread(site.store.find, certificate.thumbprint)
    assert caught.value.fault is CertificateFault.KEY_NOT_RSA


async def test_a_token_of_another_tenant_is_told_apart_from_a_missing_role(site: Site, made: list[Certificate]) -> None:
    site.vault.accepts = lambda _: False
    with pytest.raises(CertificateError, match="does not accept the token of this process") as caught:
        await on_thread(site.store.find, made[0].thumbprint)
    assert "tenant of the vault" in caught.value.advice


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
