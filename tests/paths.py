"""Paths of the repository."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]

_PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: Final[Sequence[str]] = _PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
"""The packages of the product."""
