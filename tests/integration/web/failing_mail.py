"""Mail that could not be imported: dead letters, and messages that are tried again later."""

from datetime import UTC, datetime, timedelta

from bus.notification import Notification
from bus.queue import Message
from db.queries import failures
from db.queries.failures import Failure
from tests.integration.web.console_site import ConsoleSite

SUBJECT = "Findings of <b>Mr. Miller</b>"


async def fail(site: ConsoleSite, account_id: int, graph_id: str, *, reason: str, later: bool = False) -> None:
    queue, now = site.services.queue, datetime.now(UTC)
    await queue.put([notification(account_id, graph_id)])
    [delivery] = await queue.receive(1, wait=timedelta(seconds=5))
    if later:
        await queue.abandon(delivery, delay=timedelta(hours=1))
    else:
        await queue.dead_letter(delivery, reason=reason, description="It cannot be read.")
    failure = Failure(
        account_id=account_id,
        graph_id=graph_id,
        attempts=3,
        failed=now,
        next_attempt=now + timedelta(hours=1) if later else None,
        reason=reason,
        detail="It cannot be read.",
        subject=SUBJECT,
        from_name="Doctor Who",
    )
    site.write(lambda connection: failures.settle(connection, {failure.key: failure}))


def notification(account_id: int, graph_id: str) -> Message:
    return Notification(account_id, "s", "created", graph_id, None, datetime.now(UTC), "c").to_message()
