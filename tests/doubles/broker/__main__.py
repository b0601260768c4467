"""`python -m tests.doubles.broker`: a broker on loopback that speaks AMQP 1.0 as Azure Service Bus does.

Prints one line of JSON when it is ready: `port`, `control` (URL), `connection_string`. Ends with its standard input.
"""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from tests.doubles.broker.entity import Rules
from tests.doubles.broker.faults import Fault
from tests.doubles.broker.server import Broker, Session

_TICK_SECONDS: Final = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.doubles.broker", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--queue", default="mail-notifications")
    parser.add_argument("--lock-seconds", type=float, default=60.0)
    parser.add_argument("--duplicate-window-seconds", type=float, default=600.0)
    parser.add_argument("--max-delivery-count", type=int, default=10)
    given = parser.parse_args()
    rules = Rules(given.lock_seconds, given.duplicate_window_seconds, given.max_delivery_count)
    asyncio.run(_serve({given.queue: rules}, given.port))


async def _serve(queues: dict[str, Rules], port: int) -> None:
    broker = Broker(queues, real_time=time.time)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(broker), "127.0.0.1", port)
    port = server.sockets[0].getsockname()[1]
    runner = web.AppRunner(_control(broker))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    ready = {
        "port": port,
        "control": f"http://127.0.0.1:{runner.addresses[0][1]}",
        "connection_string": f"Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName=RootManageSharedAccessKey;"
        "SharedAccessKey=made-up;UseDevelopmentEmulator=true;",
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    while not ended.is_set():
        broker.deliver()
        try:
            async with asyncio.timeout(_TICK_SECONDS):
                await ended.wait()
        except TimeoutError:
            continue
    broker.drop()
    server.close()
    await runner.cleanup()


def _control(broker: Broker) -> web.Application:
    async def reset(_: web.Request) -> web.Response:
        broker.reset()
        return web.json_response({})

    async def advance(request: web.Request) -> web.Response:
        broker.offset += (await request.json())["seconds"]
        broker.deliver()
        return web.json_response({})

    async def fault(request: web.Request) -> web.Response:
        broker.faults.waiting.append(Fault(**await request.json()))
        return web.json_response({})

    async def clear(_: web.Request) -> web.Response:
        broker.faults.waiting.clear()
        return web.json_response({})

    async def drop(_: web.Request) -> web.Response:
        broker.drop()
        return web.json_response({})

    async def refuse(request: web.Request) -> web.Response:
        broker.refusing = (await request.json())["on"]
        if broker.refusing:
            broker.drop()
        return web.json_response({})

    async def state(_: web.Request) -> web.Response:
        found: dict[str, Any] = {
            name: {
                **each.counts,
                "messages": len(each.messages),
                "locked": len(each.tokens),
                "dead": len(each.dead.messages),
                "dead_locked": len(each.dead.tokens),
                "dead_delivered": each.dead.counts["delivered"],
                "dead_renewed": each.dead.counts["renewed"],
            }
            for name, each in broker.queues.items()
            if each.dead is not None
        }
        faults = [asdict(each) for each in broker.faults.waiting]
        return web.json_response({"queues": found, "connections": len(broker.sessions), "faults": faults})

    app = web.Application()
    posts = {"reset": reset, "advance": advance, "fault": fault, "clear": clear, "drop": drop, "refuse": refuse}
    app.add_routes([web.post(f"/{name}", handler) for name, handler in posts.items()])
    app.add_routes([web.get("/state", state)])
    return app


if __name__ == "__main__":
    main()
