"""One root certificate in the place of the many of a machine: to read those takes 30 ms for each TLS context."""

import os

import certifi

from tests.paths import ROOT


def trust_one_root() -> None:
    """Have this process, and those that it starts, read one root that no test needs."""
    file = str(ROOT / "tests" / "samples" / "system_roots.pem")
    os.environ["SSL_CERT_FILE"] = file
    certifi.where = lambda: file  # the SDK of Service Bus reads it for each connection, with TLS or without
