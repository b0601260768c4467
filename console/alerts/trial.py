"""A test of targets of alerts: a message is sent to each now."""

from typing import TYPE_CHECKING, Any

from alerts.sending import SEND_SECONDS, send_within
from alerts.text import Writer
from console.output import wrong_value
from phrases import Phrase
from threads import DaemonThreads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerts.services import Target


def chosen_targets(targets: "Sequence[Target]", wanted: str | None) -> "dict[int, Target]":
    """All targets by their numbers, or the one of that number or name.

    Raises:
        click.BadParameter: there is none.
    """
    numbered = dict(enumerate(targets, 1))
    if wanted is None:
        return numbered
    found = {number: each for number, each in numbered.items() if wanted in {str(number), each.name}}
    if not found:
        raise wrong_value(
            Phrase("There is no target {target!r}. `mail-importer alerts list` shows them.", target=wanted), of="TARGET"
        )
    return found


async def try_target(number: int, target: "Target", writer: Writer) -> dict[str, Any]:
    """Send the test to a target; the result as a row."""
    message = writer.test(target.name)
    threads = DaemonThreads("alerts-test", limit=1)
    reason = await send_within(target, threads, message.title, message.body, seconds=SEND_SECONDS)
    state = "sent" if reason is None else "failed"
    return {"number": number, "target": target.name, "state": state, "reason": reason}
