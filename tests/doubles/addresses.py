"""Hosts with several addresses."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

import pytest


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str, port: int = 0) -> None:
    """Let each name have these addresses in the running event loop, in this order, and this port."""

    async def found(*_: object, **__: object) -> list[object]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 0, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))
            for address in addresses
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)


def refuse_the_second_server(monkeypatch: pytest.MonkeyPatch, number: int = errno.EMFILE) -> None:
    """Let the running event loop serve one socket, and fail at the next one."""
    loop = asyncio.get_running_loop()
    create_server = loop.create_server
    served: list[asyncio.Server] = []

    async def create(factory: Callable[[], asyncio.Protocol], **options: Any) -> asyncio.Server:  # noqa: ANN401  # passed on
        if served:
            raise OSError(number, "refused by the test")
        served.append(await create_server(factory, **options))
        return served[0]

    monkeypatch.setattr(loop, "create_server", create)
