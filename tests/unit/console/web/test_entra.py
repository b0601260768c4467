"""Sign-in through Entra against the simulator over HTTPS: what is accepted, and how each forgery is refused."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import capture_logs
from yarl import URL

from console.web.entra import EntraSignIn, Flow, SignedInUser
from console.web.entra_errors import (
    EntraSignInError,
    RejectionReason,
    SignInEnded,
    SignInMisconfigured,
    SignInRejected,
    SignInUnavailable,
    refuse,
)
from graph.certificates import Certificate, FolderStore, make_self_signed, write_pair
from simulator.api.signing import TokenSigner
from simulator.calls import Operation
from simulator.faults import Fault, FaultKind
from simulator.simulator import Simulator
from simulator.state.tenants import Application
from simulator.state.users import User
from tests.doubles.scripted_graph import Clock

ANSWER = "https://console.example.net/sign-in/entra/answer"
OTHER = "99999999-2222-4333-8444-555555555555"
Claims = dict[str, Any]


@dataclass
class World:
    """The simulator with the console's registration and a user, and a browser."""

    sim: Simulator
    application: Application
    user: User
    folder: Path
    certificate: Certificate
    browser: aiohttp.ClientSession
    clock: Clock
    seconds_on: float = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds_on)

    def console(self, **options: Any) -> EntraSignIn:  # noqa: ANN401  # options of EntraSignIn
        settings: dict[str, Any] = {
            "authority_url": self.sim.url,
            "tenant_id": self.application.tenant_id,
            "client_id": self.application.client_id,
            "thumbprint": self.certificate.thumbprint,
            "ca_bundle": self.sim.ca_file,
            "monotonic": self.clock,
            "now": self.now,
        }
        return EntraSignIn(FolderStore(self.folder), **{**settings, **options})

    async def answer(self, flow: Flow, user: User | None = None) -> dict[str, str]:
        """Return the query with which Entra sends the browser of a signed-in user back."""
        url = URL(flow.url).update_query(login_hint=(user or self.user).username, prompt="none")
        async with self.browser.get(url, allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            location = URL(response.headers["Location"])
        assert str(location.with_query(None)) == ANSWER
        return dict(location.query)

    async def signed_in(self, console: EntraSignIn) -> SignedInUser:
        flow = await console.begin(ANSWER)
        return await console.complete(flow, await self.answer(flow), now=self.now())

    async def application_token(self, console: EntraSignIn, scope: str | None = None) -> str:
        """Return a token of the application itself, by the console's own exchange."""
        scope = scope or f"api://{self.application.client_id}/.default"
        result = await console._exchange.call(
            lambda client: client.acquire_token_for_client([scope]), lambda *_: never()
        )
        return str(result["access_token"])

    def asked(self, operation: Operation) -> int:
        return int(self.sim.statistics()["calls"].get(str(operation), 0))


def never() -> EntraSignInError:
    raise AssertionError("refused")


@pytest.fixture(scope="session")
def certificate() -> Certificate:
    return make_self_signed("console", now=datetime.now(UTC), key_bits=2048)


@pytest.fixture(scope="session")
def signing_key() -> rsa.RSAPrivateKey:
    """The first key of each simulator, made once to save time."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
async def world(tmp_path: Path, certificate: Certificate, signing_key: rsa.RSAPrivateKey) -> AsyncIterator[World]:
    folder = tmp_path / "certificates"
    write_pair(certificate, folder, "console")
    async with Simulator(tmp_path / "simulator") as sim:
        sim.signer._keys.append(signing_key)
        application = sim.add_application()
        application.redirect_uris = (ANSWER,)
        sim.register_certificate(application.tenant_id, application.client_id, certificate.public_pem.encode())
        user = sim.add_user("marie@riviere.example", "Marie Rivière", roles=("Operator",), groups=("g1", "g2"))
        connector = aiohttp.TCPConnector(ssl=sim.authority.client_context())
        async with aiohttp.ClientSession(connector=connector) as browser:
            yield World(sim, application, user, folder, certificate, browser, Clock())


async def rejected(world: World, **options: Any) -> SignInRejected:  # noqa: ANN401  # options of `World.console`
    with pytest.raises(SignInRejected) as caught:
        await world.signed_in(world.console(**options))
    return caught.value


def forge(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Claims], str] | None = None,
    **changed: object,
) -> None:
    """Have the sign-in service issue tokens with other claims, or made otherwise; None removes a claim."""
    genuine = world.sim.signer.sign

    def sign(claims: Claims) -> str:
        claims = {name: value for name, value in {**claims, **changed}.items() if value is not None}
        return make(claims) if make is not None else genuine(claims)

    monkeypatch.setattr(world.sim.signer, "sign", sign)


def by_hand(header: dict[str, str], claims: Claims, signature: Callable[[bytes], bytes]) -> str:
    signed = b".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
    return (signed + b"." + _base64url(signature(signed))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


async def test_a_person_signs_in_with_roles_and_groups(world: World) -> None:
    console = world.console()
    flow = await console.begin(ANSWER, prompt="select_account")
    query = URL(flow.url).query
    assert (query["prompt"], query["code_challenge_method"], query["response_type"]) == (
        "select_account",
        "S256",
        "code",
    )
    kept = Flow.from_json(flow.to_json())
    assert kept == replace(flow, url="")
    user = await console.complete(kept, await world.answer(flow), now=world.now())
    assert user == SignedInUser(
        subject=world.user.object_id,
        tenant_id=world.application.tenant_id,
        name="Marie Rivière",
        username="marie@riviere.example",
        roles=frozenset({"Operator"}),
        groups=frozenset({"g1", "g2"}),
        groups_known=True,
        refresh_token=user.refresh_token,
    )
    assert user.refresh_token
    for secret in (user.refresh_token, flow.code_verifier, flow.msal_nonce, flow.state):
        assert secret not in repr(user) + repr(flow) + repr(console)


async def test_two_sign_ins_share_no_secret_and_one_discovery(world: World) -> None:
    console = world.console()
    one, other = await console.begin(ANSWER), await console.begin(ANSWER)
    assert len({one.state, other.state, one.nonce, other.nonce, one.code_verifier, other.code_verifier}) == 6
    assert world.asked(Operation.DISCOVERY) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"created": 1}', "x" * 5000])
def test_a_text_that_is_no_flow_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any text will do
        Flow.from_json(text)


async def test_an_answer_with_another_state_or_none_is_refused_without_a_request(world: World) -> None:
    console = world.console()
    flow = await console.begin(ANSWER)
    query = await world.answer(flow)
    for changed in ({"state": "other"}, {"state": ""}, {"state": "é"}):
        with pytest.raises(SignInRejected) as caught:
            await console.complete(flow, {**query, **changed}, now=world.now())
        assert caught.value.reason is RejectionReason.STATE
    with pytest.raises(SignInRejected):
        await console.complete(flow, {"code": query["code"]}, now=world.now())
    assert world.asked(Operation.TOKEN) == 0


async def test_an_answer_without_a_code_or_with_an_endless_one_is_refused(world: World) -> None:
    console = world.console()
    flow = await console.begin(ANSWER)
    for code in ("", "x" * 10_000):
        with pytest.raises(SignInRejected) as caught:
            await console.complete(flow, {"state": flow.state, "code": code}, now=world.now())
        assert caught.value.reason is RejectionReason.MALFORMED


async def test_an_answer_after_fifteen_minutes_is_too_late(world: World) -> None:
    console = world.console()
    flow = await console.begin(ANSWER)
    query = await world.answer(flow)
    with pytest.raises(SignInRejected) as caught:
        await console.complete(flow, query, now=flow.created + timedelta(minutes=15, seconds=1))
    assert caught.value.reason is RejectionReason.TOO_LATE


async def test_who_cancels_or_is_not_assigned_learns_why(world: World) -> None:
    console = world.console()
    flow = await console.begin(ANSWER)
    cancelled = {"error": "access_denied", "error_description": "AADSTS65004: User declined.", "state": flow.state}
    with pytest.raises(SignInRejected, match="cancelled") as caught:
        await console.complete(flow, cancelled, now=world.now())
    assert (caught.value.reason, caught.value.aadsts) == (RejectionReason.DENIED, 65004)
    world.application.assignment_required = True
    world.user.roles = ()
    with pytest.raises(SignInRejected, match="Users and groups") as caught:
        await console.complete(flow, await world.answer(flow), now=world.now())
    assert (caught.value.reason, caught.value.aadsts) == (RejectionReason.DENIED, 50105)


async def test_a_code_is_refused_the_second_time(world: World) -> None:
    console = world.console()
    flow = await console.begin(ANSWER)
    query = await world.answer(flow)
    await console.complete(flow, query, now=world.now())
    with pytest.raises(SignInRejected, match="used already") as caught:
        await console.complete(flow, query, now=world.now())
    assert (caught.value.reason, caught.value.aadsts) == (RejectionReason.CODE, 54005)
    assert query["code"] not in str(caught.value)


async def test_a_code_of_another_persons_sign_in_is_refused_by_pkce(world: World) -> None:
    """The code is injected into the victim's flow: state is the victim's, the verifier does not fit."""
    console = world.console()
    attackers, victims = await console.begin(ANSWER), await console.begin(ANSWER)
    code = (await world.answer(attackers))["code"]
    with pytest.raises(SignInRejected, match="another sign-in") as caught:
        await console.complete(victims, {"state": victims.state, "code": code}, now=world.now())
    assert (caught.value.reason, caught.value.aadsts) == (RejectionReason.CODE, 501481)
    assert victims.code_verifier not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"nonce": "other"}, RejectionReason.NONCE),
        ({"nonce": None}, RejectionReason.NONCE),
        ({"iss": f"https://login.microsoftonline.com/{OTHER}/v2.0"}, RejectionReason.ISSUER),
        ({"iss": None}, RejectionReason.ISSUER),
        ({"aud": OTHER}, RejectionReason.AUDIENCE),
        ({"aud": None}, RejectionReason.AUDIENCE),
        ({"tid": OTHER}, RejectionReason.TENANT),
        ({"tid": None}, RejectionReason.MALFORMED),
        ({"oid": None}, RejectionReason.MALFORMED),
        ({"oid": 7}, RejectionReason.MALFORMED),
        ({"exp": None}, RejectionReason.MALFORMED),
        ({"exp": "tomorrow"}, RejectionReason.MALFORMED),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch, changed: Claims, reason: RejectionReason
) -> None:
    forge(world, monkeypatch, **changed)
    assert (await rejected(world)).reason is reason


async def test_an_audience_among_others_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forge(world, monkeypatch, aud=[world.application.client_id, OTHER])
    assert (await rejected(world)).reason is RejectionReason.AUDIENCE


@pytest.mark.parametrize(
    ("claim", "seconds", "reason"),
    [
        ("exp", -290, None),
        ("exp", -310, RejectionReason.EXPIRED),
        ("nbf", 290, None),
        ("nbf", 310, RejectionReason.NOT_YET_VALID),
        ("iat", 310, RejectionReason.NOT_YET_VALID),
    ],
)
async def test_clocks_may_differ_by_five_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch, claim: str, seconds: int, reason: RejectionReason | None
) -> None:
    forge(world, monkeypatch, None, **{claim: int(datetime.now(UTC).timestamp()) + seconds})
    if reason is None:
        assert (await world.signed_in(world.console())).subject == world.user.object_id
    else:
        assert (await rejected(world)).reason is reason


def _other_key(world: World, claims: Claims) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(claims, key, "RS256", headers={"kid": world.sim.signer.key_set()["keys"][0]["kid"]})


def _unpublished_key(_: World, claims: Claims) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(claims, key, "RS256", headers={"kid": "mine"})


def _unsigned(_: World, claims: Claims) -> str:
    return jwt.encode(claims, "", algorithm="none")


def _public_key_as_secret(world: World, claims: Claims) -> str:
    """HS256 with the published key as secret: a verifier that trusts the header would accept it."""
    public = jwt.PyJWK(world.sim.signer.key_set()["keys"][0], algorithm="RS256").key
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": world.sim.signer.key_set()["keys"][0]["kid"]}
    return by_hand(header, claims, lambda signed: hmac.new(secret, signed, hashlib.sha256).digest())


def _claims_exchanged(world: World, claims: Claims) -> str:
    """The genuine signature of other claims."""
    header, _, signature = TokenSigner.sign(world.sim.signer, claims).split(".")
    return f"{header}.{_base64url(json.dumps({**claims, 'roles': ['Administrator']}).encode()).decode()}.{signature}"


@pytest.mark.parametrize(
    "make",
    [_other_key, _unpublished_key, _unsigned, _public_key_as_secret, _claims_exchanged],
    ids=lambda m: m.__name__,
)
async def test_a_token_that_entra_did_not_sign_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, make: Callable[[World, Claims], str]
) -> None:
    forge(world, monkeypatch, lambda claims: make(world, claims))
    assert (await rejected(world)).reason is RejectionReason.SIGNATURE


async def test_a_token_that_cannot_be_read_is_refused_and_not_quoted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for token in ("a.b.c", "eyJhbGciOiJSUzI1NiJ9", "x" * 40_000):
        with monkeypatch.context() as patch:
            patch.setattr(world.sim.signer, "sign", mock.Mock(return_value=token))
            error = await rejected(world)
        assert error.reason in {RejectionReason.MALFORMED, RejectionReason.SIGNATURE}
        assert token not in str(error)


async def test_a_tenant_of_somebody_else_is_refused(world: World) -> None:
    """The same application, in a tenant that is not the configured one."""
    world.sim.tenants.add(replace(world.application, tenant_id=OTHER))
    there = world.sim.add_user("eve@elsewhere.example", "Eve", OTHER, roles=("Administrator",))
    console = world.console()
    flow = await console.begin(ANSWER)
    elsewhere = replace(flow, url=flow.url.replace(world.application.tenant_id, OTHER))
    code = (await world.answer(elsewhere, there))["code"]
    with pytest.raises(SignInRejected) as caught:
        await console.complete(flow, {"state": flow.state, "code": code}, now=world.now())
    assert caught.value.reason is RejectionReason.CODE


async def test_too_many_groups_for_a_token_are_not_known(world: World) -> None:
    world.user.groups = tuple(str(uuid4()) for _ in range(201))
    user = await world.signed_in(world.console())
    assert (user.groups, user.groups_known) == (frozenset(), False)
    world.user.groups = ()
    user = await world.signed_in(world.console())
    assert (user.groups, user.groups_known) == (frozenset(), True)


async def test_a_role_of_no_meaning_here_is_ignored_and_logged_once(world: World) -> None:
    world.user.roles = ("Reader", "Root", "viewer")
    console = world.console()
    with capture_logs() as logged:
        assert (await world.signed_in(console)).roles == {"Reader"}
        assert (await world.signed_in(console)).roles == {"Reader"}
    assert [entry["role"] for entry in logged if entry["event"] == "entra_role_unknown"] == ["Root", "viewer"]


async def test_a_refresh_reads_the_rights_again(world: World) -> None:
    console = world.console()
    user = await world.signed_in(console)
    world.user.roles = ("Viewer",)
    world.user.groups = ()
    renewed = await console.refresh(user.refresh_token or "")
    assert (renewed.roles, renewed.groups, renewed.subject) == (frozenset({"Viewer"}), frozenset(), user.subject)
    world.user.roles = ()
    renewed = await console.refresh(renewed.refresh_token or "")
    assert renewed.roles == frozenset()


def _disable(world: World) -> None:
    world.user.enabled = False


def _revoke(world: World) -> None:
    world.user.sessions += 1


def _delete(world: World) -> None:
    world.sim.users.remove(world.user)


def _unassign(world: World) -> None:
    world.application.assignment_required = True
    world.user.roles = ()


@pytest.mark.parametrize(
    ("end", "aadsts"),
    [
        (_disable, 50057),
        (_revoke, 50173),
        (_delete, 50034),
        (_unassign, 50105),
    ],
    ids=["disabled", "revoked", "deleted", "unassigned"],
)
async def test_the_session_ends_when_entra_says_so(world: World, end: Callable[[World], object], aadsts: int) -> None:
    console = world.console()
    user = await world.signed_in(console)
    assert user.refresh_token
    end(world)
    with pytest.raises(SignInEnded) as caught:
        await console.refresh(user.refresh_token)
    assert caught.value.aadsts == aadsts
    assert caught.value.advice
    assert user.refresh_token not in str(caught.value)


@pytest.mark.parametrize("token", ["", "never issued", "x" * 20_000])
async def test_a_refresh_token_that_is_none_ends_the_session(world: World, token: str) -> None:
    with pytest.raises(SignInEnded):
        await world.console().refresh(token)


async def test_a_forged_renewal_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    console = world.console()
    user = await world.signed_in(console)
    forge(world, monkeypatch, lambda claims: _other_key(world, claims))
    with pytest.raises(SignInRejected) as caught:
        await console.refresh(user.refresh_token or "")
    assert caught.value.reason is RejectionReason.SIGNATURE


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.UNAVAILABLE, operation=Operation.TOKEN, status=503),
        Fault(FaultKind.THROTTLED, operation=Operation.TOKEN),
        Fault(FaultKind.SIGN_IN_REFUSED, code=90033),
        Fault(FaultKind.RESET, operation=Operation.TOKEN),
        Fault(FaultKind.TRUNCATED, operation=Operation.TOKEN),
    ],
    ids=lambda fault: str(fault.kind),
)
async def test_a_service_that_does_not_serve_is_unavailable(world: World, fault: Fault) -> None:
    console = world.console()
    user = await world.signed_in(console)
    world.sim.faults.add(fault)
    with pytest.raises(SignInUnavailable):
        await console.refresh(user.refresh_token or "")
    world.sim.faults.clear()
    await console.refresh(user.refresh_token or "")


@pytest.mark.parametrize("answer", [{}, {"error": ["x"]}, {"error": "server_error", "error_codes": 7}, {"error": ""}])
def test_an_answer_that_is_none_of_entras_is_no_refusal(answer: dict[str, Any]) -> None:
    with pytest.raises(SignInUnavailable):
        refuse(answer, 200, lambda *_: never())


async def test_a_service_that_cannot_be_reached_or_trusted_is_unavailable(world: World) -> None:
    with pytest.raises(SignInUnavailable, match="ca_bundle"):
        await world.console(ca_bundle=None).begin(ANSWER)
    world.sim.faults.add(Fault(FaultKind.HANG, operation=Operation.DISCOVERY, count=1))
    with pytest.raises(SignInUnavailable, match="in time"):
        await world.console(read_seconds=0.2).begin(ANSWER)
    await world.sim.stop()
    with pytest.raises(SignInUnavailable, match="no connection"):
        await world.console().begin(ANSWER)


async def test_a_missing_certificate_is_told_before_anybody_signs_in(world: World) -> None:
    for path in world.folder.iterdir():
        path.unlink()
    with pytest.raises(SignInMisconfigured, match=world.certificate.thumbprint):
        await world.console().begin(ANSWER)


async def test_an_expired_certificate_is_told_before_anybody_signs_in(world: World) -> None:
    world.seconds_on = timedelta(days=36_500).total_seconds()
    with pytest.raises(SignInMisconfigured, match="console_thumbprint"):
        await world.console().begin(ANSWER)


async def test_a_certificate_that_entra_does_not_know_is_the_administrators_matter(world: World) -> None:
    world.sim.unregister_certificate(
        world.application.tenant_id, world.application.client_id, world.certificate.thumbprint
    )
    with pytest.raises(SignInMisconfigured, match="Certificates & secrets") as caught:
        await world.signed_in(world.console())
    assert caught.value.aadsts == 700027


async def test_an_unknown_tenant_and_ids_that_are_none_are_told(world: World) -> None:
    with pytest.raises(SignInMisconfigured, match="console_tenant_id"):
        await world.console(tenant_id=OTHER).begin(ANSWER)
    for name in ("tenant_id", "client_id"):
        with pytest.raises(ValueError, match=f"console_{name}"):
            world.console(**{name: "contoso.example"})


async def test_keys_are_read_once_and_for_an_unknown_one_again_each_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = world.console()
    await world.signed_in(console)
    await world.signed_in(console)
    assert world.asked(Operation.SIGNING_KEYS) == 1
    with monkeypatch.context() as patch:
        forge(world, patch, lambda claims: _unpublished_key(world, claims))
        for _ in range(3):
            with pytest.raises(SignInRejected):
                await world.signed_in(console)
        assert world.asked(Operation.SIGNING_KEYS) == 1
    world.sim.signer.rotate()
    with pytest.raises(SignInRejected):
        await world.signed_in(console)
    world.clock.seconds += 61
    await world.signed_in(console)
    assert world.asked(Operation.SIGNING_KEYS) == 2
    world.clock.seconds += 86_400
    await world.signed_in(console)
    assert world.asked(Operation.SIGNING_KEYS) == 3


async def test_keys_that_cannot_be_read_are_asked_for_once_in_five_seconds(world: World) -> None:
    console = world.console()
    world.sim.faults.add(Fault(FaultKind.UNAVAILABLE, operation=Operation.SIGNING_KEYS, status=503, count=1))
    for _ in range(3):
        with pytest.raises(SignInUnavailable):
            await world.signed_in(console)
    assert world.asked(Operation.SIGNING_KEYS) == 1
    world.clock.seconds += 5
    await world.signed_in(console)


async def test_signing_out_leads_through_entra_and_back(world: World) -> None:
    url = world.console().sign_out_url(ANSWER)
    async with world.browser.get(URL(url, encoded=True), allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, ANSWER)


async def test_an_application_is_known_by_its_token(world: World) -> None:
    console = world.console()
    world.application.api_roles = {world.application.client_id: ("Viewer", "Unknown")}
    caller = await console.verify_access_token(await world.application_token(console))
    assert (caller.application_id, caller.tenant_id) == (world.application.client_id, world.application.tenant_id)
    assert caller.subject == world.application.service_principal_id
    assert caller.roles == {"Viewer"}
    assert timedelta() < caller.expires - world.now() <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"scp": "access_as_user"}, RejectionReason.NOT_AN_APPLICATION),
        ({"sub": "a pairwise one"}, RejectionReason.NOT_AN_APPLICATION),
        ({"idtyp": "user"}, RejectionReason.NOT_AN_APPLICATION),
        ({"azp": None}, RejectionReason.NOT_AN_APPLICATION),
        ({"aud": OTHER}, RejectionReason.AUDIENCE),
        ({"iss": f"https://sts.windows.net/{OTHER}/"}, RejectionReason.ISSUER),
        ({"exp": 1}, RejectionReason.EXPIRED),
        ({"tid": OTHER}, RejectionReason.TENANT),
    ],
)
async def test_the_token_of_an_application_is_verified_as_fully(
    world: World, monkeypatch: pytest.MonkeyPatch, changed: Claims, reason: RejectionReason
) -> None:
    forge(world, monkeypatch, **changed)
    console = world.console()
    token = await world.application_token(console)
    with pytest.raises(SignInRejected) as caught:
        await console.verify_access_token(token)
    assert caught.value.reason is reason
    assert token not in str(caught.value)


async def test_the_id_token_of_a_person_is_no_access_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have the console as audience."""
    issued: list[str] = []
    genuine = world.sim.signer.sign

    def sign(claims: Claims) -> str:
        issued.append(genuine(claims))
        return issued[-1]

    monkeypatch.setattr(world.sim.signer, "sign", sign)
    console = world.console()
    await world.signed_in(console)
    with pytest.raises(SignInRejected) as caught:
        await console.verify_access_token(issued[0])
    assert caught.value.reason is RejectionReason.NOT_AN_APPLICATION


@pytest.mark.parametrize("token", ["", "mi1.secret", "é.\udcff.x", _base64url(b"[" * 20_000).decode() + ".e30.AA"])
async def test_any_text_as_bearer_token_is_refused(world: World, token: str) -> None:
    with pytest.raises(SignInRejected):
        await world.console().verify_access_token(token)
