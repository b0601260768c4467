"""RSA keys without their cost: to make one takes 0.1 s, to check the numbers of one that is read as long again."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_STOCK: Final = 8
_REFERENCES_OF_UNUSED: Final = 2
"""Of the stock, and of the argument of `sys.getrefcount`."""
_LOADERS: Final = ("load_pem_private_key", "load_der_private_key")


@contextmanager
def few_private_keys() -> Iterator[None]:
    """Take new keys from a stock for each size, none that is in use, and check each text of a key once."""
    make = rsa.generate_private_key
    made: dict[int, list[rsa.RSAPrivateKey]] = {}
    sound: set[bytes] = set()

    def take(public_exponent: int, key_size: int, backend: object = None) -> rsa.RSAPrivateKey:
        stock = made.setdefault(key_size, [])
        # A certificate that lives as long as the session must not share its key with another one.
        unused = [place for place in range(len(stock)) if sys.getrefcount(stock[place]) == _REFERENCES_OF_UNUSED]
        if len(stock) < _STOCK or not unused:
            stock.append(make(public_exponent, key_size, backend))
        else:
            stock.append(stock.pop(unused[0]))
        return stock[-1]

    def read(load: Callable[..., Any], data: bytes, password: bytes | None, backend: object = None) -> Any:  # noqa: ANN401  # of any kind
        key = load(data, password, backend, unsafe_skip_rsa_key_validation=data in sound)
        sound.add(data)
        return key

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rsa, "generate_private_key", take)
        for name in _LOADERS:
            patch.setattr(serialization, name, partial(read, getattr(serialization, name)))
        yield


def trust_private_keys() -> None:
    """Check no key that this process reads: one that lives for a single command reads each once."""
    for name in _LOADERS:
        setattr(serialization, name, partial(getattr(serialization, name), unsafe_skip_rsa_key_validation=True))
