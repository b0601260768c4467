"""Sockets that listen, each the only one at its address and port.

asyncio binds none exclusively on Windows, where another program can then receive what was meant for this one
(https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse).
"""

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

import structlog
import tenacity

from operatingsystem import ADDRESS_IN_USE, ADDRESS_RELEASE_SECONDS, claim_address

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_BIND_PAUSE_SECONDS: Final = 0.25
_NO_SUCH_FAMILY: Final = frozenset({errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})


async def listening_sockets(host: str, port: int, backlog: int) -> Sequence[socket.socket]:
    """Sockets at each address of `host`, or of this host if it is empty; connections wait on them from now on.

    Addresses that this host does not have are left out and logged, if it has another one.

    Raises:
        OSError: an address is in use, none is one of this host, or no socket can be made. The text names the address.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except UnicodeError as exc:  # `a..b`
        raise socket.gaierror(socket.EAI_NONAME, "Not the name of a host") from exc
    with ExitStack() as opened:
        sockets = []
        left_out: list[OSError] = []
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                each = opened.enter_context(socket.socket(family, kind, protocol))
            except OSError as exc:
                left_out.append(_naming(address, exc))
                if exc.errno not in _NO_SUCH_FAMILY:
                    raise left_out[-1] from exc
                continue  # a name has addresses of IPv6, too, where the system has none
            claim_address(each)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # those of IPv4 are addresses of their own
            try:
                await _bind(each, address)
                each.listen(backlog)
            except OSError as exc:
                left_out.append(_naming(address, exc))
                if exc.errno != errno.EADDRNOTAVAIL:
                    raise left_out[-1] from exc
                each.close()  # `localhost` has the address ::1 in /etc/hosts also where IPv6 is off
                continue
            each.setblocking(False)
            sockets.append(each)
        if left_out and not sockets:
            raise left_out[-1]
        for error in left_out:
            log.info("address_left_out", host=host, detail=error.strerror)
        opened.pop_all()
        return sockets


async def _bind(unbound: socket.socket, address: tuple[Any, ...]) -> None:
    async for attempt in tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(lambda exc: isinstance(exc, OSError) and exc.errno in ADDRESS_IN_USE),
        wait=tenacity.wait_fixed(_BIND_PAUSE_SECONDS),
        stop=tenacity.stop_after_delay(ADDRESS_RELEASE_SECONDS),
        reraise=True,
    ):
        with attempt:
            unbound.bind(address)


def _naming(address: tuple[Any, ...], error: OSError) -> OSError:
    """The error of the system, which names no address; a host may have several."""
    host, port = address[:2]
    return OSError(error.errno, f"{error.strerror} ({f'[{host}]' if ':' in host else host}:{port})")
