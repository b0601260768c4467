"""Headless Chromium (Debian's), driven by Playwright. It looks for nothing outside of the tests' own addresses."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser as Chromium
from playwright.async_api import async_playwright

from tests.system_packages import without_system_package

_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def open_chromium() -> AsyncIterator[Chromium]:
    """A Chromium for as long as the context lasts; without one on this machine the test is skipped."""
    path = shutil.which("chromium") or without_system_package("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


__all__ = ["Chromium", "open_chromium"]
