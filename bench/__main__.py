"""`python -m bench [NAME …] [OPTION …]`: all benchmarks, or those named; some have options."""

import importlib
import sys
from itertools import takewhile

NAMES = (
    *(
        "receiver",
        "processor",
        "latency",
        "attachment",
        "catch_up",
        "large_mailbox",
        "subscriptions",
        "servicebus",
        "hosts",
    ),
    *("database", "attack", "status", "rules", "delivery", "console"),
)


def main() -> None:
    """Run the benchmarks in order."""
    for name in list(takewhile(lambda each: not each.startswith("-"), sys.argv[1:])) or NAMES:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
