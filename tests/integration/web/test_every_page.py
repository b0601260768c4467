"""Every page in a real browser: both languages, narrow and wide, light and dark, with and without JavaScript.

Nothing is wrong for assistive technology (axe-core), the browser's console is silent, nothing is asked of another host,
and nothing stands outside of a narrow screen.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page
from sqlalchemy import Connection, select

from bench.console_gateway import fill_gateway
from console.web.pages import ROUTES
from console.web.routes import GET
from console.web.visit import SESSION_COOKIE
from db.queries import rules
from db.tables import account_settings, message
from rules.rule import Rule
from tests.doubles.chromium import Chromium
from tests.integration.web.console_site import EVERYTHING, ConsoleSite
from tests.integration.web.failing_mail import fail

_NO_PAGES = ("/events", ".csv", "/cer", "/original", "/export.json", "/export", "/failures/list", "/failures/dry-run")
"""Ends of addresses that answer something else than a page, or nothing without more in the address."""


@dataclass
class Watched:
    """A page, and what its browser complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@asynccontextmanager
async def _watched(site: ConsoleSite, context: BrowserContext, cookies: dict[str, str]) -> AsyncIterator[Watched]:
    address = site.url.replace("http:", "https:")  # Playwright wants it for a cookie of __Host-
    await context.add_cookies(
        [
            {"name": name, "value": value, "url": address, "secure": True, "httpOnly": True}
            for name, value in cookies.items()
        ]
    )
    watched = Watched(await context.new_page())
    complaints = watched.complaints
    watched.page.on(
        "console", lambda each: complaints.append(f"console: {each.text}") if each.type == "error" else None
    )
    watched.page.on("pageerror", lambda each: complaints.append(f"script: {each}"))
    watched.page.on(
        "request",
        lambda each: None if each.url.startswith((site.url, "data:")) else complaints.append(f"asked: {each.url}"),
    )
    yield watched
    await context.close()


@pytest.fixture
async def pages(site: ConsoleSite) -> list[str]:
    """The addresses of all pages of a gateway in which there is something of each kind."""
    fill_gateway(site.engine, messages=300, accounts=4)
    rule = Rule("Résultats", "/srv/import", subjects=("Prüfbericht",))
    now = site.services.clock()

    def add(connection: Connection) -> tuple[str, int]:
        with rules.editing(connection, now=now) as editor:
            editor.add(rule)
        name = connection.scalar(select(account_settings.c.sAccountName).order_by(account_settings.c.nAccountID))
        number = connection.scalar(select(message.c.nMessageID).order_by(message.c.nMessageID.desc()))
        return str(name), int(number or 0)

    account, number = site.write(add)
    await fail(site, 1, "failed-one", reason="ItemCorrupt")
    await fail(site, 1, "later", reason="MailboxBusy", later=True)
    site.add_user("jean", *EVERYTHING)
    given = {
        "message": str(number),
        "rule": rule.name,
        "name": account,
        "rule:[^/]+": rule.name,
        "account": "1?graph_id=failed-one",
    }
    found = []
    for route in ROUTES:
        if route.method != GET or route.is_api or route.path.endswith(_NO_PAGES) or "entra" in route.path:
            continue
        path = "/users/jean/remove" if route.path.startswith("/users/") else route.path
        for part, value in given.items():
            path = path.replace(f"{{{part}}}", value)
        if "{" not in path:
            found.append(path)
    return found


async def _opened(site: ConsoleSite, chromium: Chromium, language: str, **options: Any) -> Any:  # noqa: ANN401  # a context
    browser = await site.signed_in(*EVERYTHING)
    context = await chromium.new_context(locale=language, **options)
    return _watched(site, context, {SESSION_COOKIE: browser.cookies[SESSION_COOKIE]})


@pytest.mark.slow
@pytest.mark.parametrize(("language", "width", "scheme"), [("en", 1280, "light"), ("fr", 360, "dark")])
async def test_every_page_is_accessible_and_fits(
    site: ConsoleSite, chromium: Chromium, pages: list[str], language: str, width: int, scheme: str
) -> None:
    faults: list[str] = []
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    async with await _opened(site, chromium, language, **options) as watched:
        page = watched.page
        for path in pages:
            answer = await page.goto(site.url + path)
            if answer is None or answer.status != 200:
                faults.append(f"{path}: {answer and answer.status}")
                continue
            if path.endswith("/body"):
                continue  # no script runs in it, axe neither; tests/unit/console/web has a browser for it
            assert await page.locator("h1").count() == 1, path
            assert await page.locator("html").get_attribute("lang") == language, path
            found = await Axe().run(page, {"exclude": [["iframe"]]}, {"resultTypes": ["violations"], "iframes": False})
            faults += [
                f"{path}: {each['id']}: {node['html'][:200]}"
                for each in found.response["violations"]
                for node in each["nodes"][:3]
            ]
            overflow = await page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if overflow > 0:
                faults.append(f"{path}: {overflow} pixels outside of the screen")
        faults += watched.complaints
    assert faults == []


@pytest.mark.slow
async def test_every_page_works_without_javascript(site: ConsoleSite, chromium: Chromium, pages: list[str]) -> None:
    async with await _opened(site, chromium, "fr", java_script_enabled=False) as watched:
        for path in pages:
            answer = await watched.page.goto(site.url + path)
            assert answer is not None
            assert answer.status == 200, path
            if not path.endswith("/body"):
                assert await watched.page.locator("main").inner_text(), path
                assert await watched.page.locator("nav a").first.is_visible(), path
        assert watched.complaints == []
