"""A running simulator with an application, a mailbox, a receiver for its notifications, and a client that trusts it."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import requests
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from yarl import URL

from simulator.api.delivery import DeliveryRules
from simulator.simulator import Simulator
from simulator.state.mailboxes import Mailbox
from simulator.state.subscriptions import SubscriptionRules
from simulator.state.tenants import Application

KeyPair = tuple[str, str]


def make_pair(*, expired: bool = False) -> KeyPair:
    """Return private key and self-signed certificate, both PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail-importer test")])
    end = datetime.now(UTC) + timedelta(days=-1 if expired else 30)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=60))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode(), certificate.public_bytes(Encoding.PEM).decode()


@pytest.fixture(scope="session")
def pair() -> KeyPair:
    return make_pair()


@pytest.fixture(scope="session")
def other_pair() -> KeyPair:
    return make_pair()


@pytest.fixture(scope="session")
def expired_pair() -> KeyPair:
    return make_pair(expired=True)


@pytest.fixture
def now() -> list[datetime]:
    """The simulated time, to be moved by a test: `now[0] += …`."""
    return [datetime.now(UTC)]


@pytest.fixture
async def sim(tmp_path: Path, now: list[datetime]) -> AsyncIterator[Simulator]:
    simulator = Simulator(
        tmp_path / "simulator",
        clock=lambda: now[0],
        delivery=DeliveryRules(window_secs=0.02, backoff_secs=0.02, first_timeout_secs=20.0, retry_timeout_secs=20.0),
        subscriptions=SubscriptionRules(validation_timeout_secs=1.0, list_page=3),
    )
    async with simulator:
        yield simulator


@pytest.fixture
def application(sim: Simulator) -> Application:
    return sim.add_application()


@pytest.fixture
def mailbox(sim: Simulator, application: Application) -> Mailbox:
    return sim.add_mailbox("laboratoire@riviere.example", "Laboratoire", application.tenant_id)


@pytest.fixture
async def graph(sim: Simulator, application: Application) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with a valid token and immutable ids; its URLs are relative to the simulator's."""
    token, _ = sim.tokens.issue(application, sim.url)
    headers = {"Authorization": f"Bearer {token}", "Prefer": 'IdType="ImmutableId"'}
    connector = aiohttp.TCPConnector(ssl=sim.authority.client_context())
    async with aiohttp.ClientSession(sim.url, headers=headers, connector=connector) as session:
        yield session


@pytest.fixture
def message_url(sim: Simulator, mailbox: Mailbox) -> Callable[..., URL]:
    """Return the URL of a message, its id percent-encoded as one segment, with what follows it."""

    def build(message_id: str, rest: str = "") -> URL:
        path = f"/v1.0/users/{mailbox.user_id}/messages/{quote(message_id, safe='')}{rest}"
        return URL(sim.url + path, encoded=True)

    return build


@pytest.fixture
def sign_in(sim: Simulator, application: Application) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Return a sign-in by MSAL; each call is a new object, for MSAL replays refusals (docs/graph.md, section 9)."""

    def blocking(
        key: KeyPair,
        client_id: str | None = None,
        tenant_id: str | None = None,
        scope: str | None = None,
        thumbprint: str | None = None,
        url: str | None = None,
        ca_file: str | None = None,
    ) -> dict[str, Any]:
        base = url or sim.url
        with requests.Session() as session:
            # Otherwise REQUESTS_CA_BUNDLE of the machine overrides `verify`.
            session.trust_env = False
            session.verify = ca_file or str(sim.ca_file)
            credential = {"private_key": key[0]}
            credential |= {"thumbprint": thumbprint} if thumbprint else {"public_certificate": key[1]}
            # Imported this way, it is the same to mypy with or without types in MSAL.
            msal: Any = importlib.import_module("msal")
            client = msal.ConfidentialClientApplication(
                client_id or application.client_id,
                authority=f"{base}/{tenant_id or application.tenant_id}",
                client_credential=credential,
                instance_discovery=False,
                http_client=session,
            )
            result: dict[str, Any] = client.acquire_token_for_client([scope or f"{base}/.default"])
            return result

    async def call(key: KeyPair, **changed: str) -> dict[str, Any]:
        return await asyncio.to_thread(blocking, key, **changed)

    return call


@pytest.fixture
def validations() -> list[tuple[str, str]]:
    """Path with query and token of each handshake the receiver saw."""
    return []


@pytest.fixture
def received() -> list[dict[str, Any]]:
    """The bodies the receiver was sent, each with the path in `path`."""
    return []


@pytest.fixture
def answers() -> list[int]:
    """The statuses the receiver gives to the next notifications, first to last; then 202. 0: none at all."""
    return []


@pytest.fixture
def handshake_answer() -> dict[str, Any]:
    """Deviations of the receiver in a handshake: `status`, `content_type`, `text`, `delay`."""
    return {}


@pytest.fixture
async def receiver_url(
    validations: list[tuple[str, str]],
    received: list[dict[str, Any]],
    answers: list[int],
    handshake_answer: dict[str, Any],
) -> AsyncIterator[str]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        token = request.query.get("validationToken")
        if token is not None:
            assert request.content_type == "text/plain"
            validations.append((request.path_qs, token))
            await asyncio.sleep(handshake_answer.get("delay", 0))
            return web.Response(
                status=handshake_answer.get("status", 200),
                text=handshake_answer.get("text", token),
                content_type=handshake_answer.get("content_type", "text/plain"),
            )
        received.append({**await request.json(), "path": request.path_qs})
        status = answers.pop(0) if answers else 202
        if not status:
            await asyncio.sleep(5)
        return web.Response(status=status)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def subscription_body(mailbox: Mailbox, receiver_url: str, now: list[datetime]) -> dict[str, Any]:
    """A subscription to the inbox in the product's form."""
    return {
        "changeType": "created",
        "resource": f"users/{mailbox.user_id}/mailFolders('inbox')/messages",
        "notificationUrl": f"{receiver_url}/notifications",
        "lifecycleNotificationUrl": f"{receiver_url}/lifecycle",
        "expirationDateTime": (now[0] + timedelta(days=2)).isoformat(),
        "clientState": "a-secret",
        "latestSupportedTlsVersion": "v1_2",
    }
