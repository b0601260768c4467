"""Ports that no other program can take a part of."""

import socket
import sys

import pytest

from operatingsystem.listening import listening_sockets

if sys.platform != "win32":
    pytest.skip("needs Windows or Wine", allow_module_level=True)


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
async def test_a_socket_has_its_port_exclusively(host: str) -> None:
    """Wine refuses a second socket also without the option, so that only the option itself is evidence there."""
    for each in await listening_sockets(host, 0, 10):
        with each:
            assert each.getsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE)
            assert not each.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
