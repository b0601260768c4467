"""Sign-in by the identity of a host: the endpoint and the sign-in service answer over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from graph.application import NO_CERTIFICATE, Application
from graph.certificates import FolderStore
from graph.errors import GraphUnavailable, SignInRefused
from graph.identity import ManagedIdentity, Voucher, WorkloadIdentity
from graph.token import TokenSource
from simulator.simulator import Simulator
from tests.doubles.listeners import Proxy
from tests.doubles.managed_identity import CLIENT_ID, ManagedIdentityHost, managed_identity_host
from tests.doubles.scripted_graph import Clock

BUS = "https://servicebus.azure.net"
MAILBOX = "mailbox laboratory"


@dataclass
class World:
    """The sign-in service with an application, and a host with an identity that it trusts."""

    simulator: Simulator
    host: ManagedIdentityHost
    application: Application
    folder: Path
    clock: Clock

    def tokens(self, voucher: Voucher | None = None, identity: ManagedIdentity | None = None) -> TokenSource:
        return TokenSource(
            FolderStore(self.folder),
            authority_url=self.simulator.url,
            graph_url=BUS if identity is not None else self.simulator.url,
            ca_bundle=self.simulator.ca_file,
            monotonic=self.clock,
            voucher=voucher,
            managed_identity=identity,
        )


@pytest.fixture
async def host(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ManagedIdentityHost]:
    async with managed_identity_host(rsa.generate_private_key(public_exponent=65537, key_size=2048)) as host:
        for name, value in host.environment.items():
            monkeypatch.setenv(name, value)
        yield host


@pytest.fixture
async def world(host: ManagedIdentityHost, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    async with Simulator(tmp_path / "simulator") as simulator:
        registered = simulator.add_application()
        registered.federated.append(host.credential)
        application = Application(
            account_name="laboratory",
            used_for=MAILBOX,
            tenant_id=registered.tenant_id,
            client_id=registered.client_id,
            thumbprint=NO_CERTIFICATE,
        )
        yield World(simulator, host, application, tmp_path, clock)


async def test_a_managed_identity_vouches_for_the_application_of_an_account(world: World) -> None:
    """No certificate is needed, nor is there any."""
    tokens = world.tokens(ManagedIdentity(None))
    first = await tokens.token(world.application)
    assert await tokens.token(world.application) == first
    assert [each["resource"] for each in world.host.requests] == ["api://AzureADTokenExchange"]
    assert tokens.certificate_in_use(world.application) is None


async def test_a_managed_identity_opens_a_service_itself(world: World) -> None:
    """The token is that of the endpoint, renewed before it ends; the sign-in service is not asked."""
    tokens = world.tokens(identity=ManagedIdentity(CLIENT_ID))
    token, seconds = await tokens.expiring(world.application)
    assert token
    assert 3500 < seconds <= 3600
    world.clock.seconds += 3400
    assert await tokens.token(world.application)
    assert [(each["resource"], each["client_id"]) for each in world.host.requests] == [(BUS, CLIENT_ID)] * 2
    assert world.simulator.tokens.issued == 0


async def test_the_token_file_of_a_workload_is_read_at_each_sign_in(world: World) -> None:
    """The cluster replaces it: the one of the start would end within the hour."""
    file = world.folder / "token"
    file.write_text(f"{world.host.token()}\n")
    tokens = world.tokens(WorkloadIdentity(file))
    first = await tokens.token(world.application)
    file.write_text(world.host.token(sub="another"))
    world.clock.seconds += 7200
    with pytest.raises(SignInRefused, match="AADSTS700213: No matching federated identity record") as refused:
        await tokens.token(world.application)
    assert refused.value.aadsts == 700213
    assert "federated credential" in str(refused.value)
    assert "by the identity of this host" in str(refused.value)
    file.write_text(world.host.token())
    world.clock.seconds += 60
    assert await tokens.token(world.application) != first


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://oidc.example/other"}, 700211),
        ({"sub": "system:serviceaccount:other:mail-importer"}, 700213),
        ({"aud": "api://other"}, 700212),
    ],
)
async def test_an_identity_that_the_application_does_not_trust(world: World, claims: dict[str, str], code: int) -> None:
    file = world.folder / "token"
    file.write_text(world.host.token(**claims))
    with pytest.raises(SignInRefused) as refused:
        await world.tokens(WorkloadIdentity(file)).token(world.application)
    assert refused.value.aadsts == code
    assert "exactly this issuer, subject and audience" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        ("", "it holds no token"),
        ("a.b", "it holds no token"),
        ("x" * 70_000, "larger than 65536 bytes"),
    ],
)
async def test_a_token_file_that_is_none(tmp_path: Path, content: str | None, why: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SignInRefused, match=why) as refused:
        await WorkloadIdentity(file).assertion(MAILBOX)
    assert str(file) in str(refused.value)
    assert MAILBOX in str(refused.value)
    assert "azure.workload.identity/use" in str(refused.value)


@pytest.mark.usefixtures("host")
async def test_an_identity_that_the_host_has_not_is_refused() -> None:
    with pytest.raises(SignInRefused, match="No User Assigned identity found") as refused:
        await ManagedIdentity("44444444-4444-4444-8444-444444444444").token(BUS, "Azure Service Bus")
    assert "managed_identity_client_id" in str(refused.value)
    assert "Azure Service Bus" in str(refused.value)


@pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
async def test_a_fault_of_the_endpoint_passes(world: World, status: int) -> None:
    world.host.answers.append((status, {"statusCode": status, "message": "later"}, {"Retry-After": "7"}))
    identity = ManagedIdentity(None)
    with pytest.raises(GraphUnavailable, match=f"status {status}") as unavailable:
        await identity.token(BUS, "Azure Service Bus")
    assert unavailable.value.retry_after == 7
    assert (await identity.token(BUS, "Azure Service Bus")).token


async def test_a_response_of_something_else_is_refused(world: World) -> None:
    world.host.answers.append((200, {"hello": "world"}, {}))
    with pytest.raises(SignInRefused, match="got no token"):
        await ManagedIdentity(None).token(BUS, "Azure Service Bus")


async def test_a_host_without_endpoint_is_unavailable_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a host of Azure whose agent is not up yet, so it is tried again."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    with pytest.raises(GraphUnavailable, match="endpoint of managed identities cannot be reached") as unavailable:
        await ManagedIdentity(None).token(BUS, "Azure Service Bus")
    assert "graph_credential" in str(unavailable.value)


async def test_an_endpoint_that_does_not_answer_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    hung_up = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "x")
        with pytest.raises(GraphUnavailable, match="did not answer in time"):
            await ManagedIdentity(None, read_seconds=0.2).token(BUS, "Azure Service Bus")
        await hung_up.wait()


@pytest.mark.usefixtures("host")
async def test_the_endpoint_is_asked_without_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would get the host's secret, and cannot reach the endpoint."""
    proxy = Proxy()
    with proxy.running() as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert (await ManagedIdentity(None).token(BUS, "Azure Service Bus")).token
    assert not proxy.targets


async def test_nothing_secret_is_in_any_representation(world: World) -> None:
    tokens = world.tokens(identity=ManagedIdentity(CLIENT_ID))
    token = await tokens.token(world.application)
    assert token not in f"{tokens!r}{tokens._held!r}{ManagedIdentity(CLIENT_ID)!r}"
