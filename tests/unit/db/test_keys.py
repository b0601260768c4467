"""Lists of keys in statements."""

from sqlalchemy.dialects import mssql

from db.keys import is_among
from db.tables import message


def test_more_numbers_than_parameters_stand_in_the_text() -> None:
    """SQL Server allows 2,100 parameters."""
    compiled = is_among(message.c.nAccountID, range(1, 1026)).compile(dialect=mssql.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
    assert str(compiled).startswith("([tblEmailMessage].[nAccountID]) IN (1, 2, 3,")
    assert compiled.params == {}
