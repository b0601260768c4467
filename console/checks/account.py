"""The whole test of an account: its checks, their order and dependencies."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from console.checks import certificate, connection, mailbox
from console.checks.certificate import CertificateChecks
from console.checks.connection import ConnectionChecks
from console.checks.folders import ImportFolderChecks
from console.checks.mailbox import MailboxChecks
from console.checks.notification import NotificationChecks
from console.checks.runner import Check, Step
from console.checks.settings import settings_check
from console.checks.storage import StorageChecks
from console.settings import Settings
from console.wiring.calls import CallContext
from console.wiring.certificate_store import naming
from console.wiring.database import open_engine
from console.wiring.graph import open_graph
from console.wiring.identity import identity_of
from db.engine import Database
from db.outcomes import ActionKind
from db.queries import dry_run
from db.queries.accounts import AccountSettings
from db.schema import revisions
from graph.certificates import Certificate
from graph.errors import update_command
from graph.folders import MailFolders
from graph.mailbox import Mailbox
from graph.messages import MailReader
from graph.subscriptions import SubscriptionClient
from graph.transport import tls_context
from phrases import Phrase

_HURRIED: Final = CallContext(connect_seconds=5.0, sign_in_seconds=12.0, read_seconds=12.0, call_seconds=12.0)
_DATABASE_SECONDS: Final = 10
"""Limit of a test's waits for the database; a role may wait longer."""
_USUAL_FOLDER: Final = Path("certificates")
"""Default folder of certificates."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account to test. `account_id` None: it is not in the database yet."""

    account_id: int | None
    settings: AccountSettings


@dataclass(frozen=True, slots=True)
class AccountTest:
    """The checks, and the facts they found for a report."""

    checks: Sequence[Check]
    _certificates: CertificateChecks
    _mailboxes: MailboxChecks

    @property
    def certificate(self) -> Certificate | None:
        """The certificate found, without its key."""
        return self._certificates.certificate

    @property
    def claims(self) -> Mapping[str, Any]:
        """The claims of the token."""
        return self._mailboxes.claims


def for_candidate(step: Step, candidate: Candidate) -> Step:
    """The step as it is shown: before the account is saved, a remedy names the option to give, not a command."""
    if candidate.account_id is not None:
        return step
    remedy = step.finding.remedy.exchanged(update_command(candidate.settings.name), Phrase("the option"))
    return replace(step, finding=replace(step.finding, remedy=remedy))


@asynccontextmanager
async def brief_test(
    settings: Settings,
    candidate: Candidate,
    *,
    denied: Sequence[str],
    allow_shared: bool,
    clock: Callable[[], datetime],
) -> AsyncIterator[AccountTest]:
    """As `opened_test`, with connections of its own to the gateway database, which wait briefly.

    Raises:
        DatabaseError, SettingsError
    """
    waits = {"database_statement_timeout": _DATABASE_SECONDS, "database_login_timeout": _DATABASE_SECONDS}
    brief = settings.model_copy(update={name: min(limit, getattr(settings, name)) for name, limit in waits.items()})
    engine = open_engine(brief)
    try:
        await asyncio.to_thread(revisions.require_current, engine)
        async with opened_test(
            brief, engine, candidate, denied=denied, allow_shared=allow_shared, clock=clock
        ) as opened:
            yield opened
    finally:
        engine.dispose()


@asynccontextmanager
async def opened_test(
    settings: Settings,
    engine: Engine,
    candidate: Candidate,
    *,
    denied: Sequence[str],
    allow_shared: bool,
    clock: Callable[[], datetime],
) -> AsyncIterator[AccountTest]:
    """The test of an account, able to run while the context lasts. It uses nothing of other processes.

    Raises:
        SettingsError: `ca_bundle` or `certificate_store` cannot be used.
    """
    with naming("ca_bundle"):
        tls = tls_context(settings.ca_bundle)
    who = Mailbox.of(candidate.account_id or 0, candidate.settings)
    database = Database(engine)
    try:
        async with open_graph(settings, context=replace(_HURRIED, clock=clock)) as graph:
            client, tokens = graph.client, graph.tokens
            certificates = CertificateChecks(
                graph.certificates,
                who.application,
                elsewhere=_elsewhere(settings),
                ca_bundle=settings.ca_bundle,
                tokens=tokens,
                clock=clock,
            )
            connections = ConnectionChecks(settings.authority_url, settings.graph_url, tls=tls, clock=clock)
            folders = MailFolders(client, MailReader(client), clock=clock)
            mailboxes = MailboxChecks(
                client,
                tokens,
                who,
                folder=candidate.settings.folder,
                folders=folders,
                writes=candidate.settings.after_import != ActionKind.NONE,
                denied=denied,
                allow_shared=allow_shared,
            )
            notifications = NotificationChecks(
                settings.notification_url,
                subscriptions=SubscriptionClient(client),
                mailbox=who,
                folder=candidate.settings.folder,
                folders=folders,
                ca_bundle=settings.ca_bundle,
                clock=clock,
            )
            storage = StorageChecks(settings, database, _trial(candidate, clock), clock=clock)
            identity = identity_of(settings, "graph_credential")
            signs_in: tuple[str, ...]
            if identity is None:
                signs_in = (*certificate.ALL, connection.SIGN_IN_TLS)
                proofs, following = certificates.checks(), certificates.next_check((connection.SIGN_IN_TLS,))
            else:
                signs_in = (certificate.IDENTITY, connection.SIGN_IN_TLS)
                proofs, following = [certificate.identity_check(identity, who.application)], []
            checks = [
                settings_check(settings, candidate.settings),
                *proofs,
                *connections.checks(),
                mailboxes.token_check(signs_in),
                *following,
                *mailboxes.checks((connection.GRAPH_TLS,)),
                *notifications.checks((mailbox.FOLDER,)),
                *storage.checks(),
                *ImportFolderChecks(settings, database, candidate.account_id).checks(),
            ]
            yield AccountTest(checks, certificates, mailboxes)
    finally:
        await database.close()


def _elsewhere(settings: Settings) -> list[Path]:
    usual = _USUAL_FOLDER.absolute()
    return [usual] if usual.is_dir() and usual != Path(settings.certificate_store).absolute() else []


def _trial(candidate: Candidate, clock: Callable[[], datetime]) -> Callable[..., object]:
    if candidate.account_id is None:
        return partial(dry_run.add_and_import_one, settings=candidate.settings, now=clock())
    return partial(dry_run.import_one, account_id=candidate.account_id, now=clock())
