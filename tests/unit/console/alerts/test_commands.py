"""`mail-importer alerts`: targets, tests and history."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from alerts.services import open_targets
from db.engine import run_writing
from db.queries import alerts
from tests.doubles.alert_receivers import LOOPBACK, Mailbox, Webhook, smtp_server, webhook
from tests.ports import free_port
from tests.unit.console.conftest import NOW, Run

SECRET = "s3cret-t0ken"
SetTargets = Callable[..., None]


@pytest.fixture
def targets_are(monkeypatch: pytest.MonkeyPatch) -> SetTargets:
    def set_targets(*urls: str) -> None:
        monkeypatch.setenv("MAIL_IMPORTER_ALERTS", " ".join(urls))

    return set_targets


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as found:
        yield found


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with smtp_server() as found:
        yield found


def data(run: Run, *arguments: str) -> Any:  # noqa: ANN401  # any JSON
    return json.loads(run(*arguments, "--json").stdout)


def test_a_test_reaches_mailbox_and_webhook(run: Run, targets_are: SetTargets, hook: Webhook, mailbox: Mailbox) -> None:
    """It needs no database."""
    targets_are(mailbox.url, hook.url(SECRET))
    result = run("alerts", "test")
    assert result.exit_code == 0
    [mail] = mailbox.messages
    assert mail["Subject"] == "mail-importer: test of alerts"
    assert f"E-Mail {LOOPBACK}:{mailbox.port}" in mailbox.texts[0]
    assert hook.titles == ["mail-importer: test of alerts"]
    assert SECRET not in result.output


def test_a_test_of_one_target_is_by_number_or_name(run: Run, targets_are: SetTargets, hook: Webhook) -> None:
    targets_are(f"json://{LOOPBACK}:{free_port()}", hook.url())
    for name in ("2", f"JSON {LOOPBACK}:{hook.port}"):
        assert run("alerts", "test", name).exit_code == 0
    assert len(hook.posts) == 2
    unknown = run("alerts", "test", "3")
    assert unknown.exit_code == 2
    assert "There is no target '3'." in unknown.stderr


def test_a_test_that_fails_tells_the_real_error_and_exits_with_1(
    run: Run, targets_are: SetTargets, hook: Webhook
) -> None:
    targets_are(hook.url(), f"json://user:{SECRET}@{LOOPBACK}:{free_port()}/{SECRET}")
    result = run("alerts", "test")
    assert result.exit_code == 1
    assert "Connection refused" in result.stdout
    assert "The test failed at 1 target." in result.stderr
    assert SECRET not in result.output
    rows = data(run, "alerts", "test")
    assert [each["state"] for each in rows] == ["sent", "failed"]
    assert rows[0]["reason"] is None


@pytest.mark.usefixtures("engine")
def test_without_targets_each_command_says_so(run: Run) -> None:
    for command in ("list", "test"):
        result = run("alerts", command)
        assert (result.exit_code, result.stderr) == (0, "No targets are set (alerts): nothing is alerted.\n")
    assert run("alerts", "history").stderr == "No alert is on record.\n"


@pytest.fixture
def busy(engine: Engine, targets_are: SetTargets) -> None:
    """Two targets: one got an alert, the other refuses it and the next one."""
    urls = ["json://one.example.com", f"json://two.example.com/{SECRET}"]
    targets_are(*urls)
    one, two = [(each.fingerprint, each.name) for each in open_targets(urls)]

    def work(connection: Connection) -> None:
        began = NOW - timedelta(hours=2)
        alerts.add(connection, [one, two], title="first", body="text", now=began)
        alerts.add(connection, [two], title="second", body="text", now=NOW)
        for fingerprint, _ in (one, two):
            claimed = alerts.claim_next(connection, fingerprint, now=began, until=began)
            assert claimed is not None
            if fingerprint == one[0]:
                alerts.mark_sent(connection, claimed, now=began)
            else:
                alerts.mark_failed(connection, claimed, reason="connection refused", due=NOW + timedelta(minutes=9))

    run_writing(engine, work)


@pytest.mark.usefixtures("busy")
def test_list_shows_what_waits_and_what_failed(run: Run) -> None:
    one, two = data(run, "alerts", "list")
    assert (one["number"], one["target"], one["pending"], one["last_sent"], one["last_failed"]) == (
        1,
        "JSON one.example.com",
        0,
        "2026-03-31T10:00:00Z",
        None,
    )
    assert (two["pending"], two["last_sent"], two["last_failed"], two["reason"]) == (
        2,
        None,
        "2026-03-31T10:00:00Z",
        "connection refused",
    )
    table = run("alerts", "list").stdout
    assert "JSON two.example.com" in table
    assert SECRET not in table


@pytest.mark.usefixtures("busy")
def test_history_shows_the_newest_first(run: Run) -> None:
    found = data(run, "alerts", "history")
    assert [(each["title"], each["target"], each["state"], each["attempts"]) for each in found] == [
        ("second", "JSON two.example.com", "pending", 0),
        ("first", "JSON two.example.com", "pending", 1),
        ("first", "JSON one.example.com", "sent", 0),
    ]
    assert found[1]["next_attempt"] == "2026-03-31T12:09:00Z"
    assert found[2]["next_attempt"] is None
    assert len(data(run, "alerts", "history", "--limit", "1")) == 1
    assert len(data(run, "alerts", "history", "--since", "2026-03-31T11:00")) == 1
    assert "connection refused" in run("alerts", "history").stdout
