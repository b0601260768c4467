"""Statements compiled once for all engines of a kind: to compile them takes a fifth of a test with a new engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from sqlalchemy import Engine, create_engine

from db import engine as made_by_product

_MOST: Final = 3_000


class _Compiled(dict[tuple[Any, ...], Any]):
    """A cache of compiled statements, whose keys name the dialect of one engine."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:  # noqa: ANN401  # as of any dictionary
        return super().get(_of_kind(key), default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:  # noqa: ANN401  # SQLAlchemy's
        if len(self) >= _MOST:
            self.clear()
        super().__setitem__(_of_kind(key), compiled)


def _of_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *statement = key
    version = getattr(dialect, "server_version_info", None)
    return type(dialect), dialect.paramstyle, dialect.max_identifier_length, version, *statement


@contextmanager
def statements_compiled_once() -> Iterator[None]:
    """Give the engines that the product makes one cache meanwhile."""
    cache = _Compiled()

    def make(*arguments: Any, **options: Any) -> Engine:  # noqa: ANN401  # passed through
        made = create_engine(*arguments, **options)
        made.update_execution_options(compiled_cache=cache)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made_by_product, "create_engine", make)
        yield
