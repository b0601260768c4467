"""Names of this host, process and program."""

import os
import socket
import uuid
from importlib.metadata import PackageNotFoundError, version


def host_name() -> str:
    """The name of this host, in at most 60 characters."""
    return socket.gethostname()[:60]


def process_name() -> str:
    """A name that no other process has or had."""
    return f"{host_name()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def program_version() -> str:
    """The release of mail-importer that runs here; `0` from a source tree that is not installed."""
    try:
        return version("mail-importer")
    except PackageNotFoundError:
        return "0"
