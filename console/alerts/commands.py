"""`mail-importer alerts`: the targets of alerts, a test of them, and what was sent."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from alerts.sending import SEND_SECONDS, send_within
from alerts.text import Writer
from console.invocation import Invocation, as_stored, example, pass_invocation, past_moment
from console.loop import run_async
from console.output import Column, Listing, prints_data, wrong_value
from console.translation.help import Group
from console.translation.labels import word
from console.wiring.alerts import alert_writer, open_alert_targets
from db.engine import run_reading
from db.queries import alerts as alert_rows
from phrases import Phrase
from threads import DaemonThreads

if TYPE_CHECKING:
    from alerts.services import Target

_MAX_LISTED: Final = 1000
_REASON: Final = Column("reason", Phrase("Reason"), lambda reason: reason or "")
_NO_TARGETS: Final = Phrase("No targets are set (alerts): nothing is alerted.")


@click.group(cls=Group, epilog=example("mail-importer alerts test"))
def alerts() -> None:
    """Show and test the targets of alerts, and what was sent to them."""


@alerts.command("list", epilog=example("mail-importer alerts list"))
@prints_data
@pass_invocation
def list_targets(invocation: Invocation) -> Listing:
    """List the targets of alerts, with what waits for each."""
    targets = open_alert_targets(invocation.settings)
    fingerprints = [each.fingerprint for each in targets]
    with invocation.gateway() as engine:
        found = run_reading(engine, lambda connection: alert_rows.summaries(connection, fingerprints))
    rows = [
        {"number": number, "target": each.name, **asdict(found[each.fingerprint])}
        for number, each in enumerate(targets, 1)
    ]
    columns = [
        Column("number", Phrase("Number"), right=True),
        Column("target", Phrase("Target"), priority=3),
        Column("pending", Phrase("Waiting"), right=True, priority=2, colour=_of_failure),
        Column("last_sent", Phrase("Last sent"), priority=1),
        Column("last_failed", Phrase("Last alert that failed")),
    ]
    return Listing(columns, rows, empty=_NO_TARGETS, details=[_REASON])


@alerts.command(epilog=example("mail-importer alerts test", "mail-importer alerts test 2"))
@click.argument("target", required=False, callback=as_stored)
@prints_data
@pass_invocation
def test(invocation: Invocation, target: str | None) -> Listing:
    """Send a test alert now, to every target or to TARGET.

    TARGET is the number or the name of one in `alerts list`. Neither the gateway database nor a running role is needed.
    """
    settings = invocation.settings
    chosen = _chosen(open_alert_targets(settings), target)
    rows = run_async(_test_all(chosen, alert_writer(settings)))
    failed = sum(row["state"] == "failed" for row in rows)
    columns = [
        Column("number", Phrase("Number"), right=True),
        Column("target", Phrase("Target")),
        Column("state", Phrase("State"), word, priority=1, colour=_of_failure),
    ]
    failure = Phrase.counted("The test failed at {n} target.", "The test failed at {n} targets.", n=failed)
    return Listing(columns, rows, empty=_NO_TARGETS, failure=failure if failed else None, details=[_REASON])


def _chosen(targets: "tuple[Target, ...]", wanted: str | None) -> "dict[int, Target]":
    numbered = dict(enumerate(targets, 1))
    if wanted is None:
        return numbered
    found = {number: each for number, each in numbered.items() if wanted in {str(number), each.name}}
    if not found:
        raise wrong_value(
            Phrase("There is no target {target!r}. `mail-importer alerts list` shows them.", target=wanted), of="TARGET"
        )
    return found


async def _test_all(targets: "dict[int, Target]", writer: Writer) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(_test(number, each, writer) for number, each in targets.items())))


async def _test(number: int, target: "Target", writer: Writer) -> dict[str, Any]:
    message = writer.test(target.name)
    threads = DaemonThreads("alerts-test", limit=1)
    reason = await send_within(target, threads, message.title, message.body, seconds=SEND_SECONDS)
    state = "sent" if reason is None else "failed"
    return {"number": number, "target": target.name, "state": state, "reason": reason}


@alerts.command(
    epilog=example("mail-importer alerts history", "mail-importer alerts history --since 2026-03-31 --json")
)
@click.option(
    "--limit",
    type=click.IntRange(1, _MAX_LISTED),
    default=50,
    show_default=True,
    help="List at most so many, newest first.",
)
@click.option("--since", metavar="T", callback=past_moment, help="List those of this time or later.")
@prints_data
@pass_invocation
def history(invocation: Invocation, limit: int, since: datetime | None) -> Listing:
    """List the alerts of the last 90 days, one line for each target."""
    with invocation.gateway() as engine:
        found = run_reading(engine, lambda connection: alert_rows.latest(connection, limit=limit, since=since))
    rows = [
        {
            "number": each.number,
            "created": each.created,
            "target": each.target,
            "state": each.state,
            "ended": each.ended,
            "attempts": each.attempts,
            "next_attempt": each.due if each.state == alert_rows.AlertState.PENDING else None,
            "title": each.title,
            "body": each.body,
            "reason": each.reason,
        }
        for each in found
    ]
    columns = [
        Column("created", Phrase("Time"), whole=True),
        Column("target", Phrase("Target"), priority=3),
        Column("state", Phrase("State"), word, priority=2, colour=_of_failure),
        Column("ended", Phrase("Ended"), whole=True),
        Column("attempts", Phrase("Failed attempts"), right=True),
        Column("title", Phrase("Title"), priority=4),
    ]
    return Listing(columns, rows, empty=Phrase("No alert is on record."), details=[_REASON])


def _of_failure(row: Mapping[str, Any]) -> str | None:
    """The colour of a row of which something failed and is not made up for."""
    state, attempts = row.get("state"), row.get("attempts", 0)
    is_failed = state in {"failed", "expired"} or (state == "pending" and attempts > 0) or row.get("pending", 0) > 0
    return "red" if is_failed else None
