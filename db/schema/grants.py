"""The least rights that each role needs in the gateway database, and the script that grants them.

Upgrading the schema needs more, and is done by its owner.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from sqlalchemy import Dialect
from sqlalchemy.dialects import mssql, postgresql

from db.schema.revisions import VERSION_TABLE
from db.tables import metadata, queue_message


class Role(StrEnum):
    """Users of the database. `console` is the web console, which does what operators do.

    `operator` runs the commands; `reader` is another program, which reads the mail.
    """

    RECEIVER = "receiver"
    PROCESSOR = "processor"
    SUBSCRIPTIONS = "subscriptions"
    DELIVERY = "delivery"
    CONSOLE = "console"
    OPERATOR = "operator"
    READER = "reader"

    @property
    def database_role(self) -> str:
        """The role's name in the database."""
        return f"mail_importer_{self}"


_WORDS: Final = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}

# In the order of the roles. Changing or deleting rows means finding them, and an insert reads the number that it
# generated: both need an S as well.
# fmt: off
_RIGHTS: Final[Mapping[str, tuple[str, str, str, str, str, str, str]]] = {
    #                           receiver process. subscr. delivery console operator reader
    VERSION_TABLE:             ("S",     "S",     "S",     "S",     "S",     "S",     ""),
    "tblImporterSecret":       ("S",     "",      "S",     "",      "",      "",      ""),
    "tblNotificationQueue":    ("SIUD",  "SUD",   "SIUD",  "",      "SIUD",  "SIUD",  ""),
    "tblEmailAccountSettings": ("",      "S",     "SU",    "S",     "SIU",   "SIU",   ""),
    "tblEmailAccountChange":   ("",      "",      "SI",    "",      "SI",    "SI",    ""),
    "tblAccountCondition":     ("",      "SIUD",  "SIUD",  "",      "S",     "S",     ""),
    "tblEmailMessage":         ("",      "SIU",   "S",     "SU",    "SIU",   "SIUD",  "S"),
    "tblEmailIdentity":        ("",      "SI",    "",      "",      "SID",   "SID",   ""),
    "tblEmailDuplicate":       ("",      "SI",    "S",     "",      "SID",   "SID",   ""),
    "tblEmailScan":            ("",      "SIUD",  "SUD",   "",      "SIUD",  "SIUD",  ""),
    "tblEmailSeen":            ("",      "SID",   "SD",    "",      "SID",   "SID",   ""),
    "tblEmailFailure":         ("",      "SIUD",  "SD",    "",      "SUD",   "SUD",   ""),
    "tblEmailRecipient":       ("",      "I",     "",      "S",     "SID",   "SID",   "S"),
    "tblEmailHeader":          ("",      "I",     "",      "",      "SID",   "SID",   "S"),
    "tblEmailAttachment":      ("",      "SIU",   "",      "S",     "SIUD",  "SIUD",  "S"),
    "tblEmailOriginal":        ("",      "SIU",   "",      "S",     "SIUD",  "SIUD",  "S"),
    "tblEmailRule":            ("",      "S",     "S",     "S",     "SIUD",  "SIUD",  ""),
    "tblEmailRuleChange":      ("",      "",      "",      "S",     "SI",    "SI",    ""),
    "tblEmailFile":            ("",      "S",     "S",     "SIUD",  "SIUD",  "SIUD",  "S"),
    "vEmail":                  ("",      "",      "",      "",      "",      "S",     "S"),
    "vEmailAttachment":        ("",      "",      "",      "",      "",      "S",     "S"),
    "tblEmailConsumer":        ("",      "",      "",      "",      "",      "SD",    "SIU"),
    "tblEmailTaken":           ("",      "",      "",      "",      "",      "S",     "SID"),
    "tblGraphSubscription":    ("",      "SD",    "SIUD",  "",      "S",     "S",     ""),
    "tblSubscriptionSchedule": ("",      "SIU",   "SIUD",  "",      "SIU",   "SIU",   ""),
    "tblFolderSync":           ("",      "SIU",   "SIUD",  "",      "SIU",   "SIU",   ""),
    "tblMissedNotification":   ("",      "SID",   "SUD",   "",      "S",     "S",     ""),
    "tblCallBudget":           ("",      "",      "SIU",   "",      "",      "",      ""),
    "tblProcess":              ("SIUD",  "SIUD",  "SIUD",  "SIUD",  "SIUD",  "S",     ""),
    "tblServiceOutage":        ("",      "SIUD",  "SIUD",  "",      "S",     "S",     ""),
    "tblProblem":              ("",      "SIUD",  "SIUD",  "",      "S",     "S",     ""),
    "tblLease":                ("",      "SIUD",  "SIUD",  "",      "",      "",      ""),
    "tblMailboxAddress":       ("",      "",      "SIUD",  "",      "S",     "S",     ""),
    "tblAlert":                ("",      "SIUD",  "SIUD",  "",      "S",     "S",     ""),
    "tblMessageTrace":         ("",      "I",     "SD",    "",      "SI",    "SI",    ""),
    "tblQueueAudit":           ("",      "",      "",      "",      "SIU",   "SIU",   ""),
    "tblConsoleUser":          ("",      "",      "",      "",      "SIUD",  "SIUD",  ""),
    "tblConsoleToken":         ("",      "",      "",      "",      "SID",   "SD",    ""),
    "tblConsoleSession":       ("",      "",      "",      "",      "SIUD",  "SD",    ""),
    "tblConsoleTicket":        ("",      "",      "",      "",      "SID",   "I",     ""),
    "tblConsoleAttempt":       ("",      "",      "",      "",      "SIUD",  "",      ""),
    "tblConsoleActivity":      ("",      "",      "",      "",      "SID",   "SI",    ""),
}
# fmt: on

_DIALECTS: Final[Mapping[str, Callable[[], Dialect]]] = {"mssql": mssql.dialect, "postgresql": postgresql.dialect}
BACKENDS: Final = frozenset(_DIALECTS)
"""The databases that have rights."""

_MEMBERS: Final = {
    "mssql": """\
-- How to let somebody work in a role; for example in {role}:
--
--   a login of SQL Server:     CREATE LOGIN [importer] WITH PASSWORD = N'...';
--                              CREATE USER [importer] FOR LOGIN [importer];
--   a Windows account:         CREATE LOGIN [DOMAIN\\importer] FROM WINDOWS;
--                              CREATE USER [DOMAIN\\importer] FOR LOGIN [DOMAIN\\importer];
--   an application of Entra
--   or a managed identity:     CREATE USER [name of it] FROM EXTERNAL PROVIDER;
--
--   then, by that name:        ALTER ROLE {role} ADD MEMBER [importer];
--
-- One who works in several roles, as `run all` does, is made a member of each.
""",
    "postgresql": """\
-- How to let somebody work in a role; for example in {role}:
--
--   a login:                   CREATE ROLE "importer" LOGIN PASSWORD '...';
--   an application of Entra    (Azure, in the database "postgres")
--   or a managed identity:     SELECT * FROM pgaadauth_create_principal('name of it', false, false);
--
--   then, by that name:        GRANT {role} TO "importer";
--
-- One who works in several roles, as `run all` does, is granted each.
""",
}


def rights(role: Role) -> dict[str, list[str]]:
    """The role's rights on each table and view: SELECT, INSERT, UPDATE, DELETE."""
    place = list(Role).index(role)
    return {table: [_WORDS[each] for each in row[place]] for table, row in _RIGHTS.items() if row[place]}


def script(backend: str, *, roles: Sequence[Role], schema: str | None = None, queue_is_table: bool = True) -> str:
    """Return SQL that creates the roles and grants their rights; safe to repeat. For the owner of the tables.

    `backend`: one of BACKENDS. `schema`: of the tables; None: `dbo`, or on PostgreSQL the current schema of the user
    that runs the script. Without `queue_is_table` the queue is elsewhere.
    """
    writer = _Writer(backend, schema)
    lines = [
        "-- The least rights that each role of mail-importer needs.",
        "-- Run it as the owner of the tables, again after each upgrade; it may be repeated.",
        "",
    ]
    left_out = () if queue_is_table else (queue_message.name,)
    for role in roles:
        if role is Role.RECEIVER and not queue_is_table:
            lines += ["-- The receiver opens no connection to this database: its queue is elsewhere.", ""]
            continue
        lines += [*writer.role(role, left_out), ""]
    example = next(iter(roles)).database_role
    return "\n".join(lines) + "\n" + _MEMBERS[backend].format(role=writer.quoted(example))


class _Writer:
    """Writes the statements of one backend."""

    def __init__(self, backend: str, schema: str | None) -> None:
        self._backend = backend
        self._schema = schema or ("dbo" if backend == "mssql" else None)
        self.quoted = _DIALECTS[backend]().identifier_preparer.quote_identifier

    def role(self, role: Role, left_out: Collection[str]) -> Iterator[str]:
        """The statements that create the role and its rights."""
        name = self.quoted(role.database_role)
        yield from self._created(role.database_role, name)
        if self._backend == "postgresql":
            yield from self._schema_usable(name)
        elif role is Role.OPERATOR:
            # For `db check`: the catalog shows a login only objects that it has a right on, and no definitions.
            yield f"GRANT VIEW DEFINITION ON SCHEMA::{self.quoted(self._schema or 'dbo')} TO {name};"
        for table, words in rights(role).items():
            if table in left_out:
                continue
            yield f"GRANT {', '.join(words)} ON {self._qualified(table)} TO {name};"
            if "INSERT" in words and self._backend == "postgresql":
                yield from self._numbers(table, name)

    def _created(self, role: str, name: str) -> Iterator[str]:
        if self._backend == "mssql":
            yield f"IF DATABASE_PRINCIPAL_ID(N'{role}') IS NULL"
            yield f"    CREATE ROLE {name};"
            return
        yield "DO $$ BEGIN"
        yield f"    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{role}') THEN"  # noqa: S608  # a fixed name
        yield f"        CREATE ROLE {name};"
        yield "    END IF;"
        yield "END $$;"

    def _schema_usable(self, name: str) -> Iterator[str]:
        if self._schema is not None:
            yield f"GRANT USAGE ON SCHEMA {self.quoted(self._schema)} TO {name};"
            return
        yield "DO $$ BEGIN"
        yield f"    EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO {name}';"
        yield "END $$;"

    def _numbers(self, table: str, name: str) -> Iterator[str]:
        """The grant of the sequence that numbers a table's rows, if any."""
        column = metadata.tables[table].autoincrement_column
        if column is not None:
            yield f"GRANT USAGE ON SEQUENCE {self._qualified(f'{table}_{column.name}_seq')} TO {name};"

    def _qualified(self, name: str) -> str:
        quoted = self.quoted(name)
        return quoted if self._schema is None else f"{self.quoted(self._schema)}.{quoted}"
