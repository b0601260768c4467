"""Errors whose text is written for an operator."""

import sys
from typing import Final

_EXPECTED: Final = (
    ("db.errors", "DatabaseError"),
    ("bus.errors", "QueueError"),
    ("graph.errors", "GraphError"),
    ("hostfaults", "HostFault"),
    ("console.service.faults", "ServiceError"),
)
"""The roots of these errors."""


def is_expected(exc: Exception) -> bool:
    """Return True if the text of the error is written for an operator."""
    # Only a module that is loaded can have raised: no need to load the others, which takes time.
    roots = [vars(sys.modules[module])[name] for module, name in _EXPECTED if module in sys.modules]
    return isinstance(exc, tuple(roots))
