"""The OpenAPI document, made of the declarations by which requests are checked (OpenAPI 3.1)."""

from collections.abc import Collection, Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from console.web.api import models
from console.web.api.declarations import ROOT, AnyOperation, Nullable
from console.web.rights import Role

_SCHEMAS: Final = "#/components/schemas/"
_REFERENCE: Final = _SCHEMAS + "{model}"
_TEXTS: Final = {
    HTTPStatus.UNAUTHORIZED: "No valid token was given",
    HTTPStatus.FORBIDDEN: "The roles of the caller do not allow it",
    HTTPStatus.NOT_FOUND: "There is no such object, or it is hidden from the caller",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time",
    HTTPStatus.CONFLICT: "The state of the object does not allow it",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not application/json",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Parameters or members are wrong, see `errors`",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests at once, or too many failed tokens of this address",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database or the queue does not answer",
    HTTPStatus.MISDIRECTED_REQUEST: "The console is not known under this address",
}
_DESCRIPTION: Final = """\
The members of answers are those of the commands' `--json`; later versions may add some. Times are ISO 8601 in UTC.

A list is read page by page: while `next` is not null, ask again with it as `cursor`.
"""


def document_of(operations: Sequence[AnyOperation], *, version: str) -> dict[str, Any]:
    """The document."""
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(ROOT + each.path, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": "mail-importer", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "responses": {_name(each): _problem(each) for each in _TEXTS},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of a user (mip_…), or an access token of Entra ID for an application.",
                }
            },
        },
    }


def _operation(operation: AnyOperation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": _rights(operation),
        "parameters": list(_parameters(operation)),
        "responses": {
            str(operation.answer.status.value): _answer(operation),
            **{
                str(each.value): {"$ref": f"#/components/responses/{_name(each)}"}
                for each in sorted({*_of_all(operation), *operation.problems})
            },
        },
    }
    if operation.needs is None:
        found["security"] = []
    if operation.body is not None:
        schema = {"$ref": _SCHEMAS + operation.body.__name__}
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _rights(operation: AnyOperation) -> str:
    if operation.needs is None:
        return "Needs no token."
    beside = " beside another one" if operation.needs is Role.READER else ""
    return f"Needs the role {operation.needs.value}{beside}."


def _of_all(operation: AnyOperation) -> Iterable[HTTPStatus]:
    yield HTTPStatus.UNPROCESSABLE_ENTITY
    yield HTTPStatus.TOO_MANY_REQUESTS
    yield HTTPStatus.SERVICE_UNAVAILABLE
    yield HTTPStatus.MISDIRECTED_REQUEST
    if operation.needs is not None:
        yield HTTPStatus.UNAUTHORIZED
        yield HTTPStatus.FORBIDDEN
    if operation.path_names:
        yield HTTPStatus.NOT_FOUND
    if operation.body is not None:
        yield HTTPStatus.REQUEST_TIMEOUT
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def _parameters(operation: AnyOperation) -> Iterable[dict[str, Any]]:
    schema = _without_null(operation.parameters.model_json_schema(ref_template=_REFERENCE))
    for name, each in schema.get("properties", {}).items():
        in_path = name in operation.path_names
        description = each.pop("description", None)
        each.pop("title", None)
        yield {
            "name": name,
            "in": "path" if in_path else "query",
            "required": in_path or name in schema.get("required", ()),
            "schema": each,
            **({} if description is None else {"description": description}),
        }


def _answer(operation: AnyOperation) -> dict[str, Any]:
    model = operation.answer.model
    media = (
        {"application/octet-stream": {}}
        if model is None
        else {"application/json": {"schema": {"$ref": _SCHEMAS + model.__name__}}}
    )
    found: dict[str, Any] = {"description": operation.answer.text, "content": media}
    if operation.answer.headers:
        found["headers"] = {each: {"required": True, "schema": {"type": "string"}} for each in operation.answer.headers}
    return found


def _problem(status: HTTPStatus) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": _TEXTS[status],
        "content": {"application/problem+json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}}},
    }
    header = {
        HTTPStatus.UNAUTHORIZED: "WWW-Authenticate",
        HTTPStatus.TOO_MANY_REQUESTS: "Retry-After",
        HTTPStatus.SERVICE_UNAVAILABLE: "Retry-After",
    }.get(status)
    if header is not None:
        found["headers"] = {header: {"required": True, "schema": {"type": "string"}}}
    return found


def _name(status: HTTPStatus) -> str:
    return status.name.title().replace("_", "")


def _schemas(operations: Sequence[AnyOperation]) -> dict[str, Any]:
    answers = {each.answer.model for each in operations if each.answer.model is not None}
    found = _defined({models.Problem, *answers})
    for each in operations:
        if each.body is not None:
            given = _defined({each.body})
            found |= given if issubclass(each.body, Nullable) else _without_null(given)
        # Those of parameters stand in place, but for what they refer to.
        found |= _without_null(each.parameters.model_json_schema(ref_template=_REFERENCE).get("$defs", {}))
    return found


def _defined(wanted: Collection[type[BaseModel]]) -> dict[str, Any]:
    """The schemas of models, and of all that they refer to."""
    in_order = sorted(wanted, key=lambda each: each.__name__)
    found: dict[str, Any] = models_json_schema([(each, "validation") for each in in_order], ref_template=_REFERENCE)[1][
        "$defs"
    ]
    return found


def _without_null(schema: Any) -> Any:  # noqa: ANN401  # JSON
    """The schema of what is given: a member that is left out is no null."""
    if isinstance(schema, list):
        return [_without_null(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _without_null(each) for name, each in schema.items() if (name, each) != ("default", None)}
    choices = found.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        left = [each for each in choices if each != {"type": "null"}]
        del found["anyOf"]
        found |= left[0] if len(left) == 1 else {"anyOf": left}
    return found
