"""The data dictionary: every table and column has its description, and the document is up to date."""

import pytest
from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects import mssql, postgresql
from sqlalchemy.schema import CreateTable

from db.tables import in_schema, metadata
from db.views import VIEWS
from tools.dictionary import BEGIN, DOCUMENT, END, description_of, rewritten
from tools.marked_part import MarkersMissing


def _items(tables: MetaData) -> dict[str, Table | Column[object]]:
    found: dict[str, Table | Column[object]] = dict(tables.tables)
    for table in tables.tables.values():
        found.update({f"{table.name}.{column.name}": column for column in table.columns})
    return found


def test_every_table_and_column_has_a_description() -> None:
    """A sentence, in one line, that fits a cell of a table."""
    described = {name: description_of(item) for name, item in _items(metadata).items()}
    assert [name for name, text in described.items() if not text.endswith(".") or "\n" in text or "  " in text] == []


def test_every_view_and_its_columns_have_a_description() -> None:
    described = {view.name: view.doc for view in VIEWS}
    described |= {f"{view.name}.{column.name}": column.doc for view in VIEWS for column in view.columns}
    assert [name for name, text in described.items() if not text.endswith(".") or "\n" in text or "  " in text] == []


def test_document_has_the_present_dictionary() -> None:
    """`make dictionary` writes it."""
    document = DOCUMENT.read_text("utf-8")
    assert document == rewritten(document), "run make dictionary, and commit docs/gateway-database.md"


def test_document_without_a_place_for_it_is_refused() -> None:
    for text in ("", BEGIN, END):
        with pytest.raises(MarkersMissing):
            rewritten(text)


def test_descriptions_are_not_in_the_database() -> None:
    """They may be corrected in any release: no database keeps them, so that none has to be changed for it."""
    for table in in_schema("dbo").tables.values():
        assert table.comment is None
        assert [column.name for column in table.columns if column.comment] == []
        for dialect in (mssql.dialect(), postgresql.dialect()):  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
            made = str(CreateTable(table).compile(dialect=dialect))
            assert all(column.doc not in made for column in table.columns if column.doc)
