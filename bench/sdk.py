"""The processor against Microsoft's SDK for Graph, `msgraph-sdk`, which only fetches.

Both fetch the same messages of the same simulator in the same run, four of a mailbox at a time, with the same
attachments; the processor imports them, too. The SDK comes with the group bench, which `make bench` installs.
"""

import asyncio
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final

from bench.figure import Figure
from bench.processor import MAILBOXES, MESSAGES, Cost, bare_loop, cost
from bench.stage import stage
from console.wiring.process import freeze_gc

_GOAL: Final = 6.0
_WARM_UP: Final = 100
_OF_SDK: Final = 500
"""Messages that the SDK fetches: it takes longer over each."""


def main() -> None:
    """Print the figures."""
    if not _is_installed():
        print("msgraph-sdk is not installed: python -m pip install --require-hashes -r requirements-bench.lock")
        return
    sdk, ours = asyncio.run(_compare())
    print(f"processor and msgraph-sdk, {MESSAGES} messages in {MAILBOXES} mailboxes, no latency:")
    print(f"  msgraph-sdk {sdk.shown()}")
    print(f"  processor   {ours.shown()}")
    of_cpu = sdk.cpu_ms / ours.cpu_ms
    print(f"  ratio {ours.rate / sdk.rate:.2f} (to reach: {_GOAL:g}), of CPU time {of_cpu:.2f}")


def figures() -> Iterator[Figure]:
    """Those of a run; none where the SDK is not installed."""
    if not _is_installed():
        return
    sdk, ours = asyncio.run(_compare())
    yield Figure(
        "processor: messages/s ÷ those that msgraph-sdk only fetches",
        ours.rate / sdk.rate,
        "times",
        _GOAL,
        f"msgraph-sdk {sdk.rate:.0f} messages/s",
    )
    yield Figure(
        "processor: CPU time of a message, msgraph-sdk that only fetches ÷ ours",
        sdk.cpu_ms / ours.cpu_ms,
        "times",
        baseline=f"msgraph-sdk {sdk.cpu_ms:.2f} ms, ours {ours.cpu_ms:.2f} ms",
    )


def _is_installed() -> bool:
    return find_spec("msgraph") is not None


async def _compare() -> tuple[Cost, Cost]:
    from bench.sdk_client import open_client  # noqa: PLC0415  # of the group bench

    async with stage(MAILBOXES) as scene, open_client(scene) as client:
        ledger = await scene.deliver(MESSAGES)
        await bare_loop(scene, ledger, {})  # unmeasured warm-up: the simulator caches its renderings, for both
        await client.fetch_all(ledger[:_WARM_UP])  # it loads its modules when they are first used
        freeze_gc()
        ours = await cost(scene, scene.import_all(ledger))
        freeze_gc()
        sdk = await cost(scene, client.fetch_all(ledger[:_OF_SDK]), _OF_SDK)
    return sdk, ours


if __name__ == "__main__":
    main()
