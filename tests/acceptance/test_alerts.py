"""Alerts as an operator gets them: from running roles, at a real mail server and a real webhook."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select

from bus.database.adapter import DatabaseQueue
from bus.queue import Message, MessageId
from db.engine import Database
from db.tables import alert, queue_message
from tests.acceptance.conftest import Site, stop, until
from tests.doubles.alert_receivers import smtp_server, webhook

SECRET = "s3cret-t0ken"


async def leave_in_the_queue(site: Site, since: datetime) -> None:
    database = Database(site.gateway.engine())
    queue = DatabaseQueue(database, clock=lambda: since)
    await queue.put([Message(MessageId("left"), "body")])
    await queue.close()
    await database.close()


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_problem_and_its_end_reach_mailbox_and_webhook_once(site: Site) -> None:
    """Two managers run; the alerts are in French, and their secrets are neither in logs nor in the database."""
    since = datetime.now(UTC) - timedelta(minutes=10)
    await leave_in_the_queue(site, since)
    with smtp_server() as mailbox, webhook() as hook:
        alerting = {"MAIL_IMPORTER_ALERTS": f"{mailbox.url} {hook.url(SECRET)}", "MAIL_IMPORTER_ALERT_LANGUAGE": "fr"}
        managers = [site.start("run", "subscriptions", **alerting) for _ in range(2)]

        async def alerted(number: int) -> bool:
            return len(mailbox.messages) >= number and len(hook.posts) >= number

        await until(lambda: alerted(1), "an alert at both targets")
        site.execute(delete(queue_message))
        await until(lambda: alerted(2), "the alert of its end at both targets")

        async def noted() -> bool:
            return site.rows(select(alert.c.sState).distinct()) == [("sent",)]

        await until(noted, "the results in the database")
        assert all(stop(each) < 10 for each in managers)
        assert len(hook.posts) == len(mailbox.messages) == 2
        assert hook.titles[0].startswith("mail-importer\N{NO-BREAK SPACE}: 1 message attend dans la file")
        assert hook.titles[1].startswith("mail-importer\N{NO-BREAK SPACE}: résolu\N{NO-BREAK SPACE}: 1 message")
        assert f"{since + timedelta(minutes=5):%Y-%m-%d %H:%M} UTC" in mailbox.texts[0]
        history = site.call("alerts", "history", "--json", **alerting)
        assert [each["state"] for each in json.loads(history.stdout)] == ["sent"] * 4
        listed = site.call("alerts", "list", **alerting)
        assert listed.returncode == 0
    written = [path.read_text("utf-8") for path in site.directory.glob("*.log")]
    assert sum("alert_sent" in each for each in written) == 1
    stored = str(site.rows(select(alert)))
    assert SECRET not in "".join([*written, stored, history.stdout, listed.stdout])
