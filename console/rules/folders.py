"""The folder of a rule, against the `delivery_roots` of this host."""

from collections.abc import Sequence
from pathlib import PurePath, PurePosixPath, PureWindowsPath

from phrases import Phrase


def folder_problem(folder: str, roots: Sequence[str]) -> Phrase | None:
    """The reason why a host with these roots does not save into the folder; None: it does, or has no roots."""
    if not roots or any(_is_below(folder, root) for root in roots):
        return None
    return Phrase(
        "{folder!r} is not below one of the delivery_roots of this host: {roots}. Choose another folder, or add one to "
        "delivery_roots.",
        folder=folder,
        roots="; ".join(roots),
    )


def _is_below(folder: str, root: str) -> bool:
    """True by components; those of Windows in any letter case."""
    kind: type[PurePath] = PureWindowsPath if PureWindowsPath(root).drive else PurePosixPath
    path = kind(folder)
    return ".." not in path.parts and path.is_relative_to(kind(root))
