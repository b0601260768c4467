"""The figures in a short form, each with its goal and the baseline of the same run; a line as soon as it is measured.

    python -m bench [table]

A benchmark alone (`python -m bench NAME`) measures longer, and more.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from bench import (
    catch_up,
    commands,
    console,
    database,
    delivery,
    hosts,
    idle,
    large_mailbox,
    latency,
    processes,
    processor,
    receiver,
    rules,
    sdk,
    subscriptions,
)
from bench.figure import Figure

_SOURCES: Final[tuple[Callable[[], Iterable[Figure]], ...]] = (
    *(processor.figures, sdk.figures, receiver.figures, catch_up.figures, latency.figures, database.figures),
    *(idle.figures, commands.figures, large_mailbox.figures, subscriptions.figures, hosts.figures),
    *(processes.figures, rules.figures, delivery.figures, console.figures),
)


def main() -> None:
    """Print the table."""
    began = time.perf_counter()
    print(f"| {'figure':70} | {'value':>10} | {'to reach':>8} | baseline of the same run |")
    print("| --- | --- | --- | --- |")
    good = number = 0
    for source in _SOURCES:
        for each in source():
            print(_line(each), flush=True)
            number += 1
            good += each.is_good
    print(f"\n{good} of {number} reach their goal; measured in {(time.perf_counter() - began) / 60:.1f} minutes.")


def _line(each: Figure) -> str:
    goal = "–" if each.goal is None else f"{'≤' if each.is_most else '≥'} {each.goal:g}"
    value = f"{each.value:{each.shown}} {'' if each.unit == 'times' else each.unit}".rstrip()
    return f"| {each.name:70} | {value:>10} | {goal:>8} | {each.baseline} |"
