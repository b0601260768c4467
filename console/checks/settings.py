"""The check of an account's settings by themselves: other programs write that table too."""

import re
from collections.abc import Iterator
from typing import Final

from console.checks.runner import Check, Finding, failed, passed, warned
from console.settings import CLOUDS, Settings
from db.outcomes import ActionKind
from db.queries.accounts import AccountSettings
from graph.certificates import normalise_thumbprint
from graph.errors import CertificateError, update_command
from phrases import Phrase

SETTINGS: Final = "settings"

_GUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def settings_check(settings: Settings, account: AccountSettings) -> Check:
    """The first check."""

    async def judge() -> Finding:
        facts = {
            "tenant_id": account.tenant_id,
            "client_id": account.client_id,
            "user_id": account.user_id,
            "folder": account.folder,
            "cloud": settings.cloud,
            "graph_url": settings.graph_url,
            "authority_url": settings.authority_url,
        }
        problems = list(_problems(account, certificate=settings.graph_credential == "certificate"))
        if problems:
            return failed("settingsWrong", Phrase.joined(*problems), _correct(account.name), facts)
        if not _GUID.fullmatch(account.user_id):
            return warned(
                "userByName",
                Phrase("The user id {user!r} is a name or address, not an object id.", user=account.user_id),
                Phrase("It works until the user is renamed; the object id on the user's page in Entra stays."),
                facts,
            )
        if not _fit_together(settings):
            return warned(
                "cloudsDiffer",
                Phrase("graph_url and authority_url belong to different clouds."),
                Phrase("Set cloud (global, usgov, dod, china) and neither of the two."),
                facts,
            )
        return passed(Phrase("cloud {cloud}, folder {folder}", cloud=settings.cloud, folder=account.folder), facts)

    return Check(SETTINGS, Phrase("The settings are well formed"), judge)


def _problems(account: AccountSettings, *, certificate: bool) -> Iterator[Phrase]:
    for name, value in (("tenant id", account.tenant_id), ("client id", account.client_id)):
        if not _GUID.fullmatch(value):
            yield Phrase("The {name} {value!r} is not an id such as 11111111-2222-3333-4444-555555555555.", name=name,
                         value=value)  # fmt: skip
    ids = [each.strip().lower() for each in (account.tenant_id, account.client_id, account.user_id)]
    if len(set(ids)) < len(ids):
        yield Phrase("Tenant id, client id and user id are not all different: one was pasted twice.")
    if (
        not account.user_id.strip()
        or not account.user_id.strip().isprintable()
        or account.user_id.strip() != account.user_id
    ):
        yield Phrase("The user id is empty, or has blanks or invisible characters in it.")
    for thumbprint in filter(None, (account.thumbprint, account.next_thumbprint) if certificate else ()):
        try:
            normalise_thumbprint(thumbprint)
        except CertificateError as error:
            yield _phrase(error.summary)
    if not account.folder.strip():
        yield Phrase("No folder is named.")
    if account.after_import not in [*ActionKind]:
        yield Phrase("After the import {what!r} is not possible.", what=account.after_import)
    elif (account.after_import == ActionKind.MOVE) != bool(account.move_to_folder):
        yield Phrase("--after-import move and --move-to FOLDER go together.")


def _fit_together(settings: Settings) -> bool:
    graphs = {each.graph_url for each in CLOUDS.values()}
    if settings.graph_url not in graphs:
        return True  # a simulator, or a future address of Microsoft
    pairs = {(each.graph_url, each.authority_url) for each in CLOUDS.values()}
    return (settings.graph_url, settings.authority_url) in pairs


def _correct(name: str) -> Phrase:
    return Phrase(
        "Correct it with {update}. The overview page of the application registration in Entra shows tenant id and "
        "client id.",
        update=update_command(name),
    )


def _phrase(text: str) -> Phrase:
    return text if isinstance(text, Phrase) else Phrase.verbatim(text)
