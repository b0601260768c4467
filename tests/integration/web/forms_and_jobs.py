"""Reads what a browser would send on from a page, and waits for jobs."""

import asyncio
import html
from http import HTTPStatus

from tests.integration.web.console_site import Answer, Browser


async def finished(browser: Browser, answer: Answer) -> str:
    """The page of the job that an answer sends to, once it has ended."""
    assert answer.status == HTTPStatus.SEE_OTHER, answer.text
    return await ended(browser, answer.location)


async def ended(browser: Browser, path: str) -> str:
    """The page of a job, once it has ended: until then it refreshes itself."""
    async with asyncio.timeout(60):
        while True:
            text = (await browser.get(path)).text
            if "http-equiv" not in text:
                return text
            await asyncio.sleep(0.02)


def value_of(page: str, name: str) -> str:
    """The value of a hidden field."""
    return html.unescape(page.partition(f'name="{name}" value="')[2].partition('"')[0])


def next_page(page: str) -> str:
    """The address of the next page of a list."""
    before, found, _ = page.partition('rel="next"')
    assert found
    return html.unescape(before.rpartition('href="')[2].partition('"')[0])
