"""Alerts: from settings to their targets and to the component that sends them."""

import os
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from alerts.alerter import Alerter
from alerts.errors import UnusableTargets
from alerts.notices import AlertPolicy
from alerts.text import Writer
from console.quiet_times import QuietTimes
from console.settings import Settings, SettingsError
from console.translation import language
from console.wiring.alert_targets import alert_targets
from console.wiring.host import host_name
from db.engine import Database
from db.queries import installation
from db.queries.problems import Problem, Severity
from monitoring.evaluation import shared_causes
from monitoring.facts import Facts
from phrases import Phrase

if TYPE_CHECKING:
    from alerts.services import Target


class AlertObserver:
    """Alerts what the monitor finds (`monitoring.monitor.Observer`)."""

    def __init__(self, alerter: Alerter) -> None:
        self._alerter = alerter

    async def found(self, facts: Facts, found: Collection[Problem]) -> None:  # noqa: ARG002  # the signature is the port's
        """Alert what is due; the problems are read where they are stored, with the times of their alerts."""
        await self._alerter.database_back()
        await self._alerter.work(facts.now)

    async def database_failed(self, since: datetime, why: str) -> None:
        """Alert an outage of the database, which nothing can be written to."""
        self._alerter.database_trouble(since, why)

    async def lost(self) -> None:
        """Alert the end of an outage of the database, which another process knows nothing of."""
        self._alerter.leave()
        await self._alerter.database_back()


def alerter_of(settings: Settings, database: Database, *, clock: Callable[[], datetime]) -> Alerter | None:
    """The component that alerts, as configured; None without targets.

    Raises:
        SettingsError: a target cannot be used.
    """
    targets = open_alert_targets(settings)
    if not targets:
        return None
    return Alerter(
        database,
        targets,
        policy=_policy(settings),
        writer=alert_writer(settings),
        clock=clock,
        shared_causes=lambda connection, accounts: shared_causes(installation.conditions_of(connection, accounts)),
    )


def open_alert_targets(settings: Settings) -> "tuple[Target, ...]":
    """The targets of the settings, in their order.

    Raises:
        SettingsError: one of them cannot be used.
    """
    urls = alert_targets(settings)
    if not urls:
        return ()
    # Apprise is large, and few commands need it.
    from alerts.services import open_targets  # noqa: PLC0415  # see above
    from graph.transport import load_roots  # noqa: PLC0415  # of those commands alone, too

    try:
        # The roots are those of all other connections; requests would bring its own.
        roots = b"".join(each.public_bytes(Encoding.PEM) for each in load_roots(settings.ca_bundle))
        return open_targets(urls, roots=roots)
    except UnusableTargets as exc:
        raise SettingsError(Phrase("alerts: {why}.", why=exc)) from None
    except ValueError as exc:
        raise SettingsError(Phrase.of(exc)) from exc


def alert_writer(settings: Settings) -> Writer:
    """The writer of alerts, in the language of the settings, else of the locale."""
    catalogue = language.catalogue(settings.alert_language or language.of_environment(os.environ))
    return Writer(lambda text: text.translated(catalogue) if isinstance(text, Phrase) else text, host_name())


def _policy(settings: Settings) -> AlertPolicy:
    hours, quiet = settings.alert_repeat_hours, settings.alert_quiet
    return AlertPolicy(
        minimum_severity=Severity(settings.alert_minimum_severity),
        repeat=timedelta(hours=hours) if hours else None,
        is_quiet=QuietTimes.parse(quiet).covers if quiet else lambda _moment: False,
    )
