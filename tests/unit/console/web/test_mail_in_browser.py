"""Mail as a real browser shows it: nothing of a hostile one runs, is requested or leaves its frame."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from console.web.mail_document import SANDBOX, document_headers, mail_document
from console.web.mail_markup import mail_markup
from console.web.mail_pictures import MailPictures
from tests.samples.hostile_mails import HOSTILE, sent
from tests.system_packages import without_system_package

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

CHROMIUM: Final = Path("/usr/bin/chromium")
ARGUMENTS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    # A process for each of a hundred frames would take three times as long.
    *("--disable-component-update", "--disable-sync", "--disable-features=IsolateSandboxedIframes"),
)
BROWSERS_OWN: Final = ("google.com", "googleapis.com")
SETTLED: Final = "/settled"
HEADING: Final = "The page around the mail"
ESCAPED: Final = "[...document.querySelectorAll('*')].filter(e => getComputedStyle(e).position != 'static').length"
HANDLERS: Final = (
    "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter("
    "a => a.name.startsWith('on') || a.name == 'id' || a.name == 'name' && a.value != 'viewport').length"
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


PNG: Final = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", b"\0\0\0\x02\0\0\0\x01\x08\0\0\0\0")
    + _chunk(b"IDAT", zlib.compress(b"\0\0\xff"))
    + _chunk(b"IEND", b"")
)

WANTED: Final = """<html><body bgcolor="#102030" text="#ffffff"><p>Dear <b>reader</b>, <i>here</i> are
<font color="#00ff00" size="5">results</font>:</p>
<table border="1" style="border-collapse:collapse"><tr><th>Nitrate</th><td style="background:rgb(1, 2, 3)">3,2</td></tr>
</table><ul><li>one</li><li>two</li></ul><img src="cid:logo@lab" width="40" alt="Logo">
<p style="width:3000px">wide</p><p>WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW</p>
<a href="http://shop.example/a?b=c">The shop</a> <a href="mailto:lab@example.org">Write</a></body></html>"""


@dataclass
class Site:
    """A server that all host names lead to. `shown`: pages by path; `others`: the other requests, as host and path."""

    shown: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    others: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        page = self.shown.get(request.path) if request.host in self.address else None
        if page is not None:
            return web.Response(body=page[0].encode(errors="replace"), headers=page[1])
        if request.path != "/favicon.ico" and not (request.host or "").endswith(BROWSERS_OWN):
            self.others.append((request.host, request.path, dict(request.headers)))
        return web.Response(text="<title>Other</title>Elsewhere", content_type="text/html")

    def show(self, path: str, mails: dict[str, str], headers: dict[str, str], frame: str) -> str:
        """The address of a page with each mail in a frame."""
        for name, html in mails.items():
            self.shown[f"/{path}/{name}"] = (html, headers)
        frames = "".join(f'<iframe {frame} name="{name}" src="/{path}/{name}"></iframe>' for name in mails)
        page = f"<!DOCTYPE html><title>{HEADING}</title><h1>{HEADING}</h1>{frames}"
        self.shown[f"/{path}"] = (page, {"Content-Type": "text/html; charset=utf-8"})
        return f"{self.address}/{path}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        site.address = str(server.make_url("")).rstrip("/")
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(site: Site) -> AsyncIterator[BrowserContext]:
    """A browser for which every host is the site's."""
    if not CHROMIUM.exists():
        without_system_package("chromium")
    place = site.address.removeprefix("http://")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, f"--host-resolver-rules=MAP * {place}"]
        )
        yield await started.new_context(viewport={"width": 1280, "height": 900})
        await started.close()


@dataclass
class Seen:
    """Effects of a page with mails in it. `ran`: names of mails whose script ran."""

    page: Page
    ran: set[str]
    requested: set[str]
    moved: dict[str, str]


async def _opened(browser: BrowserContext, site: Site, url: str) -> Seen:
    page = await browser.new_page()
    site.others.clear()
    ran: set[str] = set()
    page.on("console", lambda message: ran.update(message.text.split(":")[1:] if message.text[:4] == "HIT:" else []))
    await page.goto(url)
    await _settled(browser, site)
    requested = {f"http://{host}{path}" for host, path, _ in site.others}
    moved = {each.name: each.url for each in page.main_frame.child_frames if each.url != f"{url}/{each.name}"}
    return Seen(page, ran, requested, moved)


async def _settled(browser: BrowserContext, site: Site) -> None:
    """Wait until a frame that is loaded after the mails has failed to load a picture, and then moved on."""
    later = "<img src=x onerror='location = `SETTLED`'>"
    page = await browser.new_page()
    await page.goto(site.show("settle", {"mail": later.replace("SETTLED", SETTLED)}, {"Content-Type": "text/html"}, ""))
    async with asyncio.timeout(60):
        while not any(path == SETTLED for _, path, _ in site.others):
            await page.evaluate("new Promise(requestAnimationFrame)")
    await page.close()
    site.others[:] = [each for each in site.others if not each[1].startswith("/settle")]


def _document(html: str, pictures: MailPictures | None = None) -> str:
    markup = mail_markup("html", html, pictures or MailPictures(lambda _: None))
    return mail_document(markup, title="Mail", language="en")


MAILS: Final = {name: sent(name) for name in HOSTILE}
UNFILTERED: Final = {name: html for name, html in MAILS.items() if not name.startswith(("nested", "attribute"))}
"""Without those that only take long."""
RUNNING: Final = {"script", "onerror", "svg-onload", "noembed", "iframe", "math-malignmark"}
LEAST_RUNNING: Final = 40
PLAIN: Final = {"Content-Type": "text/html; charset=utf-8"}
SANDBOXED: Final = f'sandbox="{SANDBOX}"'


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    return {name: _document(html) for name, html in MAILS.items()}


async def test_hostile_mail_does_nothing_in_its_frame(
    browser: BrowserContext, site: Site, documents: dict[str, str]
) -> None:
    """No script, no request, no move of a frame or the page, nothing above other text: of any mail."""
    seen = await _opened(browser, site, site.show("whole", documents, document_headers(), SANDBOXED))
    assert (seen.ran, seen.requested, seen.moved) == (set(), set(), {})
    assert seen.page.url.endswith("/whole")
    assert len(browser.pages) == 1
    frames = seen.page.frames[1:]
    found = await asyncio.gather(
        *(each.evaluate(f"[{ESCAPED}, {HANDLERS}, document.scripts.length]") for each in frames)
    )
    assert {each.name: counts for each, counts in zip(frames, found, strict=True) if any(counts)} == {}
    assert len(found) == len(HOSTILE)
    await expect(seen.page.locator("h1")).to_have_text(HEADING)
    await seen.page.close()


async def test_filters_alone_would_hold_it(browser: BrowserContext, site: Site, documents: dict[str, str]) -> None:
    """A browser that ignores the headers runs and loads nothing."""
    seen = await _opened(browser, site, site.show("filters", documents, PLAIN, ""))
    assert (seen.ran, seen.requested, seen.moved) == (set(), set(), {})
    await seen.page.close()


async def test_headers_alone_would_hold_it(browser: BrowserContext, site: Site) -> None:
    """A mail that got through the filters unchanged could not run or load anything either."""
    seen = await _opened(browser, site, site.show("headers", UNFILTERED, document_headers(), ""))
    assert (seen.ran, seen.requested, seen.moved) == (set(), set(), {})
    assert seen.page.url.endswith("/headers")
    await seen.page.close()


async def test_the_mails_are_hostile(browser: BrowserContext, site: Site) -> None:
    """Without filters and headers scripts run and requests are made: the other tests would see it."""
    seen = await _opened(browser, site, site.show("control", UNFILTERED, PLAIN, ""))
    async with asyncio.timeout(60):
        while not seen.ran >= RUNNING or len(seen.ran) < LEAST_RUNNING:
            await seen.page.evaluate("new Promise(requestAnimationFrame)")
    requested = {path.split("/")[1] for host, path, _ in site.others if host == "evil.example"}
    assert requested >= {"picture", "style-background", "video", "preload", "svg-image", "refresh", "iframe"}
    await seen.page.close()


async def test_wanted_content_is_shown_and_links_open_apart(browser: BrowserContext, site: Site) -> None:
    """Tables, lists, bold, colours, inline pictures; a followed link knows nothing of the console."""
    html = _document(WANTED, MailPictures({"logo@lab": PNG}.get))
    seen = await _opened(browser, site, site.show("wanted", {"mail": html}, document_headers(), SANDBOXED))
    assert not seen.requested
    frame = seen.page.frames[1]
    shown: Any = await frame.evaluate(
        """() => {
          const style = text => getComputedStyle([...document.querySelectorAll('main *')].filter(
            e => e.textContent == text).at(-1));
          const image = document.querySelector('img');
          return {
            bold: style('reader').fontWeight, italic: style('here').fontStyle, green: style('results').color,
            ground: getComputedStyle(document.querySelector('main > div')).backgroundColor, cell:
            style('3,2').backgroundColor, rows: document.querySelectorAll('table tr').length,
            items: document.querySelectorAll('ul > li').length, picture: [image.naturalWidth, image.width, image.alt],
            overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
            targets: [...document.querySelectorAll('.target')].map(e => e.textContent),
          }
        }"""
    )
    assert shown == {
        "bold": "700",
        "italic": "italic",
        "green": "rgb(0, 255, 0)",
        "ground": "rgb(16, 32, 48)",
        "cell": "rgb(1, 2, 3)",
        "rows": 1,
        "items": 2,
        "picture": [2, 40, "Logo"],
        "overflow": 0,
        "targets": ["http://shop.example/a?b=c", "mailto:lab@example.org"],
    }
    async with browser.expect_page() as opening:
        await frame.get_by_text("The shop").click()
    opened = await opening.value
    await expect(opened).to_have_title("Other")
    assert await opened.evaluate("[window.opener, document.referrer]") == [None, ""]
    assert [host for host, _, headers in site.others if "Referer" not in headers][-1] == "shop.example"
    assert seen.page.url.endswith("/wanted")
