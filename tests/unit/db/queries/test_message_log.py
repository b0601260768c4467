"""The log of messages: all of them, newest first, each on one page, found by what an operator knows of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, insert

from db.outcomes import MessageState, RuleState
from db.queries import failures, message_log, trace
from db.queries.failures import Failure
from db.queries.message_log import LogCriteria, LoggedMessage, LoggedRecipient, Position
from db.queries.trace import TraceRow
from db.tables import account_settings, attachment, duplicate, message, recipient, seen
from tests.doubles.clock import SettableClock
from tests.doubles.rule_files import add_file
from tests.unit.db.queries.test_failures import account

NOW: Final = SettableClock()()
MINUTE: Final = timedelta(minutes=1)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    with database_engine.begin() as opened:
        opened.execute(insert(account_settings), [account(1), account(2)])
        yield opened


def imported(connection: Connection, graph_id: str, received: datetime | None, **columns: Any) -> int:  # noqa: ANN401  # any column
    row = {"nAccountID": 1, "bHasAttachments": False, "dtImported": NOW, **columns}
    connection.execute(insert(message).values(sGraphMessageID=graph_id, dtReceived=received, **row))
    [number] = connection.scalars(
        message.select().with_only_columns(message.c.nMessageID).where(message.c.sGraphMessageID == graph_id)
    )
    return int(number)


def copied(connection: Connection, graph_id: str, of: int) -> None:
    connection.execute(
        insert(duplicate).values(nAccountID=1, sGraphMessageID=graph_id, nMessageID=of, dtSeen=NOW, sReason="Same")
    )


def left_out(connection: Connection, graph_id: str, received: datetime | None, **columns: Any) -> None:  # noqa: ANN401  # any column
    row = {"nAccountID": 1, "sReason": "TooSmall", "dtSeen": NOW, **columns}
    connection.execute(insert(seen).values(sGraphMessageID=graph_id, dtReceived=received, **row))


def failed(connection: Connection, graph_id: str, received: datetime | None, **changes: Any) -> None:  # noqa: ANN401  # any field
    facts = {"attempts": 1, "failed": NOW - 4 * MINUTE, "next_attempt": None, "reason": "Broken", "detail": None}
    found = Failure(account_id=1, graph_id=graph_id, received=received, **{**facts, **changes})
    failures.settle(connection, {found.key: found})


def gone(connection: Connection, graph_id: str, ended: datetime, **changes: Any) -> None:  # noqa: ANN401  # any field
    trace.add(connection, [TraceRow(1, graph_id, "host", ended, ended, "gone", **changes)])


def ids(found: Sequence[LoggedMessage]) -> list[str]:
    return [each.graph_id for each in found]


def listed(connection: Connection, **criteria: Any) -> list[str]:  # noqa: ANN401  # any criterion
    return ids(message_log.page(connection, LogCriteria(**criteria), limit=100).messages)


@pytest.fixture
def everything(connection: Connection) -> list[str]:
    """The ids of messages of every state, newest first; some of the same time, some without any."""
    first = imported(connection, "imported-1", NOW - MINUTE, sFromName="Labor", sFromAddress="labor@example.com")
    imported(connection, "imported-2", NOW - 3 * MINUTE, nAccountID=2)
    imported(connection, "imported-3", NOW - 3 * MINUTE)
    timeless = imported(connection, "timeless-1", None)
    imported(connection, "timeless-2", None)
    copied(connection, "copy", first)
    copied(connection, "timeless-copy", timeless)
    left_out(connection, "filtered-1", NOW - 3 * MINUTE)
    left_out(connection, "filtered-2", NOW - 2 * MINUTE, nAccountID=2)
    left_out(connection, "timeless-filtered", None)
    failed(connection, "dead", NOW - 3 * MINUTE)
    failed(connection, "unfetched", None, next_attempt=NOW + MINUTE)
    gone(connection, "gone", NOW - 5 * MINUTE)
    return [
        *("imported-1", "copy", "filtered-2", "imported-3", "imported-2", "dead", "filtered-1", "unfetched", "gone"),
        *("timeless-2", "timeless-1", "timeless-copy", "timeless-filtered"),
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_together_have_every_message_once(connection: Connection, everything: list[str], limit: int) -> None:
    found: list[LoggedMessage] = []
    after: Position | None = None
    while (page := message_log.page(connection, LogCriteria(), limit=limit, after=after)).next is not None:
        assert len(page.messages) == limit
        found += page.messages
        after = page.next
    found += page.messages
    assert ids(found) == everything


def test_mail_that_comes_meanwhile_moves_no_page(connection: Connection, everything: list[str]) -> None:
    first = message_log.page(connection, LogCriteria(), limit=3)
    imported(connection, "new", NOW)
    second = message_log.page(connection, LogCriteria(), limit=3, after=first.next)
    assert ids([*first.messages, *second.messages]) == everything[:6]


@pytest.mark.parametrize("state", MessageState)
def test_a_state_alone(connection: Connection, everything: list[str], state: MessageState) -> None:
    """Together the states are all."""
    expected = {
        MessageState.IMPORTED: ["imported-1", "imported-3", "imported-2", "timeless-2", "timeless-1"],
        MessageState.WAITING: ["unfetched"],
        MessageState.FAILED: ["dead"],
        MessageState.FILTERED: ["filtered-2", "filtered-1", "timeless-filtered"],
        MessageState.DUPLICATE: ["copy", "timeless-copy"],
        MessageState.REMOVED: ["gone"],
    }
    assert listed(connection, states=[state]) == expected[state]
    found = message_log.page(connection, LogCriteria(states=[state]), limit=100).messages
    assert {each.state for each in found} == {state}
    assert sorted(name for names in expected.values() for name in names) == sorted(everything)


@pytest.mark.usefixtures("everything")
def test_an_account_and_a_span_of_time(connection: Connection) -> None:
    """`since` is included, `until` is not; a message without a time is in no span."""
    assert listed(connection, account_id=2) == ["filtered-2", "imported-2"]
    assert listed(connection, since=NOW - 4 * MINUTE, until=NOW - 2 * MINUTE) == [
        *("imported-3", "imported-2", "dead", "filtered-1", "unfetched")
    ]
    assert listed(connection, since=NOW - MINUTE) == ["imported-1", "copy"]


def test_every_fact_of_an_imported_message(connection: Connection) -> None:
    """Its recipients are those to whom it was sent, its attachments those that its sender attached."""
    number = imported(connection, "a", NOW, sSubject="Results", sFromName="Labor", sFromAddress="labor@example.com")
    copied(connection, "copy", number)
    connection.execute(
        insert(recipient),
        [
            {"nMessageID": number, "sKind": kind, "nPosition": 0, "sName": kind, "sAddress": f"{kind}@example.com"}
            for kind in ("to", "cc", "replyTo")
        ],
    )
    part = {"nMessageID": number, "sKind": "file", "nSize": 3, "bInline": False, "nParentPosition": None}
    names = ["report.zip", "logo.png", "inside.pdf"]
    connection.execute(
        insert(attachment),
        [
            {**part, "nPosition": 0, "sFileName": names[0], "sState": "stored"},
            {**part, "nPosition": 1, "sFileName": names[1], "sState": "stored", "bInline": True},
            {**part, "nPosition": 2, "sFileName": names[2], "sState": "too_large", "nParentPosition": 0},
        ],
    )
    [found, copy] = message_log.page(connection, LogCriteria(), limit=5).messages
    assert (found.message_id, found.account, found.subject) == (number, "account 1", "Results")
    assert (found.from_name, found.from_address) == ("Labor", "labor@example.com")
    assert (found.received, found.imported, found.time) == (NOW, NOW, NOW)
    assert (found.recipients, found.attachments) == (2, 1)
    assert (copy.message_id, copy.subject, copy.recipients, copy.attachments) == (number, "Results", 2, 1)
    parts = message_log.attachments_of(connection, [number])[number]
    assert [(each.name, each.state, each.inline, each.unpacked) for each in parts] == [
        ("report.zip", "stored", False, False),
        ("logo.png", "stored", True, False),
        ("inside.pdf", "too_large", False, True),
    ]
    assert message_log.recipients_of(connection, [number])[number] == [
        LoggedRecipient("to", "to", "to@example.com"),
        LoggedRecipient("cc", "cc", "cc@example.com"),
    ]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"sender": "LABOR@EXAMPLE"}, ["imported", "dead", "filtered"]),
        ({"sender": "prüfstelle"}, ["imported", "dead"]),
        ({"sender": "assistant@"}, ["imported"]),
        ({"recipient": "team@example.com"}, ["imported"]),
        ({"recipient": "das TEAM"}, ["imported"]),
        ({"recipient": "answers@"}, []),
        ({"subject": "100 % [NEU]"}, ["imported", "dead", "gone"]),
        ({"subject": "100 _ [neu]"}, []),
        ({"subject": "%"}, ["imported", "dead", "gone"]),
        ({"attachment": "bericht_7"}, ["imported"]),
        ({"attachment": "berichtx7"}, []),
        ({"sender": "labor", "subject": "neu", "attachment": ".pdf"}, ["imported"]),
        ({"sender": "labor", "recipient": "nobody"}, []),
    ],
)
def test_texts_match_in_any_letter_case_and_have_no_wildcards(
    connection: Connection, criteria: dict[str, str], expected: list[str]
) -> None:
    """What is not known of a message does not match."""
    subject, author = "Ergebnis: 100 % [neu]", {"sFromName": "Prüfstelle", "sFromAddress": "labor@example.com"}
    number = imported(connection, "imported", NOW, sSubject=subject, sSenderAddress="assistant@example.com", **author)
    imported(connection, "other", NOW, sSubject="Other", sFromAddress="other@example.com")
    for kind, name, address in (("cc", "Das Team", "team@example.com"), ("replyTo", "Answers", "answers@example.com")):
        connection.execute(
            insert(recipient).values(nMessageID=number, sKind=kind, nPosition=0, sName=name, sAddress=address)
        )
    connection.execute(
        insert(attachment).values(
            nMessageID=number, nPosition=0, sKind="file", sFileName="Bericht_7.PDF", nSize=1, bInline=False
        )
    )
    failed(connection, "dead", NOW, subject=subject, from_name="Prüfstelle", from_address="labor@example.com")
    left_out(connection, "filtered", NOW, sFromAddress="Labor@example.com")
    gone(connection, "gone", NOW - MINUTE, subject=subject)
    assert listed(connection, **criteria) == expected


def test_a_message_has_one_place(connection: Connection) -> None:
    """What is imported after all is neither failed nor removed; what is gone twice is removed once."""
    for name in ("back", "retried", "removed"):
        gone(connection, name, NOW - 3 * MINUTE)
    gone(connection, "removed", NOW - 2 * MINUTE)
    imported(connection, "back", NOW)
    failed(connection, "retried", NOW - MINUTE)
    failed(connection, "late", NOW)
    imported(connection, "late", NOW)
    found = message_log.page(connection, LogCriteria(), limit=9).messages
    assert [(each.graph_id, each.state) for each in found] == [
        ("late", "imported"),
        ("back", "imported"),
        ("retried", "failed"),
        ("removed", "removed"),
    ]


def test_mail_of_a_removed_account_is_listed(connection: Connection) -> None:
    imported(connection, "a", NOW, nAccountID=7)
    [found] = message_log.page(connection, LogCriteria(), limit=9).messages
    assert (found.account_id, found.account) == (7, None)


# Import rules.


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
def test_a_state_of_the_rules_selects_imported_and_failed_messages(connection: Connection) -> None:
    """A dead letter is red, and one that is tried again white: they are not processed yet."""
    for place, (name, number) in enumerate({"green": 2, "amber": 0, "red": 1, "white": None}.items(), 1):
        imported(connection, name, NOW - place * MINUTE, sRuleState=name, nRulesMatched=number)
    imported(connection, "older than rules", NOW - 9 * MINUTE, sRuleState=None)
    imported(connection, "red without time", None, sRuleState="red", nRulesMatched=1)
    failed(connection, "dead", NOW - 5 * MINUTE)
    failed(connection, "retried", NOW - 6 * MINUTE, next_attempt=NOW + MINUTE)
    copied(connection, "copy", 1)
    left_out(connection, "filtered", NOW)
    gone(connection, "gone", NOW)
    assert listed(connection, rule_states=[RuleState.RED]) == ["red", "dead", "red without time"]
    assert listed(connection, rule_states=[RuleState.WHITE]) == ["white", "retried"]
    assert listed(connection, rule_states=[RuleState.GREEN]) == ["green"]
    assert listed(connection, rule_states=[RuleState.GREEN, RuleState.AMBER]) == ["green", "amber"]
    assert listed(connection, rule_states=[RuleState.RED], states=[MessageState.IMPORTED]) == [
        "red",
        "red without time",
    ]
    assert listed(connection, rule_states=[RuleState.RED], states=[MessageState.WAITING]) == []
    found = {each.graph_id: each for each in message_log.page(connection, LogCriteria(), limit=100).messages}
    assert (found["green"].rule_state, found["green"].rules_matched) == (RuleState.GREEN, 2)
    assert (found["dead"].rule_state, found["dead"].rules_matched) == (RuleState.RED, None)
    assert [found[each].rule_state for each in ("older than rules", "copy", "filtered", "gone")] == [None] * 4


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
def test_a_rule_selects_the_messages_of_its_files(connection: Connection) -> None:
    first, second = imported(connection, "first", NOW), imported(connection, "second", NOW - MINUTE)
    imported(connection, "third", NOW)
    failed(connection, "dead", NOW)
    for number in (first, second):
        add_file(connection, number, "a.csv", nRuleID=7)
    add_file(connection, second, "b.csv", nRuleID=8)
    assert listed(connection, rule_id=7) == ["first", "second"]
    assert listed(connection, rule_id=8, rule_states=[RuleState.WHITE]) == ["second"]
    assert listed(connection, rule_id=9) == []
