"""Search for a part of a text."""

import re
from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType

# SQL Server reads [ as the beginning of a set of characters.
_WILDCARDS: Final = re.compile(r"[\\%_\[]")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")


def contains(column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """True where the text contains that part, in any letter case; no character of it is a wildcard."""
    escaped = _WILDCARDS.sub(r"\\\g<0>", part.lower())
    exact = func.lower(column).like(f"%{escaped}%", escape="\\")
    if escaped.isascii():
        return _where_sqlite(exact, column.like(f"%{escaped}%", escape="\\"))
    return _where_sqlite(exact, column.like(f"%{_NOT_ASCII.sub('%', escaped)}%", escape="\\") & exact)


class _where_sqlite(FunctionElement[bool]):  # noqa: N801  # reads as a function of SQL, as SQLAlchemy's own
    """The first condition; on SQLite the second.

    There LIKE ignores the case of ASCII letters, and `lower` is a function of Python (`db.backends.sqlite`), so that
    each row would call it.
    """

    inherit_cache = True
    type = Boolean()

    def self_group(self, against: OperatorType | None = None) -> "_where_sqlite":  # noqa: ARG002  # the signature is SQLAlchemy's
        """Return itself: it is a condition, not a value that is compared with 1."""
        return self


@compiles(_where_sqlite)
def _first(element: _where_sqlite, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  # the signature is SQLAlchemy's
    return compiler.process(element.clauses.clauses[0], **options)


@compiles(_where_sqlite, "sqlite")
def _second(element: _where_sqlite, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401  # the signature is SQLAlchemy's
    return f"({compiler.process(element.clauses.clauses[1], **options)})"
