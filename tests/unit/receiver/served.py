"""A receiver in a process of its own: `python -m tests.unit.receiver.served DATABASE` prints its port and runs."""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from tests.unit.receiver.endpoint import Endpoints


async def serve(database_file: Path) -> None:
    async with AsyncExitStack() as resources:
        endpoint = await Endpoints(database_file, resources).start()
        sys.stdout.write(f"{endpoint.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
