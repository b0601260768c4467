"""Certificates: the store of this host, the accounts that sign in with each, and new ones."""

from collections.abc import Iterable
from typing import Any, Final

import click
from aiohttp import web
from sqlalchemy import Connection

from console.certificates.commands import new
from console.certificates.inventory import create, listed, shown_name, shown_one
from console.certificates.views import COLUMNS, LIST_COLUMNS
from console.output import Column, Listing, Record
from console.web.forms import Form, form_of, read_form
from console.web.pages.mailboxes import address_of
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.queries import accounts as table
from db.queries.accounts import CertificateUse
from db.queries.console_activity import ActivityKind
from graph.certificates import normalise_thumbprint
from graph.errors import CertificateError
from phrases import Phrase
from subscriptions.certificates import EARLY

_STORE_SECONDS: Final = 10.0
_MAKING_SECONDS: Final = 30.0
_MAX_NAMES: Final = 100
_UNFIT: Final = 422
_LABELS: Final = {"subject": Phrase("Subject")}
_FILE_TYPE: Final = "application/x-x509-ca-cert"


async def show_all(visit: Visit) -> web.StreamResponse:
    """The certificates of the store, and those that accounts name and that are not there."""
    settings, now = visit.services.settings, visit.now
    store, rows = await visit.blocking(lambda: listed(settings, now), seconds=_STORE_SECONDS)
    counts = _counts(await visit.read(table.certificate_uses))
    there = {row["thumbprint"] for row in rows}
    columns = [*LIST_COLUMNS, Column("accounts", Phrase("Accounts"), right=True)]
    problem = Column("problem", Phrase("Problem"), lambda text: text or "")
    rows = [row | {"accounts": counts.get(row["thumbprint"], 0)} for row in rows]
    empty = Phrase("No certificate is in {store}. Make one: mail-importer certificates new", store=shown_name(store))
    return visit.page(
        "certificates.html",
        view=Listing(columns, rows, empty=empty, details=[problem]),
        link=lambda row: row["thumbprint"] and f"/certificates/{row['thumbprint']}",
        missing=sorted((each, number) for each, number in counts.items() if each not in there),
        store=shown_name(store),
    )


def _counts(uses: Iterable[CertificateUse]) -> dict[str, int]:
    """The number of enabled accounts that name each certificate, as the current or the next one."""
    found: dict[str, int] = {}
    for use in uses:
        for each in use.thumbprints:
            thumbprint = _normal(each)
            found[thumbprint] = found.get(thumbprint, 0) + use.accounts
    return found


def _normal(thumbprint: str) -> str:
    """The thumbprint as the store has it; what is none stays as another program wrote it."""
    try:
        return normalise_thumbprint(thumbprint)
    except CertificateError:
        return thumbprint


async def show(visit: Visit) -> web.StreamResponse:
    """One certificate, and the accounts that sign in with it."""
    thumbprint = _thumbprint(visit)
    settings, now = visit.services.settings, visit.now
    found = await visit.blocking(lambda: shown_one(settings, thumbprint, now), seconds=_STORE_SECONDS)

    def read(connection: Connection) -> list[dict[str, Any]]:
        return [
            {"account_id": number, "name": str(name), "is_next": _normal(use.thumbprint) != thumbprint}
            for use in table.certificate_uses(connection)
            if thumbprint in map(_normal, use.thumbprints)
            for number, name in table.names_using(connection, use).items()
        ]

    using = sorted(await visit.read(read), key=lambda each: str(each["name"]).casefold())
    return visit.page(
        "certificate.html",
        certificate=found.certificate,
        view=Record(COLUMNS, found.row),
        using=using[:_MAX_NAMES],
        left_out=max(0, len(using) - _MAX_NAMES),
        link=lambda each: address_of(each["account_id"], each["name"]),
        ends_soon=found.row["days_left"] < EARLY.days,
    )


def _thumbprint(visit: Visit) -> str:
    try:
        return normalise_thumbprint(visit.part("thumbprint"))
    except CertificateError as exc:
        raise web.HTTPNotFound from exc


async def download(visit: Visit) -> web.StreamResponse:
    """The public part of a certificate, to upload it to the application registration."""
    thumbprint = _thumbprint(visit)
    settings, now = visit.services.settings, visit.now
    found = await visit.blocking(lambda: shown_one(settings, thumbprint, now), seconds=_STORE_SECONDS)
    return web.Response(
        text=found.certificate.public_pem,
        content_type=_FILE_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{thumbprint}.cer"'},
    )


def _options() -> list[click.Option]:
    return [each for each in new.params if isinstance(each, click.Option) and each.name == "subject"]


async def ask(visit: Visit) -> web.StreamResponse:
    """The form of a new certificate."""
    return _form(visit, form_of(_options(), visit.language, labels=_LABELS))


def _form(visit: Visit, form: Form, *, status: int = 200) -> web.Response:
    return visit.page("certificate_new.html", status=status, form=form)


async def make(visit: Visit) -> web.StreamResponse:
    """Create a certificate in the store."""
    settings, clock, language = visit.services.settings, visit.services.clock, visit.language
    form = read_form(_options(), await visit.form(), language, labels=_LABELS, settings=settings, clock=clock)
    if not form.is_valid:
        return _form(visit, form, status=_UNFIT)
    now = visit.now

    def work() -> str:
        return create(settings, form.values["subject"], now).certificate.thumbprint

    try:
        thumbprint = await visit.blocking(work, seconds=_MAKING_SECONDS)
    except click.ClickException as exc:
        form.fail(exc)
        return _form(visit, form, status=_UNFIT)
    await visit.note(ActivityKind.CERTIFICATE_MADE, detail=thumbprint)
    return visit.redirect(
        f"/certificates/{thumbprint}",
        Phrase("The certificate is made. Upload its public part to the application registration, then name it here."),
    )


ROUTES: Routes = (
    page("/certificates", show_all),
    page("/certificates/new", ask, needs=Role.ADMINISTRATOR),
    action("/certificates/new", make, needs=Role.ADMINISTRATOR),
    page("/certificates/{thumbprint}", show),
    page("/certificates/{thumbprint}/cer", download, needs=Role.ADMINISTRATOR),
)
