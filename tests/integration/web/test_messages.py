"""The e-mail log: what it lists, how it is filtered and paged, its export, and mail that is hidden from a user."""

import csv
import io
import re
from html import unescape
from urllib.parse import quote

import pytest
from playwright.async_api import expect
from sqlalchemy import Connection, insert

from console.web.pages import messages
from console.web.rights import Role
from db.queries import console_activity, message_log
from db.tables import account_settings, message
from tests.doubles.chromium import Chromium
from tests.doubles.rule_files import add_account
from tests.integration.web.console_site import Browser, ConsoleSite, signed_in_context
from tests.integration.web.mail_rows import DAY, MINUTE, add_every_state, add_hidden, add_mail

_ROW = re.compile(r'<tr class="(\w*)" role="row">(.*?)</tr>', re.DOTALL)
_LINK = re.compile(r'<td[^>]*><a href="([^"]+)">([^<]*)</a></td>')


async def rows(browser: Browser, path: str = "/messages") -> list[tuple[str, str, str]]:
    """The class, link and subject of each row."""
    page = await browser.get(path)
    assert page.status == 200, page.text
    found = []
    for tint, cells in _ROW.findall(page.text):
        link = _LINK.search(cells)
        if link is not None:
            found.append((tint, unescape(link[1]), unescape(link[2])))
    return found


async def subjects(browser: Browser, query: str = "") -> list[str]:
    return [subject for _, _, subject in await rows(browser, f"/messages{query}")]


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
async def test_every_state_is_listed_newest_first_and_marked_by_colour_and_word(site: ConsoleSite) -> None:
    site.write(add_every_state)
    browser = await site.signed_in(Role.VIEWER)
    found = await rows(browser)
    assert [(tint, subject) for tint, _, subject in found] == [
        ("", "Result white"),
        ("good", "Result green"),
        ("", "Result green"),  # the copy
        ("warn", "Result amber"),
        ("bad", "Result red"),
        ("", "Broken retrying"),
        ("bad", "Broken dead"),
        ("", "(subject not known)"),
        ("", "Vanished"),
    ]
    text = (await browser.get("/messages")).text
    for word in ("imported", "failed", "waiting", "duplicate", "filtered", "removed", "green", "amber", "red"):
        assert re.search(rf'<span class="state \w*">{word}</span>', text), word
    assert "9 e-mails." in text
    for _, link, _ in found:
        assert (await browser.get(link)).status == 200, link


async def test_the_filter_stands_in_the_address(site: ConsoleSite) -> None:
    site.write(add_every_state)
    browser = await site.signed_in(Role.VIEWER)
    assert await subjects(browser, "?states=failed") == ["Broken dead"]
    assert await subjects(browser, "?subject=AMBER&sender=lab%40") == ["Result amber"]
    assert await subjects(browser, "?rule_states=red&states=imported") == ["Result red"]
    assert await subjects(browser, "?rule=Results") == ["Result green", "Result red"]
    assert await subjects(browser, "?name=laboratory&subject=vanished") == ["Vanished"]
    # A day is meant to its end.
    assert len(await subjects(browser, "?since=2026-11-20&until=2026-11-20")) == 9
    assert await subjects(browser, "?until=2026-11-19") == []
    assert len(await subjects(browser, "?until=9999-12-31")) == 9
    page = await browser.get("/messages?subject=%22amber%22&since=nonsense&name=nobody")
    assert page.status == 400
    assert "is not a time" in page.text
    assert 'value="&#34;amber&#34;"' in page.text
    unknown = await browser.get("/messages?name=nobody")
    assert unknown.status == 400
    assert "nobody" in unknown.text
    assert (await browser.get("/messages?after=nonsense")).status == 400


async def test_pages_follow_each_other_and_keep_the_filter(site: ConsoleSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_PAGE", 2)
    site.write(add_every_state)
    browser = await site.signed_in(Role.VIEWER)
    path, seen = "/messages?sender=lab", []
    for _ in range(10):
        page = (await browser.get(path)).text
        seen += [unescape(each[1]) for each in _LINK.findall(page)]
        older = re.search(r'<a href="([^"]+)" rel="next">', page)
        if older is None:
            break
        path = unescape(older[1])
        assert "sender=lab" in path
    assert seen == ["Result white", "Result green", "Result green", "Result amber", "Result red"]


def add_needle(connection: Connection) -> None:
    """A message that a search finds in its second slice of 256 rows."""
    add_account(connection)
    rows = [
        {
            "nAccountID": 1,
            "sGraphMessageID": f"m{number}",
            "dtReceived": DAY - number * MINUTE,
            "dtImported": DAY,
            "bHasAttachments": False,
            "sSubject": "needle" if number == 300 else "x",
        }
        for number in range(301)
    ]
    connection.execute(insert(message), rows)


async def test_a_search_without_time_left_tells_how_far_it_came(
    site: ConsoleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_SEARCH_SECONDS", -1.0)
    monkeypatch.setattr(messages, "_COUNT_SECONDS", -1.0)
    monkeypatch.setattr(message_log, "_MIN_SLICE", 256)
    site.write(add_needle)
    browser = await site.signed_in(Role.VIEWER)
    page = (await browser.get("/messages?subject=needle")).text
    assert "Searched back to 2026-11-20 07:45:00 UTC" in page
    assert "At least 0 e-mails" in page
    onward = re.search(r'<a href="([^"]+)">Search on</a>', page)
    assert onward is not None
    assert await subjects(browser, unescape(onward[1]).removeprefix("/messages")) == ["needle"]


async def test_a_search_goes_on_by_itself_in_the_browser(
    site: ConsoleSite, monkeypatch: pytest.MonkeyPatch, chromium: Chromium
) -> None:
    monkeypatch.setattr(messages, "_SEARCH_SECONDS", -1.0)
    monkeypatch.setattr(message_log, "_MIN_SLICE", 256)
    site.write(add_needle)
    context = await signed_in_context(site, chromium, await site.signed_in(Role.VIEWER))
    page = await context.new_page()
    await page.goto(site.url + "/messages")
    await page.get_by_label("Subject").fill("needle")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="needle")).to_be_visible()
    await expect(page.get_by_text("Searched back to")).to_have_count(0)


async def test_the_log_is_exported_as_csv_and_that_is_recorded(
    site: ConsoleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_EXPORT_PAGE", 2)
    site.write(add_every_state)
    site.write(lambda connection: add_mail(connection, "formula", sSubject="=1+1", dtReceived=DAY + MINUTE))
    browser = await site.signed_in(Role.VIEWER)
    answer = await browser.get("/messages.csv?name=laboratory")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    table = list(csv.reader(io.StringIO(answer.raw.decode("utf-8-sig"))))
    assert table[0][:4] == ["Received (UTC)", "Account", "Sender", "Subject"]
    assert len(table) == 11
    assert table[1][3] == "'=1+1"
    assert table[2][0] == "2026-11-20T12:00:00Z"
    [noted] = [each for each in site.read(lambda c: console_activity.latest(c, limit=5)) if "log" in each.action]
    assert (noted.action, noted.who, noted.detail) == ("log_exported", "viewer", "name=laboratory")

    monkeypatch.setattr(messages, "MAX_EXPORTED", 3)
    cut = (await browser.get("/messages.csv")).text
    assert len(list(csv.reader(io.StringIO(cut)))) == 5
    assert "Only the newest" in cut
    assert (await browser.get("/messages.csv?since=nonsense")).status == 400


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
async def test_hidden_mail_is_nowhere_in_the_log(site: ConsoleSite) -> None:
    site.write(add_every_state)
    site.write(add_hidden)
    browser = await site.signed_in(Role.ADMINISTRATOR, Role.READER)
    for path in ("/messages", "/messages?name=board", "/messages?subject=merger", "/messages?states=failed"):
        assert "Secret merger" not in (await browser.get(path)).text, path
    assert "9 e-mails." in (await browser.get("/messages")).text
    assert "0 e-mails." in (await browser.get("/messages?subject=merger")).text
    assert '<option value="board">' not in (await browser.get("/messages")).text
    assert "merger" not in (await browser.get("/messages.csv")).text
    director = await site.signed_in(Role.VIEWER, name="director", groups=("Directors",))
    assert await subjects(director, "?subject=merger") == ["Secret merger", "Secret merger failed"]


async def test_nobody_reads_the_log_without_signing_in(site: ConsoleSite) -> None:
    for path in ("/messages", "/messages.csv"):
        answer = await site.visitor().get(path)
        assert answer.status == 303
        assert answer.location == f"/sign-in?next={quote(path, safe='')}"


async def test_an_account_whose_access_cannot_be_read_shows_nothing(site: ConsoleSite) -> None:
    site.write(add_hidden)
    site.write(lambda connection: connection.execute(account_settings.update().values(sConsoleAccess="x\ny")))
    browser = await site.signed_in(Role.VIEWER)
    assert await subjects(browser) == []


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
async def test_odd_characters_in_the_address_are_no_failure(site: ConsoleSite) -> None:
    site.write(add_every_state)
    browser = await site.signed_in(Role.VIEWER)
    for path in ("/messages?subject=%00", "/messages/of/1?graph_id=a%00", "/messages/%00", "/messages.csv?name=%00"):
        assert (await browser.get(path)).status == 400, path
    operator = await site.signed_in(Role.OPERATOR)
    assert (await operator.post("/messages/of/1/import", {"graph_id": "a\0"})).status == 400
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    cookie = "; ".join(f"{name}={value}" for name, value in operator.cookies.items())
    async with site.session.post(
        f"{site.url}/messages/of/1/import", data=b"\xff", headers={**headers, "Cookie": cookie}
    ) as answer:
        assert answer.status == 400
    for text in ("a%00b", "a%00b", "%ff%fe", "%ed%a0%80", "%25_%5B%5D", "%F0%9F%98%80", "x" * 3000):
        for name in ("subject", "name", "rule", "since", "after", "states"):
            assert (await browser.get(f"/messages?{name}={text}")).status in {200, 400}, (name, text)
        assert (await browser.get(f"/messages.csv?subject={text}")).status in {200, 400}, text
        assert (await browser.get(f"/messages/of/1?graph_id={text}")).status in {400, 404}, text
    assert (await browser.get(f"/messages/{2**63}")).status == 404
    assert (await browser.get(f"/messages/{10**18 - 1}")).status == 404
    assert (await browser.get(f"/messages/of/{10**18 - 1}?graph_id=x")).status == 404
