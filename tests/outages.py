"""Ways in which a SQLite database stops working, on demand, as files and locks really do it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, event

from db.engine import make_engine

LOCKED: Final = "another process holds its lock"
READ_ONLY: Final = "read-only"
FULL: Final = "full"
GONE: Final = "its file"


class FragileDatabase:
    """Engines on one file that can be made to fail. `kinds` names the ways."""

    kinds: Final = ("locked", "read_only", "full", "gone")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pragmas: dict[str, object] = {}

    def engine(self) -> Engine:
        """A new engine, as another process would have it."""
        engine = make_engine(f"sqlite:///{self.path}")

        @event.listens_for(engine, "checkout")
        def configure(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401  # the driver's own
            pragmas = {"busy_timeout": 5000, "query_only": 0, "max_page_count": 2**30, **self._pragmas}
            for name, value in pragmas.items():
                connection.execute(f"PRAGMA {name} = {value}").close()

        return engine

    @contextlib.contextmanager
    def broken(self, kind: str) -> Iterator[None]:
        """The database fails in this way meanwhile."""
        with getattr(self, kind)():
            yield

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Another connection keeps the write lock."""
        other = sqlite3.connect(self.path, isolation_level=None)
        try:
            other.execute("BEGIN EXCLUSIVE")
            with self._with_pragma("busy_timeout", 50):
                yield
        finally:
            other.close()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be written. (Permissions would not stop root, as whom the tests may run.)"""
        with self._with_pragma("query_only", 1):
            yield

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """The file has no room to grow, and none inside: a large write fails."""
        with self._with_pragma("max_page_count", 1):
            yield

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """The folder with the file is away, as a share that is not mounted."""
        away = self.path.parent.with_name("away")
        self.path.parent.rename(away)
        try:
            yield
        finally:
            away.rename(self.path.parent)

    @contextlib.contextmanager
    def _with_pragma(self, name: str, value: object) -> Iterator[None]:
        self._pragmas = {name: value}
        try:
            yield
        finally:
            self._pragmas = {}
