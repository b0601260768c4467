"""Reads the lock files that `make lock` writes: packages, hashes, and what requires each.

The comments below a package name what requires it, on every platform, which no installed environment shows.
https://docs.astral.sh/uv/pip/compile/
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

_ROOT: Final = Path(__file__).parents[1]
REQUIRED: Final = _ROOT / "requirements.lock"
EXTRAS: Final = _ROOT / "requirements-extras.lock"
PRODUCT: Final = "mail-importer"

_PACKAGE: Final = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+?))? \\$")
_HASH: Final = re.compile(r"^ {4}--hash=sha256:(?P<digest>[0-9a-f]{64})(?: \\)?$")
_REQUIRER: Final = re.compile(r"^ {4}#(?: via|  ) (?P<name>\S+)(?: \((?P<source>.+)\))?$")


class UnreadableLock(Exception):
    """The file is no lock file of `make lock`."""


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A package of one version; `marker`: the environments that need it, none: all.

    `digests`: SHA-256 of each file of the package, in hexadecimal. `requirers`: names of the packages that need it, the
    product among them; those of dependency groups are left out.
    """

    name: str
    version: str
    marker: str | None
    digests: tuple[str, ...]
    requirers: frozenset[str]


def read_lock(path: Path) -> dict[str, LockedPackage]:
    """The packages of a lock file, by name.

    Raises:
        UnreadableLock
    """
    found: dict[str, LockedPackage] = {}
    blocks = re.split(r"\n(?=\S)", path.read_text("utf-8").strip("\n"))
    for block in blocks:
        package = _package(block.splitlines(), path)
        found[package.name] = package
    return found


def runtime(lock: Mapping[str, LockedPackage]) -> dict[str, LockedPackage]:
    """The packages that the product needs to run, directly or not: without those that only build it."""
    needed = {PRODUCT}
    while True:
        more = {each.name for each in lock.values() if each.requirers & needed} - needed
        if not more:
            return {name: lock[name] for name in sorted(needed - {PRODUCT})}
        needed |= more


def _package(lines: list[str], path: Path) -> LockedPackage:
    head = _PACKAGE.match(lines[0])
    digests = [match["digest"] for match in map(_HASH.match, lines) if match]
    if head is None or not digests:
        raise UnreadableLock(f"{path}: {lines[0]} is no package with hashes; write the file anew with make lock.")
    return LockedPackage(
        name=canonicalize_name(head["name"]),
        version=head["version"],
        marker=head["marker"],
        digests=tuple(sorted(digests)),
        requirers=frozenset(_requirers(lines)),
    )


def _requirers(lines: list[str]) -> Iterator[str]:
    for match in map(_REQUIRER.match, lines):
        # A dependency group is written as (pyproject.toml:build).
        if match and match["source"] in (None, "pyproject.toml"):
            yield canonicalize_name(match["name"])
