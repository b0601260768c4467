"""Mails of every kind, in wire format: the sent content is in the database, field by field."""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, select

from db.tables import attachment, message, recipient
from simulator.state.mail_server import DeliveredMessage
from tests.databases import on_every_database
from tests.integration.world import World
from tests.samples.corpus import characters, kinds, lenient, names, structures
from tests.samples.corpus.case import Case, Row

CASES = (*characters.CASES, *names.CASES, *structures.CASES, *kinds.CASES, *lenient.CASES)


@on_every_database
async def test_every_mail_of_the_corpus_is_imported_as_it_was_sent(world: World) -> None:
    """All in one mailbox: each with its fields and its attachments, byte for byte, and none blocks another."""
    mailbox, account = await world.account_of("Laboratoire")
    delivered = {case.name: await world.simulator.deliver_mime(mailbox, case.raw) for case in CASES}
    await world.notify(account, list(delivered.values()))

    await world.import_all()

    assert [each.description for each in await world.dead_letters()] == []
    found = await world.database.read(_found)
    differences = {
        case.name: difference
        for case in CASES
        if (difference := _difference(_expected(case, delivered[case.name]), found[delivered[case.name].message_id]))
    }
    assert differences == {}
    assert len(found) == len(CASES)


def _difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that differ; the expected value comes first."""
    rows: Iterable[Any] = zip_longest(expected["rows"], found["rows"], fillvalue={})
    pairs: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [("message", expected, found)]
    pairs += [(f"row {n}", *pair) for n, pair in enumerate(rows)]
    return {
        f"{which}: {name}": (wanted[name], there.get(name))
        for which, wanted, there in pairs
        for name in wanted
        if name != "rows" and wanted[name] != there.get(name)
    } | ({} if len(expected["rows"]) == len(found["rows"]) else {"rows": (len(expected["rows"]), len(found["rows"]))})


def _expected(case: Case, delivered: DeliveredMessage) -> dict[str, Any]:
    stored = delivered.message
    listed = [each for each in case.rows if each.parent is None]
    ids = [each.attachment_id for each in stored.attachments]
    return {
        "sSubject": case.subject,
        "author": case.author,
        "sender": case.sender,
        "dtSent": case.sent or stored.received.replace(microsecond=0),
        "dtReceived": stored.received.replace(microsecond=0),
        "sImportance": case.importance,
        "sBodyType": case.body_type,
        "sBody": case.body,
        "sBodyText": case.body if case.body_type == "text" and case.body_text is None else case.body_text,
        "sInternetMessageID": stored.internet_message_id,
        "bHasAttachments": bool(listed) and not case.only_inline,
        "recipients": case.recipients,
        "rows": [_row(each, graph_id) for each, graph_id in zip_longest(case.rows, ids)],
    }


def _row(row: Row | None, graph_id: str | None) -> dict[str, Any]:
    if row is None:
        return {"sGraphAttachmentID": graph_id}  # listed, and not expected
    return {
        "sGraphAttachmentID": graph_id,
        "sKind": row.kind,
        "sFileName": row.name,
        "sSafeFileName": row.safe or row.name,
        "sContentType": row.content_type,
        "biContent": row.content,
        "nSize": len(row.content),
        "sSHA256": hashlib.sha256(row.content).hexdigest(),
        "bInline": row.inline,
        "sContentID": row.content_id,
        "sState": "stored",
        "sStateDetail": row.detail,
        "sItemType": row.item_type,
        "nParentPosition": row.parent,
        "sOrigin": row.origin,
    }


def _found(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return the messages by Graph id, with the facts that `_expected` has of them."""
    result: dict[str, dict[str, Any]] = {}
    by_number: dict[int, dict[str, Any]] = {}
    for row in connection.execute(select(message)).mappings():
        values = {
            **row,
            "author": (row["sFromName"], row["sFromAddress"]),
            "sender": (row["sSenderName"], row["sSenderAddress"]),
            "recipients": (),
            "rows": [],
        }
        result[row["sGraphMessageID"]] = by_number[row["nMessageID"]] = values
    kinds_in_order = ["to", "cc", "bcc", "replyTo"]
    people = connection.execute(select(recipient)).all()
    for each in sorted(people, key=lambda each: (kinds_in_order.index(each.sKind), each.nPosition)):
        by_number[each.nMessageID]["recipients"] += ((each.sKind, each.sName, each.sAddress),)
    for part in connection.execute(select(attachment).order_by(attachment.c.nPosition)).mappings():
        kept = {name: part[name] for name in part if name in _COMPARED}
        by_number[part["nMessageID"]]["rows"].append(kept)
    return result


_COMPARED = frozenset(_row(Row("", b""), None))
