"""Sign-in of people by the rules of Entra: the page, codes, ID tokens, refresh tokens, and tokens for an own API."""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import aiohttp
import jwt
import pytest
from yarl import URL

from simulator.api.signin import ASSERTION_TYPE
from simulator.control_client import ControlRefused, SimulatorControl
from simulator.simulator import Simulator
from simulator.state.tenants import Application, read_certificate
from simulator.state.users import User

KeyPair = tuple[str, str]
ANSWER = "https://console.example.net/sign-in/entra/answer"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Console:
    """An application that signs people in, by hand-made requests."""

    def __init__(self, sim: Simulator, application: Application, pair: KeyPair, now: list[datetime]) -> None:
        self.sim, self.application, self.pair, self.now = sim, application, pair, now
        connector = aiohttp.TCPConnector(ssl=sim.authority.client_context())
        self.session = aiohttp.ClientSession(sim.url, connector=connector)

    @property
    def root(self) -> str:
        return f"/{self.application.tenant_id}/oauth2/v2.0"

    def request(self, **changed: str | None) -> dict[str, str]:
        values: dict[str, str | None] = {
            "client_id": self.application.client_id,
            "response_type": "code",
            "redirect_uri": ANSWER,
            "scope": "openid profile offline_access",
            "state": "a state",
            "nonce": "a nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changed,
        }
        return {name: value for name, value in values.items() if value is not None}

    async def authorize(self, **changed: str | None) -> tuple[int, str]:
        """Return the status, and the page or the address redirected to."""
        asked = self.session.get(f"{self.root}/authorize", params=self.request(**changed), allow_redirects=False)
        async with asked as response:
            return response.status, response.headers.get("Location") or await response.text()

    async def answer(self, **changed: str | None) -> dict[str, str]:
        status, location = await self.authorize(**changed)
        assert status == 302, location
        assert location.startswith(f"{ANSWER}?")
        return dict(URL(location).query)

    async def code(self, user: User) -> str:
        return (await self.answer(login_hint=user.username, prompt="none"))["code"]

    async def token(self, **form: str) -> tuple[int, dict[str, Any]]:
        moment = self.now[0]
        claims = {
            "aud": f"{self.sim.url}{self.root}/token",
            "iss": self.application.client_id,
            "sub": self.application.client_id,
            "jti": str(uuid4()),
            "exp": int((moment + timedelta(minutes=5)).timestamp()),
        }
        x5t_s256 = read_certificate(self.pair[1].encode()).x5t_s256
        data = {
            "client_id": self.application.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.encode(claims, self.pair[0], "PS256", headers={"x5t#S256": x5t_s256}),
            **form,
        }
        async with self.session.post(f"{self.root}/token", data=data) as response:
            return response.status, await response.json()

    async def redeem(self, code: str, **changed: str) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": ANSWER, "code_verifier": VERIFIER}
        return await self.token(**{**form, **changed})

    async def refresh(self, token: str) -> tuple[int, dict[str, Any]]:
        return await self.token(grant_type="refresh_token", refresh_token=token, scope="openid")

    async def verified(self, token: str) -> dict[str, Any]:
        """Return the claims, verified by the published keys."""
        async with self.session.get(f"/{self.application.tenant_id}/discovery/v2.0/keys") as response:
            keys = jwt.PyJWKSet.from_dict(await response.json())
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=self.application.client_id,
            issuer=f"{self.sim.url}/{self.application.tenant_id}/v2.0",
        )
        return claims


@pytest.fixture
async def console(sim: Simulator, pair: KeyPair, now: list[datetime]) -> AsyncIterator[Console]:
    now[0] = datetime.now(UTC)
    application = sim.add_application()
    application.redirect_uris = (ANSWER, "https://console.example.net/sign-in")
    sim.register_certificate(application.tenant_id, application.client_id, pair[1].encode())
    made = Console(sim, application, pair, now)
    yield made
    await made.session.close()


@pytest.fixture
def user(sim: Simulator, console: Console) -> User:
    tenant = console.application.tenant_id
    return sim.add_user("marie@riviere.example", "Marie Rivière", tenant, roles=("Viewer",), groups=("group-1",))


async def test_a_code_is_worth_a_signed_token_with_name_roles_and_groups(console: Console, user: User) -> None:
    answer = await console.answer(login_hint="MARIE@riviere.example", prompt="none")
    assert answer["state"] == "a state"
    status, tokens = await console.redeem(answer["code"])
    assert status == 200
    claims = await console.verified(tokens["id_token"])
    told = ("oid", "tid", "preferred_username", "name", "roles", "groups", "nonce", "ver")
    assert [claims[name] for name in told] == [
        user.object_id,
        user.tenant_id,
        "marie@riviere.example",
        "Marie Rivière",
        ["Viewer"],
        ["group-1"],
        "a nonce",
        "2.0",
    ]
    assert claims["sub"] != user.object_id


async def test_the_page_lists_the_users_and_works_by_its_form_alone(console: Console, user: User) -> None:
    """No script: the button of a user sends what the page was asked, and a name is no markup."""
    console.sim.add_user("eve@riviere.example", "<b>Eve</b>", user.tenant_id)
    status, page = await console.authorize(login_hint=user.username)
    assert status == 200
    assert "<script" not in page
    assert "<b>" not in page
    form = _Form(page)
    assert form.buttons == ["marie@riviere.example", "eve@riviere.example"]
    assert "code" in await console.answer(**form.fields, login_hint=form.buttons[0])


async def test_who_cancels_is_sent_back_with_access_denied(console: Console) -> None:
    answer = await console.answer(simulator_cancelled="1")
    assert (answer["error"], answer["state"]) == ("access_denied", "a state")


async def test_a_stranger_or_another_address_is_never_redirected_to(console: Console, user: User) -> None:
    for changed in ({"redirect_uri": f"{ANSWER}/x"}, {"client_id": str(uuid4())}):
        status, page = await console.authorize(login_hint=user.username, prompt="none", **changed)
        assert status == 400
        assert "AADSTS" in page


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": None}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"nonce": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"login_hint": "nobody@riviere.example"}, "login_required"),
    ],
)
async def test_a_wrong_request_goes_back_with_its_error(
    console: Console, user: User, changed: dict[str, str | None], error: str
) -> None:
    wanted: dict[str, str | None] = {"login_hint": user.username, "prompt": "none", **changed}
    assert (await console.answer(**wanted))["error"] == error


async def test_assignment_can_be_required(console: Console, user: User) -> None:
    console.application.assignment_required = True
    code = await console.code(user)
    user.roles = ()
    assert (await console.redeem(code))[1]["error_codes"] == [50105]
    answer = await console.answer(login_hint=user.username, prompt="none")
    assert answer["error"] == "access_denied"
    assert answer["error_description"].startswith("AADSTS50105: ")


async def test_a_code_is_good_once_for_ten_minutes_with_its_verifier_and_address(
    console: Console, user: User, now: list[datetime]
) -> None:
    code = await console.code(user)
    assert (await console.redeem(code, code_verifier="w" * 64))[1]["error_codes"] == [501481]
    assert (await console.redeem(code, redirect_uri="https://console.example.net/sign-in"))[1]["error_codes"] == [
        500112
    ]
    assert (await console.redeem(f"{code}x"))[1]["error_codes"] == [70000]
    assert (await console.redeem(code))[0] == 200
    assert (await console.redeem(code))[1]["error_codes"] == [54005]
    late = await console.code(user)
    now[0] += timedelta(minutes=10)
    assert (await console.redeem(late))[1]["error_codes"] == [70008]


async def test_a_refresh_token_gives_the_rights_of_now_and_another_one(console: Console, user: User) -> None:
    _, tokens = await console.redeem(await console.code(user))
    user.roles = ("Operator",)
    status, renewed = await console.refresh(tokens["refresh_token"])
    assert status == 200
    assert renewed["refresh_token"] != tokens["refresh_token"]
    claims = await console.verified(renewed["id_token"])
    assert claims["roles"] == ["Operator"]
    assert "nonce" not in claims


async def test_the_control_api_makes_changes_and_removes_users(console: Console) -> None:
    """A disabled user, ended sessions and a deleted user each have their own code."""
    application = console.application
    async with SimulatorControl(console.sim.url, console.sim.ca_file) as control:
        made = await control.add_user("jean@riviere.example", roles=("Viewer",))
        assert [each["object_id"] for each in await control.users()] == [made["object_id"]]
        user = console.sim.users.find(application.tenant_id, made["object_id"])
        assert user is not None
        _, tokens = await console.redeem(await console.code(user))
        await control.change_user(user.username, enabled=False)
        assert (await console.refresh(tokens["refresh_token"]))[1]["error_codes"] == [50057]
        await control.change_user(user.username, enabled=True, roles=("Administrator",), groups=("g",))
        status, tokens = await console.refresh(tokens["refresh_token"])
        claims = await console.verified(tokens["id_token"])
        assert (status, claims["roles"], claims["groups"]) == (200, ["Administrator"], ["g"])
        await control.change_user(user.username, revoked=True)
        assert (await console.refresh(tokens["refresh_token"]))[1]["error_codes"] == [50173]
        await control.remove_user(user.username)
        assert (await console.refresh(tokens["refresh_token"]))[1]["error_codes"] == [50034]
        with pytest.raises(ControlRefused):
            await control.remove_user(user.username)
        await control.set_sign_in(
            application.tenant_id, application.client_id, redirect_uris=("https://x",), assignment_required=True
        )
    assert (application.redirect_uris, application.assignment_required) == (("https://x",), True)


async def test_more_than_200_groups_are_named_by_a_source_only(console: Console, user: User) -> None:
    user.groups = tuple(str(uuid4()) for _ in range(201))
    _, tokens = await console.redeem(await console.code(user))
    claims = await console.verified(tokens["id_token"])
    assert "groups" not in claims
    assert claims["_claim_names"] == {"groups": "src1"}


async def test_signing_out_returns_to_registered_addresses_only(console: Console) -> None:
    for target, status in (("https://console.example.net/sign-in", 302), ("https://elsewhere.example/", 200)):
        params = {"post_logout_redirect_uri": target}
        asked = console.session.get(f"{console.root}/logout", params=params, allow_redirects=False)
        async with asked as response:
            assert response.status == status
            assert response.headers.get("Location") == (target if status == 302 else None)


async def test_a_token_for_the_own_api_is_signed_and_names_the_callers_roles(console: Console) -> None:
    api = console.application.client_id
    console.application.api_roles = {api: ("Operator",)}
    status, tokens = await console.token(grant_type="client_credentials", scope=f"api://{api}/.default")
    assert status == 200
    claims = await console.verified(tokens["access_token"])
    assert (claims["roles"], claims["azp"], claims["oid"]) == (["Operator"], api, claims["sub"])


async def test_a_new_key_is_published_beside_the_last_one(console: Console, user: User) -> None:
    _, before = await console.redeem(await console.code(user))
    console.sim.signer.rotate()
    _, after = await console.redeem(await console.code(user))
    assert await console.verified(before["id_token"])
    assert await console.verified(after["id_token"])


class _Form(HTMLParser):
    """The fields and buttons of the first form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str | None] = {}
        self.buttons: list[str] = []
        self.feed(page.partition("</form>")[0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "input":
            self.fields[values["name"] or ""] = values["value"]
        elif tag == "button":
            self.buttons.append(values["value"] or "")
