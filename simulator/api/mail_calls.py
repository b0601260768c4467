"""Graph's calls on folders, messages and attachments (docs/graph.md, section 7)."""

import base64
import binascii
import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlencode

from simulator.api.queries import applied_preferences, metadata_context, read_list_filter
from simulator.api.rendering import (
    EXTENDED_PROPERTIES,
    View,
    attachment_json,
    check_message_properties,
    folder_json,
    message_json,
    message_size,
    unknown_property,
)
from simulator.api.routes import Route
from simulator.calls import GRAPH_JSON_TYPE, Answer, Call, GraphError, Operation, json_answer, utc_text
from simulator.content.mail import AttachmentKind, mime
from simulator.state.mailboxes import Folder, Mailbox, Message, StoredAttachment

_EXPANSION = re.compile(
    r"singleValueExtendedProperties\(\s*\$filter\s*=\s*(id eq '[^']+'(?: or id eq '[^']+')*)\s*\)", re.IGNORECASE
)
_ATTACHMENT_PROPERTIES = ("id", "name", "contentType", "size", "isInline", "lastModifiedDateTime")
_FOLDER_PROPERTIES = frozenset(
    [
        "id",
        "displayName",
        "parentFolderId",
        "childFolderCount",
        "unreadItemCount",
        "totalItemCount",
        "sizeInBytes",
        "isHidden",
    ],
)
_DEFAULT_PAGE = 10
_LARGEST_PAGE = 1_000
_LARGEST_JSON_BYTES = 50_000_000
_LARGEST_MIME_BYTES = 25_000_000
_SHORTEST_ID = 40

_Options = dict[str, str]
_Handler = Callable[[Call, Route, Mailbox], Answer]


class MailCalls:
    """Answers the calls below `/users/{id}`; permission was checked before."""

    def __init__(self) -> None:
        self._handlers: dict[Operation, _Handler] = {
            Operation.GET_FOLDER: self._get_folder,
            Operation.LIST_FOLDERS: self._list_folders,
            Operation.CREATE_FOLDER: self._create_folder,
            Operation.LIST_MESSAGES: self._list_messages,
            Operation.GET_MESSAGE: self._get_message,
            Operation.GET_MIME: self._get_mime,
            Operation.UPDATE_MESSAGE: self._update_message,
            Operation.MOVE_MESSAGE: self._move_message,
            Operation.DELETE_MESSAGE: self._delete_message,
            Operation.PURGE_MESSAGE: self._purge_message,
            Operation.LIST_ATTACHMENTS: self._list_attachments,
            Operation.GET_ATTACHMENT: self._get_attachment,
            Operation.GET_ATTACHMENT_CONTENT: self._get_attachment_content,
            Operation.GET_USER: self._get_user,
            Operation.GET_USER_PURPOSE: self._get_user_purpose,
        }

    def answer(self, call: Call, route: Route, mailbox: Mailbox) -> Answer:
        """Answer one call.

        Raises:
            GraphError: as Graph refuses it.
        """
        return self._handlers[route.operation](call, route, mailbox)

    def _get_user(self, call: Call, _route: Route, mailbox: Mailbox) -> Answer:
        user = {"id": mailbox.user_id, "mail": mailbox.address, "displayName": mailbox.display_name}
        selected = _options(call.query, {"$select"}).get("$select")
        wanted = set(user) if selected is None else {each.strip() for each in selected.split(",")}
        view = {name: value for name, value in user.items() if name in wanted}
        return _graph_answer({"@odata.context": f"{call.base_url}/v1.0/$metadata#users/$entity", **view})

    def _get_user_purpose(self, call: Call, _route: Route, mailbox: Mailbox) -> Answer:
        context = f"{metadata_context(call, mailbox)}/mailboxSettings/userPurpose"
        return _graph_answer({"@odata.context": context, "value": mailbox.purpose})

    def _get_folder(self, call: Call, route: Route, mailbox: Mailbox) -> Answer:
        values = _folder_view(mailbox, _folder(mailbox, route.folder), _options(call.query, {"$select"}))
        return _graph_answer({"@odata.context": f"{metadata_context(call, mailbox)}/mailFolders/$entity", **values})

    def _list_folders(self, call: Call, route: Route, mailbox: Mailbox) -> Answer:
        options = _options(call.query, {"$select", "$top", "$skip"})
        top = _number(options, "$top", _DEFAULT_PAGE, 1, _LARGEST_PAGE)
        skip = _number(options, "$skip", 0, 0, None)
        found = mailbox.children(_parent(mailbox, route))
        result: dict[str, object] = {
            "@odata.context": f"{metadata_context(call, mailbox)}/mailFolders",
            "value": [_folder_view(mailbox, each, options) for each in found[skip : skip + top]],
        }
        if skip + top < len(found):
            result["@odata.nextLink"] = _next_link(call, options, top, skip)
        return _graph_answer(result)

    def _create_folder(self, call: Call, route: Route, mailbox: Mailbox) -> Answer:
        name = call.json_object().get("displayName")
        if not isinstance(name, str) or not name.strip():
            raise GraphError(400, "ErrorInvalidRequest", "The display name of the folder is missing.")
        parent = _parent(mailbox, route)
        if any(each.display_name.casefold() == name.casefold() for each in mailbox.children(parent)):
            raise GraphError(409, "ErrorFolderExists", "A folder with the specified name already exists.")
        values = folder_json(mailbox.add_folder(name, parent=parent))
        context = f"{metadata_context(call, mailbox)}/mailFolders/$entity"
        return _graph_answer({"@odata.context": context, **values}, 201)

    def _get_message(self, call: Call, route: Route, mailbox: Mailbox) -> Answer:
        message = _message(mailbox, route)
        view = _view(call, _options(call.query, {"$select", "$expand"}))
        key = (view, call.base_url)
        if message.rendered is None or message.rendered[0] != key:
            context = f"{metadata_context(call, mailbox)}/messages{_selected(view)}/$entity"
            rendered = json_answer({"@odata.context": context, **message_json(message, view)}).body
            message.rendered = (key, rendered)
        return Answer(200, message.rendered[1], GRAPH_JSON_TYPE, applied_preferences(call))

    def _list_messages(self, call: Call, route: Route, mailbox: Mailbox) -> Answer:
        options = _options(call.query, {"$select", "$expand", "$top", "$skip", "$orderby", "$filter", "$count"})
        view = _view(call, options)
        top = _number(options, "$top", _DEFAULT_PAGE, 1, _LARGEST_PAGE)
        skip = _number(options, "$skip", 0, 0, None)
        found = _folder(mailbox, route.folder).messages if route.folder else mailbox.all_messages()
        keeps = read_list_filter(options.get("$filter"))
        if options.get("$filter"):
            found = [message for message in found if keeps(message)]
        page = _page(found, skip, top, ascending=_ascending(options.get("$orderby")))
        result: dict[str, object] = {"@odata.context": f"{metadata_context(call, mailbox)}/messages{_selected(view)}"}
        if options.get("$count") == "true":
            result["@odata.count"] = len(found)
        result["value"] = [message_json(message, view) for message in page]
        if skip + top < len(found):
            result["@odata.nextLink"] = _next_link(call, options, top, skip)
        answer = _graph_answer(result)
        answer.headers = applied_preferences(call)
        return answer

    def _get_mime(self, _call: Call, route: Route, mailbox: Mailbox) -> Answer:
        message = _message(mailbox, route)
        if message_size(message) > _LARGEST_MIME_BYTES:
            raise _gateway_timeout()
        return Answer(200, mime(message.mail), "text/plain")

    def _update_message(self, call: Call, route: Route, mailbox: Mailbox) -> Answer:
        message = _message(mailbox, route)
        is_read = call.json_object().get("isRead")
        if is_read is not None:
            if not isinstance(is_read, bool):
                raise GraphError(400, "RequestBodyRead", "Cannot convert a value to target type 'Edm.Boolean'.")
            mailbox.mark_read(message, is_read=is_read)
        return self._whole(call, mailbox, message, 200)

    def _move_message(self, call: Call, route: Route, mailbox: Mailbox) -> Answer:
        message = _message(mailbox, route)
        target = mailbox.folder(str(call.json_object().get("destinationId", "")))
        if target is None:
            raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        mailbox.move(message, target)
        return self._whole(call, mailbox, message, 201)

    def _delete_message(self, _call: Call, route: Route, mailbox: Mailbox) -> Answer:
        mailbox.delete(_message(mailbox, route))
        return Answer(204)

    def _purge_message(self, _call: Call, route: Route, mailbox: Mailbox) -> Answer:
        mailbox.remove(_message(mailbox, route))
        return Answer(204)

    def _whole(self, call: Call, mailbox: Mailbox, message: Message, status: int) -> Answer:
        view = View(
            immutable=call.prefers_immutable_ids(),
            as_text=call.prefers_text_bodies(),
            unsafe=call.prefers_unsafe_html(),
        )
        values = {
            "@odata.context": f"{metadata_context(call, mailbox)}/messages/$entity",
            **message_json(message, view),
        }
        answer = _graph_answer(values, status)
        answer.headers = applied_preferences(call)
        return answer

    def _list_attachments(self, call: Call, route: Route, mailbox: Mailbox) -> Answer:
        message = _message(mailbox, route)
        select = _select(_options(call.query, {"$select", "$top"}))
        modified = utc_text(message.modified)
        if select is None:
            if message_size(message) > _LARGEST_JSON_BYTES:
                raise _gateway_timeout()
            values = [attachment_json(stored, modified, with_content=True) for stored in message.attachments]
        else:
            for name in select:
                if name not in _ATTACHMENT_PROPERTIES:
                    raise unknown_property(name, "Microsoft.OutlookServices.Attachment")
            wanted = {"@odata.type", *select}
            values = [
                {
                    name: value
                    for name, value in attachment_json(s, modified, with_content=False).items()
                    if name in wanted
                }
                for s in message.attachments
            ]
        context = f"{metadata_context(call, mailbox)}/messages('{quote(route.message, safe='')}')/attachments"
        return _graph_answer({"@odata.context": context, "value": values})

    def _get_attachment(self, call: Call, route: Route, mailbox: Mailbox) -> Answer:
        message = _message(mailbox, route)
        stored = _attachment(message, route.attachment)
        select = _select(_options(call.query, {"$select"}))
        large = stored.attachment.size > _LARGEST_JSON_BYTES
        if large and (select is None or "contentBytes" in select):
            raise _gateway_timeout()
        values = attachment_json(stored, utc_text(message.modified), with_content=not large)
        if select is not None:
            values = {name: value for name, value in values.items() if name in {"@odata.type", "id", *select}}
        context = f"{metadata_context(call, mailbox)}/messages('{quote(route.message, safe='')}')/attachments/$entity"
        return _graph_answer({"@odata.context": context, **values})

    def _get_attachment_content(self, _call: Call, route: Route, mailbox: Mailbox) -> Answer:
        attachment = _attachment(_message(mailbox, route), route.attachment).attachment
        if attachment.content is None:
            text = "The attachment is a reference attachment: it has no content."
            raise GraphError(405, "ErrorInvalidRequest", text)
        content_type = attachment.content_type or "application/octet-stream"
        if attachment.kind is AttachmentKind.ITEM:
            content_type = "text/plain"
        return Answer(200, content_type=content_type, content=attachment.content)


def _options(query: str, allowed: set[str]) -> _Options:
    if not query:
        return {}
    options = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
    for name in options:
        if name not in allowed:
            raise GraphError(400, "RequestBroker--ParseUri", f"The query parameter '{name}' is not supported.")
    return options


def _folder_view(mailbox: Mailbox, folder: Folder, options: _Options) -> dict[str, object]:
    values = {**folder_json(folder), "childFolderCount": len(mailbox.children(folder))}
    select = _select(options)
    if select is None:
        return values
    for name in select:
        if name not in _FOLDER_PROPERTIES:
            raise unknown_property(name, "Microsoft.OutlookServices.MailFolder")
    return {"id": values["id"], **{name: values[name] for name in select}}


def _parent(mailbox: Mailbox, route: Route) -> Folder | None:
    at_the_top = not route.folder or route.folder.lower() == "msgfolderroot"
    return None if at_the_top else _folder(mailbox, route.folder)


def _next_link(call: Call, options: _Options, top: int, skip: int) -> str:
    more = urlencode({**options, "$top": str(top), "$skip": str(skip + top)}, quote_via=quote, safe="$")
    return f"{call.base_url}{call.path}?{more}"


def _select(options: _Options) -> tuple[str, ...] | None:
    text = options.get("$select")
    return tuple(name.strip() for name in text.split(",")) if text else None


def _view(call: Call, options: _Options) -> View:
    select = _select(options)
    check_message_properties(select or ())
    return View(
        select,
        immutable=call.prefers_immutable_ids(),
        as_text=call.prefers_text_bodies(),
        extended=_extended(options.get("$expand")),
        unsafe=call.prefers_unsafe_html(),
    )


def _extended(expand: str | None) -> tuple[str, ...]:
    if expand is None:
        return ()
    found = _EXPANSION.fullmatch(expand.strip())
    named = re.findall("'([^']+)'", found[1]) if found else []
    names = tuple(name.lower().replace(" 0x0", " 0x") for name in named)
    if not names or any(name not in EXTENDED_PROPERTIES for name in names):
        raise GraphError(400, "RequestBroker--ParseUri", f"The simulator does not expand '{expand}'.")
    return names


def _number(options: _Options, name: str, default: int, least: int, limit: int | None) -> int:
    text = options.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < least or (limit is not None and int(text) > limit):
        raise GraphError(400, "RequestBroker--ParseUri", f"Invalid value '{text}' for {name} query option.")
    return int(text)


def _ascending(text: str | None) -> bool:
    match (text or "receivedDateTime desc").split():
        case ["receivedDateTime"] | ["receivedDateTime", "asc"]:
            return True
        case ["receivedDateTime", "desc"]:
            return False
    raise GraphError(400, "RequestBroker--ParseUri", f"The simulator does not order by '{text}'.")


def _page(found: list[Message], skip: int, top: int, *, ascending: bool) -> list[Message]:
    if ascending:
        return found[skip : skip + top]
    end = max(0, len(found) - skip)
    return found[max(0, end - top) : end][::-1]


def _folder(mailbox: Mailbox, name: str) -> Folder:
    folder = mailbox.folder(name)
    if folder is None:
        if len(name) < _SHORTEST_ID:
            raise _malformed_id()
        raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    return folder


def _message(mailbox: Mailbox, route: Route) -> Message:
    message = mailbox.message(route.message)
    if message is None:
        if not _looks_like_id(route.message):
            raise _malformed_id()
        raise item_not_found()
    if route.folder and message.folder is not _folder(mailbox, route.folder):
        raise item_not_found()
    return message


def _attachment(message: Message, attachment_id: str) -> StoredAttachment:
    for stored in message.attachments:
        if stored.attachment_id == attachment_id:
            return stored
    raise item_not_found()


def item_not_found() -> GraphError:
    """Return the error for a message or attachment that is gone."""
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def _malformed_id() -> GraphError:
    return GraphError(400, "ErrorInvalidIdMalformed", "Id is malformed.")


def _gateway_timeout() -> GraphError:
    return GraphError(504, "UnknownError", "")


def _looks_like_id(text: str) -> bool:
    if len(text) < _SHORTEST_ID:
        return False
    try:
        base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _selected(view: View) -> str:
    return f"({','.join(view.select)})" if view.select else ""


def _graph_answer(values: object, status: int = 200) -> Answer:
    return json_answer(values, status, GRAPH_JSON_TYPE)
