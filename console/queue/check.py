"""`queue check`: the properties of the queue."""

from dataclasses import asdict
from typing import Any, Final

import click

from bus.errors import QueueUnavailable
from console.invocation import Invocation, example, pass_invocation
from console.loop import run_async
from console.output import Column, Listing, prints_data
from console.queue.opened import at_queue
from console.settings import Settings
from console.translation.help import Command
from console.translation.labels import word
from console.wiring.queue import open_queue, servicebus_address
from phrases import Phrase

_COLOURS: Final = {"wrong": "red", "unknown": "yellow"}


@click.command(cls=Command, epilog=example("mail-importer queue check"))
@prints_data
@pass_invocation
def check(invocation: Invocation) -> Listing:
    """Check that the queue accepts messages, and that it has the required properties."""
    settings = invocation.settings
    columns = [
        Column("name", Phrase("What")),
        Column("state", Phrase("State"), word, priority=2, colour=lambda row: _COLOURS.get(row["state"])),
        Column("found", Phrase("Found"), priority=1),
        Column("wanted", Phrase("Wanted")),
    ]
    details = [Column("why", Phrase("Why"))]
    if settings.queue == "database":
        at_queue(invocation, lambda each, _: each.check())
        takes = Phrase("takes messages")
        row = {"name": Phrase("table"), "state": "ok", "found": takes, "wanted": takes, "why": ""}
        return Listing(columns, [row], empty=Phrase(""), details=details)
    findings = run_async(_examined(settings, invocation))
    wrong = sum(each["state"] == "wrong" for each in findings)
    failure = Phrase.counted("{n} property of the queue is wrong.", "{n} properties of the queue are wrong.", n=wrong)
    return Listing(columns, findings, empty=Phrase(""), failure=failure if wrong else None, details=details)


async def _examined(settings: Settings, invocation: Invocation) -> list[dict[str, Any]]:
    from bus.servicebus.errors import QueueRef  # noqa: PLC0415  # only where Service Bus is used
    from bus.servicebus.inspection import Finding, State, examine  # noqa: PLC0415  # only where Service Bus is used

    address = servicebus_address(settings)
    place = QueueRef(address.host, address.queue)
    async with open_queue(settings, None, clock=invocation.clock) as opened:
        await opened.check()
        works, sending, receiving = Phrase("works"), Phrase("sending"), Phrase("receiving")
        findings = [Finding(sending, works, works, State.OK, Phrase(""))]
        try:
            await opened.peek(limit=1)
        except QueueUnavailable as exc:
            wanted = Phrase("works, for processors")
            findings.append(Finding(receiving, Phrase.of(exc), wanted, State.UNKNOWN, Phrase("")))
        else:
            findings.append(Finding(receiving, works, works, State.OK, Phrase("")))
    async with address.administration() as administration:
        findings += await examine(administration, place)
    return [asdict(each) for each in findings]
