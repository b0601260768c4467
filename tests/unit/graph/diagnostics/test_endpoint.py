"""The validation of a notification URL as Graph makes it, at a real socket."""

import asyncio
from contextlib import suppress

import pytest

from graph.diagnostics import Failure, HostUnreached, answer_to_validation
from graph.transport import tls_context

TOKEN = "Validation: a b"


async def validated(pieces: list[bytes]) -> None:
    """Have a server answer in these pieces, each in a segment of its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        length = sum(map(len, pieces))
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n".encode())
        for piece in pieces:
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.write(piece)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await answer_to_validation(f"http://127.0.0.1:{port}/notifications", TOKEN, tls_context())


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_a_token_that_arrives_in_pieces_is_the_token(size: int) -> None:
    """However the network cuts it."""
    token = TOKEN.encode()
    await validated([token[start : start + size] for start in range(0, len(token), size)])


async def test_an_answer_without_end_is_not_the_token() -> None:
    """The token and something behind it is refused by Graph, and here."""
    with pytest.raises(HostUnreached) as refused:
        await validated([TOKEN.encode(), b"x" * 200_000])
    assert refused.value.failure is Failure.NOT_VALIDATED
