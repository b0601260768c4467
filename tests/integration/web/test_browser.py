"""Pages in a real browser: signing in, in both languages; the other pages follow in the modules of their subjects."""

from playwright.async_api import expect

from console.web.rights import Role
from tests.doubles.chromium import Chromium
from tests.integration.web.console_site import PASSWORD, ConsoleSite


async def test_signing_in_with_the_keyboard(site: ConsoleSite, chromium: Chromium) -> None:
    site.add_user("marie", Role.VIEWER)
    page = await chromium.new_page()
    await page.goto(site.url)
    await page.keyboard.type("marie")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("Overview")
