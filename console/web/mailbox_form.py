"""The form of a mailbox's settings: the options of `accounts add` and `update`, with the account's values in them."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import click

from console.accounts.options import account_options, name_option
from console.option_checks import ANY, has_attachments_word
from db.queries import accounts as table
from phrases import Phrase

Typed = Mapping[str, tuple[str, ...]]
"""Texts of fields, by the options' names."""

LABELS: Final[Mapping[str, Phrase]] = {
    "name": Phrase("Account"),
    "tenant_id": Phrase("Tenant id"),
    "client_id": Phrase("Client id"),
    "user_id": Phrase("User id"),
    "thumbprint": Phrase("Certificate"),
    "next_thumbprint": Phrase("Next certificate"),
    "secure_certificate_access": Phrase("Trusted root needed"),
    "folder": Phrase("Folder"),
    "after_import": Phrase("After import"),
    "move_to": Phrase("Move to"),
    "import_since": Phrase("Imports since"),
    "senders_allowed": Phrase("Senders allowed"),
    "senders_denied": Phrase("Senders denied"),
    "subjects_allowed": Phrase("Subjects allowed"),
    "subjects_denied": Phrase("Subjects denied"),
    "has_attachments": Phrase("Attachments"),
    "size_least": Phrase("Size, at least"),
    "size_most": Phrase("Size, at most"),
    "console_access": Phrase("Console access"),
}
GROUPS: Final = (
    (
        Phrase("Mailbox and certificate"),
        ("name", "tenant_id", "client_id", "user_id", "thumbprint", "next_thumbprint", "secure_certificate_access"),
    ),
    (Phrase("Folder and time"), ("folder", "import_since", "after_import", "move_to")),
    (
        Phrase("Imports only"),
        (
            "senders_allowed",
            "senders_denied",
            "subjects_allowed",
            "subjects_denied",
            "has_attachments",
            "size_least",
            "size_most",
        ),
    ),
    (Phrase("Web console"), ("console_access",)),
)
"""The fields under their headings."""
CREDENTIALS: Final = (
    "name",
    "tenant_id",
    "client_id",
    "user_id",
    "thumbprint",
    "next_thumbprint",
    "secure_certificate_access",
)
"""The fields that open a mailbox, and its name, which errors tell."""
FOLDERS: Final = ("folder", "move_to")
"""The fields that hold a folder of the mailbox."""
_REQUIRED: Final = frozenset({"folder", "after_import"})


def options() -> list[click.Option]:
    """The fields; a start of imports that is not given stays as it is, and is now for a new account."""
    found = [
        name_option("--name", required=True, help="What the account is called here."),
        *account_options(adding=True),
    ]
    for each in found:
        if each.name == "import_since":
            each.default = None
        elif each.name in _REQUIRED:
            each.required = True
    return found


def credential_options() -> list[click.Option]:
    """The fields that open the mailbox."""
    return [each for each in options() if each.name in CREDENTIALS]


def texts_of(settings: table.AccountSettings) -> dict[str, tuple[str, ...]]:
    """The texts of the fields of these settings."""
    filters = settings.filters
    return {
        "name": (settings.name,),
        "tenant_id": _one(settings.tenant_id),
        "client_id": _one(settings.client_id),
        "user_id": _one(settings.user_id),
        "thumbprint": _one(settings.thumbprint),
        "next_thumbprint": _one(settings.next_thumbprint),
        "secure_certificate_access": ("on",) if settings.secure_certificate_access else (),
        "folder": _one(settings.folder),
        "after_import": _one(settings.after_import),
        "move_to": _one(settings.move_to_folder),
        "import_since": _one(_since(settings.import_since)),
        "senders_allowed": filters.senders_allowed,
        "senders_denied": filters.senders_denied,
        "subjects_allowed": filters.subjects_allowed,
        "subjects_denied": filters.subjects_denied,
        "has_attachments": _one(has_attachments_word(filters.has_attachments)),
        "size_least": _one(filters.size_least),
        "size_most": _one(filters.size_most),
        "console_access": settings.console_access,
    }


def _one(value: object) -> tuple[str, ...]:
    return () if value in (None, "") else (str(value),)


def _since(time: datetime | None) -> str | None:
    if time is None:
        return None
    return "all" if time == table.EVERYTHING else f"{time:%Y-%m-%dT%H:%M:%SZ}"


def to_add(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `accounts add`, of the values of a form."""
    return {**values, "import_since": values["import_since"] or "now"}


def to_change(values: Mapping[str, Any], typed: Typed, before: table.AccountSettings) -> dict[str, Any]:
    """The options of `accounts update`, of the values of a form; `typed`: its texts."""
    found = {**values, "rename": values["name"]}
    del found["name"]
    # The form shows whole seconds of a time that has more; a time that is not touched stays.
    if found["import_since"] is None or typed["import_since"] == texts_of(before)["import_since"]:
        del found["import_since"]
    for name in ("has_attachments", "size_least", "size_most"):
        found[name] = ANY if found[name] is None else found[name]
    return found


def to_open(values: Mapping[str, Any]) -> table.AccountSettings:
    """The settings that open the mailbox, of the values of `credential_options`."""
    return table.AccountSettings(**values)


def fingerprint(account: table.Account) -> str:
    """The settings as one text, to find a change between a form and its answer."""
    return hashlib.sha256(repr((account.settings, sorted(account.unreadable), account.removed)).encode()).hexdigest()
