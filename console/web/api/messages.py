"""Messages: the log, one message, the content of an attachment. Those of hidden accounts are not found."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import Field
from sqlalchemy import Connection

from console.messages.log import criteria_of, cursor_of, position_of, row_of
from console.messages.traced import TracedMail, gathered
from console.web.api.declarations import (
    Answer,
    AnyOperation,
    Flag,
    Given,
    Name,
    Nothing,
    Number,
    Operation,
    Paged,
    Refused,
    Text,
    Time,
)
from console.web.api.models import Message, Messages
from console.web.api.requests import answer_json
from console.web.downloads import content_pieces, download_headers
from console.web.errors import problem
from console.web.rights import Role
from console.web.routes import GET
from console.web.sending import send
from console.web.visit import Visit
from db.outcomes import MessageState, RuleState
from db.queries import console_access, exports, message_log
from db.queries.console_activity import ActivityKind
from db.queries.exports import Attachment
from db.queries.trace import TracedMessage
from phrases import Phrase

_SEARCH_SECONDS: Final = 2.0
_MAX_FILES: Final = 1000
_MAX_BODY: Final = 8_000_000
"""Characters of a body that is answered: it is in memory as a whole."""
_SAME: Final = ("sender", "recipient", "subject", "attachment", "since", "until")
"""Criteria that are parameters of that name."""
_BELOW: Final = frozenset({"after_import", "rules", "headers", "copies", "original"})
"""Of an export, what the steps say."""
_STEPS: Final = ("rule_state", "rules_matched", "files", "file_count", "failure", "steps")
"""Members that are those of `trace --json`; the others are those of an export."""


class MessageFilter(Paged):
    """All messages, or those that match all of these. Texts are found in any letter case."""

    account: Annotated[Name | None, Field(description="The account, by its name.")] = None
    sender: Annotated[
        Text | None, Field(alias="from", description="Part of the author's or sender's name or address.")
    ] = None
    recipient: Annotated[Text | None, Field(alias="to", description="Part of a recipient's name or address.")] = None
    subject: Annotated[Text | None, Field(description="Part of the subject.")] = None
    attachment: Annotated[Text | None, Field(description="Part of the file name of an attachment.")] = None
    since: Annotated[Time | None, Field(description="Received at this time or later.")] = None
    until: Annotated[Time | None, Field(description="Received before this time.")] = None
    state: Annotated[
        list[MessageState], Field(description="In this state; may be repeated.", max_length=20, default_factory=list)
    ]
    rule_state: Annotated[
        list[RuleState],
        Field(description="Of this state of the import rules; may be repeated.", max_length=20, default_factory=list),
    ]
    rule: Annotated[Name | None, Field(description="Only messages of which this rule selected a file.")] = None


class OfMessage(Given):
    """The imported message of that number."""

    message_id: Number
    body: Annotated[
        Flag, Field(description="With its body, for which the role Reader is needed; each opening is recorded.")
    ] = False


class OfAttachment(Given):
    """An attachment of an imported message."""

    message_id: Number
    attachment_id: Number


def operations_of() -> list[AnyOperation]:
    """The operations."""
    return [
        Operation(
            "listMessages",
            GET,
            "/messages",
            "List messages, newest first, as `messages list`",
            Role.VIEWER,
            MessageFilter,
            None,
            Answer(HTTPStatus.OK, Messages, "A page of messages"),
            _list,
            (HTTPStatus.NOT_FOUND,),
        ),
        Operation(
            "getMessage",
            GET,
            "/messages/{message_id}",
            "Show an imported message with its steps, as `trace`",
            Role.VIEWER,
            OfMessage,
            None,
            Answer(HTTPStatus.OK, Message, "The message"),
            _show,
            (HTTPStatus.CONFLICT,),
        ),
        Operation(
            "getAttachmentContent",
            GET,
            "/messages/{message_id}/attachments/{attachment_id}/content",
            "Download an attachment; each download is recorded",
            Role.READER,
            OfAttachment,
            None,
            Answer(HTTPStatus.OK, None, "The content, byte by byte as it was received", ("Content-Disposition",)),
            _content,
        ),
    ]


async def _list(visit: Visit, parameters: MessageFilter, _body: Nothing) -> web.StreamResponse:
    after = None
    if parameters.cursor is not None and (after := position_of(parameters.cursor)) is None:
        raise Refused.cursor()
    hidden = await visit.hidden_accounts()

    def read(connection: Connection) -> message_log.Page:
        criteria = criteria_of(
            connection,
            name=parameters.account,
            states=parameters.state,
            rule_states=parameters.rule_state,
            rule=parameters.rule,
            account_ids=console_access.visible_accounts(connection, hidden),
            **{name: getattr(parameters, name) for name in _SAME},
        )
        return message_log.page(connection, criteria, limit=parameters.limit, after=after, seconds=_SEARCH_SECONDS)

    found = await visit.read(read)
    return answer_json(
        {
            "items": [row_of(each) for each in found.messages],
            "next": None if found.next is None else cursor_of(found.next),
            "searched_to": found.searched_to,
        }
    )


@dataclass(frozen=True, slots=True)
class _Found:
    facts: dict[str, Any]
    traced: TracedMail
    attachments: list[Attachment]


async def _show(visit: Visit, parameters: OfMessage, _body: Nothing) -> web.StreamResponse:
    if parameters.body:
        visit.require(Role.READER)
    await _require_visible(visit, parameters.message_id)
    if parameters.body:
        length = await visit.read(lambda connection: exports.body_length(connection, parameters.message_id))
        if length > _MAX_BODY:
            text = Phrase("The body is too long to be shown. Export it: mail-importer export")
            return problem(HTTPStatus.CONFLICT, visit.translated(text))
    found = await visit.read(lambda connection: _read(connection, parameters))
    if found is None:
        raise web.HTTPNotFound
    if parameters.body:
        account_id = found.facts["account_id"]
        await visit.note(ActivityKind.BODY_OPENED, account_id=account_id, message_id=parameters.message_id)
    traced = found.traced.data()
    return answer_json(
        {
            **{name: value for name, value in found.facts.items() if name not in _BELOW},
            "body": found.facts.get("body"),
            "body_text": found.facts.get("body_text"),
            "account": traced["account"],
            "recipients": traced["recipients"],
            "attachments": [_attachment(each) for each in found.attachments],
            **{name: traced[name] for name in _STEPS},
        }
    )


async def _require_visible(visit: Visit, message_id: int) -> int:
    """The account of the message, if the user may see its mail."""
    hidden = await visit.hidden_accounts()
    found = await visit.read(lambda connection: exports.located(connection, message_id))
    if found is None or found[0] in hidden:
        raise web.HTTPNotFound
    return found[0]


def _read(connection: Connection, parameters: OfMessage) -> _Found | None:
    facts = exports.message_of(connection, parameters.message_id, with_body=parameters.body)
    if facts is None:
        return None
    (traced,) = gathered(connection, [TracedMessage(facts["account_id"], facts["graph_id"])], most_files=_MAX_FILES)
    return _Found(facts, traced, exports.attachments_of(connection, parameters.message_id))


def _attachment(found: Attachment) -> dict[str, Any]:
    """As `trace --json` has it, with what a download needs."""
    facts = found.facts
    return {
        "attachment_id": found.number,
        "name": facts["file_name"],
        "size": facts["size"],
        "inline": facts["inline"],
        "unpacked": facts["parent_position"] is not None,
        "state": facts["state"],
        "state_detail": facts["state_detail"],
        "content_type": facts["content_type"],
        "sha256": facts["sha256"],
        "stored": found.size,
    }


async def _content(visit: Visit, parameters: OfAttachment, _body: Nothing) -> web.StreamResponse:
    account_id = await _require_visible(visit, parameters.message_id)
    every = await visit.read(lambda connection: exports.attachments_of(connection, parameters.message_id))
    found = next((each for each in every if each.number == parameters.attachment_id), None)
    if found is None or found.size is None:
        raise web.HTTPNotFound
    name = found.facts["safe_file_name"] or found.facts["file_name"]
    await visit.note(
        ActivityKind.ATTACHMENT_DOWNLOADED, account_id=account_id, message_id=parameters.message_id, detail=name
    )
    headers = download_headers(name, number=found.number, size=found.size)
    return await send(
        visit,
        headers,
        content_pieces(visit.services.database.engine, found.number, size=found.size, threads=visit.services.threads),
    )
