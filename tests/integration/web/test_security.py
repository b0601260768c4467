"""Demands of every route: a session, a role, a form of this session; and the headers of every answer."""

import asyncio
import gzip
import io
import re
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import yarl

from console.web.pages import ROUTES
from console.web.rights import Role
from console.web.routes import GET, POST, Route
from console.web.tokens import key_of
from console.web.visit import SESSION_COOKIE, VISITOR_COOKIE
from db.queries import console_activity, console_sessions, console_users
from tests.databases import Gateway
from tests.doubles.clock import SettableClock
from tests.integration.web.console_site import PASSWORD, Browser, ConsoleSite, console_site

_PAGES = [each for each in ROUTES if each.needs is not None and not each.is_api]
_BELOW: dict[Role, tuple[Role, ...]] = {
    Role.VIEWER: (Role.READER,),  # a reader alone has no page
    Role.OPERATOR: (Role.VIEWER, Role.READER),
    Role.ADMINISTRATOR: (Role.OPERATOR, Role.READER),
    Role.READER: (Role.ADMINISTRATOR,),
}


def _address(route: Route) -> str:
    return re.sub(r"\{[^}]*\}", "1", route.path)


async def _asked(browser: Browser, route: Route) -> Any:  # noqa: ANN401  # an answer
    return await (browser.get(_address(route)) if route.method == GET else browser.post(_address(route)))


async def test_no_route_answers_without_a_session(site: ConsoleSite) -> None:
    visitor = site.visitor()
    await visitor.get("/sign-in")
    for route in _PAGES:
        answer = await _asked(visitor, route)
        assert (answer.status, answer.location[:9]) == (303, "/sign-in?"), route.path


async def test_no_route_answers_below_its_role(site: ConsoleSite) -> None:
    browsers = {roles: await site.signed_in(*roles) for roles in set(_BELOW.values()) if roles != (Role.READER,)}
    site.add_user("reader", Role.READER)
    reader = site.visitor()
    assert (await reader.sign_in("reader")).status == 303
    browsers[(Role.READER,)] = reader
    for route in _PAGES:
        assert route.needs is not None
        answer = await _asked(browsers[_BELOW[route.needs]], route)
        assert answer.status == 403, route.path


async def test_no_form_is_accepted_without_its_token(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR, Role.READER)
    other = await site.signed_in(Role.OPERATOR)
    for csrf in ("", "0" * 64, other.csrf):
        for route in ROUTES:
            if route.method == POST and not route.is_api:
                browser.csrf = csrf
                answer = await browser.post(_address(route))
                assert answer.status == 403, route.path


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_no_form_of_another_site_is_accepted(site: ConsoleSite, headers: dict[str, str]) -> None:
    browser = await site.signed_in(Role.VIEWER)
    assert (await browser.post("/sign-out", None, **headers)).status == 403
    assert (await browser.get("/")).status == 200


async def test_only_posts_change_something(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.VIEWER)
    assert (await browser.get("/sign-out")).status == 405
    assert (await browser.get("/")).status == 200


async def test_every_answer_has_the_headers(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR)
    for path in ("/", "/sign-in", "/nothing", "/static/console.css", "/about"):
        headers = (await browser.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "Server" not in headers
        cached = "immutable" in headers["Cache-Control"]
        assert cached == path.startswith("/static/"), path


async def test_nothing_but_the_static_files_is_found_beside_them(site: ConsoleSite) -> None:
    for name in ("x" * 5000, "", ".", "%2e%2e/start.py", "..%2fstart.py", "console.css/", "%00", "console.css%00"):
        async with site.session.get(yarl.URL(f"{site.url}/static/{name}", encoded=True)) as answer:
            assert answer.status == 404, name


async def test_no_page_has_a_script_or_style_of_its_own(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR, Role.READER)
    for route in _PAGES:
        if route.method == GET and "{" not in route.path and not route.path.endswith("/events"):
            text = (await browser.get(route.path)).text
            assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=|javascript:", text), route.path


async def test_cookies_are_for_this_host_and_no_script(site: ConsoleSite) -> None:
    visitor = site.visitor()
    first = await visitor.get("/sign-in")
    cookie = first.headers["Set-Cookie"]
    assert cookie.startswith("__Host-visitor=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


async def test_a_session_fixed_before_is_no_session_after(site: ConsoleSite) -> None:
    site.add_user("marie", Role.VIEWER)
    browser = site.visitor()
    browser.cookies |= {SESSION_COOKIE: "chosen-by-another", VISITOR_COOKIE: "chosen-by-another"}
    assert (await browser.sign_in("marie")).status == 303
    assert browser.cookies[SESSION_COOKIE] != "chosen-by-another"
    thief = site.visitor()
    thief.cookies[SESSION_COOKIE] = "chosen-by-another"
    assert (await thief.get("/")).status == 303


async def test_the_database_opens_no_session(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.VIEWER)
    stored = key_of(browser.cookies[SESSION_COOKIE])
    assert site.read(lambda connection: console_sessions.find(connection, stored)) is not None
    thief = site.visitor()
    thief.cookies[SESSION_COOKIE] = stored
    assert (await thief.get("/")).status == 303


async def test_a_session_ends_when_idle_and_at_last(gateway: Gateway) -> None:
    clock = SettableClock()
    async with console_site(gateway, clock=clock, console_idle_minutes=30, console_session_hours=2) as site:
        idle, busy = await site.signed_in(Role.VIEWER), await site.signed_in(Role.OPERATOR)
        for _ in range(5):
            clock.advance(timedelta(minutes=20))
            assert (await busy.get("/")).status == 200
        assert (await idle.get("/")).status == 303
        clock.advance(timedelta(minutes=20))
        assert (await busy.get("/")).status == 303


async def test_signing_out_everywhere(site: ConsoleSite) -> None:
    here, there = await site.signed_in(Role.VIEWER), await site.signed_in(Role.VIEWER)
    assert (await there.post("/me/sign-out-everywhere")).status == 303
    for browser in (here, there):
        assert (await browser.get("/")).status == 303


async def test_rights_that_are_taken_end_within_five_minutes(gateway: Gateway) -> None:
    clock = SettableClock()
    async with console_site(gateway, clock=clock) as site:
        administrator = await site.signed_in(Role.ADMINISTRATOR)
        operator = await site.signed_in(Role.OPERATOR)
        await administrator.get("/users")
        await administrator.post("/users/operator", {"role": "Viewer", "groups": ""})
        removed = await site.signed_in(Role.VIEWER)
        assert (await administrator.post("/users/viewer/remove")).status == 303
        assert (await removed.get("/")).status == 303
        clock.advance(timedelta(minutes=5))
        assert "<dd>viewer</dd>" in (await operator.get("/me")).text


async def test_the_last_administrator_stays(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR)
    for path, fields in (("", {"role": "Viewer", "groups": ""}), ("/remove", {})):
        answer = await browser.post(f"/users/administrator{path}", fields)
        assert (answer.status, "The last administrator stays" in answer.text) == (400, True)
    assert (await browser.get("/users")).status == 200
    site.add_user("marie", Role.ADMINISTRATOR)
    assert (await browser.post("/users/administrator/remove")).status == 303


async def test_wrong_passwords_are_limited_by_user_and_by_address(gateway: Gateway) -> None:
    clock = SettableClock()
    async with console_site(gateway, clock=clock) as site:
        site.add_user("marie", Role.VIEWER)
        site.add_user("jean", Role.VIEWER)
        browser = site.visitor()
        for _ in range(10):
            assert (await browser.sign_in("marie", "wrong")).status == 401
        assert (await browser.sign_in("marie")).status == 429
        assert (await browser.sign_in("jean")).status == 303
        clock.advance(timedelta(minutes=16))
        assert (await browser.sign_in("marie")).status == 303
        failed = site.read(lambda each: console_activity.latest(each, limit=50))
        assert sum(each.action == "sign_in_failed" for each in failed) == 10


async def test_a_stranger_locks_nobody_out(gateway: Gateway) -> None:
    async with console_site(gateway, clock=SettableClock(), console_local_remote=True) as site:
        site.add_user("marie", Role.VIEWER)
        limits = site.services.sign_in_limits
        for _ in range(30):
            await limits.begin("marie", "203.0.113.7")
        assert not await limits.begin("marie", "203.0.113.7")
        assert (await site.visitor().sign_in("marie")).status == 303


async def test_no_more_passwords_are_tried_however_many_come_at_once(gateway: Gateway) -> None:
    async with console_site(gateway, clock=SettableClock()) as site:
        site.add_user("marie", Role.VIEWER)
        browsers = [site.visitor() for _ in range(20)]
        for browser in browsers:
            await browser.get("/sign-in")
        answers = await asyncio.gather(
            *(each.post("/sign-in", {"name": "marie", "password": "wrong", "next": "/"}) for each in browsers)
        )
        assert sorted(each.status for each in answers) == [401] * 10 + [429] * 10


async def test_a_clock_that_is_set_back_locks_nobody_out(gateway: Gateway) -> None:
    clock = SettableClock()
    async with console_site(gateway, clock=clock) as site:
        site.add_user("marie", Role.VIEWER)
        browser = site.visitor()
        for _ in range(10):
            await browser.sign_in("marie", "wrong")
        clock.advance(timedelta(days=-1))
        assert (await browser.sign_in("marie")).status == 303


async def test_unknown_users_are_answered_as_wrong_passwords(site: ConsoleSite) -> None:
    site.add_user("marie", Role.VIEWER)
    texts = []
    for name in ("marie", "nobody"):
        answer = await site.visitor().sign_in(name, "wrong")
        texts.append((answer.status, re.sub(r"[0-9a-f]{64}", "", answer.text)))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "//[", "https://evil.example", "/\\evil.example", "\\\\evil", "/a\nb", "javascript:alert(1)"],
)
async def test_signing_in_leads_nowhere_else(site: ConsoleSite, wanted: str) -> None:
    site.add_user("marie", Role.VIEWER)
    browser = site.visitor()
    await browser.get("/sign-in")
    answer = await browser.post("/sign-in", {"name": "marie", "password": PASSWORD, "next": wanted})
    assert (answer.status, answer.location) == (303, "/")


async def test_a_foreign_name_of_the_host_is_refused(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.VIEWER)
    assert (await browser.get("/", Host="evil.example")).status == 421


async def test_passwords_are_for_this_host_alone(gateway: Gateway) -> None:
    clock = SettableClock()
    for remote, status in ((False, 403), (True, 303)):
        async with console_site(gateway, clock=clock, console_local_remote=remote) as site:
            if not remote:
                site.add_user("marie", Role.VIEWER)
            browser = site.visitor()
            await browser.get("/sign-in")
            fields = {"name": "marie", "password": PASSWORD, "next": "/"}
            answer = await browser.post("/sign-in", fields, X_Forwarded_For="203.0.113.7")
            assert answer.status == status


async def test_a_large_form_is_refused(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.VIEWER)
    answer = await browser.post_bytes("/language", io.BytesIO(b"language=" + b"x" * 2_000_000))
    assert answer.status == 413


async def test_a_failure_shows_no_internals(site: ConsoleSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the program")

    browser = await site.signed_in(Role.VIEWER)
    monkeypatch.setattr("console.web.pages.about.host_name", fail)
    answer = await browser.get("/about")
    assert answer.status == 500
    assert "secret" not in answer.text
    assert "Internal error; see the log." in answer.text


async def test_an_error_is_in_the_language_of_the_page(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.VIEWER)
    await browser.post("/language", {"language": "fr"})
    assert "<title>Introuvable." in (await browser.get("/nowhere")).text


@pytest.mark.parametrize(
    "head",
    [
        # Decoding takes the square of the time; with a larger body, minutes in which the process does nothing else.
        {"Content_Type": "application/x-www-form-urlencoded; charset=idna"},
        # What it yields, no database stores.
        {"Content_Type": "application/x-www-form-urlencoded; charset=unicode_escape"},
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Type": "multipart/form-data"},
    ],
)
async def test_a_visitor_sends_no_other_form_than_browsers_do(site: ConsoleSite, head: dict[str, str]) -> None:
    visitor = site.visitor()
    await visitor.get("/sign-in")
    body = f"csrf={visitor.csrf}&name=\\ud800&password=x"
    answer = await visitor.post_bytes("/sign-in", io.BytesIO(body.encode()), **head)
    assert answer.status == 400


async def test_a_file_that_is_no_form_is_refused(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR)
    for body in (b"nothing", b"--x\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--x--\r\n"):
        head = {"Content_Type": "multipart/form-data; boundary=x", "X_CSRF_Token": browser.csrf}
        answer = await browser.post_bytes("/rules/import/preview", io.BytesIO(body), **head)
        assert answer.status == 400


@pytest.mark.parametrize("path", ["/sign-in", "/nothing", "/api/v1/dead-letters/replay"])
async def test_nothing_compressed_is_read(site: ConsoleSite, path: str) -> None:
    visitor = site.visitor()
    await visitor.get("/sign-in")
    body = gzip.compress(f"csrf={visitor.csrf}&name=a&password=b".encode())
    assert (await visitor.post_bytes(path, io.BytesIO(body), Content_Encoding="gzip")).status == 400


async def test_a_form_that_does_not_arrive_gives_up_its_connection(
    site: ConsoleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.web.application._FORM_SECONDS", 0.1)
    url = yarl.URL(site.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = (b"POST /sign-in HTTP/1.1", b"Host: localhost", b"Content-Type: application/x-www-form-urlencoded")
    writer.write(b"\r\n".join((*head, b"Content-Length: 100", b"", b"csrf=")))
    async with asyncio.timeout(60):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_another_password_ends_other_sessions_and_tokens(site: ConsoleSite) -> None:
    here, there = await site.signed_in(Role.VIEWER), await site.signed_in(Role.VIEWER)
    token = re.search(r"mip_[\w-]+", (await there.post("/me/tokens", {"name": "a", "life": "365"})).text)
    assert token is not None
    called = await site.visitor().get("/api/v1/rules", Authorization=f"Bearer {token[0]}")
    assert called.status == 200
    await here.get("/me")
    wanted = {"present": PASSWORD, "wanted": "another horse battery staple"}
    assert (await here.post("/me/password", wanted)).status == 303
    assert (await here.get("/me")).status == 200
    assert (await there.get("/me")).status == 303
    assert (await site.visitor().get("/api/v1/rules", Authorization=f"Bearer {token[0]}")).status == 401


async def test_no_session_begins_with_a_password_that_is_replaced_meanwhile(
    site: ConsoleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add_user("marie", Role.VIEWER)
    matches = site.services.passwords.matches
    user = site.read(lambda connection: console_users.by_name(connection, "marie"))

    async def replaced_after(password: str, stored: str | None) -> bool:
        found = await matches(password, stored)
        later = site.services.clock()
        site.write(lambda connection: console_users.change_password(connection, user.user_id, "other", now=later))
        return found

    monkeypatch.setattr(site.services.passwords, "matches", replaced_after)
    browser = site.visitor()
    assert (await browser.sign_in("marie")).status == 401
    assert SESSION_COOKIE not in browser.cookies
