"""Sign-in by the identity of a host: the endpoints that Azure documents, stood in for on real sockets."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from availability import Availability, Service
from graph.application import Application
from graph.certificates import Certificate
from graph.errors import GraphUnavailable, SignInRefused
from graph.identity import Identity, ManagedIdentity, WorkloadIdentity
from graph.token import TokenSource
from simulator.simulator import Simulator, system_clock
from simulator.state.tenants import FederatedCredential

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "66666666-7777-4888-9999-aaaaaaaaaaaa"
IDENTITY = "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff"
APPLICATION = Application("support", "account Support", TENANT, CLIENT, "")
EXCHANGE = "api://AzureADTokenExchange"
ISSUER = f"https://login.microsoftonline.com/{TENANT}/v2.0"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def token_of(audience: str, subject: str = "principal") -> str:
    """A token of the issuer, which Entra verifies."""
    claims = {"iss": ISSUER, "sub": subject, "aud": audience, "exp": int(time.time()) + 3600}
    return jwt.encode(claims, KEY, "RS256")


@dataclass
class Endpoint:
    """IMDS or App Service: its answers are those that Microsoft documents."""

    url: str = ""
    calls: list[web.Request] = field(default_factory=list)
    failing: list[web.Response] = field(default_factory=list)
    subject: str = "principal"

    async def imds(self, request: web.Request) -> web.Response:
        self.calls.append(request)
        if self.failing:
            return self.failing.pop(0)
        if request.headers.get("Metadata") != "true" or request.query["api-version"] != "2018-02-01":
            return web.json_response({"error": "invalid_request"}, status=400)
        token = token_of(request.query["resource"], self.subject)
        return web.json_response({"access_token": token, "expires_in": "3599", "token_type": "Bearer"})

    async def app_service(self, request: web.Request) -> web.Response:
        self.calls.append(request)
        if request.headers.get("X-IDENTITY-HEADER") != "secret" or request.query["api-version"] != "2019-08-01":
            return web.json_response({"statusCode": 401, "message": "no"}, status=401)
        life = str(int(time.time()) + 3600)
        return web.json_response({"access_token": token_of(request.query["resource"]), "expires_on": life})


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_get("/metadata/identity/oauth2/token", made.imds)
    app.router.add_get("/msi/token", made.app_service)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    # The endpoint must not be asked for through a proxy: this one would not answer.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", made.url)
    yield made
    await runner.cleanup()


async def at_once(_: float) -> None:
    """Wait for nothing."""


class NoCertificates:
    def find(self, thumbprint: str) -> Certificate:
        raise AssertionError(thumbprint)


@dataclass
class Entra:
    """The simulator's sign-in service, with an application that trusts the identity `principal`."""

    simulator: Simulator
    application: Application

    def tokens(self, identity: Identity, availability: Availability | None = None) -> TokenSource:
        return TokenSource(
            NoCertificates(),
            identity=identity,
            authority_url=self.simulator.url,
            graph_url=self.simulator.url,
            ca_bundle=self.simulator.ca_file,
            failures_remembered_seconds=0.0,
            availability=availability,
        )


@pytest.fixture
async def entra(tmp_path: Path) -> AsyncIterator[Entra]:
    async with Simulator(tmp_path / "simulator") as simulator:
        made = simulator.add_application()
        made.federated.append(FederatedCredential(ISSUER, "principal", KEY.public_key()))
        yield Entra(simulator, Application("support", "account Support", made.tenant_id, made.client_id, ""))


async def test_a_service_of_azure_is_opened_by_the_identity_itself(endpoint: Endpoint) -> None:
    source = TokenSource(
        NoCertificates(),
        identity=ManagedIdentity(IDENTITY, sleep=at_once),
        authority_url="https://login.invalid",
        graph_url="https://servicebus.azure.net",
    )
    token, seconds = await source.expiring(replace(APPLICATION, tenant_id="", client_id=""))
    assert jwt.decode(token, KEY.public_key(), ["RS256"], audience="https://servicebus.azure.net")["sub"] == "principal"
    assert 3500 < seconds < 3600
    assert endpoint.calls[0].query["client_id"] == IDENTITY
    assert await source.token(replace(APPLICATION, tenant_id="", client_id="")) == token
    assert len(endpoint.calls) == 1  # kept


async def test_app_service_and_container_apps_are_asked_with_their_header(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{endpoint.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    issue = ManagedIdentity().own_tokens(replace(APPLICATION, client_id=""))
    assert issue is not None
    token, seconds = await issue("https://database.windows.net")
    assert token
    assert seconds > 3000
    assert "client_id" not in endpoint.calls[0].query


async def test_an_application_signs_in_by_the_federated_identity(endpoint: Endpoint, entra: Entra) -> None:
    source = entra.tokens(ManagedIdentity(sleep=at_once))
    assert await source.token(entra.application)
    assert endpoint.calls[0].query["resource"] == EXCHANGE
    assert source.certificate_in_use(entra.application) is None


async def test_the_application_that_is_the_identity_itself_needs_no_exchange(endpoint: Endpoint, entra: Entra) -> None:
    itself = entra.application.client_id.upper()
    assert await entra.tokens(ManagedIdentity(itself, sleep=at_once)).token(entra.application)
    assert endpoint.calls[0].query["resource"] == entra.simulator.url
    assert entra.simulator.tokens.issued == 0


async def test_without_a_federated_credential_the_error_shows_what_it_must_repeat(
    endpoint: Endpoint, entra: Entra
) -> None:
    endpoint.subject = "another"
    with pytest.raises(SignInRefused, match="subject another, audience api://AzureADTokenExchange") as caught:
        await entra.tokens(ManagedIdentity(sleep=at_once)).token(entra.application)
    assert caught.value.aadsts == 700213
    assert "federated-credential create" in caught.value.advice


@pytest.mark.parametrize("status", [404, 429, 503])
async def test_an_endpoint_that_is_not_ready_is_asked_again(endpoint: Endpoint, status: int) -> None:
    endpoint.failing = [web.json_response({"error": "busy"}, status=status)]
    assert await ManagedIdentity(sleep=at_once).assertion(APPLICATION)
    assert len(endpoint.calls) == 2


async def test_a_long_pause_is_left_to_the_caller(endpoint: Endpoint) -> None:
    """As that of an update, 70 seconds: a sign-in does not hang for as long."""
    endpoint.failing = [web.json_response({"error": "updating"}, status=410)]
    with pytest.raises(GraphUnavailable) as caught:
        await ManagedIdentity(sleep=at_once).assertion(APPLICATION)
    assert caught.value.retry_after == 70
    assert len(endpoint.calls) == 1


async def test_an_identity_that_is_not_assigned_is_refused_with_advice(endpoint: Endpoint) -> None:
    body = {"error": "invalid_request", "error_description": "Identity not found"}
    endpoint.failing = [web.json_response(body, status=400)]
    with pytest.raises(SignInRefused, match="Identity not found") as caught:
        await ManagedIdentity(IDENTITY, sleep=at_once).assertion(APPLICATION)
    assert "managed_identity_client_id" in caught.value.advice


async def test_an_endpoint_that_fails_is_no_outage_of_the_sign_in_service(endpoint: Endpoint, entra: Entra) -> None:
    """Operators would look for the fault at Microsoft."""
    moment = [0.0]
    availability = Availability(clock=system_clock, monotonic=lambda: moment[0])
    source = entra.tokens(ManagedIdentity(sleep=at_once), availability)

    async def sign_in(times: int) -> None:
        for _ in range(times):
            moment[0] += 10
            with pytest.raises(GraphUnavailable):
                await source.token(entra.application)

    endpoint.failing = [web.json_response({"error": "busy"}, status=503) for _ in range(9)]
    await sign_in(3)
    (outage,) = availability.outages()
    assert (outage.service, outage.why) == (Service.CREDENTIALS, "the managed identity is not served")
    moment[0] += 10
    assert await source.token(entra.application)
    assert availability.outages() == []


async def test_a_host_without_the_endpoint_is_told_apart(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    with pytest.raises(GraphUnavailable, match="no managed identity that answers for account Support"):
        await ManagedIdentity(sleep=at_once).assertion(APPLICATION)
    assert not endpoint.calls


async def test_the_token_of_kubernetes_is_read_anew_at_each_sign_in(entra: Entra, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token_of(EXCHANGE) + "\n")
    source = entra.tokens(WorkloadIdentity(file))
    first = await source.token(entra.application)
    file.write_text(token_of(EXCHANGE, "another"))
    with pytest.raises(SignInRefused, match="subject another"):
        await source.fresh(entra.application, first)
    file.write_text(token_of(EXCHANGE))
    entra_again = entra.tokens(WorkloadIdentity(file))
    assert await entra_again.token(entra.application) != first


@pytest.mark.parametrize("content", [None, "", json.dumps({"no": "token"})])
async def test_a_token_file_that_is_no_such_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SignInRefused, match="token file") as caught:
        await WorkloadIdentity(file).assertion(APPLICATION)
    assert str(file) in str(caught.value)
    assert "azure.workload.identity/use" in caught.value.advice
