"""The views of the gateway database, for programs that read the imported mail: one definition for all databases.

A view names each column that it has, so that columns which a table gains change none. A name, once released, stays in
its place: PostgreSQL replaces a view in place only if its columns go on as they were, so new ones are appended.

The text of a definition is written here, and not by SQLAlchemy, whose releases write it differently: `db check`
compares it with what SQL Server and SQLite keep.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, Dialect, Integer, Unicode
from sqlalchemy.types import TypeEngine

from db.tables import account_settings, attachment, mailbox_address, message


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """`source`: its SQL, if it is not the column of that name of the first table."""

    name: str
    type: TypeEngine[Any]
    nullable: bool
    doc: str
    source: str


@dataclass(frozen=True, slots=True)
class View:
    """`tables`: the FROM clause. In SQL, names are in double quotes; braces and `{as_database}` are filled in.

    `first`: the columns of its first release, by which a view of that name is known to be this one.
    """

    name: str
    columns: Sequence[ViewColumn]
    tables: str
    first: int
    doc: str
    shown: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """Tables with their columns that it reads: PostgreSQL changes no type of these while the view is there."""

    def select(self, dialect: Dialect, schema: str | None) -> str:
        """The SELECT of the definition, in the SQL of that database."""
        columns = ",\n".join(
            f"    {each.source}" + ("" if each.source.endswith(f'."{each.name}"') else f' AS "{each.name}"')
            for each in self.columns
        )
        return _in_sql_of(dialect, schema, f"SELECT\n{columns}\n{self.tables}")

    def create(self, dialect: Dialect, schema: str | None, *, verb: str = "CREATE") -> str:
        """The statement that makes it, without its end. `verb`: CREATE, CREATE OR REPLACE, ALTER."""
        return f"{verb} VIEW {self.qualified(dialect, schema)} AS\n{self.select(dialect, schema)}"

    def drop(self, dialect: Dialect, schema: str | None) -> str:
        """The statement that removes it."""
        return f"DROP VIEW {self.qualified(dialect, schema)}"

    def qualified(self, dialect: Dialect, schema: str | None) -> str:
        """The name, quoted, with its schema."""
        return _qualified(dialect, schema, self.name)


def _qualified(dialect: Dialect, schema: str | None, name: str) -> str:
    quote = dialect.identifier_preparer.quote_identifier
    return ".".join(quote(each) for each in (schema, name) if each is not None)


def _in_sql_of(dialect: Dialect, schema: str | None, sql: str) -> str:
    quote = dialect.identifier_preparer.quote_identifier
    # Existing tables of a gateway on SQL Server may have another collation than the database, and each other.
    sql = sql.replace("{as_database}", " COLLATE DATABASE_DEFAULT" if dialect.name == "mssql" else "")
    sql = re.sub(r'"(\w+)"', lambda found: quote(found[1]), sql)
    return re.sub(r"\{(\w+)\}", lambda found: _qualified(dialect, schema, found[1]), sql)


def _of(alias: str, column: Column[Any], doc: str | None = None, *, nullable: bool | None = None) -> ViewColumn:
    """A column of a table as it is."""
    return ViewColumn(
        name=column.name,
        type=column.type,
        nullable=bool(column.nullable) if nullable is None else nullable,
        doc=doc or column.doc or "",
        source=f'{alias}."{column.name}"',
    )


_m, _a = message.c, attachment.c
_MAILBOX: Final = (
    _of(
        "a",
        account_settings.c.sAccountName,
        "Name of the account; null: the account was removed, and its row deleted.",
        nullable=True,
    ),
    ViewColumn(
        name="sMailbox",
        type=Unicode(320),
        nullable=True,
        doc="Address of the mailbox (tblMailboxAddress), else sUserID of the account; null: the account was removed.",
        source='COALESCE(b."sAddress"{as_database}, a."sUserID"{as_database})',
    ),
)
_ACCOUNT: Final = """\
LEFT JOIN {tblEmailAccountSettings} AS a ON a."nAccountID" = m."nAccountID"
LEFT JOIN {tblMailboxAddress} AS b ON b."nAccountID" = a."nAccountID"
    AND b."sUserID"{as_database} = a."sUserID"{as_database}"""

_OF_ACCOUNT: Final = frozenset(
    (each.table.name, each.name)
    for each in (
        account_settings.c.nAccountID,
        account_settings.c.sAccountName,
        account_settings.c.sUserID,
        *mailbox_address.c,
    )
    if each.name != "dtLearned"
)


def _shown(*columns: ViewColumn, tables: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    found = (re.fullmatch(r'(\w+)\."(\w+)"', each.source) for each in columns)
    return frozenset((tables[each[1]], each[2]) for each in found if each is not None and each[1] in tables)


_EMAIL: Final = (
    _of("m", _m.nMessageID),
    _of("m", _m.nAccountID),
    *_MAILBOX,
    _of("m", _m.sGraphMessageID),
    _of("m", _m.sInternetMessageID),
    _of("m", _m.sConversationID),
    _of("m", _m.sSubject),
    _of("m", _m.sFromName),
    _of("m", _m.sFromAddress),
    _of("m", _m.sSenderName),
    _of("m", _m.sSenderAddress),
    _of("m", _m.dtSent),
    _of("m", _m.dtReceived),
    _of("m", _m.dtImported, "Time of the import; of a message that was replaced or completed, of the last one."),
    _of("m", _m.sImportance),
    _of("m", _m.sCategories),
    _of("m", _m.sBodyType),
    _of("m", _m.sBody),
    _of("m", _m.sBodyText),
    _of("m", _m.bHasAttachments),
    ViewColumn(
        name="nAttachments",
        type=Integer(),
        nullable=False,
        doc="Attachments that the sender attached, inline ones included; those unpacked from one are not counted.",
        source=(
            '(SELECT COUNT(*) AS n FROM {tblEmailAttachment} AS t WHERE t."nMessageID" = m."nMessageID" '
            'AND t."nParentPosition" IS NULL)'
        ),
    ),
    _of("m", _m.nSize),
    _of("m", _m.sWebLink),
    _of("m", _m.sRuleState),
    _of("m", _m.nRulesMatched),
    _of("m", _m.sAfterImport),
    _of("m", _m.sAfterImportState),
    _of("m", _m.sAfterImportDetail),
)
_EMAIL_ATTACHMENT: Final = (
    _of("t", _a.nAttachmentID),
    _of("t", _a.nMessageID),
    _of("t", _a.nPosition),
    _of("t", _a.nParentPosition),
    _of("t", _a.sOrigin),
    _of("t", _a.sKind),
    _of("t", _a.sFileName),
    _of("t", _a.sSafeFileName),
    _of("t", _a.sContentType),
    _of("t", _a.nSize),
    _of("t", _a.bInline),
    _of("t", _a.sContentID),
    _of("t", _a.sSHA256),
    _of("t", _a.sState),
    _of("t", _a.sStateDetail),
    _of("t", _a.sItemType),
    _of("t", _a.sLink),
    _of("m", _m.nAccountID),
    *_MAILBOX,
    _of("m", _m.sInternetMessageID),
    _of("m", _m.sSubject, "Subject of the message; null: none."),
    _of("m", _m.sFromName),
    _of("m", _m.sFromAddress),
    _of("m", _m.dtReceived),
    _of("m", _m.dtImported, "Time of the import; of a message that was replaced or completed, of the last one."),
    _of("t", _a.biContent, "The bytes; read only by queries that name it."),
)

email: Final = View(
    name="vEmail",
    columns=_EMAIL,
    tables=f"FROM {{tblEmailMessage}} AS m\n{_ACCOUNT}",
    first=len(_EMAIL),
    doc="Imported messages, each with its account, its mailbox and the number of its attachments.",
    shown=_shown(*_EMAIL, tables={"m": message.name})
    | _OF_ACCOUNT
    | {(attachment.name, "nMessageID"), (attachment.name, "nParentPosition")},
)
email_attachment: Final = View(
    name="vEmailAttachment",
    columns=_EMAIL_ATTACHMENT,
    tables=(
        f'FROM {{tblEmailAttachment}} AS t\nINNER JOIN {{tblEmailMessage}} AS m ON m."nMessageID" = t."nMessageID"\n'
        f"{_ACCOUNT}"
    ),
    first=len(_EMAIL_ATTACHMENT),
    doc="Attachments of the messages, each with its bytes, and with what tells of which mail it is.",
    shown=_shown(*_EMAIL_ATTACHMENT, tables={"m": message.name, "t": attachment.name})
    | _OF_ACCOUNT
    | {(message.name, "nMessageID")},
)
VIEWS: Final[Sequence[View]] = (email, email_attachment)
"""Each reads tables only, so that they may be made, replaced and dropped in any order."""
