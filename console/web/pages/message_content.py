"""The content of an e-mail for readers: body, attachments, original, export. Each opening is recorded first."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import IO, Final

from aiohttp import web
from sqlalchemy import Engine

from console.messages.export_files import CannotExport, write_json, write_original
from console.web.downloads import content_pieces, download_headers
from console.web.mail_access import imported_mail
from console.web.mail_document import document_headers, mail_document, notes_on
from console.web.mail_markup import MAX_CHARACTERS, mail_markup
from console.web.mail_pictures import MailPictures, inline_contents
from console.web.rights import Role
from console.web.routes import Routes, page
from console.web.sending import send, send_written
from console.web.visit import Visit
from db.queries import exports
from db.queries.console_activity import ActivityKind
from db.queries.exports import Found
from phrases import Phrase

_ORIGINAL: Final = "eml"
_EXPORT: Final = "json"
_MARKUP_SECONDS: Final = 15.0
"""More than the bound of the markup itself, for the wait for a thread."""
_WRITERS: Final[Mapping[str, Callable[[Engine, str, Found, IO[bytes]], None]]] = {
    _ORIGINAL: write_original,
    _EXPORT: write_json,
}


async def body(visit: Visit) -> web.StreamResponse:
    """The body, as a document of its own for a sandboxed frame."""
    mail = await imported_mail(visit)
    number = mail.found.message_id
    body_type, text = await visit.read(partial(exports.body_of, message_id=number, limit=MAX_CHARACTERS + 1))
    parts = await visit.read(partial(exports.attachments_of, message_id=number))
    await visit.note(ActivityKind.BODY_OPENED, account_id=mail.account_id, message_id=number)
    pictures = MailPictures(inline_contents(visit.services.database.engine, parts))
    markup = await visit.blocking(partial(mail_markup, body_type, text, pictures), seconds=_MARKUP_SECONDS)
    document = mail_document(
        markup,
        title=visit.translated(Phrase("Body of the e-mail")),
        language=visit.language,
        notes=[visit.translated(each) for each in notes_on(markup)],
    )
    return web.Response(text=document, headers={**document_headers(), "X-Frame-Options": "SAMEORIGIN"})


async def attachment(visit: Visit) -> web.StreamResponse:
    """The content of an attachment, to be saved."""
    mail, wanted = await imported_mail(visit), visit.number("attachment")
    number = mail.found.message_id
    parts = await visit.read(partial(exports.attachments_of, message_id=number))
    part = next((each for each in parts if each.number == wanted), None)
    if part is None or part.size is None:
        raise web.HTTPNotFound
    name = part.facts["safe_file_name"] or part.facts["file_name"]
    await visit.note(
        ActivityKind.ATTACHMENT_DOWNLOADED, account_id=mail.account_id, message_id=number, detail=name or str(wanted)
    )
    headers = download_headers(name, number=wanted, size=part.size)
    return await send(
        visit,
        headers,
        content_pieces(visit.services.database.engine, wanted, size=part.size, threads=visit.services.threads),
    )


async def original(visit: Visit) -> web.StreamResponse:
    """The original of the e-mail."""
    return await _exported(visit, _ORIGINAL)


async def export(visit: Visit) -> web.StreamResponse:
    """All that the database holds of the e-mail, as `mail-importer export` writes it."""
    return await _exported(visit, _EXPORT)


async def _exported(visit: Visit, kind: str) -> web.StreamResponse:
    mail = await imported_mail(visit)
    number = mail.found.message_id
    await visit.note(ActivityKind.ORIGINAL_EXPORTED, account_id=mail.account_id, message_id=number, detail=kind)
    write = partial(_WRITERS[kind], visit.services.database.engine, mail.account, mail.found)
    try:
        return await send_written(
            visit, lambda size: download_headers(f"message-{number}.{kind}", number=number, size=size), write
        )
    except CannotExport as exc:
        text = Phrase.of(exc)
        return visit.page("error.html", status=HTTPStatus.NOT_FOUND, text=text)


ROUTES: Routes = (
    page("/messages/{message}/body", body, Role.READER),
    page("/messages/{message}/attachments/{attachment}", attachment, Role.READER),
    page("/messages/{message}/original", original, Role.READER),
    page("/messages/{message}/export.json", export, Role.READER),
)
