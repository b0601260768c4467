"""Messages between the listener and the parts that answer: one `Call` in, one `Answer` out, or a `GraphError`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from simulator.content.contents import Content

JSON_TYPE = "application/json"
GRAPH_JSON_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


class Operation(StrEnum):
    """The kinds of call that are counted, and that a fault can be limited to."""

    DISCOVERY = "discovery"
    TOKEN = "token"  # noqa: S105 - the name of an operation
    AUTHORIZE = "authorize"
    SIGN_OUT = "sign_out"
    SIGNING_KEYS = "signing_keys"
    GET_FOLDER = "get_folder"
    LIST_FOLDERS = "list_folders"
    CREATE_FOLDER = "create_folder"
    LIST_MESSAGES = "list_messages"
    DELTA_MESSAGES = "delta_messages"
    GET_MESSAGE = "get_message"
    GET_MIME = "get_mime"
    UPDATE_MESSAGE = "update_message"
    MOVE_MESSAGE = "move_message"
    DELETE_MESSAGE = "delete_message"
    PURGE_MESSAGE = "purge_message"
    LIST_ATTACHMENTS = "list_attachments"
    GET_ATTACHMENT = "get_attachment"
    GET_ATTACHMENT_CONTENT = "get_attachment_content"
    GET_USER = "get_user"
    GET_USER_PURPOSE = "get_user_purpose"
    CREATE_SUBSCRIPTION = "create_subscription"
    LIST_SUBSCRIPTIONS = "list_subscriptions"
    GET_SUBSCRIPTION = "get_subscription"
    UPDATE_SUBSCRIPTION = "update_subscription"
    DELETE_SUBSCRIPTION = "delete_subscription"
    REAUTHORIZE_SUBSCRIPTION = "reauthorize_subscription"


class GraphError(Exception):
    """A refused call: becomes `{"error": {"code", "message", "innerError"}}` (docs/graph.md, sections 8 and 9)."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, read whole.

    `query` is still percent-encoded; `prefer` holds all `Prefer` headers in lower case; `base_url` is the caller's
    address of this server.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    prefer: str = ""

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            GraphError: 400, the body is something else.
        """
        try:
            value = json.loads(self.body)
        except ValueError as exc:
            raise GraphError(400, "BadRequest", "Unable to read JSON request payload.") from exc
        if not isinstance(value, dict):
            raise GraphError(400, "BadRequest", "The request payload must be a JSON object.")
        return value

    def prefers_immutable_ids(self) -> bool:
        """Check whether the caller requested immutable ids; holds for this request only (docs/graph.md, section 7)."""
        return 'idtype="immutableid"' in self.prefer

    def prefers_text_bodies(self) -> bool:
        """Check whether the caller requested bodies as text (docs/graph.md, section 7)."""
        return 'outlook.body-content-type="text"' in self.prefer

    def prefers_unsafe_html(self) -> bool:
        """Check whether the caller requested bodies with script and the like (docs/graph.md, section 7)."""
        return "outlook.allow-unsafe-html" in self.prefer


@dataclass(slots=True)
class Answer:
    """One HTTP answer: `body`, or `content` to be streamed."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content: Content | None = None


def json_answer(value: object, status: int = 200, content_type: str = JSON_TYPE) -> Answer:
    """Return `value` as a JSON answer."""
    return Answer(status, json_bytes(value), content_type)


def json_bytes(value: object) -> bytes:
    """Return `value` as compact JSON in UTF-8; half a character, as Exchange holds some, as its escape."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def error_body(error: GraphError, request_id: str, client_request_id: str, now: datetime) -> bytes:
    """Return the body Graph sends with an error."""
    inner = {
        "date": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request_id,
        "client-request-id": client_request_id,
    }
    return json_bytes({"error": {"code": error.code, "message": error.message, "innerError": inner}})


def utc_text(moment: datetime) -> str:
    """Write a time as Graph does for messages: ISO 8601, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_text_7(moment: datetime) -> str:
    """Write a time with the seven fraction digits of notifications (docs/graph.md, section 3)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0+00:00"
