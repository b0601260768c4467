import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from graph.certificates import Certificate, CertificateStore, make_self_signed, write_pair
from graph.client import GraphClient, open_session
from graph.errors import AccessDenied, CertificateError, GraphUnavailable, SignInRefused
from graph.mailbox import Mailbox
from graph.messages import MailReader
from graph.token import TokenSource
from simulator.calls import Operation
from simulator.faults import Fault, FaultKind
from simulator.simulator import Simulator
from tests.unit.graph.scripted import Clock, make_mailbox

UNKNOWN = "11111111-2222-4333-8444-555555555555"


@dataclass
class World:
    """The simulator with one application and one mailbox, and what the product needs to use them."""

    simulator: Simulator
    mailbox: Mailbox
    store: CertificateStore
    clock: Clock

    def tokens(self, **options: Any) -> TokenSource:  # noqa: ANN401 (options of TokenSource)
        settings: dict[str, Any] = {
            "authority_url": self.simulator.url,
            "graph_url": self.simulator.url,
            "ca_bundle": self.simulator.ca_file,
            "monotonic": self.clock,
        }
        return TokenSource(self.store, **{**settings, **options})

    @property
    def issued(self) -> int:
        return int(self.simulator.tokens.issued)

    def asked(self, operation: Operation = Operation.TOKEN) -> int:
        return int(self.simulator.statistics()["calls"].get(str(operation), 0))


@pytest.fixture(autouse=True)
async def all_closed() -> AsyncIterator[None]:
    """Lets the servers notice that msal hung up; the loop would else end before their sockets are closed."""
    yield
    transports: Any = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]  # asyncio tells it nowhere else
    async with asyncio.timeout(5):
        while any(transport._sock is not None for transport in transports.values()):  # noqa: ASYNC110 (nothing else announces it)
            await asyncio.sleep(0.001)


@pytest.fixture
async def world(tmp_path: Path, self_signed: Certificate, clock: Clock) -> AsyncIterator[World]:
    write_pair(self_signed, tmp_path / "certificates", "mail")
    async with Simulator(tmp_path / "simulator") as simulator:
        application = simulator.add_application()
        box = simulator.add_mailbox("support@example.net", "Support", application.tenant_id)
        simulator.register_certificate(application.tenant_id, application.client_id, self_signed.public_pem.encode())
        mailbox = make_mailbox(
            tenant_id=application.tenant_id,
            client_id=application.client_id,
            user_id=box.user_id,
            thumbprint=self_signed.thumbprint,
        )
        yield World(simulator, mailbox, CertificateStore(tmp_path / "certificates"), clock)


async def test_a_good_certificate_signs_in_and_opens_the_mailbox(world: World) -> None:
    async with open_session(world.simulator.url, ca_bundle=world.simulator.ca_file) as session:
        reader = MailReader(GraphClient(session, world.tokens(), base_url=world.simulator.url))
        folder = await reader.probe(world.mailbox)
    assert folder["displayName"]


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"])
async def test_the_environment_does_not_decide_whom_we_trust(
    name: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad"
    bad.write_text("machine 127.0.0.1 login x password y\n")
    monkeypatch.setenv(name, str(bad))
    assert await world.tokens().token(world.mailbox)


async def test_without_the_bundle_the_simulator_is_not_trusted(world: World) -> None:
    with pytest.raises(GraphUnavailable, match="ca_bundle"):
        await world.tokens(ca_bundle=None).token(world.mailbox)


async def test_fifty_callers_make_one_sign_in(world: World) -> None:
    tokens = world.tokens()
    got = await asyncio.gather(*(tokens.token(world.mailbox) for _ in range(50)))
    assert len(set(got)) == 1
    assert world.asked() == world.issued == 1
    assert got[0] not in repr(tokens)
    assert got[0] not in repr(tokens._held)


async def test_a_held_token_never_leaves_the_event_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = world.tokens()
    await tokens.token(world.mailbox)

    def refuse(*_: object) -> None:
        pytest.fail("a thread was started")

    monkeypatch.setattr(asyncio, "to_thread", refuse)
    assert await tokens.token(world.mailbox)


async def test_a_token_is_renewed_five_minutes_early(world: World) -> None:
    tokens = world.tokens()
    first = await tokens.token(world.mailbox)
    world.clock.seconds += 3599 - 301
    assert await tokens.token(world.mailbox) == first
    world.clock.seconds += 2
    assert await tokens.token(world.mailbox) != first
    assert world.issued == 2


async def test_while_one_renews_the_others_go_on_with_the_old_one(world: World) -> None:
    tokens = world.tokens()
    first = await tokens.token(world.mailbox)
    world.clock.seconds += 3400
    got = await asyncio.gather(*(tokens.token(world.mailbox) for _ in range(10)))
    assert len(set(got)) == 2
    assert got.count(first) == 9
    assert world.issued == 2


async def test_a_failed_renewal_leaves_the_old_token_in_use(world: World) -> None:
    tokens = world.tokens()
    first = await tokens.token(world.mailbox)
    world.clock.seconds += 3400
    world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN))
    with capture_logs() as logs:
        assert await tokens.token(world.mailbox) == first
    assert [entry["event"] for entry in logs] == ["token_renewal_failed"]
    assert first not in str(logs)
    asked = world.asked()
    assert await tokens.token(world.mailbox) == first
    assert world.asked() == asked
    world.clock.seconds += 200
    with pytest.raises(SignInRefused):
        await tokens.token(world.mailbox)


async def test_a_certificate_that_is_not_uploaded_is_refused_with_advice(world: World, tmp_path: Path) -> None:
    from graph.certificates import make_self_signed
    from tests.unit.graph.scripted import NOW

    stranger = make_self_signed("stranger", now=NOW, key_bits=2048)
    write_pair(stranger, tmp_path / "certificates", "stranger")
    with pytest.raises(SignInRefused) as caught:
        await world.tokens().token(replace(world.mailbox, thumbprint=stranger.thumbprint))
    assert caught.value.aadsts == 700027
    assert "Upload the .cer" in caught.value.advice
    assert "Support" in str(caught.value)
    assert stranger.thumbprint in str(caught.value)


async def test_an_unknown_tenant_is_refused(world: World) -> None:
    with pytest.raises(SignInRefused) as caught:
        await world.tokens().token(replace(world.mailbox, tenant_id=UNKNOWN))
    assert "tenant id" in caught.value.advice
    assert caught.value.aadsts == 90002


async def test_an_unknown_application_is_refused(world: World) -> None:
    with pytest.raises(SignInRefused) as caught:
        await world.tokens().token(replace(world.mailbox, client_id=UNKNOWN))
    assert caught.value.aadsts == 700016


async def test_an_unknown_number_has_advice_too(world: World) -> None:
    world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, code=424242))
    with pytest.raises(SignInRefused) as caught:
        await world.tokens().token(world.mailbox)
    assert caught.value.aadsts == 424242
    assert "code=424242" in caught.value.advice


@pytest.mark.parametrize("code", [90033, 90012, 90024, 90006])
async def test_some_numbers_pass_by_themselves(code: int, world: World) -> None:
    world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, code=code))
    with pytest.raises(GraphUnavailable):
        await world.tokens().token(world.mailbox)


async def test_a_refusal_is_remembered_for_a_moment(world: World) -> None:
    tokens = world.tokens()
    world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, count=1))
    results = await asyncio.gather(*(tokens.token(world.mailbox) for _ in range(32)), return_exceptions=True)
    assert {type(result) for result in results} == {SignInRefused}
    assert len({id(result) for result in results}) == 32
    assert world.asked() == 1
    world.clock.seconds += 6
    assert await tokens.token(world.mailbox)


async def test_after_a_401_one_fresh_token_and_one_retry(world: World) -> None:
    tokens = world.tokens()
    world.simulator.faults.add(Fault(FaultKind.UNAUTHORIZED, count=1))
    async with open_session(world.simulator.url, ca_bundle=world.simulator.ca_file) as session:
        reader = MailReader(GraphClient(session, tokens, base_url=world.simulator.url))
        assert await reader.probe(world.mailbox)
        assert world.issued == 2
        world.simulator.faults.add(Fault(FaultKind.UNAUTHORIZED))
        with pytest.raises(AccessDenied):
            await reader.probe(world.mailbox)
        assert world.issued == 2  # the fresh token was seconds old


async def test_a_token_already_replaced_is_not_fetched_again(world: World) -> None:
    tokens = world.tokens()
    first = await tokens.token(world.mailbox)
    fresh = await asyncio.gather(*(tokens.fresh(world.mailbox, first) for _ in range(20)))
    assert len(set(fresh)) == 1
    assert fresh[0] != first
    assert world.issued == 2


async def test_a_missing_certificate_names_the_account(world: World) -> None:
    with pytest.raises(CertificateError, match="Support"):
        await world.tokens().token(replace(world.mailbox, thumbprint="CD" * 20))
    assert world.asked() == 0


async def test_a_self_signed_certificate_needs_the_column_at_zero(world: World) -> None:
    with pytest.raises(CertificateError, match="bSecureCertificateAccess"):
        await world.tokens().token(replace(world.mailbox, secure_certificate_access=True))
    assert world.asked() == 0


async def test_http_is_refused(world: World) -> None:
    with pytest.raises(SignInRefused, match="https"):
        await world.tokens(authority_url="http://127.0.0.1:1").token(world.mailbox)


async def test_no_connection_is_unavailable(world: World) -> None:
    with pytest.raises(GraphUnavailable, match="cannot be reached"):
        await world.tokens(authority_url="https://127.0.0.1:1").token(world.mailbox)


def test_a_bad_bundle_is_told_at_once(world: World, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ca_bundle"):
        world.tokens(ca_bundle=tmp_path / "none.pem")


# --- Answers the simulator does not give ---

Respond = Callable[[web.Request], web.Response]


@dataclass
class Odd:
    url: str = ""
    discovery: Respond | None = None
    token: Respond | None = None

    async def handle(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            if self.discovery is not None:
                return self.discovery(request)
            base = f"{self.url}/t"
            return web.json_response(
                {"issuer": base, "authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token"}
            )
        assert self.token is not None
        return self.token(request)


@pytest.fixture
async def odd(world: World) -> AsyncIterator[Odd]:
    script = Odd()
    issued = world.simulator.issue_certificate("odd")
    context: ssl.SSLContext = issued.server_context()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    script.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield script
    await runner.cleanup()


def html(status: int, **headers: str) -> Respond:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.Response(status=status, text="<html>", content_type="text/html", headers=named)


@pytest.mark.parametrize("status", [200, 403, 429, 500, 503])
@pytest.mark.parametrize("where", ["discovery", "token"])
async def test_answers_that_are_not_the_sign_in_services_are_transient(
    where: str, status: int, odd: Odd, world: World
) -> None:
    setattr(odd, where, html(status, Retry_After="9"))
    with pytest.raises(GraphUnavailable) as caught:
        await world.tokens(authority_url=odd.url).token(world.mailbox)
    assert caught.value.status == status
    assert caught.value.retry_after == 9


async def test_a_redirect_does_not_carry_the_assertion_away(odd: Odd, world: World) -> None:
    seen: list[str] = []

    def redirect(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": f"{odd.url}/elsewhere"})

    odd.token = redirect
    with pytest.raises(GraphUnavailable):
        await world.tokens(authority_url=odd.url).token(world.mailbox)
    assert seen == ["/t/token"]


async def test_temporarily_unavailable_is_transient(odd: Odd, world: World) -> None:
    odd.token = lambda _: web.json_response({"error": "temporarily_unavailable"}, status=400)
    with pytest.raises(GraphUnavailable):
        await world.tokens(authority_url=odd.url).token(world.mailbox)


async def test_a_short_lived_token_is_renewed_at_half_its_life(odd: Odd, world: World) -> None:
    count = iter(range(10))
    odd.token = lambda _: web.json_response(
        {"access_token": f"t{next(count)}", "expires_in": 100, "token_type": "Bearer"}
    )
    tokens = world.tokens(authority_url=odd.url)
    assert await tokens.token(world.mailbox) == "t0"
    world.clock.seconds += 49
    assert await tokens.token(world.mailbox) == "t0"
    world.clock.seconds += 2
    assert await tokens.token(world.mailbox) == "t1"


@dataclass
class Pair:
    """The mailbox with a current and a next certificate; `swap` changes what is uploaded at Entra."""

    world: World
    mailbox: Mailbox
    current: Certificate
    following: Certificate

    def upload(self, *certificates: Certificate) -> None:
        simulator, mailbox = self.world.simulator, self.mailbox
        for each in (self.current, self.following):
            simulator.unregister_certificate(mailbox.tenant_id, mailbox.client_id, each.thumbprint)
        for each in certificates:
            simulator.register_certificate(mailbox.tenant_id, mailbox.client_id, each.public_pem.encode())


@pytest.fixture
def pair(world: World, self_signed: Certificate, tmp_path: Path) -> Pair:
    following = make_self_signed("next", now=datetime.now(UTC), key_bits=2048)
    write_pair(following, tmp_path / "certificates", "next")
    mailbox = replace(world.mailbox, next_thumbprint=following.thumbprint.lower())
    return Pair(world, mailbox, self_signed, following)


async def test_sign_in_falls_over_to_the_next_certificate_and_back(pair: Pair) -> None:
    """When Entra no longer takes the one; that is told once, and the one that did is asked first from then on."""
    tokens = pair.world.tokens()
    assert tokens.certificate_in_use(pair.mailbox) is None
    first = await tokens.token(pair.mailbox)
    assert tokens.certificate_in_use(pair.mailbox) == pair.current.thumbprint
    pair.upload(pair.following)
    asked = pair.world.asked()
    with capture_logs() as events:
        second = await tokens.fresh(pair.mailbox, first)
        assert pair.world.asked() == asked + 2
        pair.world.clock.seconds += 60
        third = await tokens.fresh(pair.mailbox, second)
    assert pair.world.asked() == asked + 3
    assert tokens.certificate_in_use(pair.mailbox) == pair.following.thumbprint
    assert [event["event"] for event in events] == ["certificate_fell_over"]
    pair.upload(pair.current)
    pair.world.clock.seconds += 60
    await tokens.fresh(pair.mailbox, third)
    assert tokens.certificate_in_use(pair.mailbox) == pair.current.thumbprint


async def test_a_certificate_that_is_missing_here_is_fallen_over_from(pair: Pair) -> None:
    """Its file was taken away before its row was changed."""
    pair.upload(pair.following)
    mailbox = replace(pair.mailbox, thumbprint="CD" * 20)
    tokens = pair.world.tokens()
    await tokens.token(mailbox)
    assert tokens.certificate_in_use(mailbox) == pair.following.thumbprint


async def test_when_neither_certificate_does_both_are_told(pair: Pair) -> None:
    """With what to do about the current one."""
    pair.upload()
    with pytest.raises(SignInRefused) as refusal:
        await pair.world.tokens().token(pair.mailbox)
    said = str(refusal.value)
    assert pair.current.thumbprint in said
    assert pair.following.thumbprint in said.upper()
    assert "Upload the .cer file" in said
    assert refusal.value.aadsts == 700027


async def test_what_is_not_the_certificates_fault_is_not_tried_again_with_another(pair: Pair) -> None:
    """A disabled application stays disabled."""
    pair.world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, code=7000112))
    with pytest.raises(SignInRefused):
        await pair.world.tokens().token(pair.mailbox)
    assert pair.world.asked() == 1


def test_the_end_of_a_certificate_is_known_without_its_key(pair: Pair) -> None:
    """However its thumbprint was pasted."""
    spaced = " ".join(pair.following.thumbprint)
    assert pair.world.store.expiry(spaced) == pair.following.not_after
    with pytest.raises(CertificateError, match="is not in the folder"):
        pair.world.store.expiry("EF" * 20)
