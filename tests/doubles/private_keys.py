"""RSA keys without their cost: to make one takes 0.1 s, to check the numbers of one that is read as long again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_LOADERS: Final = ("load_pem_private_key", "load_der_private_key")


class PrivateKeys:
    """New keys: within a test from a stock that the tests share, each key once; outside of tests never made before.

    A key of a fixture that serves several tests is thus the key of nothing else, whatever ran between.
    """

    def __init__(self, make: Callable[..., rsa.RSAPrivateKey]) -> None:
        self._make = make
        self._stock: dict[int, list[rsa.RSAPrivateKey]] = {}
        self._taken: dict[int, int] | None = None

    @contextmanager
    def one_test(self) -> Iterator[None]:
        """Serve one test: its keys may be those of the tests before."""
        self._taken = {}
        yield
        self._taken = None

    def take(self, public_exponent: int, key_size: int, backend: object = None) -> rsa.RSAPrivateKey:
        """A key for the caller of `rsa.generate_private_key`."""
        if self._taken is None:
            return self._make(public_exponent, key_size, backend)
        stock = self._stock.setdefault(key_size, [])
        place = self._taken[key_size] = self._taken.get(key_size, -1) + 1
        if place == len(stock):
            stock.append(self._make(public_exponent, key_size, backend))
        return stock[place]


@contextmanager
def few_private_keys() -> Iterator[PrivateKeys]:
    """Take new keys from a stock, and check each text of a key once."""
    keys = PrivateKeys(rsa.generate_private_key)
    sound: set[bytes] = set()

    def read(load: Callable[..., Any], data: bytes, password: bytes | None, backend: object = None) -> Any:  # noqa: ANN401  # of any kind
        key = load(data, password, backend, unsafe_skip_rsa_key_validation=data in sound)
        sound.add(data)
        return key

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rsa, "generate_private_key", keys.take)
        for name in _LOADERS:
            patch.setattr(serialization, name, partial(read, getattr(serialization, name)))
        yield keys


def trust_private_keys() -> None:
    """Check no key that this process reads: one that lives for a single command reads each once."""
    for name in _LOADERS:
        setattr(serialization, name, partial(getattr(serialization, name), unsafe_skip_rsa_key_validation=True))
