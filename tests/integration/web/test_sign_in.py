"""Signing in with a password and by link, sessions, and what a request must prove."""

from console.web.rights import Role
from tests.integration.web.console_site import ConsoleSite


async def test_a_user_signs_in_and_out(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.VIEWER)
    page = await browser.get("/")
    assert page.status == 200
    assert "Overview" in page.text
    await browser.follow(await browser.post("/sign-out"))
    assert (await browser.get("/")).status == 303
