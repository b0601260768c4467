"""The bound of requests of the API at a time: programs may not take from people what they need."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from receiver.connections import network_of

AT_ONCE: Final = 8
AT_ONCE_OF_ADDRESS: Final = 4


class TooManyRequests(Exception):
    """As many requests are in progress as may be. `seconds`: when to try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__("too many requests")
        self.seconds = seconds


class Gate:
    """Counts the requests in progress, of all addresses and of each: an IPv4 address or an IPv6 /64 network."""

    def __init__(self) -> None:
        self._by_address: Counter[str] = Counter()

    @contextmanager
    def passed(self, address: str) -> Iterator[None]:
        """Count a request for as long as it takes.

        Raises:
            TooManyRequests
        """
        network = network_of(address)
        if self._by_address.total() >= AT_ONCE or self._by_address[network] >= AT_ONCE_OF_ADDRESS:
            raise TooManyRequests(1)
        self._by_address[network] += 1
        try:
            yield
        finally:
            self._by_address[network] -= 1
            if not self._by_address[network]:
                del self._by_address[network]
