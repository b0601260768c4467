"""Accepted types of an existing column, where an upgrade would have created another.

Usable is a type that accepts every written value, returns it unchanged, and compares it as the expected one does:

- text: any length from the expected one on. `varchar` in `tblEmailAccountSettings` only: there an administrator sees
  the effect on a letter that its code page lacks; in mail it would be lost silently, and no index would find its key.
- numbers: a wider one, and for `nAccountID` of the accounts `int`, since that table generates the numbers itself.
- times: a type that keeps six digits of a second, without a zone.
- collations: on SQL Server that of the created column where it has one, since it refuses to compare columns of two
  collations (468), be both binary. The other databases compare code by code whatever it is.

Not usable, whatever the length: `char` and `nchar`, which pad with blanks; `text`, `ntext` and `image`, which do not
compare; numbers as flags, which may be neither true nor false.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Dialect, Integer, LargeBinary, String

from db.columns import BINARY_COLLATION, UtcDateTime
from db.schema.reflection import UNLIMITED, FoundColumn

ACCOUNTS: Final = "tblEmailAccountSettings"
_DIGITS: Final = 6
"""Digits after the second, as in Python's times."""

_Kinds = Mapping[str, tuple[str, ...]]
_TYPES: Final[Mapping[str, _Kinds]] = {
    "mssql": {
        "text": ("nvarchar",),
        "bytes": ("varbinary",),
        "big number": ("bigint",),
        "number": ("int", "bigint"),
        "flag": ("bit",),
        "time": ("datetime2",),
        "account text": ("nvarchar", "varchar"),
        "account number": ("bigint", "int"),
    },
    "postgresql": {
        "text": ("character varying", "text"),
        "bytes": ("bytea",),
        "big number": ("bigint",),
        "number": ("integer", "bigint"),
        "flag": ("boolean",),
        "time": ("timestamp without time zone",),
        "account number": ("bigint", "integer"),
    },
    "sqlite": {
        "text": ("varchar", "nvarchar", "text"),
        "bytes": ("blob",),
        "big number": ("bigint", "integer"),
        "number": ("integer", "bigint"),
        "flag": ("boolean",),
        "time": ("datetime", "timestamp"),
        "account number": ("integer",),
    },
}

_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "mssql": {"integer": "int"},
    "postgresql": {"varchar": "character varying"},
    "sqlite": {},
}
"""The name of a type in INFORMATION_SCHEMA, where it differs from that of its creation."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """`types`: the created one first. `length`: at least; None where the type has none. `collation`: None: any."""

    types: tuple[str, ...]
    length: int | None
    digits: int | None
    collation: str | None
    numbered: bool

    def takes(self, found: FoundColumn) -> bool:
        """Check whether the column is usable as it is, its nullability aside."""
        return (
            found.type in self.types
            and (self.length is None or self._is_long_enough(found.length))
            and (self.digits is None or found.digits is None or found.digits >= self.digits)
            and (self.collation is None or found.collation in {None, self.collation} or not self._is_mssql)
            # A default may number, too: that of a sequence.
            and (not self.numbered or found.numbered or found.default is not None)
        )

    def is_as_made(self, found: FoundColumn) -> bool:
        """True if it is as an upgrade would create it."""
        same_length = self.length is None or found.length == self.length
        return found.type == self.types[0] and same_length and self.collation in {None, found.collation}

    @property
    def _is_mssql(self) -> bool:
        return self.collation == BINARY_COLLATION

    def _is_long_enough(self, length: int | None) -> bool:
        return length == UNLIMITED or (self.length != UNLIMITED and length is not None and length >= (self.length or 0))


def accepted(column: Column[Any], dialect: Dialect) -> Accepted:
    """Accepted forms of an expected column on that database."""
    types = _TYPES[dialect.name]
    kind = _kind(column)
    numbered = column is column.table.autoincrement_column
    of_account = f"account {'number' if numbered else kind}"
    name, _, collation = column.type.compile(dialect).partition(" COLLATE ")
    made = name.partition("(")[0].lower()
    others = types.get(of_account, types[kind]) if column.table.name == ACCOUNTS else types[kind]
    return Accepted(
        types=tuple(dict.fromkeys((_NAMES[dialect.name].get(made, made), *others))),
        length=(getattr(column.type, "length", None) or UNLIMITED) if kind in {"text", "bytes"} else None,
        digits=_DIGITS if kind == "time" else None,
        collation=collation.strip('"') or None,
        numbered=numbered,
    )


def _kind(column: Column[Any]) -> str:
    kinds: dict[type, str] = {
        UtcDateTime: "time",
        Boolean: "flag",
        BigInteger: "big number",
        Integer: "number",
        LargeBinary: "bytes",
        String: "text",
    }
    return next(kind for type_, kind in kinds.items() if isinstance(column.type, type_))
