"""Signing in at Entra: the simulator plays the service, the console and the browser are real."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select
from yarl import URL

from console.web.bearer import new_token
from console.web.pages.sign_in import ENTRA_ANSWER, FLOW_COOKIE
from console.web.rights import Role
from console.web.tokens import key_of
from console.web.visit import SESSION_COOKIE
from db.queries import console_activity, console_users
from db.queries.console_sessions import LOCAL
from db.tables import console_session
from graph.certificates import Certificate, write_pair
from simulator.simulator import Simulator
from simulator.state.tenants import Application
from simulator.state.users import User
from tests.databases import Gateway
from tests.integration.web.console_site import Answer, Browser, ConsoleSite, console_site
from tests.integration.world import Clock

HOST = "https://console.example.net"


@dataclass
class Tenant:
    """A console whose users sign in at a simulated tenant."""

    site: ConsoleSite
    sim: Simulator
    application: Application
    user: User
    clock: Clock
    web: aiohttp.ClientSession

    async def begun(self, browser: Browser, wanted: str = "/") -> URL:
        """The address at Entra to which the console sends the browser."""
        await browser.get("/sign-in")
        answer = await browser.get(f"/sign-in/entra?next={wanted}")
        assert answer.status == 303, answer.text
        return URL(answer.location)

    async def answered(self, at_entra: URL, user: User | None = None) -> str:
        """The path and query with which Entra sends the browser back."""
        address = at_entra.update_query(login_hint=(user or self.user).username, prompt="none")
        async with self.web.get(address, allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            location = URL(response.headers["Location"])
        assert str(location).startswith(HOST + ENTRA_ANSWER)
        return location.raw_path_qs

    async def sign_in(self, browser: Browser, wanted: str = "/", user: User | None = None) -> Answer:
        """Sign in; the answer of the console to what Entra sent."""
        return await browser.get(await self.answered(await self.begun(browser, wanted), user))


@pytest.fixture
async def tenant(tmp_path: Path, gateway: Gateway, certificate: Certificate) -> AsyncIterator[Tenant]:
    folder = tmp_path / "certificates"
    write_pair(certificate, folder, "console")
    clock = Clock()
    async with Simulator(tmp_path / "simulator") as sim:
        application = sim.add_application()
        application.redirect_uris = (HOST + ENTRA_ANSWER, HOST + "/sign-in")
        sim.register_certificate(application.tenant_id, application.client_id, certificate.public_pem.encode())
        user = sim.add_user("marie@riviere.example", "Marie Rivière", roles=("Operator",), groups=("g1",))
        settings: dict[str, Any] = {
            "console_auth": "entra",
            "console_url": HOST,
            "console_tenant_id": application.tenant_id,
            "console_client_id": application.client_id,
            "console_thumbprint": certificate.thumbprint,
            "certificate_store": str(folder),
            "authority_url": sim.url,
            "graph_url": sim.url,
            "ca_bundle": sim.ca_file,
        }
        connector = aiohttp.TCPConnector(ssl=sim.authority.client_context())
        async with (
            aiohttp.ClientSession(connector=connector) as web,
            console_site(gateway, clock=clock, **settings) as site,
        ):
            yield Tenant(site, sim, application, user, clock, web)


async def test_a_user_signs_in_at_entra(tenant: Tenant) -> None:
    browser = tenant.site.visitor()
    answer = await tenant.sign_in(browser, "/about")
    assert (answer.status, answer.location) == (303, "/about")
    assert FLOW_COOKIE not in browser.cookies
    page = await browser.get("/me")
    assert "marie@riviere.example" in page.text
    assert "<dd>operator</dd>" in page.text
    assert "max-age" in page.headers["Strict-Transport-Security"]
    assert (await browser.get("/users")).status == 403
    noted = tenant.site.read(lambda connection: console_activity.latest(connection, limit=5))
    assert [(each.action, each.who) for each in noted] == [("signed_in", "marie@riviere.example")]


async def test_the_refresh_token_is_readable_with_the_cookie_alone(tenant: Tenant) -> None:
    browser = tenant.site.visitor()
    await tenant.sign_in(browser)
    sealed = tenant.site.read(lambda each: each.scalar(select(console_session.c.sSealedToken)))
    assert sealed
    assert browser.cookies[SESSION_COOKIE] not in sealed
    assert "refresh" not in sealed


async def test_a_role_taken_at_entra_ends_within_five_minutes(tenant: Tenant) -> None:
    browser = tenant.site.visitor()
    await tenant.sign_in(browser)
    tenant.user.roles = ("Viewer",)
    tenant.clock.advance(minutes=5)
    assert "<dd>viewer</dd>" in (await browser.get("/me")).text
    tenant.user.roles = ()
    tenant.clock.advance(minutes=5)
    assert (await browser.get("/")).status == 303


async def test_a_disabled_user_is_out_within_five_minutes(tenant: Tenant) -> None:
    browser = tenant.site.visitor()
    await tenant.sign_in(browser)
    tenant.user.enabled = False
    tenant.clock.advance(minutes=5)
    assert (await browser.get("/")).status == 303


async def test_a_user_without_a_role_stays_outside(tenant: Tenant) -> None:
    stranger = tenant.sim.add_user("jean@riviere.example", "Jean", roles=())
    browser = tenant.site.visitor()
    answer = await tenant.sign_in(browser, user=stranger)
    assert answer.status == 403
    assert SESSION_COOKIE not in browser.cookies


async def test_the_answer_of_another_browser_signs_nobody_in(tenant: Tenant) -> None:
    thief, victim = tenant.site.visitor(), tenant.site.visitor()
    path = await tenant.answered(await tenant.begun(thief))
    await tenant.begun(victim)
    for browser in (victim, tenant.site.visitor()):
        answer = await browser.get(path)
        assert answer.status in {400, 401}
        assert SESSION_COOKIE not in browser.cookies


async def test_an_answer_is_used_once(tenant: Tenant) -> None:
    browser = tenant.site.visitor()
    path = await tenant.answered(await tenant.begun(browser))
    kept = dict(browser.cookies)
    assert (await browser.get(path)).status == 303
    again = tenant.site.visitor()
    again.cookies = kept
    assert (await again.get(path)).status == 401


async def test_entra_that_does_not_answer_keeps_rights_for_five_minutes_at_most(tenant: Tenant) -> None:
    browser = tenant.site.visitor()
    await tenant.sign_in(browser)
    await tenant.sim.stop()
    tenant.clock.advance(minutes=4, seconds=30)
    assert (await browser.get("/")).status == 200
    tenant.clock.advance(minutes=1)
    assert (await browser.get("/")).status == 503


async def test_a_sign_in_cannot_begin_while_entra_does_not_answer(tenant: Tenant) -> None:
    await tenant.sim.stop()
    browser = tenant.site.visitor()
    await browser.get("/sign-in")
    answer = await browser.get("/sign-in/entra")
    assert answer.status == 503
    assert "cannot be reached" in answer.text


async def test_signing_out_of_entra_leads_back(tenant: Tenant) -> None:
    browser = tenant.site.visitor()
    assert "/sign-in/entra/out" in (await browser.get("/sign-in")).text
    at_entra = URL((await browser.get("/sign-in/entra/out")).location)
    async with tenant.web.get(at_entra, allow_redirects=False) as answer:
        assert answer.headers["Location"] == f"{HOST}/sign-in"


async def test_what_passwords_opened_is_closed_where_entra_is_set(tenant: Tenant) -> None:
    """A session and a token of the time before."""
    site = tenant.site
    site.add_user("jean", Role.ADMINISTRATOR)
    user = site.read(lambda connection: console_users.by_name(connection, "jean"))
    session = await site.services.sessions.begin(
        LOCAL, str(user.user_id), "jean", roles=frozenset({Role.ADMINISTRATOR}), groups=(), address="127.0.0.1"
    )
    assert session is not None
    browser = site.visitor()
    browser.cookies[SESSION_COOKIE] = session.session_id or ""
    assert (await browser.get("/about")).status == 303
    token, now = new_token(os.urandom), site.services.clock()
    site.write(
        lambda connection: console_users.add_token(
            connection, user.user_id, "old", key_of(token), now=now, life=timedelta(days=1)
        )
    )
    assert (await site.visitor().get("/api/v1/status", Authorization=f"Bearer {token}")).status == 401


async def test_passwords_are_refused_where_entra_is_set(tenant: Tenant) -> None:
    answer = await tenant.site.visitor().sign_in("marie")
    assert answer.status == 404
