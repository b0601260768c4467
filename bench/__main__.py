"""`python -m bench [NAME …]`: all benchmarks, or those named."""

import importlib
import sys

NAMES = (
    *("receiver", "processor", "latency", "attachment", "catch_up", "subscriptions", "servicebus", "hosts"),
    *("database", "attack", "status", "rules", "delivery"),
)


def main() -> None:
    """Run the benchmarks in order."""
    for name in sys.argv[1:] or NAMES:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
