"""Alerts as configured: quiet times, language, targets, and the commands that they name."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest
from pydantic import SecretStr

from alerts.notices import AlertPolicy, Notice, NoticeKind, due_notices
from alerts.text import command_for
from console.main import cli
from console.quiet_times import QuietTimes
from console.settings import Settings, SettingsError
from console.wiring.alerts import AlertObserver, alert_writer, alerter_of, open_alert_targets
from db.engine import Database
from db.queries.problems import ProblemKind, Severity
from phrases import Phrase
from tests.doubles.alert_receivers import webhook
from tests.doubles.clock import SettableClock
from tests.doubles.listeners import Issuer
from tests.unit.alerts.problems import MINUTE, NOW, stored


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.mark.parametrize(
    ("local", "is_alerted"),
    [
        ("2026-03-28 21:59", True),
        ("2026-03-28 22:00", False),
        ("2026-03-28 23:59", False),
        ("2026-03-29 00:00", False),
        ("2026-03-29 05:59", False),  # an hour is missing in this night
        ("2026-03-29 06:00", True),
        ("2026-10-25 05:59", False),  # and an hour is there twice in this one
        ("2026-10-25 06:00", True),
    ],
)
def test_quiet_times_are_local_also_past_midnight_and_when_clocks_change(local: str, is_alerted: bool) -> None:
    zone = ZoneInfo("Europe/Zurich")
    times = QuietTimes.parse("22:00-06:00")
    now = datetime.strptime(local, "%Y-%m-%d %H:%M").replace(tzinfo=zone).astimezone(UTC)
    policy = AlertPolicy(is_quiet=lambda moment: times.covers(moment, zone))
    warning = stored(now=now, severity=Severity.WARNING)
    assert bool(due_notices([warning], [], now=now, policy=policy)) is is_alerted


def test_alerts_are_in_the_language_of_the_settings() -> None:
    writer = alert_writer(Settings(alert_language="fr"))
    problem = stored(account_id=7, severity=Severity.WARNING, kind="dead_letters")
    message = writer.message([Notice(NoticeKind.REMINDER, problem)], {7: "water laboratory"})
    graph_is_away = "Microsoft Graph est injoignable depuis host-1\N{NO-BREAK SPACE}: connection refused."
    assert message.title == f"mail-importer\N{NO-BREAK SPACE}: {graph_is_away}"
    lines = message.body.splitlines()
    assert lines[0] == "Rappel (avertissement), depuis le 2026-03-31 11:00 UTC"
    assert lines[1] == "Compte\N{NO-BREAK SPACE}: water laboratory"
    command = 'mail-importer queue list --dead-letters --account "water laboratory"'
    assert f"Détails\N{NO-BREAK SPACE}: {command}" in lines
    ended = stored(alerted=NOW, cleared=NOW, text="Graph is away.")
    title = writer.message([Notice(NoticeKind.RECOVERY, ended)], {}).title
    assert title == "mail-importer\N{NO-BREAK SPACE}: résolu\N{NO-BREAK SPACE}: Graph is away."


@pytest.mark.parametrize("account", [None, "laboratory"])
@pytest.mark.parametrize("kind", [*ProblemKind, "of_a_newer_version"])
def test_each_command_that_an_alert_names_exists(kind: str, account: str | None) -> None:
    program, *words = command_for(stored(kind=kind), account).split()
    assert program == "mail-importer"
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None
        command = found
    with command.make_context(command.name, words, resilient_parsing=False):
        pass


def test_apprise_is_loaded_only_with_targets() -> None:
    loaded = "import sys, alerts.alerter, console.wiring.alerts; print('apprise' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_without_targets_nothing_is_alerted(database: Database) -> None:
    assert alerter_of(Settings(), database, clock=SettableClock()) is None


def test_a_target_that_is_no_url_of_apprise_is_wrong_settings_and_not_repeated(database: Database) -> None:
    settings = Settings(alerts=SecretStr("bogus://s3cret"), alert_language="en")
    with pytest.raises(SettingsError) as wrong:
        alerter_of(settings, database, clock=SettableClock())
    assert str(wrong.value.message) == "alerts: target 1 is no URL that Apprise understands."


def test_targets_come_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "targets"
    path.write_text("# comment\njson://one.example.com\n\njson://two.example.com\n", "utf-8")
    path.chmod(0o600)
    targets = open_alert_targets(Settings(alerts=SecretStr(str(path))))
    assert [each.name for each in targets] == ["JSON one.example.com", "JSON two.example.com"]


def test_a_target_is_trusted_by_the_roots_of_the_system_and_of_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, private = Issuer(tmp_path, "public"), Issuer(tmp_path, "private")
    monkeypatch.setenv("SSL_CERT_FILE", str(public.file()))
    for issuer in (public, private):
        with webhook(tls=issuer.serving("localhost")) as hook:
            alerts = SecretStr(f"jsons://localhost:{hook.port}")
            [target] = open_alert_targets(Settings(alerts=alerts, ca_bundle=private.file()))
            target.send("title", "body")
            assert hook.titles == ["title"]


def test_a_bundle_that_cannot_be_read_is_wrong_settings(tmp_path: Path) -> None:
    settings = Settings(alerts=SecretStr("json://one.example.com"), ca_bundle=tmp_path / "none.pem")
    with pytest.raises(SettingsError, match="ca_bundle"):
        open_alert_targets(settings)


async def test_the_monitor_alerts_an_outage_of_the_database_and_its_end(database: Database) -> None:
    """The end is told even if another process has the lease by then."""
    clock = SettableClock()
    with webhook() as hook:
        alerter = alerter_of(Settings(alerts=SecretStr(hook.url()), alert_language="en"), database, clock=clock)
        assert alerter is not None
        observer = AlertObserver(alerter)
        since = clock()
        clock.advance(15 * MINUTE)
        await observer.database_failed(since, Phrase("The database is away."))
        await alerter.close()
        await observer.lost()
        await alerter.work(clock())
        await alerter.close()
        assert hook.titles == [
            "mail-importer: The database is away.",
            "mail-importer: resolved: The gateway database is available again.",
        ]
