"""Reads what a browser would send on from a page, and waits for jobs."""

import asyncio
import html

from tests.integration.web.console_site import Answer, Browser


async def finished(browser: Browser, answer: Answer) -> str:
    """The page of the job, once it has ended."""
    async with asyncio.timeout(20):
        while True:
            page = await browser.follow(answer)
            if "Back</a>" in page.text:
                return page.text


def value_of(page: str, name: str) -> str:
    """The value of a hidden field."""
    return html.unescape(page.partition(f'name="{name}" value="')[2].partition('"')[0])


def next_page(page: str) -> str:
    """The address of the next page of a list."""
    before, found, _ = page.partition('rel="next"')
    assert found
    return html.unescape(before.rpartition('href="')[2].partition('"')[0])
