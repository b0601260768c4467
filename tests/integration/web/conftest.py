"""A web console for each test, and a Chromium for all tests of a process that need one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.databases import Gateway
from tests.doubles.chromium import Chromium, open_chromium
from tests.integration.web.console_site import ConsoleSite, console_site


@pytest.fixture
async def site(gateway: Gateway) -> AsyncIterator[ConsoleSite]:
    async with console_site(gateway, clock=lambda: datetime.now(UTC)) as made:
        yield made


@pytest.fixture
async def chromium() -> AsyncIterator[Chromium]:
    """A headless Chromium; its contexts go with it."""
    async with open_chromium() as opened:
        yield opened
