"""Files of many rules: their export, and their import with a preview of what it changes."""

import hashlib
import json
from functools import partial
from typing import Final

import click
from aiohttp import web
from sqlalchemy import Connection

from console.output import Listing, as_json
from console.rules.bulk import RuleImport, desired_rules, exported_rules
from console.web.pages.rules import RULES
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.queries.dry_run import rolled_back
from phrases import Phrase

_NAME: Final = "rules.toml"
_PREVIEW_SECONDS: Final = 15.0


class _Differs(Exception):
    """The import would do something else than what was shown."""


async def export(visit: Visit) -> web.StreamResponse:
    """All rules as a file."""
    found = await visit.read(exported_rules)
    remarks = [f"# {' '.join(visit.translated(each).split())}\n" for each in found.left_out]
    return web.Response(
        text="".join(remarks) + found.text,
        content_type="application/toml",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{_NAME}"'},
    )


async def ask(visit: Visit) -> web.StreamResponse:
    """The form for a file."""
    return _page(visit)


def _page(
    visit: Visit, *, text: str = "", listing: Listing | None = None, shown: str = "", error: str | None = None
) -> web.Response:
    return visit.page(
        "rules_import.html",
        status=200 if error is None else 400,
        text=text,
        listing=listing,
        shown=shown,
        error=error,
    )


async def preview(visit: Visit) -> web.StreamResponse:
    """Preview of the changes that the import of the file would make."""
    form = await visit.form()
    file = form.get("file")
    if isinstance(file, web.FileField):
        content, name = file.file.read(), file.filename  # of the form, which is in memory
    else:
        content, name = b"", ""
    if not content:
        content, name = (await visit.text("text")).encode("utf-8", "replace"), _NAME
    return await _preview(visit, content, name)


async def _preview(visit: Visit, content: bytes, name: str, error: str | None = None) -> web.StreamResponse:
    text = content.decode("utf-8-sig", "replace")
    try:
        importing = _importing(visit, content, name)
        # It leaves nothing behind, so that it needs no turn among those that write.
        await visit.blocking(
            partial(rolled_back, visit.services.database.engine, importing.work), seconds=_PREVIEW_SECONDS
        )
    except click.ClickException as exc:
        return _page(visit, text=text, error=exc.message)
    listing = importing.listing()
    return _page(visit, text=text, listing=listing, shown=_digest(listing), error=error)


def _importing(visit: Visit, content: bytes, name: str) -> RuleImport:
    roots = visit.services.settings.delivery_folders
    return RuleImport(desired_rules(content, name), roots, now=visit.now, author=visit.author)


def _digest(listing: Listing) -> str:
    return hashlib.sha256(json.dumps(listing.data(), default=as_json).encode()).hexdigest()


async def import_(visit: Visit) -> web.StreamResponse:
    """Import the text that was shown, if it does what was shown."""
    content, shown = (await visit.text("text")).encode("utf-8", "replace"), await visit.text("shown")
    try:
        importing = _importing(visit, content, _NAME)

        def work(connection: Connection) -> None:
            importing.work(connection)
            _require_same(importing, shown)

        await visit.write(work)
    except click.ClickException as exc:
        return _page(visit, text=content.decode(), error=exc.message)
    except _Differs:
        again = Phrase("The rules were changed meanwhile. Nothing was imported: look at what it would do now.")
        return await _preview(visit, content, _NAME, visit.translated(again))
    done = sum(each["action"] != "unchanged" for each in importing.listing().rows)
    notice = Phrase.counted("{n} rule was added or changed.", "{n} rules were added or changed.", n=done)
    return visit.redirect(RULES, notice)


def _require_same(importing: RuleImport, shown: str) -> None:
    if _digest(importing.listing()) != shown:
        raise _Differs


ROUTES: Routes = (
    page("/rules/export", export, needs=Role.ADMINISTRATOR),
    page("/rules/import", ask, needs=Role.ADMINISTRATOR),
    page("/rules/import/preview", ask, needs=Role.ADMINISTRATOR),
    action("/rules/import/preview", preview, needs=Role.ADMINISTRATOR, has_file=True),
    action("/rules/import", import_, needs=Role.ADMINISTRATOR),
)
