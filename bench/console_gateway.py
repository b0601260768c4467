"""A gateway of the size that the web console is made for, by statements alone, for SQLite and PostgreSQL.

A million messages take a minute, and need no mail.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, insert, literal, select, text

from bus.database.adapter import DatabaseQueue
from bus.notification import Notification
from console.wiring.clock import utc_now
from db.engine import Database, run_writing
from db.queries.rules import editing
from db.schema import migration
from db.tables import (
    account_condition,
    account_settings,
    folder_sync,
    graph_subscription,
    mailbox_address,
    subscription_schedule,
)
from rules.rule import Rule

MESSAGES: Final = 1_000_000
ACCOUNTS: Final = 200
YEARS: Final = 3
_SENDERS: Final = 5_000
_REASONS: Final = ("ItemCorrupt", "MessageTooLarge", "GraphRejected")

_NUMBERS: Final = """
WITH RECURSIVE number(n) AS (SELECT CAST({first} AS bigint) UNION ALL SELECT n + 1 FROM number WHERE n < {last})
"""
_TIMES: Final = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S', :newest, -({seconds}) || ' seconds') || '.000000'",
    "postgresql": "CAST(:newest AS timestamp) - ({seconds}) * interval '1 second'",
}
"""The time so many seconds before the newest message."""
_DIGESTS: Final = {
    "sqlite": "lower(hex(randomblob(32)))",
    "postgresql": """md5('1' || "nMessageID") || md5('2' || "nMessageID")""",
}
"""A text like a SHA-256."""
_FLAGS: Final = {"sqlite": ("0", "1"), "postgresql": ("false", "true")}

# Primes scatter senders, accounts and states over the time without a generator of random numbers.
_ACCOUNT: Final = "(n * 7919 % {accounts} + 1)"
_GRAPH_ID: Final = "'AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A' || {kind} || substr('000000000000' || {number}, -12)"
_SENDER: Final = f"(n * 104729 % {_SENDERS})"
_SUBJECT: Final = """
CASE n % 10 WHEN 0 THEN 'Invoice ' WHEN 1 THEN 'Re: Delivery note ' WHEN 2 THEN 'Prüfbericht '
  ELSE 'Results of sample ' END || n || CASE WHEN n % 250000 = 249999 THEN ' Quecksilber' ELSE '' END
"""
_RULE_STATE: Final = """
CASE WHEN n % 1000 = 7 THEN 'red' WHEN n < 300 THEN 'white' WHEN n % 5 = 1 THEN 'green' WHEN n > {last} - 100 THEN NULL
  ELSE 'amber' END
"""
_BODY: Final = (
    "The values of the sample are attached. Measured by the laboratory, checked and released; questions to us. "
)


def fill_gateway(
    engine: Engine, *, messages: int = MESSAGES, accounts: int = ACCOUNTS, newest: datetime | None = None
) -> None:
    """Make a gateway with its accounts and messages of three years, the last received at `newest` (now).

    Of a million messages: three recipients and up to three attachments each, senders of 5,000 addresses, one subject in
    ten an invoice, four with the word Quecksilber; 1,000 of them red; besides 5,000 failures, duplicates, filtered and
    removed ones each, and the attempts of 90 days.
    """
    migration.upgrade(engine, now=utc_now())
    filling = _Filling(engine.dialect.name, messages, accounts, newest or utc_now())
    for statement in filling.statements():
        run_writing(engine, filling.work(statement))
    if engine.dialect.name == "postgresql":  # as its autovacuum does; nothing does so on SQLite
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


class _Filling:
    """The statements that fill a gateway."""

    def __init__(self, backend: str, messages: int, accounts: int, newest: datetime) -> None:
        self._backend = backend
        self._messages = messages
        self._accounts = accounts
        self._newest = newest.astimezone(UTC).replace(tzinfo=None, microsecond=0)
        self._step = timedelta(days=365 * YEARS).total_seconds() / messages
        self.no, self.yes = _FLAGS[backend]

    def work(self, statement: str) -> Callable[[Connection], object]:
        """The statement with its parameter, where it has one."""
        given: datetime | str = self._newest if self._backend == "postgresql" else f"{self._newest}"
        parameters = {"newest": given} if ":newest" in statement else {}
        return lambda connection: connection.execute(text(statement), parameters)

    def statements(self) -> Iterator[str]:
        """Each of one table, in an order in which no row refers to a later one."""
        yield self._account_rows()
        yield from self._mail()
        few = max(1, self._messages // 200)
        yield self._failures(few)
        yield self._duplicates(few)
        yield self._filtered(few)
        yield self._trace()

    def _account_rows(self) -> str:
        return f"""
INSERT INTO "tblEmailAccountSettings" ("sAccountName", "sTenantID", "sClientID", "sUserID", "sCertificateThumbprint",
  "bSecureCertificateAccess", "sFolder", "sAfterImport", "bEnabled")
{_NUMBERS.format(first=1, last=self._accounts)}
SELECT 'Station ' || substr('0000' || n, -5), '7f1f0000-0000-0000-0000-000000000001',
  '7f1f0000-0000-0000-0000-000000000002', '7f1f0000-0000-0000-0000-' || substr('000000000000' || n, -12),
  'ABABABABABABABABABABABABABABABABABABABAB', {self.no}, 'inbox', 'none', {self.yes}
FROM number"""

    def _mail(self) -> Iterator[str]:
        last = self._messages - 1
        # The oldest first, as mail comes: n counts back from the newest.
        yield f"""
INSERT INTO "tblEmailMessage" ("nAccountID", "sGraphMessageID", "sInternetMessageID", "sSubject", "sFromName",
  "sFromAddress", "sSenderName", "sSenderAddress", "dtReceived", "dtImported", "sBodyType", "sBody", "bHasAttachments",
  "sRuleState", "nRulesMatched")
{_NUMBERS.format(first=0, last=last)}
SELECT {_ACCOUNT.format(accounts=self._accounts)}, {self._graph_id("M")}, '<' || n || '@mail.example>', {_SUBJECT},
  'Sender ' || {_SENDER}, 'sender' || {_SENDER} || '@laboratory' || ({_SENDER} % 40) || '.example',
  'Sender ' || {_SENDER}, 'sender' || {_SENDER} || '@laboratory' || ({_SENDER} % 40) || '.example',
  {self._time("n")}, {self._time("n", less=2)}, 'text', '{_BODY * 12}', {self.no},
  {_RULE_STATE.format(last=last)}, CASE n % 5 WHEN 1 THEN 1 ELSE 0 END
FROM (SELECT {last} - n AS n FROM number) AS mail
ORDER BY n DESC"""
        yield """
INSERT INTO "tblEmailRecipient" ("nMessageID", "sKind", "nPosition", "sName", "sAddress")
SELECT "nMessageID", kind.word, kind.place, 'Recipient ' || (("nMessageID" * 31 + kind.factor) % 2000),
  'recipient' || (("nMessageID" * 31 + kind.factor) % 2000) || '@riviere.example'
FROM "tblEmailMessage" CROSS JOIN (SELECT 'to' AS word, 0 AS place, 1 AS factor UNION ALL SELECT 'to', 1, 2
  UNION ALL SELECT 'cc', 0, 3) AS kind
ORDER BY "nMessageID" """
        yield f"""
INSERT INTO "tblEmailIdentity" ("nMessageID", "nAccountID", "sIdentity")
SELECT "nMessageID", "nAccountID", {_DIGESTS[self._backend]} FROM "tblEmailMessage" ORDER BY "nMessageID" """
        yield f"""
INSERT INTO "tblEmailAttachment" ("nMessageID", "nPosition", "sKind", "sFileName", "nSize", "bInline", "sState")
SELECT "nMessageID", place.n, 'file', 'report ' || "nMessageID" || CASE place.n WHEN 0 THEN '.pdf' ELSE '.csv' END,
  1000, {self.no}, 'stored'
FROM "tblEmailMessage" CROSS JOIN (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2) AS place
WHERE place.n < "nMessageID" % 4
ORDER BY "nMessageID" """

    def _failures(self, number: int) -> str:
        return f"""
INSERT INTO "tblEmailFailure" ("nAccountID", "sGraphMessageID", "sState", "sSubject", "sFromName", "sFromAddress",
  "dtReceived", "nAttempts", "dtFirstFailed", "dtLastFailed", "dtNextAttempt", "sReason", "sDetail")
{_NUMBERS.format(first=0, last=number - 1)}
SELECT {_ACCOUNT.format(accounts=self._accounts)}, {self._graph_id("F")},
  CASE n % 5 WHEN 0 THEN 'retrying' ELSE 'dead' END, {_SUBJECT}, 'Sender ' || {_SENDER},
  'sender' || {_SENDER} || '@laboratory.example', CASE n % 3 WHEN 0 THEN NULL ELSE {self._spread(number)} END,
  10, {self._spread(number)}, {self._spread(number)}, NULL, 'MessageTooLarge', 'The message is too large.'
FROM number"""

    def _duplicates(self, number: int) -> str:
        return f"""
INSERT INTO "tblEmailDuplicate" ("nAccountID", "sGraphMessageID", "nMessageID", "dtSeen", "sReason")
SELECT "nAccountID", 'C' || "sGraphMessageID", "nMessageID", "dtImported", 'SameIdTimeAndContent'
FROM "tblEmailMessage" WHERE "nMessageID" % {max(1, self._messages // number)} = 3"""

    def _filtered(self, number: int) -> str:
        return f"""
INSERT INTO "tblEmailSeen" ("nAccountID", "sGraphMessageID", "sFromAddress", "dtReceived", "sReason", "sRule", "dtSeen")
{_NUMBERS.format(first=0, last=number - 1)}
SELECT {_ACCOUNT.format(accounts=self._accounts)}, {self._graph_id("S")},
  'sender' || {_SENDER} || '@laboratory.example', {self._spread(number)}, 'TooSmall', 'size', {self._spread(number)}
FROM number"""

    def _trace(self) -> str:
        """The attempts of 90 days; one of twenty found the message gone."""
        number = max(20, self._messages * 90 // (365 * YEARS))
        return f"""
INSERT INTO "tblMessageTrace" ("nAccountID", "sGraphMessageID", "sSubject", "sHost", "dtStarted", "dtEnded", "sOutcome")
{_NUMBERS.format(first=0, last=number - 1)}
SELECT {_ACCOUNT.format(accounts=self._accounts)},
  CASE n % 20 WHEN 3 THEN {self._graph_id("G")} ELSE {self._graph_id("M")} END, {_SUBJECT}, 'host',
  {self._time("n")}, {self._time("n")}, CASE n % 20 WHEN 3 THEN 'gone' ELSE 'imported' END
FROM (SELECT {number - 1} - n AS n FROM number) AS attempt
ORDER BY n DESC"""

    def _graph_id(self, kind: str) -> str:
        return _GRAPH_ID.format(kind=f"'{kind}'", number="n")

    def _time(self, number: str, *, less: int = 0) -> str:
        return _TIMES[self._backend].format(seconds=f"CAST({number} * {self._step} - {less} AS integer)")

    def _spread(self, number: int) -> str:
        """Times over all the years, of so many rows."""
        return self._time(f"n * {self._messages // number}")


def serve_accounts(connection: Connection) -> None:
    """Have each account served: its subscription, its sweep, the address of its mailbox."""
    now, number = utc_now(), account_settings.c.nAccountID
    soon, late = now + timedelta(hours=1), now + timedelta(days=6)
    rows: dict[Table, dict[Column[Any], Any]] = {
        mailbox_address: {
            mailbox_address.c.nAccountID: number,
            mailbox_address.c.sUserID: account_settings.c.sUserID,
            mailbox_address.c.sAddress: account_settings.c.sUserID + "@riviere.example",
            mailbox_address.c.dtLearned: now,
        },
        graph_subscription: {
            graph_subscription.c.nAccountID: number,
            graph_subscription.c.sSubscriptionID: account_settings.c.sUserID,
            graph_subscription.c.dtExpires: late,
            graph_subscription.c.sState: "active",
            graph_subscription.c.sResource: "resource",
            graph_subscription.c.sNotificationURL: "https://importer.example/notifications",
            graph_subscription.c.sKeyFingerprint: "key",
            graph_subscription.c.dtGranted: now,
        },
        subscription_schedule: {subscription_schedule.c.nAccountID: number, subscription_schedule.c.dtDue: late},
        folder_sync: {
            folder_sync.c.nAccountID: number,
            folder_sync.c.dtDue: soon,
            folder_sync.c.dtSwept: now,
        },
    }
    for table, values in rows.items():
        _insert_for_accounts(connection, table, values)


def fail_accounts(connection: Connection) -> None:
    """Have the sweep of each account fail in an outage of Graph."""
    now, row = utc_now(), account_condition.c
    values = {
        row.nAccountID: account_settings.c.nAccountID,
        row.sRole: "sweep",
        row.sReason: "GraphUnavailable",
        row.sDetail: "Microsoft Graph cannot be reached for " + account_settings.c.sAccountName + ": no connection.",
        row.dtSince: now,
        row.dtNextAttempt: now + timedelta(minutes=5),
    }
    _insert_for_accounts(connection, account_condition, values)


def _insert_for_accounts(connection: Connection, table: Table, values: Mapping[Column[Any], Any]) -> None:
    given = [each if isinstance(each, ColumnElement) else literal(each, column.type) for column, each in values.items()]
    connection.execute(insert(table).from_select(list(values), select(*given)))


def add_rules(connection: Connection, rules: int) -> None:
    """Add so many import rules."""
    with editing(connection, now=utc_now()) as editor:
        for number in range(rules):
            editor.add(Rule(name=f"Rule {number}", folder=f"/srv/import/{number}"))


async def add_dead_letters(database: Database, letters: int, *, accounts: int) -> None:
    """Add so many dead letters of these accounts, from 1."""
    queue = DatabaseQueue(database, clock=utc_now)
    now = utc_now()
    await queue.put(
        [
            Notification(1 + number % accounts, "bench", "created", f"F{number}", None, now, "bench").to_message()
            for number in range(letters)
        ]
    )
    left = letters
    while left:
        found = await queue.receive(min(left, 100), wait=timedelta(0))
        await asyncio.gather(
            *(queue.dead_letter(each, reason=_REASONS[left % 3], description="It cannot be read.") for each in found)
        )
        left -= len(found)
    await queue.close()
