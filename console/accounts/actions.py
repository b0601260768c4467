"""Actions on an account, for the commands and for the web console: what they do, and the sentences about it."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from console.audit import audited
from console.settings import Settings, SettingsError
from console.wiring.certificate_store import certificate_store
from db.engine import Database
from db.queries import accounts as table
from db.queries import after_import
from db.queries.history import Author
from phrases import Phrase

_RETRIED_AT_ONCE: Final = 500


def missing_certificates(settings: Settings, account: table.AccountSettings) -> Iterator[Phrase]:
    """Warnings of the certificates of the account that the store of this host has not."""
    if settings.graph_credential != "certificate":
        return
    try:
        entries = certificate_store(settings).list()
    except SettingsError:
        return  # a store this version cannot read; the role that must read it reports this
    there = {entry.certificate.thumbprint for entry in entries if entry.certificate is not None}
    for thumbprint in filter(None, (account.thumbprint, account.next_thumbprint)):
        if thumbprint not in there:
            yield Phrase(
                "Warning: the certificate store of this host, {certificate_store}, holds no certificate "
                "{thumbprint}. See: mail-importer certificates list",
                certificate_store=settings.certificate_store,
                thumbprint=thumbprint,
            )


def switched_sentence(name: str, *, enabled: bool) -> Phrase:
    """The report of enabling or disabling."""
    if enabled:
        return Phrase("Account {name!r} is enabled.", name=name)
    return Phrase("Account {name!r} is disabled.", name=name)


def removal(messages: int) -> list[Phrase]:
    """The effects of the removal, a sentence or two each. `messages`: the number that the account imported."""
    return [
        Phrase("Its subscription at Microsoft Graph is deleted, and its mail is no longer imported."),
        Phrase("What of it waits in the queue is dropped; its dead letters stay, and are no problem any more."),
        Phrase.counted(
            "The {n} message that it imported stays in the database, and so do the files saved of it.",
            "The {n} messages that it imported stay in the database, and so do the files saved of them.",
            n=messages,
        ),
        Phrase("Its row stays, marked as removed: adding the same mailbox and folder again takes it up."),
    ]


def removal_question(account: table.Account) -> Phrase:
    """The question before it."""
    settings = account.settings
    return Phrase("Remove the account {name!r} ({user_id})?", name=settings.name, user_id=settings.user_id)


def removed_sentence(name: str, present: str, messages: int) -> Phrase:
    """The report of a removal; `present`: what the account is called now."""
    return Phrase.counted(
        "Account {name!r} is removed; it is called {present!r} now. The {n} message that it imported stays in the "
        "database.",
        "Account {name!r} is removed; it is called {present!r} now. The {n} messages that it imported stay in the "
        "database.",
        n=messages,
        name=name,
        present=present,
    )


@dataclass(frozen=True, slots=True)
class Retried:
    """The number of failed actions that are due again, and of those left out.

    `incomplete`: their messages are. `not_called_for`: the account's settings do not name them any more.
    """

    actions: int
    incomplete: int
    not_called_for: int


async def retried(
    database: Database, name: str, *, even_incomplete: bool, clock: Callable[[], datetime], by: Author
) -> Retried:
    """Make the failed actions of an account due again, recorded as done by that author.

    Raises:
        AccountNotFound
    """
    now = clock()
    done, last = 0, 0
    account_id = (await database.read(lambda connection: table.by_name(connection, name))).account_id
    selection = f"{name} --even-incomplete" if even_incomplete else name
    async with audited(database, action="retry-actions", selection=selection, done=lambda: done, clock=clock, by=by):
        while True:
            again = functools.partial(
                after_import.retry_failed,
                account_id=account_id,
                after=last,
                now=now,
                limit=_RETRIED_AT_ONCE,
                even_incomplete=even_incomplete,
            )
            numbers = await database.write(again)
            if not numbers:
                break
            done, last = done + len(numbers), numbers[-1]
    return await database.read(
        lambda connection: Retried(
            done,
            after_import.count_incomplete(connection, account_id),
            after_import.count_not_called_for(connection, account_id),
        )
    )


def retried_sentences(name: str, result: Retried) -> list[Phrase]:
    """The report of `retried`."""
    sentences = [
        Phrase.counted(
            "{n} action of account {name!r} is due again. A running processor takes it up within seconds.",
            "{n} actions of account {name!r} are due again. A running processor performs them within seconds.",
            n=result.actions,
            name=name,
        )
    ]
    if result.incomplete:
        sentences.append(
            Phrase.counted(
                "{n} message is not all in the database and was left out. Import it anew, or add --even-incomplete.",
                "{n} messages are not all in the database and were left out. Import them again, or add "
                "--even-incomplete.",
                n=result.incomplete,
            )
        )
    if result.not_called_for:
        sentences.append(
            Phrase.counted(
                "{n} action was left out: the --after-import of the account is another one now.",
                "{n} actions were left out: the --after-import of the account is another one now.",
                n=result.not_called_for,
            )
        )
    return sentences
