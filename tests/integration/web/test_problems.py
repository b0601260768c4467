"""The pages of problems and alerts: causes with links to what they are about, and a test of the targets."""

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import Connection

from bus.database.adapter import DatabaseQueue
from bus.notification import Notification
from console.web.rights import Role
from db.engine import Database, run_writing
from db.queries import accounts, alerts, console_activity, problems
from db.queries.console_activity import ActivityKind
from db.queries.problems import Problem, ProblemKind, Severity
from phrases import Phrase
from tests.databases import Gateway
from tests.doubles.alert_receivers import LOOPBACK, webhook
from tests.integration.web.console_site import ConsoleSite, console_site
from tests.integration.web.forms_and_jobs import finished, next_page
from tests.ports import free_port

NAME = "laboratory <b>1</b>"
SECRET = "s3cret-t0ken"


def now() -> datetime:
    return datetime.now(UTC)


async def fail(gateway: Gateway) -> int:
    """An account whose message is a dead letter; its number."""
    database = Database(gateway.engine())
    settings = accounts.AccountSettings(NAME, "t", "c", "u", "p")
    number = await database.write(lambda connection: accounts.add(connection, settings, now=now()))
    queue = DatabaseQueue(database, clock=now)
    await queue.put([Notification(number, "s", "created", "m1", None, now(), "c").to_message()])
    [delivery] = await queue.receive(1, wait=timedelta(seconds=5))
    await queue.dead_letter(delivery, reason="ItemCorrupt", description="It cannot be read.")
    await queue.close()
    await database.close()
    return number


def end_one(connection: Connection) -> None:
    """A problem that was open a day ago, and is over."""
    found = Problem(ProblemKind.FOLDER_NOT_FOUND, Severity.ERROR, Phrase("The folder is gone."), Phrase("Make it."))
    problems.reconcile(connection, [found], now=now() - timedelta(days=1))
    problems.reconcile(connection, [], now=now() - timedelta(hours=20))


async def test_open_problems_have_cause_remedy_and_links(gateway: Gateway) -> None:
    number = await fail(gateway)
    engine = gateway.engine()
    run_writing(engine, end_one)
    engine.dispose()
    async with console_site(gateway, clock=now) as site:
        browser = await site.signed_in(Role.VIEWER)
        text = (await browser.get("/problems")).text
        part = await browser.get("/problems", HX_Request="true")
    assert "dead letters" in text
    assert 'class="state bad">error' in text
    assert "Remedy: " in text
    assert f'href="/failures/list?kind=dead&amp;account={number}"' in text
    assert 'href="/mailboxes/laboratory%20%3Cb%3E1%3C%2Fb%3E">laboratory &lt;b&gt;1&lt;/b&gt;</a>' in text
    assert "The folder is gone." in text.partition("Ended in the last 7 days")[2]
    assert "<h1" not in part.text
    assert "dead letters" in part.text


async def test_nothing_wrong_is_said(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.VIEWER)
    text = (await browser.get("/problems")).text
    assert "Nothing needs a person." in text
    assert "No problem ended in the last 7 days." in text


async def test_a_test_reaches_the_targets_of_the_settings_and_is_recorded(gateway: Gateway) -> None:
    with webhook() as hook:
        dead = f"json://{LOOPBACK}:{free_port()}/{SECRET}"
        async with console_site(gateway, clock=now, alerts=SecretStr(f"{hook.url(SECRET)} {dead}")) as site:
            browser = await site.signed_in(Role.ADMINISTRATOR)
            page = (await browser.get("/problems/alerts")).text
            assert f"JSON {LOOPBACK}:{hook.port}" in page
            assert SECRET not in page
            one = await finished(browser, await browser.post("/problems/alerts/test", {"target": "1"}))
            assert "The test was sent to 1 target." in one
            both = await finished(browser, await browser.post("/problems/alerts/test", {"target": ""}))
            assert "The test failed at 1 target." in both
            assert SECRET not in both
            assert hook.titles == ["mail-importer: test of alerts"] * 2
            elsewhere = {"target": f"json://{LOOPBACK}:{hook.port}/other"}
            assert (await browser.post("/problems/alerts/test", elsewhere)).status == 400
            assert len(hook.posts) == 2, "a form sends to no address of its own"
            noted = site.read(lambda connection: console_activity.latest(connection, limit=5))
    tests = [(each.who, each.detail) for each in noted if each.action == ActivityKind.ALERT_TESTED]
    assert tests[-1] == ("administrator", f"JSON {LOOPBACK}:{hook.port}")


async def test_only_an_administrator_tests_alerts(gateway: Gateway) -> None:
    with webhook() as hook:
        async with console_site(gateway, clock=now, alerts=SecretStr(hook.url())) as site:
            browser = await site.signed_in(Role.OPERATOR)
            assert "Send a test" not in (await browser.get("/problems/alerts")).text
            assert (await browser.post("/problems/alerts/test", {"target": ""})).status == 403
        assert hook.posts == []


async def test_a_target_that_cannot_be_used_is_said_without_its_secret(gateway: Gateway) -> None:
    async with console_site(gateway, clock=now, alerts=SecretStr(f"nonsense://{SECRET}")) as site:
        page = await (await site.signed_in(Role.ADMINISTRATOR)).get("/problems/alerts")
    assert page.status == 200
    assert 'role="alert">alerts:' in page.text
    assert SECRET not in page.text


async def test_the_history_of_alerts_has_pages(site: ConsoleSite) -> None:
    def fill(connection: Connection) -> None:
        for number in range(55):
            alerts.add(connection, [("f" * 64, "JSON host")], title=f"alert {number:02}", body="", now=now())

    site.write(fill)
    browser = await site.signed_in(Role.VIEWER)
    first = (await browser.get("/problems/alerts")).text
    assert "No targets are set" in first
    assert first.count(">alert ") == 50
    second = (await browser.get(next_page(first))).text
    assert second.count(">alert ") == 5
    assert "alert 00" in second
