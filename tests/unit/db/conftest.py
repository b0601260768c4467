"""Tests of the tables run on every database."""

import pytest

from tests.databases import EVERY_BACKEND


@pytest.fixture(params=EVERY_BACKEND)
def database_kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
