"""Mailboxes in the web console: the list, an account, the form with every setting, its test, and its folders."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Request, expect
from sqlalchemy import select

from console.web.rights import Role
from console.web.visit import SESSION_COOKIE
from db.engine import run_writing
from db.queries import accounts, console_activity
from db.queries.accounts import AccountSettings
from db.tables import queue_audit
from simulator.api.graph import Graph
from simulator.state.mailboxes import Mailbox
from tests.databases import Gateway
from tests.doubles.chromium import Chromium
from tests.integration.web.console_site import Answer, Browser, ConsoleSite, console_site
from tests.integration.world import World
from tests.waiting import until

NAME = "laboratory"


@dataclass
class Desk:
    """A console beside a simulated tenant, and a mailbox of it."""

    site: ConsoleSite
    world: World
    mailbox: Mailbox

    def fields(self, **changed: Any) -> dict[str, Any]:  # noqa: ANN401  # of any field
        """The fields of the form that fit."""
        application = self.world.application
        return {
            "do": "save",
            "name": NAME,
            "tenant_id": application.tenant_id,
            "client_id": application.client_id,
            "user_id": self.mailbox.user_id,
            "thumbprint": self.world.certificate.thumbprint,
            "folder": "Inbox",
            "after_import": "none",
            **changed,
        }

    async def account(self, name: str = NAME) -> accounts.Account:
        return await self.world.database.read(lambda c: accounts.by_name(c, name))

    async def in_chromium(self, chromium: Chromium, *roles: Role, **options: Any) -> Any:  # noqa: ANN401  # a context
        """A context of Chromium, signed in."""
        browser = await self.site.signed_in(*roles)
        context = await chromium.new_context(**options)
        url = self.site.url.replace("http:", "https:")  # else it is refused as one that is sent in the clear
        value = browser.cookies[SESSION_COOKIE]
        await context.add_cookies(
            [{"name": SESSION_COOKIE, "value": value, "url": url, "secure": True, "httpOnly": True}]
        )
        return await context.new_page()


@pytest.fixture
async def desk(world: World, gateway: Gateway) -> AsyncIterator[Desk]:
    settings = world.settings
    async with console_site(
        gateway,
        clock=world.clock,
        calls=world.context,
        graph_url=settings.graph_url,
        authority_url=settings.authority_url,
        ca_bundle=settings.ca_bundle,
        certificate_store=settings.certificate_store,
    ) as site:
        yield Desk(site, world, world.new_mailbox(NAME))


async def done(browser: Browser, answer: Answer) -> Answer:
    """The page of the job that the answer leads to, once the job has ended."""
    page = await browser.follow(answer)

    async def is_over() -> bool:
        nonlocal page
        page = await browser.get(answer.location)
        return "Back</a>" in page.text

    await until(is_over, pause=0.05)
    return page


FIELDS: dict[str, Any] = {
    "do": "save",
    "name": NAME,
    "tenant_id": "11111111-2222-3333-4444-555555555555",
    "client_id": "66666666-7777-8888-9999-aaaaaaaaaaaa",
    "user_id": "laboratory@riviere.example",
    "thumbprint": "0" * 40,
    "folder": "Inbox",
    "after_import": "none",
}


def one(site: ConsoleSite, name: str = NAME) -> accounts.Account:
    found: accounts.Account = site.read(lambda c: accounts.by_name(c, name))
    return found


def add(site: ConsoleSite, name: str, **changed: Any) -> int:  # noqa: ANN401  # of any setting
    facts: dict[str, Any] = {
        **{each: FIELDS[each] for each in ("tenant_id", "client_id", "thumbprint")},
        "user_id": f"{name}@riviere.example",
        **changed,
    }
    settings = AccountSettings(name, **facts)
    number: int = site.write(lambda c: accounts.add(c, settings, now=site.services.clock()))
    return number


# --- The list, and an account ---


async def test_accounts_are_listed_page_by_page_and_found_by_a_part_of_name_or_address(site: ConsoleSite) -> None:
    for number in range(51):
        add(site, f"account-{number:02}")
    add(site, "other/odd name?", user_id="bbbbbbbb-cccc-dddd-eeee-ffffffffffff")
    browser = await site.signed_in(Role.VIEWER)
    first = await browser.get("/mailboxes")
    assert "account-00" in first.text
    assert "account-49" in first.text
    assert "account-50" not in first.text
    [following] = re.findall(r'href="(/mailboxes\?after=[^"]+)"', first.text)
    second = await browser.get(following.replace("&amp;", "&"))
    assert "account-50" in second.text
    assert "account-49@" not in second.text
    found = await browser.get("/mailboxes?search=T-07%40RIVIERE", HX_Request="true")
    assert "<html" not in found.text
    assert re.findall(r">(account-\d\d)<", found.text) == ["account-07"]
    [odd] = re.findall(r'href="(/mailboxes/other[^"]+)"', second.text)
    assert "other/odd name?</h1>" in (await browser.get(odd)).text


async def test_problems_of_all_mailboxes_are_told_above_the_list(gateway: Gateway) -> None:
    engine, now = gateway.engine(), datetime.now(UTC)
    settings = AccountSettings(**{name: value for name, value in FIELDS.items() if name != "do"})
    run_writing(engine, lambda c: accounts.add(c, settings, now=now))
    engine.dispose()
    async with console_site(gateway, clock=lambda: datetime.now(UTC)) as site:
        page = await (await site.signed_in(Role.VIEWER)).get("/mailboxes")
        assert "No processor is alive" in page.text


async def test_an_account_whose_name_is_a_word_of_an_address_is_reached_by_its_number(site: ConsoleSite) -> None:
    number = add(site, "add")
    browser = await site.signed_in(Role.VIEWER)
    assert f'href="/mailboxes/{number}"' in (await browser.get("/mailboxes")).text
    assert "add</h1>" in (await browser.get(f"/mailboxes/{number}")).text
    assert (await browser.get("/mailboxes/nobody")).status == 404


async def test_an_account_is_disabled_enabled_and_removed_by_an_administrator_alone(site: ConsoleSite) -> None:
    add(site, NAME)
    viewer, operator = await site.signed_in(Role.VIEWER), await site.signed_in(Role.OPERATOR)
    for browser in (viewer, operator):
        page = await browser.get(f"/mailboxes/{NAME}")
        assert page.status == 200
        assert "/disable" not in page.text
        assert "/edit" not in page.text
        for path in ("add", f"{NAME}/edit", f"{NAME}/remove"):
            assert (await browser.get(f"/mailboxes/{path}")).status == 403
        for path in ("add", f"{NAME}/edit", f"{NAME}/remove", f"{NAME}/disable", f"{NAME}/enable"):
            assert (await browser.post(f"/mailboxes/{path}")).status == 403
    assert (await viewer.post(f"/mailboxes/{NAME}/test")).status == 403

    boss = await site.signed_in(Role.ADMINISTRATOR)
    page = await boss.follow(await boss.post(f"/mailboxes/{NAME}/disable"))
    assert "is disabled" in page.text
    assert not site.read(accounts.every)[0].enabled
    await boss.post(f"/mailboxes/{NAME}/enable")
    assert site.read(accounts.every)[0].enabled
    assert "Its subscription at Microsoft Graph is deleted" in (await boss.get(f"/mailboxes/{NAME}/remove")).text
    page = await boss.follow(await boss.post(f"/mailboxes/{NAME}/remove"))
    assert "is removed" in page.text
    removed = await boss.get("/mailboxes/removed")
    assert "laboratory@riviere.example" in removed.text
    [present] = re.findall(r'href="(/mailboxes/laboratory[^"]+)"', removed.text)
    history = await boss.get(present)
    assert "administrator@console 127.0.0.1" in history.text
    assert "/test" not in history.text


async def test_failed_actions_are_tried_again_by_an_operator_who_is_recorded(site: ConsoleSite) -> None:
    add(site, NAME)
    operator = await site.signed_in(Role.OPERATOR)
    page = await done(operator, await operator.post(f"/mailboxes/{NAME}/retry-actions"))
    assert "0 actions of account" in page.text
    who = site.read(lambda c: c.execute(select(queue_audit.c.sAction, queue_audit.c.sWho, queue_audit.c.sHost)).all())
    assert who == [("retry-actions", "operator", "console 127.0.0.1")]


# --- The form ---


async def test_an_account_is_added_without_javascript_and_tested_before(desk: Desk, chromium: Chromium) -> None:
    await desk.world.deliver(desk.mailbox, 1)
    page = await desk.in_chromium(chromium, Role.ADMINISTRATOR, java_script_enabled=False)
    await page.goto(f"{desk.site.url}/mailboxes/add")
    await page.get_by_label("Account").fill(NAME)
    fields = desk.fields()
    for label, name in (("Tenant id", "tenant_id"), ("Client id", "client_id"), ("User id", "user_id")):
        await page.get_by_label(label).fill(fields[name])
    await page.get_by_label("Certificate", exact=False).first.fill(fields["thumbprint"])
    await page.get_by_label("Trusted root needed").uncheck()
    await page.get_by_label("Console access").fill("Laboratory\nQuality")
    await page.get_by_label("Subjects denied").fill("Invoice")

    await page.get_by_role("button", name="Test", exact=True).click()
    await expect(page.get_by_role("row", name="passed The mailbox opens")).to_be_visible()
    await expect(page.get_by_role("status")).to_contain_text("0 failed", timeout=20_000)  # the page loads itself again
    await page.get_by_role("link", name="Back").click()
    assert desk.site.read(accounts.every) == []
    await expect(page.get_by_label("Subjects denied")).to_have_value("Invoice")
    await page.get_by_label("Subjects denied").press("Tab")
    await page.get_by_label("Account").press("Enter")  # saves
    await expect(page.get_by_role("status")).to_contain_text("is added and enabled")
    account = await desk.account()
    assert account.settings.console_access == ("Laboratory", "Quality")
    assert account.settings.filters.subjects_denied == ("Invoice",)
    assert account.settings.import_since is not None
    assert not account.settings.secure_certificate_access


async def test_wrong_values_are_marked_at_their_fields_and_the_others_are_kept(site: ConsoleSite) -> None:
    boss = await site.signed_in(Role.ADMINISTRATOR)
    await boss.get("/mailboxes/add")
    wrong = dict(FIELDS, tenant_id="contoso", thumbprint="12", senders_denied="nonsense\n@", size_least="10 apples")
    answer = await boss.post("/mailboxes/add", wrong)
    assert answer.status == 422
    marked = re.findall(r'class="field wrong">.*?(?:for|name)="(\w+)"', answer.text, re.DOTALL)
    assert marked == ["tenant_id", "thumbprint", "senders_denied", "size_least"]
    assert "&#39;contoso&#39; is not an id" in answer.text
    assert 'value="laboratory@riviere.example"' in answer.text
    answer = await boss.post("/mailboxes/add", dict(FIELDS, after_import="move"))
    assert answer.status == 422
    assert "go together" in answer.text
    answer = await boss.post("/mailboxes/add", dict(FIELDS, name=""))
    assert "It is required." in answer.text
    assert site.read(accounts.every) == []


async def test_a_removed_account_is_taken_up_again_and_another_of_the_same_folder_is_refused(site: ConsoleSite) -> None:
    number = add(site, NAME)
    boss = await site.signed_in(Role.ADMINISTRATOR)
    answer = await boss.post("/mailboxes/add", dict(FIELDS, name="second"))
    assert answer.status == 422
    assert "imports this folder of this mailbox already" in answer.text
    await boss.post(f"/mailboxes/{NAME}/remove")
    page = await boss.follow(await boss.post("/mailboxes/add", dict(FIELDS, name="second")))
    assert "takes up the removed account" in page.text
    assert one(site, "second").account_id == number


async def test_an_edit_changes_what_was_edited_and_is_refused_after_another_change(site: ConsoleSite) -> None:
    add(site, NAME, import_since=site.services.clock(), console_access=("Quality",))
    before = one(site).settings
    boss = await site.signed_in(Role.ADMINISTRATOR)

    def shown(page: Answer) -> dict[str, str]:
        texts = dict(re.findall(r'<input id="(\w+)" name="\w+" value="([^"]*)"', page.text))
        texts |= dict(re.findall(r'<textarea id="(\w+)"[^>]*>([^<]*)<', page.text))
        [fingerprint] = re.findall(r'name="shown" value="(\w+)"', page.text)
        return {**texts, "shown": fingerprint, "after_import": "none"}

    first = shown(await boss.get(f"/mailboxes/{NAME}/edit"))
    page = await boss.follow(await boss.post(f"/mailboxes/{NAME}/edit", {**first, "do": "save", "folder": "Archive"}))
    assert "is changed" in page.text
    assert "folder: Inbox → Archive" in page.text
    after = one(site).settings
    assert after.folder == "Archive"
    assert (after.import_since, after.console_access) == (before.import_since, ("Quality",))

    late = await boss.post(f"/mailboxes/{NAME}/edit", {**first, "do": "save", "name": "renamed"})
    assert late.status == 409
    assert "Another user or program changed the account" in late.text
    assert 'value="renamed"' in late.text
    assert one(site).settings == after

    second = shown(await boss.get(f"/mailboxes/{NAME}/edit"))
    answer = await boss.post(
        f"/mailboxes/{NAME}/edit", {**second, "do": "save", "name": "renamed", "console_access": ""}
    )
    assert answer.location == "/mailboxes/renamed"
    assert one(site, "renamed").settings.console_access == ()


# --- The test ---


async def test_a_test_tells_causes_and_cures_one_line_after_the_other(
    desk: Desk, chromium: Chromium, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await desk.world.add_account(desk.mailbox, NAME)
    desk.world.application.denied.add(desk.mailbox.user_id)
    page = await desk.in_chromium(chromium, Role.OPERATOR)
    await page.goto(f"{desk.site.url}/mailboxes/{NAME}")
    streams: list[str] = []
    opened = asyncio.Event()

    def note(request: Request) -> None:
        if request.url.endswith("/events"):
            streams.append(request.url)
            opened.set()

    async def held(graph: Graph, *given: Any) -> Any:  # noqa: ANN401  # as the method
        await opened.wait()  # a test that ended before its page was there would have no stream
        return await plain(graph, *given)

    plain = Graph.answer
    monkeypatch.setattr(Graph, "answer", held)
    page.on("request", note)
    await page.get_by_role("button", name="Test", exact=True).click()
    await expect(page.get_by_role("row", name="FAILED The mailbox opens")).to_be_visible(timeout=20_000)
    await expect(page.get_by_role("status")).to_contain_text("1 failed", timeout=20_000)
    assert len(streams) == 1
    await expect(page.get_by_text("What to do: Include the mailbox")).to_be_visible()
    await expect(page.locator(".state.bad")).to_have_text("FAILED")
    await page.get_by_role("link", name="Back").click()
    await expect(page.locator("h1")).to_have_text(NAME)
    noted = desk.site.read(lambda c: console_activity.latest(c, limit=1))
    assert (noted[0].action, noted[0].who, noted[0].account_id) == ("account_tested", "operator", number)


async def test_no_address_of_a_form_is_requested(desk: Desk) -> None:
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        boss = await desk.site.signed_in(Role.ADMINISTRATOR)
        await boss.get("/mailboxes/add")
        more = {"notification_url": url, "graph_url": url, "authority_url": url, "ca_bundle": url}
        fields = desk.fields(do="test", user_id=f"x@{url}/?", folder=f"../{url}", **more)
        page = await done(boss, await boss.post("/mailboxes/add", fields))
        assert "FAILED" in page.text
        assert (await boss.post("/mailboxes/add", desk.fields(do="test", tenant_id=url))).status == 422
        assert (await boss.post("/mailboxes/add", desk.fields(do="choose:folder", tenant_id=url))).status == 422
        assert 'role="alert"' in (await boss.post("/mailboxes/add", {**fields, "do": "choose:folder"})).text
    assert asked == []


# --- Folders ---


async def test_a_folder_is_chosen_from_the_mailbox_with_and_without_javascript(desk: Desk, chromium: Chromium) -> None:
    desk.mailbox.add_folder("Results", parent=desk.mailbox.folder("inbox"))
    fields = desk.fields()
    for script in (False, True):
        page = await desk.in_chromium(chromium, Role.ADMINISTRATOR, java_script_enabled=script)
        await page.goto(f"{desk.site.url}/mailboxes/add")
        for name in ("name", "tenant_id", "client_id", "user_id", "thumbprint"):
            await page.locator(f"#{name}").fill(fields[name])
        await page.locator("input[name=secure_certificate_access]").uncheck()
        await page.locator("#subjects_denied").fill("a\nb")
        await page.get_by_role("button", name="Choose a folder: Folder").click()
        await expect(page.get_by_role("radio", name=re.compile("^Inbox"))).to_be_checked()
        assert page.url.endswith("/mailboxes/add")
        await expect(page.locator("h1")).to_have_text("Add a mailbox" if script else "Choose a folder")
        await page.get_by_role("radio", name=re.compile("^Results")).check()
        await page.get_by_role("button", name="Use this folder").click()
        await expect(page.locator("#folder")).to_have_value("Inbox/Results")
        await expect(page.locator("#subjects_denied")).to_have_value("a\nb")
        await expect(page.locator("#thumbprint")).to_have_value(fields["thumbprint"])
        await expect(page.locator("input[name=secure_certificate_access]")).not_to_be_checked()


async def test_why_folders_cannot_be_read_is_said_and_what_was_typed_is_kept(desk: Desk) -> None:
    desk.world.application.denied.add(desk.mailbox.user_id)
    boss = await desk.site.signed_in(Role.ADMINISTRATOR)
    await boss.get("/mailboxes/add")
    page = await boss.post("/mailboxes/add", desk.fields(do="choose:move_to", subjects_denied="a\nb"))
    assert page.status == 200
    assert 'role="alert"' in page.text
    back = await boss.post("/mailboxes/add", desk.fields(do="back", subjects_denied="a\nb"))
    assert ">a\nb</textarea>" in back.text
