"""What this process is called among all."""

import os
import socket
import uuid


def host_name() -> str:
    """This host, in at most 60 characters."""
    return socket.gethostname()[:60]


def process_name() -> str:
    """A name that no other process has or had."""
    return f"{host_name()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
