"""Tests for Windows itself: on a Windows Server, or under Wine by `make wine`."""

import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the tests of this folder out elsewhere: they call libraries of Windows."""
    elsewhere = sys.platform != "win32" and collection_path.parent == _HERE and collection_path.suffix == ".py"
    return True if elsewhere else None


@pytest.fixture(scope="session")
def wine() -> bool:
    """Report if this Windows is Wine, which lacks some calls."""
    import ctypes

    return hasattr(ctypes.CDLL("ntdll"), "wine_get_version")
