"""Mail in every state of the log, written into the database of a console."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from db.queries import failures, trace
from db.queries.failures import Failure
from db.queries.trace import TraceRow
from db.tables import attachment, duplicate, header, recipient, seen
from tests.doubles.rule_files import add_account, add_file, add_message, add_rule, failed, saved

DAY: Final = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)


def add_mail(
    connection: Connection,
    graph_id: str,
    *,
    to: Sequence[tuple[str | None, str | None]] = (),
    files: Sequence[tuple[str, bytes | None]] = (),
    headers: Sequence[tuple[str, str]] = (),
    **columns: Any,  # noqa: ANN401  # any column
) -> int:
    """An imported message with what stands below it; its number. A file without bytes is too large."""
    number = add_message(connection, graph_id, **{"dtReceived": DAY, "dtImported": DAY, **columns})
    for place, (name, address) in enumerate(to):
        row = {"nMessageID": number, "sKind": "to", "nPosition": place, "sName": name, "sAddress": address}
        connection.execute(insert(recipient).values(row))
    for place, (name, content) in enumerate(files):
        connection.execute(
            insert(attachment).values(
                nMessageID=number,
                nPosition=place,
                sKind="file",
                sFileName=name,
                sContentType="text/html",
                nSize=len(content or b""),
                bInline=False,
                sState="stored" if content is not None else "too_large",
                biContent=content,
            )
        )
    for place, (name, value) in enumerate(headers):
        connection.execute(insert(header).values(nMessageID=number, nPosition=place, sName=name, sValue=value))
    return number


def attachment_numbers(connection: Connection, message_id: int) -> list[int]:
    """The numbers of the attachments of a message, in their order."""
    wanted = select(attachment.c.nAttachmentID).where(attachment.c.nMessageID == message_id)
    return list(connection.scalars(wanted.order_by(attachment.c.nPosition)))


def add_every_state(connection: Connection) -> dict[str, int]:
    """Account 1, and a message of each state in it; the numbers of the imported ones by the states of the rules."""
    add_account(connection)
    rule = add_rule(connection)
    numbers = {}
    for place, (state, matched) in enumerate((("white", None), ("green", 1), ("amber", 0), ("red", 1))):
        numbers[state] = add_mail(
            connection,
            f"imported-{state}",
            dtReceived=DAY - place * MINUTE,
            sSubject=f"Result {state}",
            sFromName="Laboratory",
            sFromAddress="lab@example.com",
            sRuleState=state,
            nRulesMatched=matched,
        )
    add_file(connection, numbers["green"], **saved(nRuleID=rule))
    add_file(connection, numbers["red"], **failed(nRuleID=rule))
    for graph_id, due in (("dead", None), ("retrying", DAY + MINUTE)):
        broken = Failure(
            account_id=1,
            graph_id=graph_id,
            received=DAY - 5 * MINUTE,
            subject=f"Broken {graph_id}",
            attempts=3,
            failed=DAY,
            next_attempt=due,
            reason="MessageTooLarge",
            detail="It has 900 MB.",
        )
        failures.settle(connection, {broken.key: broken})
    connection.execute(
        insert(duplicate).values(
            nAccountID=1, sGraphMessageID="copy", nMessageID=numbers["green"], dtSeen=DAY, sReason="Same"
        )
    )
    connection.execute(
        insert(seen).values(
            nAccountID=1,
            sGraphMessageID="left-out",
            sFromAddress="news@example.com",
            dtReceived=DAY - 7 * MINUTE,
            sReason="TooSmall",
            dtSeen=DAY,
        )
    )
    trace.add(connection, [TraceRow(1, "gone", "host", DAY, DAY - 8 * MINUTE, "gone", subject="Vanished")])
    return numbers


def add_hidden(connection: Connection, *, text: str = "Secret merger") -> int:
    """An account whose mail only directors see, with one message, and one that failed; the number of the first."""
    account = add_account(connection, "board", sConsoleAccess="directors")
    number = add_mail(
        connection,
        "hidden",
        nAccountID=account,
        sSubject=text,
        sBody="The price is 7.",
        sBodyType="text",
        files=[("offer.pdf", b"pdf")],
        to=[("Chair", "chair@example.com")],
    )
    broken = Failure(
        account_id=account,
        graph_id="hidden-dead",
        received=DAY,
        subject=f"{text} failed",
        attempts=1,
        failed=DAY,
        next_attempt=None,
        reason="Broken",
        detail=None,
    )
    failures.settle(connection, {broken.key: broken})
    return number
