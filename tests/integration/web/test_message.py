"""An e-mail in the console: what each role sees of it, what is recorded of openings, and how it is imported again."""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from html import unescape

import aiohttp
import pytest
from playwright.async_api import Request, expect
from sqlalchemy import Connection, select

from console.web.jobs import JobState
from console.web.pages import message_content
from console.web.rights import Role
from db.queries import audit, console_activity, trace
from db.queries.contents import ContentDiffers
from db.queries.trace import TraceRow
from db.tables import email_file, message, original
from simulator.content.mail import Mail, Person, file_attachment
from tests.databases import Gateway
from tests.doubles.chromium import Chromium
from tests.doubles.rule_files import add_account, add_file, add_rule, failed
from tests.integration.web.console_site import Browser, ConsoleSite, console_site, signed_in_context
from tests.integration.web.mail_rows import (
    DAY,
    MINUTE,
    add_every_state,
    add_hidden,
    add_mail,
    attachment_numbers,
)
from tests.integration.world import World
from tests.waiting import until

HOSTILE = '<script>window.hit=1</script>"><img src=x onerror="window.hit=2">'


def add_report(connection: Connection) -> int:
    add_account(connection)
    number = add_mail(
        connection,
        "report",
        to=[("Quality", "quality@example.com"), (None, "all@example.com")],
        files=[("report.html", b"<script>alert(1)</script>"), ("huge.zip", None)],
        headers=[("Received", "from mx.example.com"), ("X-Spam-Score", "0.1")],
        sSubject="Report 4711",
        sFromName="Laboratory",
        sFromAddress="lab@example.com",
        sBodyType="html",
        sBody='<p id="text">The pH is <b>7</b>.</p><script>parent.hit=1</script><img src="http://192.0.2.1/x.png">',
        nRulesMatched=1,
        sRuleState="red",
    )
    add_rule(connection)
    add_file(connection, number, **failed())
    trace.add(connection, [TraceRow(1, "report", "gateway-7", DAY, DAY + MINUTE, "imported", attempt=1)])
    return number


def activities(site: ConsoleSite) -> list[tuple[str, str, int | None, str | None]]:
    """Openings of mail, oldest first."""
    found = site.read(lambda connection: console_activity.latest(connection, limit=20))
    kept = [each for each in reversed(found) if not each.action.startswith("sign")]
    return [(each.action, each.who, each.message_id, each.detail) for each in kept]


async def test_the_page_shows_fields_recipients_files_and_steps(site: ConsoleSite) -> None:
    number = site.write(add_report)
    browser = await site.signed_in(Role.VIEWER)
    text = unescape((await browser.get(f"/messages/{number}")).text)
    for part in (
        "<h1>Report 4711</h1>",
        "Laboratory <lab@example.com>",
        "Quality <quality@example.com>, all@example.com",
        "report.html",
        "too large",
        "X-Spam-Score",
        "attempt 1 started on gateway-7",
        "could not be saved",
        "FolderMissing",
    ):
        assert part in text, part
    assert activities(site) == []


async def test_a_viewer_opens_no_content(site: ConsoleSite) -> None:
    number = site.write(add_report)
    [part, _] = site.read(lambda connection: attachment_numbers(connection, number))
    browser = await site.signed_in(Role.ADMINISTRATOR)
    page = (await browser.get(f"/messages/{number}?body=show")).text
    assert "pH" not in page
    assert "iframe" not in page
    for rest in ("body", f"attachments/{part}", "original", "export.json"):
        assert f"/messages/{number}/{rest}" not in page
        assert (await browser.get(f"/messages/{number}/{rest}")).status == 403
        assert (await site.visitor().get(f"/messages/{number}/{rest}")).status == 303
    assert (await browser.get(f"/messages/{number}?body=show", HX_Request="true")).status == 403
    assert activities(site) == []


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
async def test_each_opening_of_a_reader_is_recorded(site: ConsoleSite) -> None:
    number = site.write(add_report)
    [part, huge] = site.read(lambda connection: attachment_numbers(connection, number))
    browser = await site.signed_in(Role.VIEWER, Role.READER, name="reader")
    page = await browser.get(f"/messages/{number}")
    assert "pH" not in page.text
    assert activities(site) == []  # a look at the steps is no opening

    body = await browser.get(f"/messages/{number}/body")
    assert "The pH is" in body.text
    assert "script" not in body.text
    assert "sandbox" in body.headers["Content-Security-Policy"]
    file = await browser.get(f"/messages/{number}/attachments/{part}")
    assert file.raw == b"<script>alert(1)</script>"
    assert file.headers["Content-Type"] == "application/octet-stream"
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert file.headers["Content-Disposition"].startswith('attachment; filename="report.html"')
    assert (await browser.get(f"/messages/{number}/attachments/{huge}")).status == 404
    exported = await browser.get(f"/messages/{number}/export.json")
    assert json.loads(exported.raw)["subject"] == "Report 4711"
    original = await browser.get(f"/messages/{number}/original")
    assert original.status == 404
    assert "keep_mime" in original.text

    assert activities(site) == [
        ("body_opened", "reader", number, None),
        ("attachment_downloaded", "reader", number, "report.html"),
        ("original_exported", "reader", number, "json"),
        ("original_exported", "reader", number, "eml"),
    ]
    again = (await browser.get(f"/messages/{number}")).text
    assert "Opened by" in again
    assert "body opened" in again


async def test_an_attachment_is_only_found_under_its_own_message(site: ConsoleSite) -> None:
    number = site.write(add_report)
    hidden = site.write(add_hidden)
    [secret] = site.read(lambda connection: attachment_numbers(connection, hidden))
    browser = await site.signed_in(Role.ADMINISTRATOR, Role.READER)
    for path in (f"/messages/{number}/attachments/{secret}", f"/messages/{number}/attachments/x", "/messages/x/body"):
        assert (await browser.get(path)).status == 404, path
    assert (await browser.get(f"/messages/{number}/attachments/..%2f..%2fetc%2fpasswd")).status == 404


async def test_hidden_mail_is_not_found_whatever_the_role(site: ConsoleSite) -> None:
    site.write(add_every_state)
    number = site.write(add_hidden)
    [part] = site.read(lambda connection: attachment_numbers(connection, number))
    paths = [
        f"/messages/{number}",
        f"/messages/{number}?body=show",
        f"/messages/{number}/body",
        f"/messages/{number}/attachments/{part}",
        f"/messages/{number}/original",
        f"/messages/{number}/export.json",
        "/messages/of/2?graph_id=hidden",
        "/messages/of/2?graph_id=hidden-dead",
    ]
    browser = await site.signed_in(Role.ADMINISTRATOR, Role.READER)
    for path in paths:
        assert (await browser.get(path)).status == 404, path
    assert (await browser.post("/messages/of/2/import", {"graph_id": "hidden"})).status == 404
    assert (await browser.post(f"/messages/{number}/rules")).status == 404
    assert activities(site) == []
    director = await site.signed_in(Role.VIEWER, Role.READER, name="director", groups=("directors",))
    assert [(await director.get(path)).status for path in paths] == [200, 200, 200, 200, 404, 200, 303, 200]


async def test_mail_that_is_not_imported_has_a_page_by_its_account_and_graph_id(site: ConsoleSite) -> None:
    numbers = site.write(add_every_state)
    browser = await site.signed_in(Role.VIEWER)
    dead = (await browser.get("/messages/of/1?graph_id=dead")).text
    assert "Broken dead" in dead
    assert "MessageTooLarge" in dead
    assert "It has 900 MB." in dead
    copy = (await browser.get("/messages/of/1?graph_id=copy")).text
    assert f'href="/messages/{numbers["green"]}"' in copy
    assert "left out by the account" in unescape((await browser.get("/messages/of/1?graph_id=left-out")).text)
    imported = await browser.get("/messages/of/1?graph_id=imported-red")
    assert imported.location == f"/messages/{numbers['red']}"
    for path in ("/messages/of/1?graph_id=unknown", "/messages/of/1", "/messages/of/9?graph_id=dead", "/messages/999"):
        assert (await browser.get(path)).status == 404, path


async def test_a_download_that_breaks_midway_is_not_taken_for_the_whole(
    site: ConsoleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = site.write(add_report)
    [part, _] = site.read(lambda connection: attachment_numbers(connection, number))

    async def pieces(*_given: object, **_more: object) -> AsyncIterator[bytes]:
        yield b"<script>"
        raise ContentDiffers("purged meanwhile")

    monkeypatch.setattr(message_content, "content_pieces", pieces)
    browser = await site.signed_in(Role.VIEWER, Role.READER)
    with pytest.raises(aiohttp.ClientPayloadError):
        await browser.get(f"/messages/{number}/attachments/{part}")
    assert (await browser.get(f"/messages/{number}")).status == 200


async def test_the_original_is_sent_byte_for_byte(world: World, live: ConsoleSite) -> None:
    mailbox, account = await world.account_of("Nord")
    (delivered,) = await world.deliver(mailbox, 1, Mail(subject="Result", body="Hello"))
    await world.notify(account, [delivered])
    await world.import_all(keep_mime=True)
    [number] = live.read(lambda connection: list(connection.scalars(select(message.c.nMessageID))))
    browser = await live.signed_in(Role.VIEWER, Role.READER)
    answer = await browser.get(f"/messages/{number}/original")
    assert answer.status == 200
    assert hashlib.sha256(answer.raw).hexdigest() == live.read(
        lambda connection: connection.scalar(select(original.c.sSHA256))
    )
    assert f'filename="message-{number}.eml"' in answer.headers["Content-Disposition"]


async def test_a_name_cannot_be_turned_around(site: ConsoleSite) -> None:
    """Marks of direction would show an extension that the file does not have."""
    site.write(add_account)
    turned = "report\u202efdp.exe"
    number = site.write(lambda c: add_mail(c, "turned", sSubject=turned, files=[(turned, b"x")]))
    browser = await site.signed_in(Role.VIEWER)
    for path in ("/messages", f"/messages/{number}"):
        text = (await browser.get(path)).text
        assert "\u202e" not in text
        assert "report\ufffdfdp.exe" in text


# Actions.


@pytest.fixture
async def live(world: World, gateway: Gateway) -> AsyncIterator[ConsoleSite]:
    """A console beside the simulator."""
    changed = {
        name: getattr(world.settings, name) for name in ("graph_url", "authority_url", "ca_bundle", "certificate_store")
    }
    async with console_site(gateway, clock=world.clock, calls=world.context, **changed) as made:
        yield made


async def ended(site: ConsoleSite, browser: Browser, path: str) -> str:
    """The page of a job, once it has ended."""
    [job] = [each for each in site.services.jobs._jobs.values() if path.endswith(each.job_id)]  # no other way to wait

    async def is_over() -> bool:
        return job.state is not JobState.RUNNING

    await until(is_over)
    return unescape((await browser.get(path)).text)


async def test_an_operator_imports_an_e_mail_again_and_applies_rules(world: World, live: ConsoleSite) -> None:
    mailbox, account = await world.account_of("Nord")
    mail = Mail(subject="Result", attachments=(file_attachment("a.csv", b"1;2"),))
    (delivered,) = await world.deliver(mailbox, 1, mail)
    await world.notify(account, [delivered])
    await world.import_all()
    [number] = live.read(lambda connection: list(connection.scalars(select(message.c.nMessageID))))
    live.write(lambda connection: connection.execute(message.update().values(sSubject="stale")))
    browser = await live.signed_in(Role.OPERATOR, name="olga")
    page = await browser.get(f"/messages/{number}")
    assert "Import again" in page.text

    job = await browser.post(f"/messages/of/{account}/import", {"graph_id": delivered.message_id})
    assert "The e-mail was imported again." in await ended(live, browser, job.location)
    assert "<h1>Result</h1>" in (await browser.get(f"/messages/{number}")).text

    live.write(lambda connection: add_rule(connection, "Everything"))
    live.write(lambda connection: connection.execute(message.update().values(nRulesMatched=0, sRuleState="amber")))
    job = await browser.post(f"/messages/{number}/rules")
    assert "1 file is to be saved" in await ended(live, browser, job.location)
    assert len(live.read(lambda connection: connection.execute(select(email_file)).all())) == 1

    rules, imported = live.read(lambda connection: audit.latest(connection, limit=5))
    assert (imported.action, imported.who, imported.host) == ("import", "olga", "console 127.0.0.1")
    assert imported.selection == f"Nord --id {delivered.message_id} --force"
    assert (rules.action, rules.who, rules.selection) == ("rules apply", "olga", f"--message {number}")


async def test_a_failed_import_tells_the_reason(world: World, live: ConsoleSite) -> None:
    mailbox, account = await world.account_of("Nord")
    (delivered,) = await world.deliver(mailbox, 1)
    await world.notify(account, [delivered])
    await world.import_all()
    world.simulator.remove_message(mailbox, delivered.message_id)
    browser = await live.signed_in(Role.OPERATOR)
    job = await browser.post(f"/messages/of/{account}/import", {"graph_id": delivered.message_id})
    text = await ended(live, browser, job.location)
    assert "is not in the mailbox any more" in text
    assert 'class="alert"' in text


async def test_actions_need_an_operator_and_the_token_of_the_form(site: ConsoleSite) -> None:
    number = site.write(add_report)
    paths = (f"/messages/{number}/rules", "/messages/of/1/import")
    viewer = await site.signed_in(Role.VIEWER, Role.READER)
    page = (await viewer.get(f"/messages/{number}")).text
    for path in paths:
        assert f'action="{path}"' not in page
        assert (await viewer.post(path, {"graph_id": "report"})).status == 403
    operator = await site.signed_in(Role.OPERATOR)
    for path in paths:
        operator.csrf = "0" * 64
        assert (await operator.post(path, {"graph_id": "report"})).status == 403


# In a real browser.


async def test_the_body_is_opened_on_request_in_a_frame_that_cannot_reach_the_page(
    site: ConsoleSite, chromium: Chromium
) -> None:
    number = site.write(add_report)
    browser = await site.signed_in(Role.OPERATOR, Role.READER)
    requests: list[str] = []

    def note(request: Request) -> None:
        requests.append(request.url)

    for javascript in (True, False):
        context = await signed_in_context(site, chromium, browser, java_script_enabled=javascript)
        page = await context.new_page()
        page.on("request", note)
        before = len(activities(site))
        await page.goto(f"{site.url}/messages/{number}")
        assert len(activities(site)) == before
        await page.get_by_role("link", name="Show the body").click()
        frame = page.frame_locator("iframe.mail")
        await expect(frame.locator("main")).to_contain_text("The pH is 7.")
        assert activities(site)[before:] == [("body_opened", "operator-reader", number, None)]
        assert not [each for each in requests if not each.startswith((site.url, "data:"))]
        if javascript:
            assert await page.evaluate("window.hit") is None
        await context.close()


async def test_texts_of_strangers_are_shown_and_never_run(world: World, live: ConsoleSite, chromium: Chromium) -> None:
    """Through the real importer: subject, people, file names; besides, what a trace and a filter hold."""
    mailbox, account = await world.account_of("Nord")
    person = Person(HOSTILE, "x@example.com")
    mail = Mail(
        subject=HOSTILE,
        sender=person,
        to=(person,),
        cc=(person,),
        body=HOSTILE,
        is_html=True,
        categories=(HOSTILE,),
        headers=(("X-Hostile", HOSTILE),),
        attachments=(file_attachment(HOSTILE, b"x", HOSTILE),),
    )
    (delivered,) = await world.deliver(mailbox, 1, mail)
    await world.notify(account, [delivered])
    await world.import_all()
    [number] = live.read(lambda connection: list(connection.scalars(select(message.c.nMessageID))))

    def add_traces(connection: Connection) -> None:
        now = world.clock()
        rows = [
            TraceRow(account, graph_id, HOSTILE, now, now, "failed", subject=HOSTILE, reason=HOSTILE, detail=HOSTILE)
            for graph_id in (delivered.message_id, "other")
        ]
        trace.add(connection, rows)
        add_rule(connection, HOSTILE)
        add_file(connection, number, HOSTILE, **failed(sReason=HOSTILE, sDetail=HOSTILE))

    live.write(add_traces)
    browser = await live.signed_in(Role.OPERATOR, Role.READER)
    context = await signed_in_context(live, chromium, browser)
    page = await context.new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    paths = (
        "/messages",
        "/messages?subject=%3Cscript%3E",
        f"/messages/{number}",
        f"/messages/of/{account}?graph_id=other",
        f"/messages/{number}?body=show",
    )
    for path in paths:
        await page.goto(live.url + path)
        await expect(page.locator("main")).to_contain_text(HOSTILE)
        assert await page.evaluate("[window.hit, document.querySelectorAll('main img, main script').length]") == [
            None,
            0,
        ], path
    assert dialogs == []
    await expect(page.frame_locator("iframe.mail").locator("main")).to_contain_text('">')
    assert [len(re.findall("body_opened", each[0])) for each in activities(live)] == [1]
