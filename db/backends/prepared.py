"""Statements for pyodbc: declared by their columns, and prepared once on each connection.

By default, pyodbc declares a text by the length of its value, so that each length is a plan of its own in the server's
cache; it queries the server for the type of a NULL (`sp_describe_undeclared_parameters`) before each statement that has
one; and it drops what was prepared with each cursor (`sp_unprepare`), of which SQLAlchemy uses one a statement. Each
of the last two is a round trip.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, DateTime, Engine, Integer, LargeBinary, String, TypeDecorator, event
from sqlalchemy.types import TypeEngine

Declaration = tuple[Any, int | None, int | None]
"""A type of ODBC, and its size and digits, as passed to `Cursor.setinputsizes` of pyodbc; the type None: unknown."""

_MAX_PREPARED: Final = 64
"""Statements that stay prepared on each connection."""
_MAX_PARAMETERS: Final = 100
"""More belong to the rows of one insert: the same number of them rarely recurs."""
_MAX_LENGTH: Final = 4000
"""Limit of a declared nvarchar in characters; beyond it, it is `nvarchar(max)`."""
_LARGEST_INT: Final = 2**31 - 1
_IN_INFO: Final = "mail_importer_prepared"


def prepare(engine: Engine) -> None:
    """Have an engine on pyodbc declare its parameters, and keep what it prepares."""
    from sqlalchemy.dialects.mssql.base import MSExecutionContext  # noqa: PLC0415  # of SQL Server alone

    driver: Any = engine.dialect.dbapi

    class Context(MSExecutionContext):
        def create_cursor(self) -> Any:  # noqa: ANN401  # SQLAlchemy uses it as the driver's cursor
            try:
                info = self.root_connection.info
            except NotImplementedError:  # SQLAlchemy's own queries at the first connection, before the pool has it
                return super().create_cursor()
            kept = info.setdefault(_IN_INFO, OrderedDict())
            return _Cursor(self._dbapi_connection, kept, driver)

    engine.dialect.execution_ctx_cls = Context

    @event.listens_for(engine, "do_setinputsizes")
    def declare(sizes: dict[Any, Any], *_: object) -> None:
        for parameter in sizes:
            sizes[parameter] = _declaration(parameter.type.dialect_impl(engine.dialect), driver)


def _declaration(of: TypeEngine[Any], driver: Any) -> Declaration | None:  # noqa: ANN401  # the driver's module
    while isinstance(of, TypeDecorator):
        of = of.impl_instance
    if isinstance(of, String):
        length = of.length if isinstance(of.length, int) and of.length <= _MAX_LENGTH else 0
        return (driver.SQL_WVARCHAR, length, 0)
    declarations = {
        DateTime: (driver.SQL_TYPE_TIMESTAMP, 27, 7),
        Boolean: (driver.SQL_BIT, 0, 0),
        BigInteger: (driver.SQL_BIGINT, 0, 0),
        Integer: (driver.SQL_INTEGER, 0, 0),
        LargeBinary: (driver.SQL_VARBINARY, 0, 0),
    }
    return next((found for kind, found in declarations.items() if isinstance(of, kind)), None)


class _Cursor:
    """A cursor for one execution; its preparation outlives it on the connection."""

    def __init__(self, connection: Any, kept: "OrderedDict[str, tuple[str, Any]]", driver: Any) -> None:  # noqa: ANN401  # the driver's own
        self._connection = connection
        self._kept = kept
        self._driver = driver
        self._declared: Sequence[Declaration] = ()
        self._cursor: Any = None
        self._text: str | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # any attribute of the driver's cursor
        if self._cursor is None:
            self._cursor = self._connection.cursor()
        return getattr(self._cursor, name)

    def setinputsizes(self, declared: Sequence[Declaration]) -> None:
        """Keep the declarations of the parameters until their values are known."""
        self._declared = declared

    def execute(self, text: str, parameters: Sequence[Any] = ()) -> None:
        """Execute the statement; reuse its preparation."""
        self._run(text, [parameters])

    def executemany(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute the statement with each of these rows."""
        self._run(text, rows)

    def _run(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        text = self._open(text, len(rows[0]))
        declared = [_wide_enough(each, rows, at, self._driver) for at, each in enumerate(self._declared)]
        if declared:
            self._cursor.setinputsizes(declared)
            null = self._driver.BinaryNull
            # A typed NULL. For None the driver queries the server for the type, whatever is declared.
            rows = [
                [null if value is None and declared[at][0] is not None else value for at, value in enumerate(row)]
                for row in rows
            ]
        try:
            if len(rows) == 1:
                self._cursor.execute(text, rows[0])
            else:
                self._cursor.executemany(text, rows)
        except BaseException:
            self._text = None  # its state is unknown
            raise

    def _open(self, text: str, parameters: int) -> str:
        """Open the cursor that prepared this statement, or a new one; return the text for it."""
        self.close()
        self._text = text if 0 < parameters <= _MAX_PARAMETERS else None
        # The driver recognizes its prepared text by the object.
        text, self._cursor = self._kept.pop(text) if text in self._kept else (text, self._connection.cursor())
        if self._text is not None:
            self._text = text
        return text

    def close(self) -> None:
        """Free the connection for the next statement; prepared statements stay."""
        cursor, self._cursor = self._cursor, None
        if cursor is None:
            return
        if self._text is None:
            cursor.close()
            return
        try:
            while cursor.nextset():  # to the end: a connection has one open result
                pass
        except self._driver.Error:
            cursor.close()
            return
        self._kept[self._text] = (self._text, cursor)
        if len(self._kept) > _MAX_PREPARED:
            _, (_, oldest) = self._kept.popitem(last=False)
            oldest.close()


def _wide_enough(declared: Declaration, rows: Sequence[Sequence[Any]], at: int, driver: Any) -> Declaration:  # noqa: ANN401  # the driver's module
    """The declaration, or one for values that exceed every column of its type."""
    kind, size, _ = declared
    if kind == driver.SQL_WVARCHAR and size:
        values = (row[at] for row in rows)
        if any(isinstance(each, str) and 2 * len(each) > size and _units(each) > size for each in values):
            return (kind, 0, 0)
    elif kind == driver.SQL_INTEGER and any(
        isinstance(row[at], int) and not -_LARGEST_INT <= row[at] <= _LARGEST_INT for row in rows
    ):
        return (driver.SQL_BIGINT, 0, 0)
    return declared


def _units(text: str) -> int:
    """UTF-16 code units, in which SQL Server counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
