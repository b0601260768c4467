"""Programs that only system packages provide."""

import os
from typing import NoReturn

import pytest


def without_system_package(package: str) -> NoReturn:
    """Skip the test; fail it where tools/system-packages.sh should have installed the package."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{package} is missing: tools/system-packages.sh should have installed it")
    pytest.skip(f"needs {package}: apt-get install {package}")
