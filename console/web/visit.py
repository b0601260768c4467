"""A request with all that its page needs: user, language, services, and the ways to answer."""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiohttp import web
from multidict import MultiDictProxy
from sqlalchemy import Connection

from console.translation.language import catalogue
from console.web import notices
from console.web.rights import Role
from console.web.security import csrf_token
from console.web.sessions import User
from db.queries import console_access, console_activity
from db.queries.console_activity import ActivityKind
from db.queries.history import Author
from longtext import storable
from phrases import Phrase

if TYPE_CHECKING:
    from console.web.services import Services

T = TypeVar("T")

SESSION_COOKIE: Final = "__Host-session"
VISITOR_COOKIE: Final = "__Host-visitor"
LANGUAGE_COOKIE: Final = "language"
"""No secret, and not bound to TLS."""
HTML: Final = "text/html"


@dataclass(slots=True)
class Visit:
    """One request. `browser_id`: the secret that its forms are bound to; the session's, or that of a visitor."""

    request: web.Request
    services: "Services"
    language: str
    address: str
    browser_id: str
    user_or_none: User | None
    notice: notices.Notice | None = None
    """A sentence that the last answer left, see `redirect`."""

    @property
    def user(self) -> User:
        """The user; every route that needs a role has one."""
        if self.user_or_none is None:
            raise RuntimeError("the page of a visitor has no user")
        return self.user_or_none

    @property
    def author(self) -> Author:
        """The user, for the histories of accounts and rules and for the audit."""
        return Author(self.user.name, f"console {self.address}")

    @property
    def now(self) -> datetime:
        """The time."""
        return self.services.clock()

    @property
    def query(self) -> Mapping[str, str]:
        """The fields of the address."""
        return self.request.query

    def part(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def number(self, name: str) -> int:
        """A part of the path that is a number; another one is not found."""
        text = self.part(name)
        if not (text.isdecimal() and len(text) <= 18):  # digits of a 64-bit number
            raise web.HTTPNotFound
        return int(text)

    async def form(self) -> MultiDictProxy[str | bytes | bytearray | web.FileField]:
        """The fields of the form; its CSRF token is checked before any page runs."""
        return await self.request.post()

    async def text(self, name: str, default: str = "") -> str:
        """A text field of the form, as a database accepts it."""
        value = (await self.form()).get(name, default)
        return storable(value)[0] if isinstance(value, str) else default

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Read from the gateway database, on the console's own connections; errors are in the request's language."""
        return await self.services.database.read(_in_this_context(work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Write to the gateway database, as `read`."""
        return await self.services.database.write(_in_this_context(work))

    async def blocking(self, work: Callable[[], T], *, seconds: float) -> T:
        """Run a call that may block, in a thread of its own kind.

        Raises:
            HTTPServiceUnavailable: it takes longer; it is left alone then.
        """
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(self.services.threads, copy_context().run, work)
        except TimeoutError as exc:
            raise web.HTTPServiceUnavailable from exc

    async def note(self, action: ActivityKind, **facts: Any) -> None:  # noqa: ANN401  # those of `console_activity.note`
        """Record what the user did."""
        who, now = self.user.name, self.now
        await self.write(
            lambda connection: console_activity.note(
                connection, action, who=who, address=self.address, now=now, **facts
            )
        )

    async def hidden_accounts(self) -> frozenset[int]:
        """The accounts whose mail the user may not see."""
        return await self.read(lambda connection: console_access.hidden_accounts(connection, self.user.groups))

    def require(self, role: Role) -> None:
        """Refuse a user without that role."""
        if not self.user.may(role):
            raise web.HTTPForbidden

    def translated(self, text: object) -> str:
        """The text in the language of the request, if it is a phrase."""
        found = text if isinstance(text, str) else Phrase.of(text)
        return found.translated(catalogue(self.language)) if isinstance(found, Phrase) else found

    def page(self, template: str, /, *, status: int = 200, **values: Any) -> web.Response:  # noqa: ANN401  # of the template
        """The page that the template makes of these values."""
        text = self.services.templates.render(template, self, values)
        return web.Response(text=text, content_type=HTML, charset="utf-8", status=status)

    def set_cookie(self, answer: web.StreamResponse, name: str, value: str) -> None:
        """Set a cookie that no script reads, and that a browser sends to this console alone, until it is closed."""
        answer.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="Lax")

    def redirect(self, path: str, notice: Phrase | None = None, *, warns: bool = False) -> web.Response:
        """Send the browser to another page of the console, with a sentence that it shows; see `Notice`."""
        answer = web.Response(status=303, headers={"Location": path})
        if notice is not None:
            notices.leave(answer, notices.Notice(notice, warns), self.browser_id, self.services.random)
        return answer

    @property
    def csrf(self) -> str:
        """The token that the forms of the page carry."""
        return csrf_token(self.browser_id)

    @property
    def is_partial(self) -> bool:
        """True if htmx asks for a part of a page."""
        return "HX-Request" in self.request.headers


def _in_this_context(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """The work with the language of the request, which a thread of the database does not have."""
    context = copy_context()
    return lambda connection: context.run(work, connection)
