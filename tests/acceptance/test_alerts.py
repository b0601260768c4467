"""Alerts as an operator gets them: from running roles, at a real mail server and a real webhook."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from db.engine import run_writing
from db.queries import accounts
from db.queries.accounts import Condition
from db.tables import account_condition, account_settings, alert, problem
from phrases import Phrase
from tests.acceptance.conftest import Site, stop
from tests.doubles.alert_receivers import smtp_server, webhook
from tests.waiting import until

SECRET = "s3cret-t0ken"


def refuse_to_mark(site: Site, since: datetime) -> None:
    """Note that the action after the import has failed since then, as a processor does."""
    detail = Phrase("Check folder and user id of the account with 'mail-importer accounts test'.")
    (number,) = site.rows(select(account_settings.c.nAccountID).limit(1))[0]
    noted = Condition(number, "afterimport", "AccessDenied", detail, since, next_attempt=since)
    run_writing(site.engine, lambda connection: accounts.set_condition(connection, noted))


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_problem_and_its_end_reach_mailbox_and_webhook_once(site: Site) -> None:
    """Two managers run; the alerts are in French, and their secrets are neither in logs nor in the database."""
    since = datetime.now(UTC) - timedelta(minutes=10)
    refuse_to_mark(site, since)
    of_the_action = problem.c.sKind == "after_import_failing"
    with smtp_server() as mailbox, webhook() as hook:
        alerting = {"MAIL_IMPORTER_ALERTS": f"{mailbox.url} {hook.url(SECRET)}", "MAIL_IMPORTER_ALERT_LANGUAGE": "fr"}
        managers = [site.start("run", "subscriptions", **alerting) for _ in range(2)]

        async def alerted(number: int) -> bool:
            return len(mailbox.messages) >= number and len(hook.posts) >= number

        async def is_found() -> bool:
            return bool(site.rows(select(problem.c.sKind).where(of_the_action)))

        await until(is_found, "the problem")
        site.execute(update(problem).where(of_the_action).values(dtOpened=since))  # as if it lasted two minutes
        await until(lambda: alerted(1), "an alert at both targets")
        site.execute(delete(account_condition))
        await until(lambda: alerted(2), "the alert of its end at both targets")

        async def noted() -> bool:
            return site.rows(select(alert.c.sState).distinct()) == [("sent",)]

        await until(noted, "the results in the database")
        assert all(stop(each) < 10 for each in managers)
        assert len(hook.posts) == len(mailbox.messages) == 2
        assert hook.titles[0].startswith("mail-importer\N{NO-BREAK SPACE}: Vérifiez le dossier")
        assert hook.titles[1].startswith("mail-importer\N{NO-BREAK SPACE}: résolu\N{NO-BREAK SPACE}: Vérifiez")
        assert f"{since:%Y-%m-%d %H:%M} UTC" in mailbox.texts[0]
        history = site.call("alerts", "history", "--json", **alerting)
        assert [each["state"] for each in json.loads(history.stdout)] == ["sent"] * 4
        listed = site.call("alerts", "list", **alerting)
        assert listed.returncode == 0
    written = [path.read_text("utf-8") for path in site.directory.glob("*.log")]
    assert sum("alert_sent" in each for each in written) == 1
    stored = str(site.rows(select(alert)))
    assert SECRET not in "".join([*written, stored, history.stdout, listed.stdout])
