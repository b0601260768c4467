"""Licences of the packages that the product runs with: which they are, and which are allowed.

`make licences` writes the lists of docs/licences.md; a test compares, and holds every package to the policy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path
from typing import Final

from license_expression import ExpressionError, LicenseExpression, Licensing, get_spdx_licensing

from tools.lock_file import EXTRAS, REQUIRED, LockedPackage, read_lock, runtime
from tools.marked_part import with_part

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "licences.md"
BEGIN: Final = "<!-- licences: written by tools/licences.py from the lock files -->"
END: Final = "<!-- end of the licences -->"

_PERMISSIVE: Final = "permissive: the notice stays with the copy, as it does in the package"
_LIBRARY: Final = "weak copyleft, for its own files: used unchanged, as a package of its own that can be replaced"
ALLOWED: Final[Mapping[str, str]] = {
    "0BSD": "permissive, without a condition",
    "Apache-2.0": _PERMISSIVE,
    "BSD-2-Clause": _PERMISSIVE,
    "BSD-3-Clause": _PERMISSIVE,
    "ISC": _PERMISSIVE,
    "MIT": _PERMISSIVE,
    "MIT-0": "permissive, without a condition",
    "PSF-2.0": _PERMISSIVE,
    "LGPL-3.0-only": _LIBRARY,
    "MPL-2.0": _LIBRARY,
}
"""SPDX identifiers, each with the reason why a product under the MIT licence may run with it."""

_NAMED_OTHERWISE: Final[Mapping[str, str]] = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
}
"""Names in metadata and classifiers that are no SPDX expressions, and mean one. "BSD License" means several."""

_READ_BY_US: Final[Mapping[str, str]] = {
    "google-re2": "BSD-3-Clause",
    "isodate": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    # On Windows alone: not installed where the others are.
    "colorama": "BSD-3-Clause",
    "pywin32": "PSF-2.0",
    "tzdata": "Apache-2.0",
}
"""Packages whose metadata does not say it exactly, or is not at hand, by the text of their licence."""


class LicenceUnknown(Exception):
    """Neither the metadata of a package nor this file names its licence."""


@dataclass(frozen=True, slots=True)
class RuntimePackage:
    """A package that the product runs with; `is_optional`: only with one of its extras."""

    locked: LockedPackage
    licence: str
    is_optional: bool


def runtime_packages() -> list[RuntimePackage]:
    """All of them, by name, on every platform and with every extra.

    Raises:
        LicenceUnknown
        UnreadableLock
    """
    required = runtime(read_lock(REQUIRED))
    return [
        RuntimePackage(each, licence_of(name), is_optional=name not in required)
        for name, each in runtime(read_lock(EXTRAS)).items()
    ]


def licence_of(name: str) -> str:
    """The SPDX expression of an installed package, or of one that is known here.

    Raises:
        LicenceUnknown
    """
    try:
        said = list(_said(metadata(name)))
    except PackageNotFoundError:
        said = []
    for each in (_READ_BY_US.get(name), *said):
        if each is not None and _is_expression(each):
            return each
    raise LicenceUnknown(
        f"{name}: the licence is not known. Its metadata has {', '.join(map(repr, said)) or 'none'}; read its text, "
        "and add it to tools/licences.py."
    )


def is_allowed(expression: str) -> bool:
    """True if a choice of the expression needs nothing but licences of the policy."""
    return _holds(_spdx().parse(expression, validate=True))


def rewritten(document: str) -> str:
    """The document with the present lists.

    Raises:
        MarkersMissing
        LicenceUnknown
    """
    return with_part(document, BEGIN, END, "\n".join([*_lists(), ""]))


def _lists() -> Iterator[str]:
    yield "| licence | why it is allowed |"
    yield "| --- | --- |"
    yield from (f"| {name} | {reason} |" for name, reason in ALLOWED.items())
    yield ""
    yield "| package | licence | needed |"
    yield "| --- | --- | --- |"
    for each in runtime_packages():
        needed = "with an extra" if each.is_optional else "always"
        marker = f", where `{each.locked.marker}`" if each.locked.marker else ""
        yield f"| {each.locked.name} | {each.licence} | {needed}{marker} |"


def _said(found: PackageMetadata) -> Iterator[str]:
    """What metadata says of the licence, the most exact first."""
    for field in ("License-Expression", "License"):
        for text in found.get_all(field) or []:
            yield _NAMED_OTHERWISE.get(text, text.partition("\n")[0])
    for classifier in found.get_all("Classifier") or []:
        if classifier.startswith("License ::"):
            name = classifier.rpartition(" :: ")[2]
            yield _NAMED_OTHERWISE.get(name, name)


@cache  # it reads all licences that SPDX knows
def _spdx() -> Licensing:
    return get_spdx_licensing()


def _is_expression(text: str) -> bool:
    try:
        return _spdx().parse(text, validate=True, strict=True) is not None
    except ExpressionError:
        return False


def _holds(parsed: LicenseExpression) -> bool:
    operator = getattr(parsed, "operator", None)
    if operator is None:
        return str(parsed) in ALLOWED
    held = [_holds(each) for each in parsed.args]
    return any(held) if operator.strip() == "OR" else all(held)


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text("utf-8")), "utf-8")
