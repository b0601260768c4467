"""The folder of a rule, against the `delivery_roots` of this host."""

from collections.abc import Sequence

from delivery.folders import is_below
from phrases import Phrase


def folder_problem(folder: str, roots: Sequence[str]) -> Phrase | None:
    """The reason why a host with these roots does not save into the folder; None: it does, or has no roots."""
    if not roots or is_below(folder, roots):
        return None
    return Phrase(
        "{folder!r} is not below one of the delivery_roots of this host: {roots}. Choose another folder, or add one to "
        "delivery_roots.",
        folder=folder,
        roots="; ".join(roots),
    )
