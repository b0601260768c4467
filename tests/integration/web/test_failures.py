"""The page of failures, on a real queue: groups, replay, purge, and what each role may do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import expect
from sqlalchemy import Connection, update

from bus.queue import Message, MessageId
from console.web.rights import Role
from db.outcomes import FailureState
from db.queries import accounts, audit, failures
from db.tables import account_settings, failure
from tests.databases import on_every_database
from tests.doubles.chromium import Chromium
from tests.integration.web.console_site import PASSWORD, ConsoleSite
from tests.integration.web.failing_mail import fail, notification
from tests.integration.web.forms_and_jobs import finished, next_page, value_of


@pytest.fixture
async def filled(site: ConsoleSite) -> int:
    """An account with three dead letters of two reasons, and one message that is tried again later."""
    number: int = site.write(
        lambda connection: accounts.add(
            connection, accounts.AccountSettings("laboratory", "t", "c", "u", "p"), now=datetime.now(UTC)
        )
    )
    await fail(site, number, "corrupt-1", reason="ItemCorrupt")
    await fail(site, number, "corrupt-2", reason="ItemCorrupt")
    await fail(site, number, "other", reason="Other")
    await fail(site, number, "later", reason="MailboxBusy", later=True)
    return number


async def dead(site: ConsoleSite) -> list[str]:
    return [each.entry for each in await site.services.queue.peek(limit=10, dead_letters=True)]


def audited(site: ConsoleSite) -> list[tuple[str, str, str, int, str | None]]:
    rows = site.read(lambda connection: audit.latest(connection, limit=10))
    return [(each.action, each.who, each.selection, each.messages, each.why) for each in rows]


async def test_groups_tell_how_many_failed_for_what(site: ConsoleSite, filled: int) -> None:
    browser = await site.signed_in(Role.VIEWER)
    page = await browser.get("/failures")
    text = " ".join(page.text.split())
    assert (
        f'<td>laboratory</td><td><a href="/failures/list?kind=dead&amp;account={filled}&amp;reason=ItemCorrupt">'
        'ItemCorrupt</a></td><td class="number">2</td>'
    ) in text
    assert (
        f'kind=scheduled&amp;account={filled}&amp;reason=MailboxBusy">MailboxBusy</a></td><td class="number">1' in text
    )
    assert 'href="/files"' in text


async def test_a_group_shows_its_messages_escaped_and_links_the_mail(site: ConsoleSite, filled: int) -> None:
    browser = await site.signed_in(Role.VIEWER)
    page = (await browser.get(f"/failures/list?kind=dead&account={filled}&reason=Other")).text
    assert "Findings of &lt;b&gt;Mr. Miller&lt;/b&gt;" in page
    assert "<b>Mr" not in page
    assert f'href="/messages/of/{filled}?graph_id=other"' in page
    assert "Doctor Who" in page
    assert page.count("It cannot be read.") == 1
    assert "formaction" not in page, "a viewer acts on nothing"


async def test_no_subject_turns_the_direction_of_what_follows(site: ConsoleSite, filled: int) -> None:
    turned = {"sSubject": "report\u202efdp.exe", "sFromName": "\u202eohW"}
    site.write(lambda connection: connection.execute(update(failure).values(turned)))
    page = (await (await site.signed_in(Role.VIEWER)).get(f"/failures/list?kind=dead&account={filled}")).text
    assert page.count("report\ufffdfdp.exe") == 3
    assert "\u202e" not in page


async def test_mail_of_a_hidden_account_keeps_its_subject(site: ConsoleSite, filled: int) -> None:
    site.write(lambda connection: hide(connection, filled))
    browser = await site.signed_in(Role.OPERATOR)
    page = (await browser.get("/failures/list?kind=dead")).text
    assert "ItemCorrupt" in page
    assert "Miller" not in page
    assert "Doctor Who" not in page
    allowed = await site.signed_in(Role.OPERATOR, name="insider", groups=("doctors",))
    assert "Miller" in (await allowed.get("/failures/list?kind=dead")).text


def hide(connection: Connection, account_id: int) -> None:
    mine = account_settings.c.nAccountID == account_id
    connection.execute(update(account_settings).where(mine).values(sConsoleAccess="doctors"))


async def test_a_dry_run_counts_and_changes_nothing(site: ConsoleSite, filled: int) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    await browser.get("/failures")
    before = await dead(site)
    fields = {"kind": "dead", "account": filled, "reason": "ItemCorrupt", "scope": "all"}
    text = await finished(browser, await browser.post("/failures/dry-run", fields))
    assert "Would be replayed: 2. Of these imported already: 0." in text
    assert await dead(site) == before
    assert audited(site) == []


async def test_replay_puts_the_selected_back_and_records_the_user(site: ConsoleSite, filled: int) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    await browser.get("/failures")
    first, second, third = await dead(site)
    fields = {"kind": "dead", "scope": "selected", "entry": [first, third], "why": "ticket 7", "rate": ""}
    text = await finished(browser, await browser.post("/failures/replay", fields))
    assert "Replayed: 2. Of these imported already: 0." in text
    assert await dead(site) == [second]
    again = await site.services.queue.receive(5, wait=timedelta(seconds=5))
    assert len(again) == 2
    assert audited(site) == [("replay", "operator", f"id {first}, id {third}", 2, "ticket 7")]
    found = site.read(lambda connection: failures.of_ids(connection, [(filled, "corrupt-1")]))
    assert found[filled, "corrupt-1"].state is FailureState.RETRYING


@on_every_database
async def test_replay_of_a_whole_group_leaves_the_others(site: ConsoleSite, filled: int) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    await browser.get("/failures")
    *_, third = await dead(site)
    fields = {"kind": "dead", "account": filled, "reason": "ItemCorrupt", "scope": "all", "rate": "100"}
    await finished(browser, await browser.post("/failures/replay", fields))
    assert await dead(site) == [third]
    assert audited(site)[0][2] == "reason ItemCorrupt, account laboratory"


async def test_what_is_scheduled_is_made_due_at_once(site: ConsoleSite, filled: int) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    page = await browser.get(f"/failures/list?kind=scheduled&account={filled}&reason=MailboxBusy")
    assert "Make due at once" in page.text
    assert "Delete" not in page.text
    assert await site.services.queue.receive(1, wait=timedelta(0)) == []
    fields = {"kind": "scheduled", "account": filled, "reason": "MailboxBusy", "scope": "all"}
    text = await finished(browser, await browser.post("/failures/replay", fields))
    assert "Replayed: 1." in text
    assert len(await site.services.queue.receive(1, wait=timedelta(seconds=5))) == 1


@on_every_database
async def test_purge_tells_the_number_first_and_spares_what_came_since(site: ConsoleSite, filled: int) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    await browser.get("/failures")
    fields = {"kind": "dead", "account": filled, "reason": "ItemCorrupt", "scope": "all"}
    asked = await browser.post("/failures/purge", fields)
    assert "Delete 2 dead letters for good?" in asked.text
    assert len(await dead(site)) == 3
    await fail(site, filled, "corrupt-3", reason="ItemCorrupt")
    wrong = await browser.post("/failures/purge", fields | {"counted_at": "0001-01-01T00:00:00+14:00"})
    assert "for good?" in wrong.text  # it asks again
    answered = fields | {"counted_at": value_of(asked.text, "counted_at")}
    assert "Purged: 2." in await finished(browser, await browser.post("/failures/purge", answered))
    assert len(await dead(site)) == 2
    assert audited(site)[0][:4] == ("purge", "operator", "reason ItemCorrupt, account laboratory", 2)


async def test_dead_letters_of_no_account_are_chosen_one_by_one(site: ConsoleSite, filled: int) -> None:
    queue = site.services.queue
    await queue.put([Message(MessageId("x"), "not JSON <i>", None)])
    [delivery] = await queue.receive(1, wait=timedelta(seconds=5))
    await queue.dead_letter(delivery, reason="NotJson", description="The queue message is not JSON.")
    browser = await site.signed_in(Role.OPERATOR)
    assert 'href="/failures/list?kind=dead&amp;account=&amp;reason=NotJson"' in (await browser.get("/failures")).text
    page = (await browser.get("/failures/list?kind=dead&account=&reason=NotJson")).text
    assert "The queue message is not JSON." in page
    assert "also on other pages" not in page
    entry = value_of(page, "entry")
    fields = {"kind": "dead", "account": "", "reason": "NotJson", "scope": "all", "entry": entry}
    asked = (await browser.post("/failures/purge", fields)).text
    assert "Delete 1 dead letter for good?" in asked
    answered = fields | {"counted_at": value_of(asked, "counted_at")}
    assert "Purged: 1." in await finished(browser, await browser.post("/failures/purge", answered))
    assert len(await dead(site)) == 3
    assert filled


@pytest.mark.parametrize("path", ["/failures/dry-run", "/failures/replay", "/failures/purge"])
async def test_a_viewer_changes_nothing(site: ConsoleSite, filled: int, path: str) -> None:
    browser = await site.signed_in(Role.VIEWER)
    fields = {"kind": "dead", "scope": "all", "account": filled, "counted_at": datetime.now(UTC).isoformat()}
    assert (await browser.post(path, fields)).status == 403
    assert len(await dead(site)) == 3


BAD: list[tuple[str, Callable[[int], dict[str, Any]]]] = [
    ("a rate of nothing", lambda number: {"kind": "dead", "account": number, "scope": "all", "rate": "0"}),
    ("no such kind", lambda _: {"kind": "living", "scope": "all"}),
    ("no number", lambda _: {"kind": "dead", "account": "1 OR 1=1", "scope": "all"}),
    ("too many", lambda _: {"kind": "dead", "entry": list(range(1, 502))}),
]


@pytest.mark.parametrize("fields", [pytest.param(each, id=name) for name, each in BAD])
async def test_a_wrong_form_is_refused(site: ConsoleSite, filled: int, fields: Callable[[int], dict[str, Any]]) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    await browser.get("/failures")
    assert (await browser.post("/failures/replay", fields(filled))).status == 400
    assert len(await dead(site)) == 3


async def test_nothing_selected_is_said(site: ConsoleSite, filled: int) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    await browser.get("/failures")
    answer = await browser.post("/failures/replay", {"kind": "dead", "account": filled, "scope": "selected"})
    assert "Nothing was selected." in (await browser.follow(answer)).text


async def test_a_long_list_has_pages(site: ConsoleSite, filled: int) -> None:
    queue = site.services.queue
    await queue.put([notification(filled, f"many-{number}") for number in range(60)])
    for delivery in await queue.receive(60, wait=timedelta(seconds=5)):
        await queue.dead_letter(delivery, reason="Many", description="It cannot be read.")
    browser = await site.signed_in(Role.VIEWER)
    first = (await browser.get(f"/failures/list?kind=dead&account={filled}&reason=Many")).text
    assert first.count("graph_id=many-") == 50
    second = (await browser.get(next_page(first))).text
    assert second.count("graph_id=many-") == 10
    assert 'rel="next"' not in second


@pytest.mark.parametrize("has_scripts", [True, False])
async def test_replay_in_a_browser_by_the_keyboard(
    site: ConsoleSite, filled: int, chromium: Chromium, has_scripts: bool
) -> None:
    site.add_user("marie", Role.OPERATOR)
    context = await chromium.new_context(java_script_enabled=has_scripts)
    page = await context.new_page()
    await page.goto(f"{site.url}/failures/list?kind=dead&account={filled}&reason=ItemCorrupt")
    await page.get_by_label("User name").fill("marie")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("input[name=entry]")).to_have_count(2)
    if has_scripts:
        await page.get_by_label("Select all of this page").focus()
        await page.keyboard.press("Space")
    else:
        for box in await page.locator("input[name=entry]").all():
            await box.check()
    await page.get_by_role("button", name="Replay").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("Replayed: 2.")
    await page.get_by_role("link", name="Back").click()
    await expect(page.get_by_text("Nothing fits.")).to_be_visible()
