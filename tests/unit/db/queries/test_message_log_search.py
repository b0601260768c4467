"""Searches of the log of messages: complete, page by page and slice by slice, each bounded, by the indexes."""

import itertools
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, event, insert

from db.outcomes import MessageState, RuleState
from db.queries import message_log
from db.queries.message_log import LogCriteria, LoggedMessage, Position
from db.tables import (
    account_settings,
    attachment,
    duplicate,
    email_file,
    failure,
    message,
    message_trace,
    recipient,
    seen,
)
from tests.doubles.clock import SettableClock
from tests.unit.db.queries.test_failures import account

NOW: Final = SettableClock()()
MINUTE: Final = timedelta(minutes=1)
ACCOUNTS: Final = range(1, 25)
on_both = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)


@dataclass(frozen=True)
class Known:
    """A message of the gateway, as this test knows it. `source`, `number`: its place among those of one time."""

    source: int
    number: int
    state: MessageState
    account_id: int
    time: datetime | None
    sender: str = ""
    subject: str = ""
    recipients: str = ""
    attachments: str = ""
    rule_state: RuleState | None = None
    rules: tuple[int, ...] = ()

    def fits(self, wanted: LogCriteria) -> bool:
        """The criteria, as their documentation has them."""
        texts = {"sender": self.sender, "subject": self.subject}
        texts |= {"recipient": self.recipients, "attachment": self.attachments}
        is_in_span = (wanted.since is None and wanted.until is None) or (
            self.time is not None
            and (wanted.since is None or self.time >= wanted.since)
            and (wanted.until is None or self.time < wanted.until)
        )
        return (
            is_in_span
            and (wanted.account_id is None or wanted.account_id == self.account_id)
            and (wanted.account_ids is None or self.account_id in wanted.account_ids)
            and (wanted.states is None or self.state in wanted.states)
            and (wanted.rule_states is None or self.rule_state in wanted.rule_states)
            and (wanted.rule_id is None or wanted.rule_id in self.rules)
            and all(getattr(wanted, name) is None or getattr(wanted, name) in text for name, text in texts.items())
        )

    @property
    def order(self) -> tuple[datetime, int, int]:
        return self.time or message_log.NEVER, -self.source, self.number


class World:
    """A gateway with messages of every state, made by chance."""

    def __init__(self, connection: Connection, chance: random.Random) -> None:
        self.connection = connection
        self.chance = chance
        self.known: list[Known] = []
        connection.execute(insert(account_settings), [account(number) for number in ACCOUNTS])
        self.imported(150)
        self.others(20)
        self.known.sort(key=lambda each: each.order, reverse=True)

    def time(self) -> datetime | None:
        """Often the same one; seldom none."""
        return None if self.chance.random() < 0.05 else NOW - self.chance.randrange(60) * MINUTE

    def word(self, *words: str) -> str:
        return self.chance.choice(words)

    def imported(self, number: int) -> None:
        rows: dict[Any, list[dict[str, Any]]] = {each: [] for each in (message, recipient, attachment, email_file)}
        rows[duplicate] = []
        for place in range(1, number + 1):
            found = Known(
                0,
                place,
                MessageState.IMPORTED,
                self.chance.choice(ACCOUNTS),
                self.time(),
                self.word("labor@example.com", "prüfstelle@example.com", "other@example.org"),
                self.word("ergebnis", "rechnung 100 %", "größe"),
                self.word("", "team@example.com", "chef@example.com"),
                self.word("", "report.pdf", "values.csv"),
                self.chance.choice([*RuleState, None]),
                (7,) if self.chance.random() < 0.1 else (),
            )
            self.known.append(found)
            rows[message].append(
                {
                    "nMessageID": place,
                    "nAccountID": found.account_id,
                    "sGraphMessageID": f"M{place}",
                    "dtReceived": found.time,
                    "dtImported": NOW,
                    "bHasAttachments": False,
                    "sSubject": found.subject.title(),
                    "sFromAddress": found.sender.upper(),
                    "sRuleState": found.rule_state,
                }
            )
            if found.recipients:
                rows[recipient].append(
                    {"nMessageID": place, "sKind": "to", "nPosition": 0, "sAddress": found.recipients}
                )
            if found.attachments:
                part = {"nMessageID": place, "nPosition": 0, "sKind": "file", "nSize": 1, "bInline": False}
                rows[attachment].append({**part, "sFileName": found.attachments.upper(), "sState": "stored"})
            rows[email_file] += [self.file(place, rule) for rule in found.rules]
            if self.chance.random() < 0.1:
                copy = {
                    "nAccountID": found.account_id,
                    "sGraphMessageID": f"C{place}",
                    "dtSeen": NOW,
                    "sReason": "Same",
                }
                rows[duplicate].append({**copy, "nDuplicateID": place, "nMessageID": place})
                self.known.append(replace(found, source=2, state=MessageState.DUPLICATE, rule_state=None, rules=()))
        self.add(rows)

    def file(self, number: int, rule: int) -> dict[str, Any]:
        texts = {"sKey": f"{number}", "sPart": "text", "sFolder": "/a", "sFolderKey": "a", "sFileName": "a.txt"}
        times = dict.fromkeys(("dtCreated", "dtRetryUntil"), NOW)
        return {"nMessageID": number, "nRuleID": rule, **texts, "sState": "saved", "nAttempts": 0, **times}

    def others(self, number: int) -> None:
        rows: dict[Any, list[dict[str, Any]]] = {each: [] for each in (failure, seen, message_trace)}
        for place in range(1, number + 1):
            of = self.chance.choice(ACCOUNTS)
            time, sender = self.time(), self.word("labor@example.com", "other@example.org")
            subject = self.word("ergebnis", "größe")
            state = self.chance.choice([MessageState.FAILED, MessageState.WAITING])
            red = RuleState.RED if state is MessageState.FAILED else RuleState.WHITE
            first = NOW - 30 * MINUTE
            self.known.append(Known(1, place, state, of, time or first, sender, subject, rule_state=red))
            key = {"nAccountID": of, "sGraphMessageID": f"O{place}"}
            rows[failure].append(
                {
                    "nAccountID": of,
                    "sGraphMessageID": f"F{place}",
                    "nFailureID": place,
                    "sState": "dead" if state is MessageState.FAILED else "retrying",
                    "sSubject": subject,
                    "sFromAddress": sender,
                    "dtReceived": time,
                    "nAttempts": 1,
                    "dtFirstFailed": first,
                    "dtLastFailed": NOW,
                }
            )
            time = self.time()
            self.known.append(Known(3, place, MessageState.FILTERED, of, time, sender))
            texts = {"sGraphMessageID": f"S{place}", "sFromAddress": sender, "sReason": "TooSmall", "dtSeen": NOW}
            rows[seen].append({"nSeenID": place, "nAccountID": of, "dtReceived": time, **texts})
            time = self.time() or NOW
            self.known.append(Known(4, place, MessageState.REMOVED, of, time, subject=subject))
            ended = {"sHost": "host", "dtStarted": time, "dtEnded": time, "sOutcome": "gone"}
            rows[message_trace].append({**key, "nTraceID": place, "sSubject": subject, **ended})
        self.add(rows)

    def add(self, rows: dict[Any, list[dict[str, Any]]]) -> None:
        for table, values in rows.items():
            self.connection.execute(insert(table), values)

    def criteria(self) -> LogCriteria:
        """Some, of which not too many are given."""
        choices: dict[str, Callable[[], Any]] = {
            "account_id": lambda: self.chance.choice(ACCOUNTS),
            "sender": lambda: self.word("labor", "prüf", "example", "absent"),
            "recipient": lambda: self.word("team", "@example"),
            "subject": lambda: self.word("größ", "100 %", "e", "absent"),
            "attachment": lambda: self.word(".pdf", "absent"),
            "since": lambda: NOW - self.chance.randrange(60) * MINUTE,
            "until": lambda: NOW - self.chance.randrange(30) * MINUTE,
            "states": lambda: self.chance.sample(list(MessageState), self.chance.randint(1, 4)),
            "rule_states": lambda: self.chance.sample(list(RuleState), self.chance.randint(1, 3)),
            "rule_id": lambda: 7,
            "account_ids": lambda: self.chance.choice(
                [[], [3], [3, 7, 3], self.chance.sample(ACCOUNTS, 18), [*range(5, 1200)]]
            ),
        }
        assert set(choices) == {each.name for each in fields(LogCriteria)}
        names = self.chance.sample(list(choices), self.chance.choice([0, 1, 1, 2, 2, 3]))
        return LogCriteria(**{name: choices[name]() for name in names})

    def expected(self, criteria: LogCriteria) -> list[tuple[MessageState, int]]:
        return [(each.state, each.number) for each in self.known if each.fits(criteria)]


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        yield opened


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in {"_MIN_SLICE": 16, "_MAX_SLICE": 32}.items():
        monkeypatch.setattr(message_log, name, size)


def found(messages: Sequence[LoggedMessage]) -> list[tuple[MessageState, int]]:
    return [(each.state, each.position.number) for each in messages]


def read_all(connection: Connection, criteria: LogCriteria, *, limit: int, seconds: float) -> list[LoggedMessage]:
    """The messages of all pages, each of which is what its documentation says."""
    read: list[LoggedMessage] = []
    after: Position | None = None
    searched_to: datetime | None = None
    while True:
        page = message_log.page(connection, criteria, limit=limit, after=after, seconds=seconds)
        read += page.messages
        assert len(page.messages) <= limit
        if page.next is None:
            assert page.searched_to is None
            return read
        if len(page.messages) < limit:
            assert page.searched_to is not None
            assert all(each.time is not None and each.time >= page.searched_to for each in page.messages)
            assert searched_to is None or page.searched_to < searched_to
            searched_to = page.searched_to
        else:
            assert page.searched_to is None
        after = page.next


@on_both
@pytest.mark.usefixtures("small_slices")
def test_any_search_finds_what_fits_and_nothing_twice(connection: Connection) -> None:
    """Whatever the criteria, the size of the pages, and however often the time was over."""
    chance = random.Random(connection.dialect.name)
    world = World(connection, chance)
    for _ in range(25):
        criteria = world.criteria()
        expected = world.expected(criteria)
        limit, seconds = (
            chance.choice([max(1, len(expected) // 5), len(expected) or 1, 500]),
            chance.choice([0.0, math.inf]),
        )
        messages = read_all(connection, criteria, limit=limit, seconds=seconds)
        assert found(messages) == expected, criteria
        assert message_log.count(connection, criteria) == message_log.Count(len(expected), is_exact=True), criteria
        assert {each.account for each in messages} == {f"account {each.account_id}" for each in messages}


@on_both
@pytest.mark.usefixtures("small_slices")
def test_a_search_out_of_time_tells_how_far_it_came(connection: Connection) -> None:
    """It reads one slice at least, so that every page comes further."""
    world = World(connection, random.Random(3))
    ticks = itertools.count()
    criteria = LogCriteria(subject="absent")
    page = message_log.page(connection, criteria, limit=5, seconds=1, monotonic=lambda: float(next(ticks)))
    assert page.messages == []
    assert page.searched_to is not None
    assert NOW - 59 * MINUTE < page.searched_to < NOW
    timed = [each.time for each in world.known if each.source == 0 and each.time is not None]
    assert sum(each >= page.searched_to for each in timed) >= 16
    counted = message_log.count(connection, LogCriteria(subject="e"), seconds=0)
    assert not counted.is_exact
    assert 0 < counted.number < len(world.expected(LogCriteria(subject="e")))


@on_both
def test_a_count_ends_at_its_limit(connection: Connection) -> None:
    world = World(connection, random.Random(3))
    for criteria in (LogCriteria(), LogCriteria(sender="example"), LogCriteria(rule_states=list(RuleState))):
        number = len(world.expected(criteria))
        assert message_log.count(connection, criteria, limit=number) == message_log.Count(number, is_exact=True)
        assert message_log.count(connection, criteria, limit=number - 1) == message_log.Count(
            number - 1, is_exact=False
        )


# Statements.


@pytest.fixture
def statements(database_engine: Engine) -> list[tuple[str, Any]]:
    """The statements of the test, with their parameters."""
    executed: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:  # noqa: ANN401  # the driver's
        executed.append((statement, parameters))

    event.listen(database_engine, "before_cursor_execute", note)
    return executed


@on_both
@pytest.mark.parametrize("number", [10, 16, 17, 1024, 1025, 10_000])
def test_any_number_of_accounts_may_be_visible(
    connection: Connection, statements: list[tuple[str, Any]], number: int
) -> None:
    """SQL Server allows 2,100 parameters."""
    world = World(connection, random.Random(number))
    statements.clear()
    visible = range(3, 3 + number)
    every = LogCriteria(sender="e", subject="e", rule_states=list(RuleState), states=list(MessageState))
    for criteria in (LogCriteria(account_ids=visible), replace(every, account_ids=visible)):
        assert found(message_log.page(connection, criteria, limit=500).messages) == world.expected(criteria)
        assert message_log.count(connection, criteria).is_exact
    assert max(len(parameters) for _, parameters in statements) < 2_000


@on_both
@pytest.mark.parametrize(
    ("criteria", "table", "index"),
    [
        (LogCriteria(), "Message", "dtReceived"),
        (LogCriteria(since=NOW - 9 * MINUTE, until=NOW), "Message", "dtReceived"),
        (LogCriteria(account_id=3), "Message", "nAccountID_dtReceived"),
        (LogCriteria(account_ids=[3, 4]), "Message", "nAccountID_dtReceived"),
        (LogCriteria(rule_states=[RuleState.RED]), "Message", "sRuleState_dtReceived"),
        (LogCriteria(rule_states=[RuleState.RED, RuleState.WHITE]), "Message", "sRuleState_dtReceived"),
        (LogCriteria(subject="a"), "Message", "dtReceived"),
        (LogCriteria(sender="a", account_id=3), "Message", "nAccountID_dtReceived"),
        (LogCriteria(account_ids=range(1, 20)), "Message", "dtReceived"),
        (LogCriteria(states=[MessageState.FILTERED]), "Seen", "dtReceived"),
        (LogCriteria(states=[MessageState.FILTERED], account_id=3), "Seen", "nAccountID_dtReceived"),
        (LogCriteria(states=[MessageState.REMOVED]), "MessageTrace", "sOutcome_dtEnded"),
    ],
)
def test_an_index_has_the_rows_in_the_order_of_the_log(
    connection: Connection, statements: list[tuple[str, Any]], criteria: LogCriteria, table: str, index: str
) -> None:
    """No page sorts what may be a million rows, the first page as little as a late one."""
    World(connection, random.Random(5))
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        # For the plan of a large table, where reading it all or sorting it costs more than anything else.
        for each in ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"):
            connection.exec_driver_sql(f"SET LOCAL enable_{each} = off")
    name = f"IX_tbl{'' if table == 'MessageTrace' else 'Email'}{table}_{index}"
    for after in (None, Position(NOW - 20 * MINUTE, 0, 10**6)):
        statements.clear()
        message_log.page(connection, criteria, limit=5, after=after)
        of_table = [
            each
            for each in statements
            if (first := re.search(r'FROM "(\w+)"', each[0])) is not None
            and first[1] == name.split("_")[1]
            and "ORDER BY" in each[0]
            # Of messages without a time there are hardly any.
            and not re.search(r'"dtReceived" IS NULL\b', each[0])
        ]
        assert of_table
        for statement, parameters in list(of_table):
            explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
            plan = [str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)]
            assert any(name in each for each in plan), plan
            # An incremental sort has a few rows of one time to sort.
            assert not [each for each in plan if re.search(r"(^|-> +)Sort |USE TEMP B-TREE", each)], plan
