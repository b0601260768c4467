"""`python -m bench`: the table of all figures, in a short form. `python -m bench NAME … [OPTION …]`: those benchmarks.

`python -m bench all`: every benchmark in full, one after the other. Some have options.
"""

import importlib
import sys
from itertools import takewhile

NAMES = (
    *("receiver", "processor", "sdk", "latency", "attachment", "catch_up", "large_mailbox", "subscriptions"),
    *("servicebus", "hosts", "processes", "database", "attack", "commands", "idle", "status", "rules"),
    *("delivery", "console"),
)


def main() -> None:
    """Run the benchmarks in order."""
    names = list(takewhile(lambda each: not each.startswith("-"), sys.argv[1:])) or ["table"]
    for name in NAMES if names == ["all"] else names:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
