"""Paths of the repository."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]


def packages() -> Sequence[str]:
    """The packages of the product."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found: Sequence[str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return found
