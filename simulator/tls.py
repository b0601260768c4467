"""TLS towards the simulator and from it: the machine's roots and one more."""

import ssl
from pathlib import Path


def trusting(ca_file: Path) -> ssl.SSLContext:
    """Return a client context that trusts `ca_file` beside the machine's own roots."""
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=ca_file)
    return context
