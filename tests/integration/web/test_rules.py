"""Rules in the web console: list, order, form, trial on recent mail, application, files, and who may do what."""

import re
from collections.abc import Sequence
from datetime import timedelta

import aiohttp
import pytest
from playwright.async_api import Page, expect
from sqlalchemy import Connection, select, update

from console.rules.recent import TrialLimits, try_recent
from console.web.rights import Role
from console.web.visit import SESSION_COOKIE
from db.queries import rules as table
from db.queries.messages import MessageStore
from db.records import MessageRecord
from db.tables import email_file, email_rule, email_rule_change, message, queue_audit
from rules.rule import Container, Rule, SavedBody, SubjectKind
from tests.databases import on_every_database
from tests.doubles.chromium import Chromium
from tests.doubles.rule_files import add_account, add_file, add_message, add_rule, saved, waiting
from tests.doubles.rule_mail import attached, mail
from tests.integration.web.console_site import Answer, Browser, ConsoleSite
from tests.integration.web.forms_and_jobs import ended

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
TYPED = {"name": "results", "folder": "/srv/import/results", "save_attachments": "on", "has_attachments": "any"}


def stored(site: ConsoleSite) -> list[Rule]:
    return [each.rule for each in site.read(table.every)]


def order(site: ConsoleSite) -> list[str]:
    return [each.name for each in stored(site)]


async def imported(site: ConsoleSite, *records: MessageRecord) -> None:
    """Import messages, an hour ago."""
    now = site.services.clock()
    store = MessageStore(site.services.database, clock=lambda: now - timedelta(hours=1))
    for each in records:
        await store.save(each)
    await store.close()


def first(pattern: str, text: str) -> str:
    """Text that the group of the pattern finds first."""
    found = re.search(pattern, text)
    assert found is not None, text
    return found[1]


async def shown(site: ConsoleSite, chromium: Chromium, browser: Browser, *, scripts: bool = True) -> Page:
    """A page of the browser's user in Chromium."""
    context = await chromium.new_context(java_script_enabled=scripts)
    context.set_default_timeout(10_000)
    url, value = site.url.replace("http:", "https:"), browser.cookies[SESSION_COOKIE]
    await context.add_cookies([{"name": SESSION_COOKIE, "value": value, "url": url, "secure": True, "httpOnly": True}])
    return await context.new_page()


async def test_a_rule_is_added_and_changed_without_javascript(site: ConsoleSite, chromium: Chromium) -> None:
    site.write(add_account)
    page = await shown(site, chromium, await site.signed_in(Role.ADMINISTRATOR), scripts=False)
    await page.goto(f"{site.url}/rules")
    await page.get_by_role("link", name="Add a rule").click()
    await page.get_by_label("Name (required)").fill("results")
    await page.get_by_label("Import folder").fill("/srv/import/results")
    await page.get_by_label("Account").fill("laboratory")
    await page.get_by_label("Senders").fill("lab@example.com\nexample.org")
    await page.get_by_role("group", name="Unpack").get_by_label("zip").check()
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator("h1")).to_have_text("Rule results")
    await expect(page.get_by_role("status")).to_contain_text("Rule 'results' is added and enabled.")
    await page.get_by_role("link", name="Edit").click()
    await expect(page.get_by_role("group", name="Unpack").get_by_label("zip")).to_be_checked()
    await page.get_by_label("File types").fill("*.csv")
    await page.get_by_label("Account").fill("")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text("is changed")
    [rule] = stored(site)
    assert (rule.senders, rule.attachment_names, rule.account_id) == (
        ("lab@example.com", "example.org"),
        ("*.csv",),
        None,
    )
    [*_, by] = [row.sWho for row in site.read(lambda c: c.execute(select(email_rule_change)).all())]
    assert by == "administrator"


async def test_saving_a_form_as_it_is_changes_nothing(site: ConsoleSite, chromium: Chromium) -> None:
    account = site.write(add_account)
    everything = Rule(
        "everything",
        "D:\\imports",
        account_id=account,
        senders=tuple(f"sender{number}@example.com" for number in range(2000)),
        recipients=("x+*@y.example",),
        subject_kind=SubjectKind.MATCHES,
        subjects=("^Results", "(?i)lead|copper"),
        body_words=('"well 7" lead',),
        attachment_names=("*.csv",),
        size_least=1024,
        size_most=10_485_760,
        has_attachments=True,
        file_name="{received:%Y%m%d}_{name}",
        save_attachments=False,
        unpack=frozenset({Container.ZIP, Container.ITEM}),
        save_body=SavedBody.BOTH,
        save_original=True,
        save_metadata=True,
    )
    now = site.services.clock()

    def add(connection: Connection) -> None:
        with table.editing(connection, now=now) as editor:
            editor.add(everything)

    site.write(add)
    before = stored(site)
    page = await shown(site, chromium, await site.signed_in(Role.ADMINISTRATOR))
    await page.goto(f"{site.url}/rules/everything/edit")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text("is as it was.")
    assert stored(site) == before


async def test_a_field_that_is_too_long_is_refused_and_not_cut(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR)
    await browser.get("/rules/add")
    page = await browser.post("/rules/add", {**TYPED, "senders": "sender@example.com\n" * 11_000})
    assert page.status == 400
    assert "200000 is the most." in page.text
    assert stored(site) == []


async def test_one_comparison_of_the_subject_is_allowed(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR)
    await browser.get("/rules/add")
    page = await browser.post("/rules/try", {**TYPED, "subjects": "a", "subject_is": "b"})
    assert re.findall(r'class="error" id="([a-z_]+)-error"', page.text) == ["subjects", "subject_is"]
    assert (await browser.follow(await browser.get("/rules/try"))).status == 200


async def test_a_trial_ends_when_its_time_is_over(site: ConsoleSite) -> None:
    site.write(add_account)
    await imported(site, *(mail(f"m{number}") for number in range(30)))
    times = iter([0.0, 0.0, 5.0])
    found = await try_recent(
        site.settings,
        site.services.database,
        Rule("all", "/srv/import"),
        TrialLimits(messages=500, seconds=3),
        monotonic=lambda: next(times),
    )
    assert (found.messages, found.matched, found.is_cut) == (20, 20, True)


@on_every_database
async def test_a_trial_shows_what_a_rule_would_match_and_save(site: ConsoleSite) -> None:
    site.write(add_account)
    hidden = site.write(lambda c: add_account(c, "board", sConsoleAccess="board"))
    await imported(
        site,
        mail("m1", [attached(0, "lead.csv"), attached(1, "logo.png")], subject="Results of well 7"),
        mail("m2", [attached(0, "lead.csv")], subject="Invoice"),
        mail("m3", from_address="other@elsewhere.test", subject="Lunch"),
        mail("m4", [attached(0, "secret.csv")], subject="Results of the board", account_id=hidden),
    )
    browser = await site.signed_in(Role.ADMINISTRATOR)
    await browser.get("/rules/add")
    fields = {**TYPED, "senders": "example.com", "subjects": "results", "attachment_names": "*.csv"}
    page = await browser.post("/rules/try", fields)
    assert page.status == 200
    assert "1 of the last 3 messages matches." in page.text
    assert "/srv/import/results/lead.csv" in page.text
    assert "logo.png" not in page.text
    assert "Mail of 1 account that you may not see is left out." in page.text
    assert "board" not in page.text.partition('id="trial"')[2]
    nearest = page.text.partition("Mail that does not match, the nearest first")[2]
    assert re.search(r"Invoice.*the subject.*Lunch.*the senders", nearest, re.DOTALL)
    assert 'value="results"' in page.text  # what was typed stays
    assert stored(site) == []


async def test_a_trial_runs_by_itself_while_a_rule_is_typed(site: ConsoleSite, chromium: Chromium) -> None:
    site.write(add_account)
    await imported(site, mail("m1", [attached(0, "lead.csv")]))
    page = await shown(site, chromium, await site.signed_in(Role.ADMINISTRATOR))
    await page.goto(f"{site.url}/rules/add")
    await page.get_by_label("Import folder").fill("/srv/import/results")
    await page.get_by_label("Senders").fill("example.com")
    await page.keyboard.press("Tab")
    trial = page.locator("#trial")
    await expect(trial).to_contain_text("1 of the last 1 messages matches.")
    await expect(trial).to_contain_text("/srv/import/results/lead.csv")
    await page.get_by_label("Subject matches").fill("(")
    await page.keyboard.press("Tab")
    await expect(trial.get_by_role("link", name="Subject matches")).to_be_visible()


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("subject_matches", "(unclosed", "missing"),
        ("file_name", "{nothing}", "nothing"),
        ("senders", "not an address", "address"),
        ("size_least", "much", "is no size"),
        ("folder", "relative/path", "absolute"),
        ("account", "nobody", "There is no account named"),
    ],
)
async def test_what_is_wrong_is_marked_at_its_field(site: ConsoleSite, field: str, text: str, reason: str) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR)
    await browser.get("/rules/add")
    for path in ("/rules/add", "/rules/try"):
        page = await browser.post(path, {**TYPED, field: text})
        assert page.status == 400
        found = re.search(rf'<p class="error" id="{field}-error">([^<]*)</p>', page.text)
        assert found is not None, page.text
        assert reason in found[1]
        assert page.text.count('<p class="error"') == 1
    assert stored(site) == []


async def test_a_change_made_meanwhile_is_not_overwritten(site: ConsoleSite) -> None:
    number = site.write(add_rule)
    browser = await site.signed_in(Role.ADMINISTRATOR)
    path = f"/rules/{number}/edit"

    def version(text: str) -> str:
        return first(r'name="version" value="([0-9a-f]+)"', text)

    seen = version((await browser.get(path)).text)
    site.write(lambda c: c.execute(update(email_rule).values(sSubject="lead", sSubjectKind="contains")))
    typed = {**TYPED, "name": "Results", "senders": "mine.example", "rule": str(number)}
    tried = await browser.post("/rules/try", {**typed, "version": seen})
    assert version(tried.text) == seen
    refused = await browser.post(path, {**typed, "version": seen})
    assert refused.status == 400
    assert "The rule was changed meanwhile, by another program at " in refused.text
    assert "mine.example" in refused.text
    assert stored(site)[0].subjects == ("lead",)
    again = await browser.post(path, {**typed, "version": version(refused.text)})
    assert again.status == 303
    assert (stored(site)[0].subjects, stored(site)[0].senders) == ((), ("mine.example",))


async def test_a_name_that_is_taken_is_refused(site: ConsoleSite) -> None:
    site.write(lambda c: add_rule(c, "results"))
    browser = await site.signed_in(Role.ADMINISTRATOR)
    await browser.get("/rules/add")
    page = await browser.post("/rules/add", {**TYPED, "name": "RESULTS"})
    assert page.status == 400
    assert "A rule named &#39;results&#39; exists already." in page.text


async def test_a_copy_begins_with_all_of_a_rule_but_its_name(site: ConsoleSite) -> None:
    number = site.write(lambda c: add_rule(c, "results", sSenders="lab.example", bSaveAttachments=True))
    browser = await site.signed_in(Role.ADMINISTRATOR)
    page = await browser.get(f"/rules/add?copy={number}")
    assert ">lab.example</textarea>" in page.text
    assert 'id="name" name="name" value=""' in page.text


async def test_rules_are_moved_by_the_keyboard(site: ConsoleSite, chromium: Chromium) -> None:
    site.write(lambda c: [add_rule(c, name, nPosition=place) for place, name in enumerate("abc", start=1)])
    page = await shown(site, chromium, await site.signed_in(Role.ADMINISTRATOR))
    await page.goto(f"{site.url}/rules")
    await page.get_by_role("button", name="Move c up").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("Rule 'c' is at position 2.")
    await expect(page.get_by_role("button", name="Move c up")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("Rule 'c' is at position 1.")
    await expect(page.get_by_role("button", name="Move c down")).to_be_focused()
    assert order(site) == ["c", "a", "b"]


async def test_a_long_list_has_pages(site: ConsoleSite) -> None:
    site.write(lambda c: [add_rule(c, f"rule-{place}", nPosition=place) for place in range(1, 202)])
    browser = await site.signed_in(Role.ADMINISTRATOR)
    page = await browser.get("/rules")
    assert ">rule-200<" in page.text
    assert ">rule-201<" not in page.text
    page = await browser.get("/rules?first=200")
    assert ">rule-201<" in page.text
    number = stored(site)[199].rule_id
    answer = await browser.post(f"/rules/{number}/move", {"to": "down"})
    assert answer.location == f"/rules?first=200#up-{number}"


async def test_a_rule_is_disabled_enabled_and_removed(site: ConsoleSite) -> None:
    number = site.write(lambda c: add_rule(c, "results"))
    browser = await site.signed_in(Role.ADMINISTRATOR)
    await browser.get("/rules")
    page = await browser.follow(await browser.post(f"/rules/{number}/disable"))
    assert "is disabled." in page.text
    assert not stored(site)[0].enabled
    await browser.follow(await browser.post(f"/rules/{number}/enable"))
    assert stored(site)[0].enabled
    question = await browser.get(f"/rules/{number}/remove")
    assert "Remove rule results?" in question.text
    assert order(site) == ["results"]
    page = await browser.follow(await browser.post(f"/rules/{number}/remove"))
    assert "is removed." in page.text
    assert stored(site) == []
    assert (await browser.post(f"/rules/{number}/remove")).status == 404
    history = (await browser.get("/rules/history")).text
    assert "removed" in history
    assert "administrator@console 127.0.0.1" in history


@on_every_database
async def test_a_rule_shows_its_files_folder_and_history(site: ConsoleSite) -> None:
    site.write(add_account)
    hidden = site.write(lambda c: add_account(c, "board", sConsoleAccess="board"))
    now = site.services.clock()
    number = site.write(lambda c: add_rule(c, "results", sSenders="lab.example"))

    def files(connection: Connection) -> None:
        one, two = add_message(connection, "m1"), add_message(connection, "m2", nAccountID=hidden)
        add_file(connection, one, nRuleID=number, **saved(now))
        secret = saved(now) | {"sTargetPath": "/srv/import/results/secret.csv"}
        add_file(connection, two, nRuleID=number, **secret)
        add_file(connection, one, "b.csv", nRuleID=number, **waiting(now))

    site.write(files)
    browser = await site.signed_in(Role.VIEWER)
    for path in (f"/rules/{number}", "/rules/Results"):
        page = (await browser.get(path)).text
        assert "from lab.example" in page
        assert "/srv/import/results/a.csv" in page
        assert "secret.csv" not in page
        assert "Mail of 1 account that you may not see is left out." in page
    listed = (await browser.get("/rules")).text
    assert re.search(r'from lab\.example.*<td class="number">2</td>', listed, re.DOTALL)
    site.write(
        lambda c: c.execute(
            update(email_file).where(email_file.c.dtSaved.is_not(None)).values(dtSaved=None, sState="skipped")
        )
    )
    page = (await browser.get(f"/rules/{number}")).text
    assert "1 file waits for this folder. The import folder /srv/import/results does not exist." in page


@on_every_database
async def test_a_rule_is_applied_to_earlier_mail_after_a_dry_run(site: ConsoleSite) -> None:
    site.write(add_account)
    hidden = site.write(lambda c: add_account(c, "board", sConsoleAccess="board"))
    number = site.write(lambda c: add_rule(c, "results", sSenders="example.com", bSaveAttachments=True, bEnabled=False))
    now = site.services.clock()
    await imported(
        site,
        mail("m1", [attached(0, "lead.csv")], received=now - timedelta(days=1)),
        mail("m2", [attached(0, "old.csv")], received=now - timedelta(days=30)),
        mail("m3", [attached(0, "secret.csv")], received=now - timedelta(days=1), account_id=hidden),
    )
    site.write(lambda c: c.execute(update(email_rule).values(bEnabled=False)))
    site.write(lambda c: c.execute(update(message).values(sRuleState="amber", nRulesMatched=0)))
    browser = await site.signed_in(Role.OPERATOR)
    await browser.get(f"/rules/{number}/apply")
    wrong = await browser.post(f"/rules/{number}/apply", {"since": "soon"})
    assert wrong.status == 400
    assert "is not a time" in wrong.text
    job = await browser.post(f"/rules/{number}/apply", {"since": "7d"})
    page = await ended(browser, job.location)
    assert "Nothing was changed: this was a dry run." in page
    assert "Save 1 file of 1 messages?" in page
    assert "Mail of 1 account that you may not see is left out." in page
    assert site.read(lambda c: c.execute(select(email_file)).all()) == []
    since = first(r'name="since" value="([^"]+)"', page)
    job = await browser.post(f"/rules/{number}/apply", {"do": "apply", "since": since.replace("&#43;", "+")})
    assert "a running delivery role saves them" in await ended(browser, job.location)
    assert [row.sFileName for row in site.read(lambda c: c.execute(select(email_file)).all())] == ["lead.csv"]
    [audited] = site.read(lambda c: c.execute(select(queue_audit)).all())
    assert (audited.sWho, audited.sAction) == ("operator", "rules apply")
    assert (await browser.get("/activity?kind=operations")).text.count("applied rules to earlier mail") == 1


async def test_rules_are_exported_and_imported_after_a_preview(site: ConsoleSite) -> None:
    site.write(lambda c: add_rule(c, "results", sSenders="lab.example", bSaveAttachments=True))
    browser = await site.signed_in(Role.ADMINISTRATOR)
    exported = await browser.get("/rules/export")
    assert exported.headers["Content-Disposition"] == 'attachment; filename="rules.toml"'
    text = exported.text.replace("lab.example", "other.example")
    await browser.get("/rules/import")
    preview = await uploaded(browser, text)
    assert preview.status == 200
    assert "lab.example → other.example" in preview.text
    assert stored(site)[0].senders == ("lab.example",)
    digest = first(r'name="shown" value="([0-9a-f]+)"', preview.text)
    site.write(lambda c: c.execute(update(email_rule).values(sSenders="new.example")))
    refused = await browser.post("/rules/import", {"text": text, "shown": digest})
    assert "The rules were changed meanwhile." in refused.text
    assert stored(site)[0].senders == ("new.example",)
    digest = first(r'name="shown" value="([0-9a-f]+)"', refused.text)
    page = await browser.follow(await browser.post("/rules/import", {"text": text, "shown": digest}))
    assert "1 rule was added or changed." in page.text
    assert stored(site)[0].senders == ("other.example",)


async def uploaded(browser: Browser, text: str) -> Answer:
    """The answer to a file."""
    form = aiohttp.FormData()
    form.add_field("csrf", browser.csrf)
    form.add_field("file", text.encode(), filename="rules.toml", content_type="application/toml")
    return await browser.send("/rules/import/preview", form)


async def test_a_file_that_is_wrong_changes_nothing(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR)
    await browser.get("/rules/import")
    text = '[[rule]]\nname = "a"\nfolder = "/srv/a"\n[[rule]]\nname = "b"\nfolder = "/srv/b"\nsubject_matches = "("\n'
    page = await browser.post("/rules/import/preview", {"text": text})
    assert page.status == 400
    assert "Nothing was changed." in page.text
    assert "rule 2" in page.text
    assert "subject_matches = &#34;(&#34;" in page.text
    assert stored(site) == []


VIEWED: Sequence[str] = ("/rules", "/rules/history", "/rules/results")
ADMINISTERED: Sequence[str] = (
    "/rules/add",
    "/rules/results/edit",
    "/rules/results/remove",
    "/rules/import",
    "/rules/export",
)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_only_administrators_change_rules(site: ConsoleSite, role: Role) -> None:
    site.write(lambda c: add_rule(c, "results"))
    browser = await site.signed_in(role, Role.READER)
    page = await browser.get("/rules/results")
    assert ("/apply" in page.text) is (role is Role.OPERATOR)
    for path in VIEWED:
        page = await browser.get(path)
        assert page.status == 200
        assert not re.search(r'action="/rules|/edit"|/remove"|/rules/add', page.text)
    for path in ADMINISTERED:
        assert (await browser.get(path)).status == 403
    for path in (
        "add",
        "try",
        "results/edit",
        "results/move",
        "results/enable",
        "results/disable",
        "results/remove",
        "import",
        "import/preview",
    ):
        assert (await browser.post(f"/rules/{path}", TYPED)).status == 403
    expected = 403 if role is Role.VIEWER else 200
    assert (await browser.get("/rules/results/apply")).status == expected
    assert order(site) == ["results"]


async def test_hostile_names_and_patterns_are_text(site: ConsoleSite, chromium: Chromium) -> None:
    site.write(lambda c: add_account(c, HOSTILE[:60]))
    await imported(
        site, mail("m1", [attached(0, f"{HOSTILE}.csv")], subject=HOSTILE, from_address=f"{HOSTILE}@example.com")
    )
    hostile = {"sFolder": f"/srv/{HOSTILE}", "sSubject": HOSTILE, "sSubjectKind": "contains", "bSaveAttachments": True}
    number = site.write(lambda c: add_rule(c, HOSTILE, sFileName=HOSTILE, sSenders=f"{HOSTILE}\n{HOSTILE}", **hostile))
    broken = site.write(lambda c: add_rule(c, f"{HOSTILE}2", sUnpack=HOSTILE, nPosition=2, **hostile))
    browser = await site.signed_in(Role.ADMINISTRATOR)
    await browser.get("/rules")
    await browser.post(f"/rules/{number}/disable")
    page = await shown(site, chromium, browser)
    raised: list[str] = []
    page.on("dialog", lambda dialog: raised.append(dialog.message))
    page.on("console", lambda message: raised.append(message.text) if message.type == "error" else None)
    paths = [f"/rules/{each}{rest}" for each in (number, broken) for rest in ("", "/edit", "/remove", "/apply")]
    for path in ("/rules", "/rules/history", *paths, f"/rules/add?copy={number}"):
        answer = await page.goto(site.url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert await page.locator("main script, main img").count() == 0
    await page.goto(f"{site.url}/rules/add")
    await page.get_by_label("Name (required)").fill("plain")
    await page.get_by_label("Import folder").fill(f"/srv/{HOSTILE}")
    await page.get_by_label("Subject contains").fill("script")
    await page.get_by_role("button", name="Try on recent mail").click()
    await expect(page.locator("#trial")).to_contain_text("1 of the last 1 messages matches.")
    assert await page.locator("main script, main img").count() == 0
    assert raised == []
