"""Writes the data dictionary of docs/gateway-database.md from the descriptions in `db.tables` and `db.views`.

`make dictionary` replaces what stands between the markers; a test compares.
"""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, ForeignKey, Table, UniqueConstraint
from sqlalchemy.dialects import mssql

from db.tables import metadata
from db.views import VIEWS, View, ViewColumn
from tools.marked_part import with_part

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "gateway-database.md"
BEGIN: Final = "<!-- dictionary: written by tools/dictionary.py from db/tables.py -->"
END: Final = "<!-- end of the dictionary -->"

_WIDTH: Final = 118
_SQL_SERVER: Final = mssql.dialect()  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy


def rewritten(document: str) -> str:
    """The document with the present dictionary.

    Raises:
        MarkersMissing
    """
    return with_part(document, BEGIN, END, dictionary())


def dictionary() -> str:
    """The diagram of the tables, then each table with its columns, then each view, as Markdown."""
    parts = ["### Tables and their foreign keys", "\n".join(_diagram())]
    for table in metadata.tables.values():
        parts += [f"### {table.name}", textwrap.fill(description_of(table), _WIDTH), "\n".join(_columns(table))]
    for view in VIEWS:
        parts += [f"### {view.name}", textwrap.fill(f"View. {view.doc}", _WIDTH), "\n".join(_columns_of_view(view))]
    return "\n\n".join(parts) + "\n"


def description_of(item: Table | Column[Any]) -> str:
    """The description of a table or column; empty if there is none."""
    return str(item.info.get("doc") or "") if isinstance(item, Table) else item.doc or ""


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "erDiagram"
    for table in metadata.tables.values():
        for column in table.columns:
            for key in column.foreign_keys:
                one = "|o" if column.nullable else "||"
                many = "o|" if _is_unique(column) else "o{"
                yield f"    {key.column.table.name} {one}--{many} {table.name} : {column.name}"
    yield "```"


def _is_unique(column: Column[Any]) -> bool:
    """True if a value is in one row at most."""
    keys = [
        column.table.primary_key,
        *(each for each in column.table.constraints if isinstance(each, UniqueConstraint)),
    ]
    return any(list(each.columns) == [column] for each in keys)


def _columns(table: Table) -> Iterator[str]:
    yield "| column | type | null | key | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for column in table.columns:
        null = "yes" if column.nullable else "no"
        cells = (f"`{column.name}`", _type(column), null, _keys(column), description_of(column).replace("|", "\\|"))
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _columns_of_view(view: View) -> Iterator[str]:
    yield "| column | type | null | meaning |"
    yield "| --- | --- | --- | --- |"
    for column in view.columns:
        null = "yes" if column.nullable else "no"
        doc = column.doc.replace("|", "\\|")
        yield f"| `{column.name}` | {_type(column)} | {null} | {doc} |"


def _type(column: Column[Any] | ViewColumn) -> str:
    """The type on SQL Server, without its collation."""
    return column.type.compile(dialect=_SQL_SERVER).partition(" COLLATE ")[0].lower()


def _keys(column: Column[Any]) -> str:
    found = ["primary"] if column.primary_key else []
    for each in column.table.constraints:
        if isinstance(each, UniqueConstraint) and column in each.columns.values():
            others = [f"`{other.name}`" for other in each.columns if other is not column]
            found.append(f"unique with {', '.join(others)}" if others else "unique")
    return ", ".join([*found, *map(_target, column.foreign_keys)])


def _target(key: ForeignKey) -> str:
    return f"→ `{key.column.table.name}`"


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text("utf-8")), "utf-8")
