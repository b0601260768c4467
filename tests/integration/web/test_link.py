"""The one-time link of `console open`: for this host, once, for fifteen minutes."""

import re
from datetime import timedelta

from click.testing import CliRunner

from console.invocation import Invocation
from console.main import cli
from tests.databases import Gateway
from tests.doubles.clock import SettableClock
from tests.integration.web.console_site import ConsoleSite, console_site


def _link(site: ConsoleSite, clock: SettableClock) -> str:
    made = CliRunner().invoke(cli, ["console", "open", "--json"], obj=Invocation(site.services.given, clock=clock))
    assert made.exit_code == 0, made.output
    found = re.search(r"/sign-in/link/[\w-]{43}", made.stdout)
    assert found is not None
    return found[0]


async def test_a_link_signs_in_once_by_its_button(gateway: Gateway) -> None:
    clock = SettableClock()
    async with console_site(gateway, clock=clock) as site:
        first = await site.visitor().get("/")
        assert first.status == 303
        assert "mail-importer console open" in (await site.visitor().get("/sign-in")).text
        link = _link(site, clock)
        browser = site.visitor()
        for _ in range(2):  # a preview of the link does not use it up
            assert (await browser.get(link)).status == 200
        assert (await browser.post(link)).status == 303
        assert "administrator" in (await browser.get("/me")).text
        other = site.visitor()
        await other.get("/sign-in")
        assert (await other.post(link)).status == 410


async def test_a_link_is_for_fifteen_minutes_and_this_host(gateway: Gateway) -> None:
    clock = SettableClock()
    async with console_site(gateway, clock=clock) as site:
        link = _link(site, clock)
        browser = site.visitor()
        await browser.get("/sign-in")
        assert (await browser.post(link, None, X_Forwarded_For="203.0.113.7")).status == 410
        clock.advance(timedelta(minutes=15))
        assert (await browser.get(link)).status == 410
        assert (await browser.post(link)).status == 410
