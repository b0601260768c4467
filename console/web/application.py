"""The application: the routes of all pages behind checks that none of them can leave out.

In this order: the headers of every answer, errors as pages, the name under which the console is addressed, the
session, the role that the route needs, and the proof that a form is of this session.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError

from console.translation.language import ENGLISH, LANGUAGES, speaking
from console.web import notices
from console.web.api import routes as api_routes
from console.web.bearer import user_of_token
from console.web.errors import error_answer
from console.web.gate import Gate, TooManyRequests
from console.web.limits import TokenLimits
from console.web.metrics import ConsoleMetrics
from console.web.pages import ROUTES
from console.web.routes import POST, Route
from console.web.security import CSRF_FIELD, CSRF_HEADER, add_headers, has_csrf_token
from console.web.services import Services
from console.web.sessions import User
from console.web.tokens import new_id
from console.web.visit import LANGUAGE_COOKIE, SESSION_COOKIE, VISITOR_COOKIE, Visit
from receiver.server import GENUINE

_VISIT: Final = web.RequestKey("visit", Visit)
_MAX_COOKIE: Final = 200
_INVALID_TOKEN_SECONDS: Final = 60
"""When an address with too many invalid tokens is to try again."""
_FORM_SECONDS: Final = 60.0
_CHARSET: Final = "utf-8"
_WITH_FILE: Final = "multipart/form-data"
_STATIC_CACHE: Final = "public, max-age=31536000, immutable"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application_of(services: Services, metrics: ConsoleMetrics, routes: Iterable[Route] = ROUTES) -> web.Application:
    """The application with these routes, and the API."""
    console = _Console(services, metrics, Gate())
    application = web.Application(middlewares=[console.answer])
    for each in (*routes, *api_routes.routes_of(services)):
        application.router.add_route(each.method, each.path, console.handler(each), name=None)
    application.router.add_get("/static/{name}", console.send_static)
    application.on_response_prepare.append(console.prepare)
    return application


@dataclass(frozen=True, slots=True)
class _Console:
    """The checks around the pages."""

    services: Services
    metrics: ConsoleMetrics
    gate: Gate

    def handler(self, route: Route) -> Handler:
        """The handler of a route, behind its checks."""

        async def handle(request: web.Request) -> web.StreamResponse:
            visit = request[_VISIT]
            self._require_rights(route, visit)
            texts = [*request.match_info.values(), *request.query.values()]
            if route.method == POST:
                form = await _form(request, with_file=route.has_file)
                self._require_own_form(visit, form)
                texts += [each for each in form.values() if isinstance(each, str)]
            if any("\0" in each for each in texts):  # no database stores it
                raise web.HTTPBadRequest
            return await route.handler(visit)

        async def handle_api(request: web.Request) -> web.StreamResponse:
            visit = request[_VISIT]
            with self.gate.passed(visit.address):
                if route.needs is not None:
                    visit.user_or_none = await self._caller(visit)
                self._require_rights(route, visit)
                return await route.handler(visit)

        return handle_api if route.is_api else handle

    async def _caller(self, visit: Visit) -> User | None:
        """The user of the token; invalid ones are counted."""
        user = await user_of_token(self.services, visit.request, visit.address)
        if user is None and hdrs.AUTHORIZATION in visit.request.headers:
            limits = TokenLimits(self.services.database, clock=self.services.clock)
            if await limits.is_over(visit.address):
                raise TooManyRequests(_INVALID_TOKEN_SECONDS)
        return user

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, whatever happens."""
        began = time.perf_counter()
        visit = self._visit(request)
        with speaking(visit.language):
            try:
                self._require_own_name(request)
                _require_plain(request)
                await self._recognise(visit)
                answer = await handler(request)
            except Exception as exc:  # noqa: BLE001  # every failure becomes an answer, and an unexpected one a log line
                answer = error_answer(visit, exc)
        if visit.user_or_none is not None:
            request[GENUINE] = True
        self._finish(visit, answer)
        self.metrics.observe(request, answer.status, time.perf_counter() - began)
        return answer

    def _require_own_name(self, request: web.Request) -> None:
        if not self.services.addresses.is_own(request):
            raise web.HTTPMisdirectedRequest

    def _visit(self, request: web.Request) -> Visit:
        browser_id = _cookie(request, SESSION_COOKIE) or _cookie(request, VISITOR_COOKIE)
        visit = Visit(
            request,
            self.services,
            _language(request),
            self.services.addresses.client(request),
            browser_id or new_id(self.services.random),
            None,
        )
        request[_VISIT] = visit
        return visit

    async def _recognise(self, visit: Visit) -> None:
        """Find the user of the session, if there is one, and what the last answer left."""
        path = visit.request.path
        if path.startswith(("/static/", "/api/")):
            return
        session_id = _cookie(visit.request, SESSION_COOKIE)
        if session_id is not None:
            visit.user_or_none = await self.services.sessions.find(session_id, address=visit.address)
        visit.notice = notices.left(visit.request, visit.browser_id)

    def _require_rights(self, route: Route, visit: Visit) -> None:
        if route.needs is None:
            return
        if visit.user_or_none is None:
            raise web.HTTPUnauthorized
        visit.require(route.needs)

    def _require_own_form(self, visit: Visit, form: Mapping[str, object]) -> None:
        request = visit.request
        if not self.services.addresses.is_same_origin(request):
            raise web.HTTPForbidden
        given = request.headers.get(CSRF_HEADER)
        if given is None:
            field = form.get(CSRF_FIELD)
            given = field if isinstance(field, str) else ""
        if not has_csrf_token(given, visit.browser_id):
            raise web.HTTPForbidden(reason="The form is not of this session.")

    def _finish(self, visit: Visit, answer: web.StreamResponse) -> None:
        if answer.prepared:  # a stream, which set its own headers
            return
        request = visit.request
        if request.path.startswith("/static/") and answer.status < 400:  # an error must not be kept
            answer.headers[hdrs.CACHE_CONTROL] = _STATIC_CACHE
        is_page = not request.path.startswith(("/static/", "/api/"))
        if is_page and visit.user_or_none is None and _cookie(request, VISITOR_COOKIE) != visit.browser_id:
            visit.set_cookie(answer, VISITOR_COOKIE, visit.browser_id)
        if visit.notice is not None and answer.content_type == "text/html":
            notices.forget(answer)

    async def send_static(self, request: web.Request) -> web.StreamResponse:
        """Send a static file."""
        file = self.services.templates.static_file(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        return web.FileResponse(file)

    async def prepare(self, request: web.Request, answer: web.StreamResponse) -> None:
        """Complete the headers of an answer, of a stream as well."""
        add_headers(answer, is_secure=self.services.addresses.is_secure or request.secure)


def _require_plain(request: web.Request) -> None:
    if hdrs.CONTENT_ENCODING in request.headers:  # it is not decompressed, see `receiver.server`
        raise web.HTTPBadRequest


async def _form(request: web.Request, *, with_file: bool) -> Mapping[str, object]:
    """The form, as browsers send it.

    Python knows character sets that take minutes to decode, or decode to what no database stores.
    """
    if (request.charset or _CHARSET).lower() != _CHARSET or (request.content_type == _WITH_FILE and not with_file):
        raise web.HTTPBadRequest
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            return await request.post()
    except TimeoutError as exc:  # who sends no more keeps a connection, of which a process has not many
        raise web.HTTPRequestTimeout from exc
    except (ValueError, LookupError, RuntimeError, HttpProcessingError) as exc:  # of aiohttp, for what is no form
        raise web.HTTPBadRequest from exc


def _cookie(request: web.Request, name: str) -> str | None:
    value = request.cookies.get(name)
    return value if value and len(value) <= _MAX_COOKIE else None


def _language(request: web.Request) -> str:
    """The language that the user chose, or else the one that the browser prefers."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    ranked: list[tuple[float, str]] = []
    for part in request.headers.get(hdrs.ACCEPT_LANGUAGE, "").split(",")[:20]:
        name, _, quality = part.strip().partition(";q=")
        try:
            ranked.append((-float(quality or 1), name.partition("-")[0].lower()))
        except ValueError:
            continue
    known = [name for weight, name in sorted(ranked, key=lambda each: each[0]) if name in LANGUAGES and weight < 0]
    return known[0] if known else ENGLISH
