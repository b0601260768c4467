"""PostgreSQL as the gateway database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL

from db.columns import UnreadableTime
from db.connection import ConnectionOptions

_TYPES: Final = frozenset({"bool", "bytea", "int4", "int8", "text", "timestamp", "varchar"})
"""The types that a stream in the binary format may have: those of the tables."""
_TYPES_OF: Final = (
    "SELECT attname, typname FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid "
    "WHERE attrelid = CAST(%s AS regclass) AND attnum > 0 AND NOT attisdropped"
)
_IN_INFO: Final = "mail_importer_types"
_TYPES_OPTION: Final = "mail_importer_copy_types"


def arguments(url: URL, options: ConnectionOptions) -> dict[str, Any]:
    """Arguments of `create_engine`; options of the URL take precedence.

    The server ends a statement in time, and the kernel a connection whose other end is gone
    (https://www.postgresql.org/docs/current/libpq-connect.html).
    """
    wait = {
        "connect_timeout": options.login_seconds,
        "tcp_user_timeout": options.statement_seconds * 1000,
        "keepalives_idle": options.statement_seconds // 2,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "options": f"-c statement_timeout={options.statement_seconds}s -c lock_timeout={options.statement_seconds}s",
        "application_name": "mail-importer",
    }
    return {"connect_args": {name: value for name, value in wait.items() if name not in url.query}}


def copy_options(connection: Connection, table: str, columns: Sequence[str]) -> dict[str, Any] | None:
    """Execution options of a `COPY … FROM STDIN (FORMAT BINARY)` into these columns; `table`: its quoted name.

    None where a column has another type than those that are written here: an INSERT would convert to it.
    """
    known: dict[str, dict[str, str]] = connection.info.setdefault(_IN_INFO, {})
    types = known.get(table)
    if types is None:
        types = {row[0]: row[1] for row in connection.exec_driver_sql(_TYPES_OF, (table,))}
        known[table] = types
    found = [types.get(each, "") for each in columns]
    return {_TYPES_OPTION: found} if _TYPES.issuperset(found) else None


def prepare(engine: Engine) -> None:
    """Prepare each connection of an engine on PostgreSQL: reading of times, and streams of rows."""
    _read_any_time(engine)
    _copy_rows(engine)


def _copy_rows(engine: Engine) -> None:
    """Have statements with `copy_options` take their rows as a stream."""

    def copied(cursor: Any, statement: str, rows: Sequence[Sequence[Any]], context: Any) -> bool:  # noqa: ANN401  # the driver's and SQLAlchemy's own
        types = context.execution_options.get(_TYPES_OPTION)
        if types is None:
            return False
        driver: Any = engine.dialect.dbapi
        try:
            with cursor.copy(statement) as stream:
                stream.set_types(types)
                for row in rows:
                    stream.write_row(row)
        except driver.Error:
            # Someone may have changed a type since it was read.
            context.root_connection.info.pop(_IN_INFO, None)
            raise
        except (TypeError, ValueError, OverflowError) as exc:
            # Where text would be sent, the server refuses the value by itself.
            raise driver.DataError("a value does not fit its column") from exc
        return True

    def copied_one(cursor: Any, statement: str, row: Sequence[Any], context: Any) -> bool:  # noqa: ANN401  # as above
        return copied(cursor, statement, [row], context)

    event.listen(engine, "do_executemany", copied)
    event.listen(engine, "do_execute", copied_one)


def _read_any_time(engine: Engine) -> None:
    """Have each connection read times Python cannot represent, as infinity and the year 20000, as unreadable ones."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401  # the driver's own
        from psycopg import DataError  # noqa: PLC0415  # only here is the driver known to be installed
        from psycopg.types.datetime import TimestampLoader  # noqa: PLC0415  # as above

        class Loader(TimestampLoader):
            def load(self, data: Any) -> datetime:  # noqa: ANN401  # the driver's buffer
                try:
                    return super().load(data)
                except DataError:
                    return UnreadableTime.of(bytes(data).decode("ascii", "replace"))

        connection.adapters.register_loader("timestamp", Loader)
