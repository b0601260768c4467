"""Loading of libraries at the beginning of a process, before anything else loads them."""

import importlib
import os
import sys


def load_libraries() -> None:
    """Have libraries loaded without what nothing here uses of them."""
    # pydantic looks for plugins in the metadata of all that is installed, a twentieth of the time of a command, and
    # one of another program would come into each process.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _load_structlog()


def _load_structlog() -> None:
    """Load structlog without rich, which it loads where it is installed, to colour tracebacks as no log here has them.

    That takes a tenth of the time of a command, and 7 MB of each process.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # Python's mark of a module that is not there
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]
