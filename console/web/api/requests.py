"""The check of a request by the models of its operation, and answers in JSON."""

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final, get_origin

from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from console.output import as_json
from console.web.api.declarations import ROOT, AnyOperation, Nothing, Refused
from console.web.errors import problem
from console.web.routes import Route
from console.web.visit import Visit
from phrases import Phrase

JSON: Final = "application/json"
_MAX_ERRORS: Final = 50
_BODY_SECONDS: Final = 20.0
"""Bound of the arrival of a body: meanwhile its request keeps one of the few places of the API (`Gate`)."""


def route_of(operation: AnyOperation) -> Route:
    """The route of an operation, its requests checked."""

    async def handle(visit: Visit) -> web.StreamResponse:
        try:
            parameters = _checked_parameters(visit.request, operation)
            body = await _body_in_time(visit.request, operation)
            return await operation.handler(visit, parameters, body)
        except Refused as exc:
            text = Phrase("Parameters or members of the request are wrong, see errors.")
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, visit.translated(text), errors=exc.errors)

    return Route(operation.method, ROOT + operation.path, handle, operation.needs)


def answer_json(value: object, *, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> web.Response:
    """An answer with that value, its times as in the JSON of commands."""
    text = json.dumps(value, default=as_json)
    sent = {name.replace("_", "-"): each for name, each in headers.items()}
    return web.Response(status=status, text=text, content_type=JSON, headers=sent)


def _parameters(request: web.Request, operation: AnyOperation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    fields = {each.alias or name: each.annotation for name, each in operation.parameters.model_fields.items()}
    for name in request.query:
        values = request.query.getall(name)
        if get_origin(fields.get(name)) is list:
            found[name] = values
        elif len(values) > 1:
            raise Refused({"parameter": name, "detail": "It is given more than once."})
        else:
            found[name] = values[0]
    return found | dict(request.match_info)


def _checked_parameters(request: web.Request, operation: AnyOperation) -> BaseModel:
    try:
        found: BaseModel = operation.parameters.model_validate(_parameters(request, operation))
    except ValidationError as exc:
        if any(each["loc"][:1] == (name,) for each in exc.errors() for name in operation.path_names):
            raise web.HTTPNotFound from exc  # an address of no object
        raise _refused(exc, _parameter) from exc
    return found


async def _body_in_time(request: web.Request, operation: AnyOperation) -> BaseModel:
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _body(request, operation)
    except TimeoutError as exc:
        raise web.HTTPRequestTimeout from exc


async def _body(request: web.Request, operation: AnyOperation) -> BaseModel:
    if operation.body is None:
        if request.can_read_body and await request.content.read(1):
            raise Refused({"pointer": "", "detail": "This operation has no body."})
        return Nothing()
    if request.content_type != JSON or hdrs.CONTENT_TYPE not in request.headers:
        raise web.HTTPUnsupportedMediaType
    raw = await request.read()
    try:
        body: BaseModel = operation.body.model_validate_json(raw, strict=True)
    except ValidationError as exc:
        raise _refused(exc, _member) from exc
    return body


def _refused(error: ValidationError, place: Any) -> Refused:  # noqa: ANN401  # one of the two below
    found = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_ERRORS]
    return Refused(*({**place(each), "detail": each["msg"].removeprefix("Value error, ")} for each in found))


def _parameter(error: ErrorDetails) -> dict[str, str]:
    return {"parameter": str(error["loc"][0]) if error["loc"] else ""}


def _member(error: ErrorDetails) -> dict[str, str]:
    """The place as a JSON pointer (RFC 6901)."""
    parts = (str(each).replace("~", "~0").replace("/", "~1") for each in error["loc"])
    return {"pointer": "".join(f"/{each}" for each in parts)}
