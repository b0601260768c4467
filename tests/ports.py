"""Ports of this host that are free, and stay so: the system gives them to no socket, and tests to no other process."""

import itertools
import socket
from collections.abc import Iterator
from functools import cache
from typing import Final

_LOOPBACK: Final = "127.0.0.1"
_FIRST: Final = 20_000
_END: Final = 32_700
"""Below the ports that Linux (from 32,768) and Windows (from 49,152) give to sockets that name none."""
_OF_A_PROCESS: Final = 100


def free_port() -> int:
    """A port on which nothing listens; it comes again after some hundred others.

    The port of a socket that was closed is no such port: another process may be given it before it is used.
    """
    ports = _ports_of_this_process()
    return next(port for port in itertools.islice(ports, _OF_A_PROCESS) if _bound(port, close=True))


@cache
def _ports_of_this_process() -> Iterator[int]:
    """The ports of a block of which this process holds the first one, until it ends."""
    first = next(first for first in range(_FIRST, _END, _OF_A_PROCESS) if _bound(first, close=False))
    return itertools.cycle(range(first + 1, first + _OF_A_PROCESS))


def _bound(port: int, *, close: bool) -> bool:
    made = socket.socket()
    try:
        made.bind((_LOOPBACK, port))
    except OSError:
        made.close()
        return False
    if close:
        made.close()
    else:
        made.detach()
    return True
