"""The life of certificates: reports in time that one ends, and that the next one is in use already."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection

from db.engine import Database
from db.queries import accounts
from db.queries.accounts import CertificateUse, Condition
from graph.application import Application
from graph.certificates import normalise_thumbprint
from graph.errors import CertificateError
from phrases import Phrase
from phrases.commands import quoted
from subscriptions.metrics import ManagerMetrics
from threads import DaemonThreads

CERTIFICATE_ROLE: Final = "certificate"
"""The condition that reports on a certificate."""

_EVERY: Final = timedelta(seconds=30)
"""A problem is to be seen, and seen to be over, within a minute."""
EARLY: Final = timedelta(days=30)
"""Time before the end of a certificate from which it is reported."""
_FALLEN_BACK: Final = "NextCertificateInUse"
_REPORTED_AGAIN_AFTER: Final = timedelta(days=1)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Certificates(Protocol):
    """The store of certificates: `graph.certificates.CertificateStore`."""

    def expiry(self, thumbprint: str) -> datetime:
        """The certificate's end (aware, UTC), or CertificateError. May block."""


class TokensInUse(Protocol):
    """The source of the certificate that signed in: `graph.token.TokenSource`."""

    def certificate_in_use(self, application: Application) -> str | None:
        """The thumbprint of the certificate of the token held; None when none is held."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """A report on the certificates of some accounts; `detail_for` the name of one."""

    reason: str
    detail_for: Callable[[str], Phrase]


class CertificateWatch:
    """Checks the certificates of all enabled accounts."""

    def __init__(
        self,
        database: Database,
        certificates: Certificates,
        tokens: TokensInUse,
        *,
        clock: Callable[[], datetime],
        metrics: ManagerMetrics,
    ) -> None:
        self._database = database
        self._certificates = certificates
        self._tokens = tokens
        self._clock = clock
        self._metrics = metrics
        self._in_use: dict[tuple[object, ...], str | None] = {}
        """The certificate that each combination last signed in with; tokens end, and are not always renewed at once."""
        self._next_report: dict[tuple[str, str], datetime] = {}
        # A store on a network share, or of a device, may hang.
        self._threads = DaemonThreads("certificate watch", limit=1)

    async def work(self) -> timedelta:
        """Note the required acts on certificates in the accounts' conditions; return the wait, half a minute.

        Raises:
            DatabaseUnavailable
        """
        uses = await self._database.read(accounts.certificate_uses)
        thumbprints = {each for use in uses for each in (use.thumbprint, use.next_thumbprint) if each}
        ends = await asyncio.get_running_loop().run_in_executor(self._threads, self._ends, thumbprints)
        for thumbprint, end in ends.items():
            self._metrics.certificate_expires.labels(thumbprint).set(end.timestamp())
        for use in uses:
            self._in_use[use.certificates] = self._certificate_in_use(use) or self._in_use.get(use.certificates)
        findings = [(use, found) for use in uses if (found := self._finding(use, ends)) is not None]
        await self._note(findings)
        self._log_findings(findings)
        return _EVERY

    def _ends(self, thumbprints: set[str]) -> dict[str, datetime]:
        """The end of each, by the thumbprint as the account has it; the sign-in reports one that is not there."""
        ends: dict[str, datetime] = {}
        for thumbprint in thumbprints:
            try:
                ends[thumbprint] = self._certificates.expiry(thumbprint)
            except CertificateError as exc:
                log.debug("certificate_not_found", thumbprint=thumbprint, error=str(exc))
        return ends

    def _finding(self, use: CertificateUse, ends: dict[str, datetime]) -> _Finding | None:
        now, follower = self._clock(), use.next_thumbprint
        if follower is not None and self._in_use[use.certificates] == _normal(follower):
            return _Finding(_FALLEN_BACK, partial(_fallen_back, use.thumbprint, follower))
        end = ends.get(use.thumbprint)
        if end is None or end > now + EARLY:
            return None
        if follower is not None and ends.get(follower, now) > now + EARLY:
            return None
        if end <= now:
            # As the sign-in reports it, which may yet hold a token for an hour: one cause, one problem.
            return _Finding("CertificateExpired", partial(_expired, use.thumbprint, end))
        return _Finding("CertificateExpires", partial(_expires, use.thumbprint, end))

    def _certificate_in_use(self, use: CertificateUse) -> str | None:
        return self._tokens.certificate_in_use(
            Application(
                account_name=use.name,
                used_for=use.name,
                tenant_id=use.tenant_id,
                client_id=use.client_id,
                thumbprint=use.thumbprint,
                secure_certificate_access=use.secure_certificate_access,
                next_thumbprint=use.next_thumbprint,
            )
        )

    async def _note(self, findings: list[tuple[CertificateUse, _Finding]]) -> None:
        """Update the conditions of the accounts concerned, and write only what changes."""
        now = self._clock()

        def read(connection: Connection) -> tuple[dict[int, Condition], dict[int, Condition]]:
            noted = {each.account_id: each for each in accounts.conditions(connection, CERTIFICATE_ROLE)}
            wanted = {
                number: Condition(number, CERTIFICATE_ROLE, found.reason, found.detail_for(name), now, now + _EVERY)
                for use, found in findings
                for number, name in accounts.names_using(connection, use).items()
            }
            return noted, wanted

        noted, wanted = await self._database.read(read)
        # Before the first sign-in of this process it is unknown whether what an earlier one noted still holds.
        signed_in = any(self._in_use.values())
        gone = [
            number
            for number, each in noted.items()
            if number not in wanted and (signed_in or each.reason != _FALLEN_BACK)
        ]
        changed = [
            each for number, each in wanted.items() if number not in noted or noted[number].detail != each.detail
        ]
        if not gone and not changed:
            return

        def work(connection: Connection) -> None:
            for number in gone:
                accounts.clear_condition(connection, number, CERTIFICATE_ROLE)
            for condition in changed:
                accounts.set_condition(connection, condition)

        await self._database.write(work)

    def _log_findings(self, findings: list[tuple[CertificateUse, _Finding]]) -> None:
        """Log once a day for each certificate, however many accounts have it."""
        now = self._clock()
        for use, found in findings:
            key = (use.thumbprint, found.reason)
            if now >= self._next_report.get(key, now):
                self._next_report[key] = now + _REPORTED_AGAIN_AFTER
                log.warning(
                    "certificate_needs_attention",
                    reason=found.reason,
                    account=use.name,
                    accounts=use.accounts,
                    detail=found.detail_for(use.name),
                )


def _fallen_back(current: str, follower: str, account: str) -> Phrase:
    return Phrase(
        "Sign-in falls back on the next certificate, {follower}: the current one, {current}, is no longer accepted. "
        "Make it the current one: mail-importer accounts update {account} --thumbprint {follower} "
        "--no-next-thumbprint",
        current=current,
        follower=follower,
        account=quoted(account),
    )


def _expires(thumbprint: str, end: datetime, account: str) -> Phrase:
    return Phrase(
        "Certificate {thumbprint} ends on {end:%Y-%m-%d %H:%M} UTC. Make another (mail-importer certificates new), "
        "upload its .cer file to the application registration beside this one, then: mail-importer accounts update "
        "{account} --next-thumbprint THUMBPRINT",
        thumbprint=thumbprint,
        end=end,
        account=quoted(account),
    )


def _expired(thumbprint: str, end: datetime, account: str) -> Phrase:
    return Phrase(
        "Certificate {thumbprint} ended on {end:%Y-%m-%d %H:%M} UTC. Make another (mail-importer certificates new), "
        "upload its .cer file to the application registration, then: mail-importer accounts update {account} "
        "--thumbprint THUMBPRINT",
        thumbprint=thumbprint,
        end=end,
        account=quoted(account),
    )


def _normal(thumbprint: str) -> str:
    try:
        return normalise_thumbprint(thumbprint)
    except CertificateError:
        return thumbprint  # no thumbprint at all: the sign-in reports it
