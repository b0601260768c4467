"""Response times of genuine deliveries while attackers hold connections and send bodies; target: p99 under 1 s.

*idle*: 1,500 silent connections of one address, reopened as soon as they are closed. *bodies*: anonymous bodies of the
maximum size at 82 Mbit/s, in the shapes that cost most to decode. Each delivery has a new connection.
"""

import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

from bench.receiver import SECRET, serving
from graph.client_state import ClientStateKeys

_SECONDS: Final = 15.0
_LEAD_SECONDS: Final = 5.0
_DELIVERIES_PER_SECOND: Final = 20.0
_IDLE: Final = 1500
_SENDERS: Final = 32
_BYTES_PER_SECOND: Final = 82e6 / 8
_BODY_BYTES: Final = 1024 * 1024
_GOAL_SECONDS: Final = 1.0

Attack = Callable[[int], Coroutine[Any, Any, None]]


def main() -> None:
    """Print the response times without an attack, with each, and with both."""
    state = ClientStateKeys(SECRET).sign(1)
    attacks: dict[str, tuple[Attack, ...]] = {
        "no attack": (),
        "idle": (_hold_connections,),
        "bodies": (_send_bodies,),
        "both": (_hold_connections, _send_bodies),
    }
    print(f"genuine deliveries, p50 and p99 (to reach: under {_GOAL_SECONDS:.0f} s)")
    for name, chosen in attacks.items():
        with serving() as server, _attacking(chosen, server.port):
            seconds, failed = asyncio.run(_deliver(server.port, state))
        p50, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
        print(f"  {name:10} {len(seconds):5} answered 202, {failed} not;  p50 {p50:6.3f} s  p99 {p99:6.3f} s")


@contextmanager
def _attacking(attacks: tuple[Attack, ...], port: int) -> Iterator[None]:
    """Run the attacks, each in a process of its own, so that their delays do not delay the deliveries."""
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_attack, args=(attack, port)) for attack in attacks]
    for process in processes:
        process.start()
    try:
        if attacks:
            time.sleep(_LEAD_SECONDS)
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _attack(attack: Attack, port: int) -> None:
    asyncio.run(attack(port))


async def _deliver(port: int, state: str) -> tuple[list[float], int]:
    """Return the seconds of each delivery answered 202, and the number of the others."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    deliveries = []
    for number in range(int(_SECONDS * _DELIVERIES_PER_SECOND)):
        await asyncio.sleep(began + number / _DELIVERIES_PER_SECOND - loop.time())
        deliveries.append(asyncio.create_task(_deliver_one(port, state, number)))
    found = await asyncio.gather(*deliveries)
    return [each for each in found if each is not None], sum(each is None for each in found)


async def _deliver_one(port: int, state: str, number: int) -> float | None:
    """Return the seconds from connection to response 202; None: another response, or none."""
    item = {"clientState": state, "changeType": "created", "resourceData": {"id": f"m-{number}"}}
    body = json.dumps({"value": [item]}).encode()
    began = time.perf_counter()
    try:
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_head(len(body)) + body)
            status = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return None
    return time.perf_counter() - began if b" 202 " in status else None


async def _hold_connections(port: int) -> None:
    async def hold() -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                await reader.read()
                writer.close()
            except OSError:
                pass
            await asyncio.sleep(0.5)

    await asyncio.gather(*(hold() for _ in range(_IDLE)))


async def _send_bodies(port: int) -> None:
    bodies = [body.ljust(_BODY_BYTES) for body in _expensive()]
    each_seconds = _SENDERS * _BODY_BYTES / _BYTES_PER_SECOND

    async def send(number: int) -> None:
        await asyncio.sleep(each_seconds * number / _SENDERS)
        while True:
            number += 1
            began = time.perf_counter()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(_head(_BODY_BYTES) + bodies[number % len(bodies)])
                await writer.drain()
                await reader.readline()
                writer.close()
            except OSError:
                pass
            await asyncio.sleep(max(0.0, began + each_seconds - time.perf_counter()))

    await asyncio.gather(*(send(number) for number in range(_SENDERS)))


def _expensive() -> list[bytes]:
    """Empty forged items; one item of nested lists; unterminated states, which cost most to search."""
    deep = b"[" * 900 + b"]" * 900
    endless = b'"clientState":"' + b"a" * 900
    return [
        b'{"value":[' + b"{}," * (_BODY_BYTES // 3 - 10) + b"{}]}",
        b'{"value":[[' + b",".join([deep] * (_BODY_BYTES // len(deep) - 2)) + b"]]}",
        b'{"value":[' + endless * (_BODY_BYTES // len(endless) - 2),
    ]


def _head(length: int) -> bytes:
    return f"POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


if __name__ == "__main__":
    main()
