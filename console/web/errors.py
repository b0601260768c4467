"""Errors as answers: pages for browsers, problem details (RFC 9457) for programs."""

import json
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import click
import structlog
from aiohttp import web

from bus.errors import QueueError
from console.web.entra_errors import EntraSignInError
from console.web.gate import TooManyRequests
from console.web.jobs import EXPECTED, TooManyJobs
from console.web.passwords import Busy
from console.web.sessions import RightsUnknown
from console.web.visit import Visit
from db.errors import AccountNotFound, AccountRemoved, DatabaseUnavailable, RuleNotFound, SchemaNotCurrent, UserNotFound
from graph.errors import GraphError
from phrases import Phrase

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_NOT_FOUND: Final = (AccountNotFound, AccountRemoved, RuleNotFound, UserNotFound)
_UNAVAILABLE: Final = (DatabaseUnavailable, SchemaNotCurrent, QueueError, RightsUnknown, EntraSignInError)
_TEXTS: Final = {
    HTTPStatus.BAD_REQUEST: Phrase("The request cannot be understood."),
    HTTPStatus.UNAUTHORIZED: Phrase("Sign in first."),
    HTTPStatus.FORBIDDEN: Phrase("Your roles do not allow this, or the page was open for too long. Load it again."),
    HTTPStatus.NOT_FOUND: Phrase("Not found."),
    HTTPStatus.METHOD_NOT_ALLOWED: Phrase("Method not allowed."),
    HTTPStatus.REQUEST_TIMEOUT: Phrase("The request did not arrive in time."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Phrase("The request is too large."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Phrase("The body must be JSON, with Content-Type: application/json."),
    HTTPStatus.MISDIRECTED_REQUEST: Phrase("The console is not known under this address; see the setting console_url."),
    HTTPStatus.TOO_MANY_REQUESTS: Phrase("Too many at once. Try again in a moment."),
}
_API_TEXTS: Final = {
    HTTPStatus.UNAUTHORIZED: Phrase("The request has no token, or one that is not valid (any more)."),
    HTTPStatus.FORBIDDEN: Phrase("The roles of the token's owner do not allow this."),
}
"""Texts for programs, where those for browsers do not fit."""
_RETRY_AFTER: Final = "5"


def error_answer(visit: Visit, error: Exception) -> web.StreamResponse:
    """The answer for an error; an unexpected one is logged."""
    if isinstance(error, web.HTTPException) and error.status < HTTPStatus.BAD_REQUEST:
        return error
    status, text = _meaning(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("console_request_failed", route=_route(visit), error_type=type(error).__name__, exc_info=error)
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("console_request_failed", route=_route(visit), error=str(error))
    if visit.request.path.startswith("/api/"):
        answer: web.Response = problem(status, visit.translated(_API_TEXTS.get(status, text)))
        if isinstance(error, web.HTTPMethodNotAllowed):
            answer.headers["Allow"] = error.headers["Allow"]
    elif status is HTTPStatus.UNAUTHORIZED:
        answer = _to_sign_in(visit)
    else:
        answer = _page(visit, status, text)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        answer.headers["Retry-After"] = str(error.seconds) if isinstance(error, TooManyRequests) else _RETRY_AFTER
    return answer


def problem(status: HTTPStatus, detail: str, **members: object) -> web.Response:
    """An answer with problem details (RFC 9457)."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, **members}
    answer = web.Response(status=status, text=json.dumps(body), content_type="application/problem+json")
    if status is HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="mail-importer"'
    return answer


def _meaning(error: Exception) -> tuple[HTTPStatus, str]:
    if isinstance(error, web.HTTPException):
        status = HTTPStatus(error.status)
        return status, _TEXTS.get(status) or Phrase.verbatim(status.phrase)
    if isinstance(error, web.RequestPayloadError):  # it is not in the pieces that it says
        return HTTPStatus.BAD_REQUEST, _TEXTS[HTTPStatus.BAD_REQUEST]
    if isinstance(error, Busy | TooManyJobs | TooManyRequests):
        return HTTPStatus.TOO_MANY_REQUESTS, _TEXTS[HTTPStatus.TOO_MANY_REQUESTS]
    if isinstance(error, click.ClickException):
        return HTTPStatus.BAD_REQUEST, error.message
    if isinstance(error, _NOT_FOUND):
        return HTTPStatus.NOT_FOUND, Phrase.of(error)
    if isinstance(error, _UNAVAILABLE):
        return HTTPStatus.SERVICE_UNAVAILABLE, Phrase.of(error)
    if isinstance(error, GraphError):
        return HTTPStatus.BAD_GATEWAY, Phrase.of(error)
    if isinstance(error, EXPECTED):
        return HTTPStatus.CONFLICT, Phrase.of(error)
    return HTTPStatus.INTERNAL_SERVER_ERROR, Phrase("Internal error; see the log.")


def _to_sign_in(visit: Visit) -> web.Response:
    request = visit.request
    if visit.is_partial:  # htmx has the whole page go there
        return web.Response(status=HTTPStatus.UNAUTHORIZED, headers={"HX-Refresh": "true"})
    wanted = request.path_qs if request.method == "GET" else "/"
    return visit.redirect(f"/sign-in?next={quote(wanted, safe='')}")


def _page(visit: Visit, status: HTTPStatus, text: str) -> web.Response:
    return visit.page("error.html", status=status, text=text)


def _route(visit: Visit) -> str:
    resource = visit.request.match_info.route.resource
    return "none" if resource is None else resource.canonical
