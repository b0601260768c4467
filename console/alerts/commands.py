"""`mail-importer alerts`: the targets of alerts, a test of them, and what was sent."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from alerts.text import Writer
from console.alerts.trial import chosen_targets, try_target
from console.alerts.views import history_listing, targets_listing, tested_listing
from console.invocation import Invocation, as_stored, example, pass_invocation, past_moment
from console.loop import run_async
from console.output import Listing, prints_data
from console.translation.help import Group
from console.wiring.alerts import alert_writer, open_alert_targets
from db.engine import run_reading
from db.queries import alerts as alert_rows

if TYPE_CHECKING:
    from alerts.services import Target

_MAX_LISTED: Final = 1000


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
    return targets_listing(targets, found)


@alerts.command(epilog=example("mail-importer alerts test", "mail-importer alerts test 2"))
@click.argument("target", required=False, callback=as_stored)
@prints_data
@pass_invocation
def test(invocation: Invocation, target: str | None) -> Listing:
    """Send a test alert now, to every target or to TARGET.

    TARGET is the number or the name of one in `alerts list`. Neither the gateway database nor a running role is needed.
    """
    settings = invocation.settings
    chosen = chosen_targets(open_alert_targets(settings), target)
    return tested_listing(run_async(_test_all(chosen, alert_writer(settings))))


async def _test_all(targets: "dict[int, Target]", writer: Writer) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(try_target(number, each, writer) for number, each in targets.items())))


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
    return history_listing(found)
