"""Keys asked for in several queries, where there may be more than one takes."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

_IN_ONE_QUERY: Final = 340
"""SQL Server takes 2,100 parameters, and a key may be two of them, looked for in three tables."""


def in_queries(keys: Collection[T]) -> Iterator[Sequence[T]]:
    """The keys, as many together as one query may name."""
    ordered = list(keys)
    for start in range(0, len(ordered), _IN_ONE_QUERY):
        yield ordered[start : start + _IN_ONE_QUERY]
