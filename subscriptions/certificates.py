"""The life of certificates: tells in time that one ends, and that the next one is in use already."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection

from db import accounts
from db.accounts import Account, Condition
from db.engine import Database
from graph.certificates import normalise_thumbprint
from graph.errors import CertificateError
from graph.mailbox import Mailbox
from subscriptions.metrics import ManagerMetrics

CERTIFICATE_ROLE: Final = "certificate"
"""The condition that tells of a certificate."""

_EVERY: Final = timedelta(minutes=5)
_EARLY: Final = timedelta(days=30)
_TOLD_AGAIN_AFTER: Final = timedelta(days=1)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Certificates(Protocol):
    """Where certificates are: `graph.certificates.CertificateStore`."""

    def expiry(self, thumbprint: str) -> datetime:
        """When the certificate ends (aware, UTC), or CertificateError. May block."""


class TokensInUse(Protocol):
    """Who knows which certificate signed in: `graph.token.TokenSource`."""

    def certificate_in_use(self, mailbox: Mailbox) -> str | None:
        """The thumbprint of the certificate of the token held; None when none is held."""


@dataclass(frozen=True, slots=True)
class _Finding:
    reason: str
    detail: str


class CertificateWatch:
    """Looks at the certificates of all enabled accounts."""

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
        self._told: dict[tuple[str, str], datetime] = {}

    async def work(self) -> timedelta:
        """Note in the accounts' conditions what is to be done about their certificates; then not for some minutes.

        Raises:
            DatabaseUnavailable
        """
        known = [each for each in await self._database.read(accounts.every) if each.enabled]
        thumbprints = {each.settings.thumbprint for each in known}
        thumbprints |= {each.settings.next_thumbprint for each in known if each.settings.next_thumbprint}
        ends = await asyncio.to_thread(self._ends, thumbprints)
        for thumbprint, end in ends.items():
            self._metrics.certificate_expires.labels(thumbprint).set(end.timestamp())
        findings = {each.account_id: self._finding(each, ends) for each in known}
        noted = {
            each.account_id: each
            for each in await self._database.read(accounts.conditions)
            if each.role == CERTIFICATE_ROLE
        }
        changes = [
            (account_id, finding)
            for account_id, finding in findings.items()
            if (finding.detail if finding else None) != (noted[account_id].detail if account_id in noted else None)
        ]
        changes += [(account_id, None) for account_id in noted if account_id not in findings]
        if changes:
            await self._database.write(lambda connection: self._note(connection, changes))
        self._tell(known, findings)
        return _EVERY

    def _ends(self, thumbprints: set[str]) -> dict[str, datetime]:
        """When each ends, by the thumbprint as the account has it; one that is not there is told of by the sign-in."""
        ends: dict[str, datetime] = {}
        for thumbprint in thumbprints:
            try:
                ends[thumbprint] = self._certificates.expiry(thumbprint)
            except CertificateError as exc:
                log.debug("certificate_not_found", thumbprint=thumbprint, error=str(exc))
        return ends

    def _finding(self, account: Account, ends: dict[str, datetime]) -> _Finding | None:
        settings, now = account.settings, self._clock()
        follower = settings.next_thumbprint
        if follower is not None and self._uses(account, follower):
            return _Finding(
                "NextCertificateInUse",
                f"Sign-in falls back on the next certificate, {follower}: the current one, {settings.thumbprint}, is "
                f"no longer taken. Make it the current one: mail-importer accounts update {settings.name!r} "
                f"--thumbprint {follower} --no-next-thumbprint",
            )
        end = ends.get(settings.thumbprint)
        if end is None or end > now + _EARLY:
            return None
        if follower is not None and ends.get(follower, now) > now + _EARLY:
            return None
        return _Finding(
            "CertificateExpires",
            f"Certificate {settings.thumbprint} ends on {end:%Y-%m-%d %H:%M} UTC. Make another (mail-importer "
            "certificates new), upload its .cer file to the application registration beside this one, then: "
            f"mail-importer accounts update {settings.name!r} --next-thumbprint THUMBPRINT",
        )

    def _uses(self, account: Account, thumbprint: str) -> bool:
        in_use = self._tokens.certificate_in_use(Mailbox.of(account.account_id, account.settings))
        try:
            return in_use is not None and in_use == normalise_thumbprint(thumbprint)
        except CertificateError:
            return False  # no thumbprint at all: the sign-in says so

    def _note(self, connection: Connection, changes: list[tuple[int, _Finding | None]]) -> None:
        now = self._clock()
        for account_id, finding in changes:
            if finding is None:
                accounts.clear_condition(connection, account_id, CERTIFICATE_ROLE)
            else:
                condition = Condition(
                    account_id, CERTIFICATE_ROLE, finding.reason, finding.detail, since=now, next_attempt=now + _EVERY
                )
                accounts.set_condition(connection, condition)

    def _tell(self, known: list[Account], findings: dict[int, _Finding | None]) -> None:
        """Once a day for each certificate, however many accounts have it."""
        now = self._clock()
        concerned: dict[tuple[str, str], list[Account]] = {}
        for each in known:
            finding = findings[each.account_id]
            if finding is not None:
                concerned.setdefault((each.settings.thumbprint, finding.reason), []).append(each)
        for key, those in concerned.items():
            finding = findings[those[0].account_id]
            if finding is not None and now >= self._told.get(key, now):
                self._told[key] = now + _TOLD_AGAIN_AFTER
                log.warning(
                    "certificate_needs_attention",
                    reason=finding.reason,
                    account=those[0].settings.name,
                    accounts=len(those),
                    detail=finding.detail,
                )
