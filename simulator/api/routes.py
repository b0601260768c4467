"""Mapping of method and path to the operation: no I/O, no state.

Both of Graph's styles are read, `users/{id}/mailFolders/inbox` and `users('{id}')/mailFolders('inbox')`.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from simulator.calls import GraphError, Operation

_KEYED_SEGMENT = re.compile(r"(users|mailfolders|messages|attachments|subscriptions)\('(.*)'\)", re.IGNORECASE)

_MESSAGE_METHODS = {
    "GET": Operation.GET_MESSAGE,
    "PATCH": Operation.UPDATE_MESSAGE,
    "DELETE": Operation.DELETE_MESSAGE,
}
_FOLDERS_METHODS = {"GET": Operation.LIST_FOLDERS, "POST": Operation.CREATE_FOLDER}
_SUBSCRIPTION_METHODS = {
    "GET": Operation.GET_SUBSCRIPTION,
    "PATCH": Operation.UPDATE_SUBSCRIPTION,
    "DELETE": Operation.DELETE_SUBSCRIPTION,
}
_SUBSCRIPTIONS_METHODS = {"GET": Operation.LIST_SUBSCRIPTIONS, "POST": Operation.CREATE_SUBSCRIPTION}


@dataclass(frozen=True, slots=True)
class Route:
    """The operation and the ids in the path, percent-decoded, `""` where the path has none."""

    operation: Operation
    user: str = ""
    folder: str = ""
    message: str = ""
    attachment: str = ""
    subscription: str = ""


def resolve(method: str, path: str) -> Route:
    """Return the operation of a request whose still encoded `path` begins with `/v1.0/`.

    Raises:
        GraphError: 400 `RequestBroker--ParseUri`, also for an id with an unencoded `/` (docs/graph.md, section 7); 405.
    """
    names = _names(path)
    if names[0].lower() == "users" and len(names) == 2:
        return Route(_allowed(method, {"GET": Operation.GET_USER}), names[1])
    if names[0].lower() == "users" and len(names) > 2:
        return _mail_route(method, names[1], names[2:])
    if names[0].lower() == "subscriptions":
        return _subscription_route(method, names[1:])
    raise unparsable(names[-1])


def unparsable(segment: str) -> GraphError:
    """Return the error for a URL that cannot be understood."""
    return GraphError(400, "RequestBroker--ParseUri", f"Resource not found for the segment '{segment}'.")


def _names(path: str) -> list[str]:
    names: list[str] = []
    for encoded in path.split("/")[2:]:
        segment = unquote(encoded) if "%" in encoded else encoded
        keyed = _KEYED_SEGMENT.fullmatch(segment) if segment.endswith("')") else None
        if keyed:
            names += [keyed[1], keyed[2].replace("''", "'")]
        else:
            names.append(segment)
    return names


def _mail_route(method: str, user: str, rest: list[str]) -> Route:
    folder = ""
    if rest[0].lower() == "mailfolders":
        if len(rest) == 1:
            return Route(_allowed(method, _FOLDERS_METHODS), user)
        folder = rest[1]
        rest = rest[2:]
        if not rest:
            return Route(_allowed(method, {"GET": Operation.GET_FOLDER}), user, folder)
        if [name.lower() for name in rest] == ["childfolders"]:
            return Route(_allowed(method, _FOLDERS_METHODS), user, folder)
    if [name.lower() for name in rest] == ["mailboxsettings", "userpurpose"]:
        return Route(_allowed(method, {"GET": Operation.GET_USER_PURPOSE}), user)
    if rest[0].lower() != "messages":
        raise unparsable(rest[0])
    return _message_route(method, user, folder, rest[1:])


def _message_route(method: str, user: str, folder: str, rest: list[str]) -> Route:
    match [rest[0], *(name.lower() for name in rest[1:2]), *rest[2:]] if rest else []:
        case []:
            return Route(_allowed(method, {"GET": Operation.LIST_MESSAGES}), user, folder)
        case [function] if folder and function.lower() in {"delta", "delta()", "microsoft.graph.delta()"}:
            return Route(_allowed(method, {"GET": Operation.DELTA_MESSAGES}), user, folder)
        case [message]:
            return Route(_allowed(method, _MESSAGE_METHODS), user, folder, message)
        case [message, "$value"]:
            return Route(_allowed(method, {"GET": Operation.GET_MIME}), user, folder, message)
        case [message, "move"]:
            return Route(_allowed(method, {"POST": Operation.MOVE_MESSAGE}), user, folder, message)
        case [message, "permanentdelete"]:
            return Route(_allowed(method, {"POST": Operation.PURGE_MESSAGE}), user, folder, message)
        case [message, "attachments"]:
            return Route(_allowed(method, {"GET": Operation.LIST_ATTACHMENTS}), user, folder, message)
        case [message, "attachments", attachment]:
            return Route(_allowed(method, {"GET": Operation.GET_ATTACHMENT}), user, folder, message, attachment)
        case [message, "attachments", attachment, "$value"]:
            operation = _allowed(method, {"GET": Operation.GET_ATTACHMENT_CONTENT})
            return Route(operation, user, folder, message, attachment)
    raise unparsable(rest[-1])


def _subscription_route(method: str, rest: list[str]) -> Route:
    match rest:
        case []:
            return Route(_allowed(method, _SUBSCRIPTIONS_METHODS))
        case [subscription]:
            return Route(_allowed(method, _SUBSCRIPTION_METHODS), subscription=subscription)
        case [subscription, action] if action.lower() == "reauthorize":
            operation = _allowed(method, {"POST": Operation.REAUTHORIZE_SUBSCRIPTION})
            return Route(operation, subscription=subscription)
    raise unparsable(rest[-1])


def _allowed(method: str, operations: dict[str, Operation]) -> Operation:
    operation = operations.get(method)
    if operation is None:
        raise GraphError(405, "Request_BadRequest", f"The HTTP method '{method}' is not allowed for this request.")
    return operation
