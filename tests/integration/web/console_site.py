"""A web console that listens on a socket, on a gateway of the test; and browsers that use it without JavaScript."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.cookies import SimpleCookie
from typing import Any

import aiohttp
import argon2
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import Connection, Engine

from console.settings import Settings
from console.web.metrics import ConsoleMetrics
from console.web.passwords import Passwords
from console.web.rights import Role
from console.web.services import Services
from console.web.start import opened_services, serve, start_background
from console.web.visit import SESSION_COOKIE
from console.wiring.calls import CallContext
from db.engine import run_reading, run_writing
from db.queries import console_users
from receiver.server import ServerTls
from tests.databases import Gateway

PASSWORD = "correct horse battery staple"
EVERYTHING = (Role.ADMINISTRATOR, Role.READER)
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
_CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class Answer:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    text: str
    raw: bytes

    @property
    def location(self) -> str:
        """The address that it sends to."""
        return self.headers["Location"]


@dataclass
class Browser:
    """A browser: it keeps cookies, and sends the CSRF token of the page that it saw last."""

    url: str
    session: aiohttp.ClientSession
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""

    async def get(self, path: str, **headers: str) -> Answer:
        """Open a page."""
        return await self._send("GET", path, headers, None)

    async def post(self, path: str, fields: Mapping[str, Any] | None = None, **headers: str) -> Answer:
        """Send a form, with the token of the last page."""
        pairs: list[tuple[str, str]] = []
        for name, value in {"csrf": self.csrf, **(fields or {})}.items():
            pairs += [(name, str(each)) for each in (value if isinstance(value, list | tuple) else [value])]
        return await self._send("POST", path, headers, aiohttp.FormData(pairs))

    async def post_bytes(self, path: str, body: io.BytesIO, **headers: str) -> Answer:
        """Send the bytes of a form as they are."""
        return await self._send("POST", path, {"Content_Type": "application/x-www-form-urlencoded", **headers}, body)

    async def send(self, path: str, form: aiohttp.FormData) -> Answer:
        """Send a form as it is, such as one with a file."""
        return await self._send("POST", path, {}, form)

    async def follow(self, answer: Answer) -> Answer:
        """Open the page that an answer sends to."""
        assert answer.status == 303, (answer.status, answer.text[:2000])
        return await self.get(answer.location)

    async def sign_in(self, name: str, password: str = PASSWORD) -> Answer:
        """Sign in with a password."""
        await self.get("/sign-in")
        answer = await self.post("/sign-in", {"name": name, "password": password, "next": "/about"})
        if answer.status == 303:
            await self.get("/me")  # for its CSRF token
        return answer

    async def _send(self, method: str, path: str, headers: Mapping[str, str], data: Any) -> Answer:  # noqa: ANN401  # a form
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"Cookie": cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
        url = path if path.startswith("http") else self.url + path
        async with self.session.request(method, url, headers=sent, data=data, allow_redirects=False) as answer:
            raw = await answer.read()
            for line in answer.headers.getall("Set-Cookie", []):
                for name, morsel in SimpleCookie(line).items():
                    if morsel["max-age"] == "0":
                        self.cookies.pop(name, None)
                    else:
                        self.cookies[name] = morsel.value
            text = raw.decode("utf-8", "replace")
            found = _CSRF.search(text)
            if found:
                self.csrf = found[1]
            return Answer(answer.status, answer.headers.copy(), text, raw)


@dataclass
class ConsoleSite:
    """A running console."""

    url: str
    services: Services
    engine: Engine
    session: aiohttp.ClientSession

    @property
    def settings(self) -> Settings:
        """Its settings."""
        return self.services.settings

    def write(self, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401  # of the work
        """Write to its database."""
        return run_writing(self.engine, work)

    def read(self, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401  # of the work
        """Read from its database."""
        return run_reading(self.engine, work)

    def visitor(self, language: str = "en") -> Browser:
        """A browser that is not signed in."""
        return Browser(self.url, self.session, {"language": language})

    def add_user(self, name: str, *roles: Role, groups: tuple[str, ...] = ()) -> None:
        """Add a user with the password of all of them."""
        hashed = _CHEAP.hash(PASSWORD)
        words = [each.value for each in roles]
        now = self.services.clock()
        self.write(
            lambda connection: console_users.add(
                connection, name, password_hash=hashed, roles=words, groups=groups, now=now
            )
        )

    async def signed_in(
        self, *roles: Role, name: str = "", groups: tuple[str, ...] = (), language: str = "en"
    ) -> Browser:
        """A browser whose user has these roles."""
        user = name or "-".join(each.value.lower() for each in roles)
        if self.read(lambda connection: console_users.find(connection, user)) is None:
            self.add_user(user, *roles, groups=groups)
        browser = self.visitor(language)
        answer = await browser.sign_in(user)
        assert answer.status == 303, answer.text
        assert SESSION_COOKIE in browser.cookies
        return browser


@asynccontextmanager
async def console_site(
    gateway: Gateway,
    *,
    clock: Callable[[], datetime],
    calls: CallContext | None = None,
    tls: ServerTls | None = None,
    **settings: Any,  # noqa: ANN401  # of Settings
) -> AsyncIterator[ConsoleSite]:
    """A console on this gateway; `settings` by name."""
    made = Settings(
        database_url=SecretStr(gateway.url),
        database_schema=gateway.schema,
        console_port=0,
        metrics_port=0,
        **settings,
    )
    stop = asyncio.Event()
    async with AsyncExitStack() as resources:
        services = await resources.enter_async_context(
            opened_services(made, stop, calls=calls or CallContext(clock=clock), passwords=Passwords(_CHEAP))
        )
        start_background(services, resources)
        port = await serve(services, ConsoleMetrics(CollectorRegistry()), resources, tls)
        resources.callback(stop.set)
        session = await resources.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        engine = gateway.engine()
        resources.callback(engine.dispose)
        scheme = "http" if tls is None else "https"
        yield ConsoleSite(f"{scheme}://127.0.0.1:{port}", services, engine, session)


async def signed_in_context(
    site: ConsoleSite,
    chromium: Chromium,
    browser: Browser,
    **options: Any,  # noqa: ANN401  # of a context
) -> BrowserContext:
    """A context of Chromium in which the user of the browser is signed in."""
    context = await chromium.new_context(**options)
    # For Chromium a cookie of this name is of an https address; it sends it to this host by http as well.
    await context.add_cookies(
        [
            {
                "name": SESSION_COOKIE,
                "value": browser.cookies[SESSION_COOKIE],
                "url": site.url.replace("http:", "https:"),
                "secure": True,
                "httpOnly": True,
            }
        ]
    )
    return context
