"""Dead letters: list and replay."""

import re
from http import HTTPStatus
from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy import Connection

from bus.queue import QueuedMessage, Selection
from console.queue.maintenance import BatchProgress, QueueMaintenance
from console.queue.rows import row_of
from console.queue.selection import Criteria
from console.queue.session import on_record
from console.web.api.cursors import cursor_of, text_of
from console.web.api.declarations import (
    LARGEST_NUMBER,
    OPTIONAL,
    Answer,
    AnyOperation,
    Given,
    Name,
    Nothing,
    Operation,
    Paged,
    Refused,
    Text,
    Time,
)
from console.web.api.jobs import ACCEPTED, accepted
from console.web.api.models import DeadLetters
from console.web.api.requests import answer_json
from console.web.jobs import Job
from console.web.rights import Role
from console.web.routes import GET, POST
from console.web.visit import Visit
from db.queries import accounts
from phrases import Phrase

_MAX_IDS: Final = 500
_WAYS: Final = ("ids", "account", "reason", "since", "until")
_ENTRY: Final = r"^[1-9][0-9]{0,18}$"
_Entries = Annotated[
    list[Annotated[str, StringConstraints(pattern=_ENTRY)]],
    Field(min_length=1, max_length=_MAX_IDS, description="Values of `entry`."),
]
_Reason = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\u0000]+$")]


class DeadLetterFilter(Paged):
    """All dead letters, or those that match all of these."""

    account: Annotated[Name | None, Field(description="The account, by its name.")] = None
    reason: Annotated[_Reason | None, Field(description="The reason, a fixed word.")] = None
    since: Annotated[Time | None, Field(description="Set aside at this time or later.")] = None
    until: Annotated[Time | None, Field(description="Set aside before this time.")] = None


class ReplayRequest(Given):
    """The dead letters to put back into the queue: all, or those that match all of the other members."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["all"]}, {"anyOf": [{"required": [each]} for each in _WAYS]}],
        }
    )

    all: Annotated[Literal[True] | None, OPTIONAL] = None
    ids: Annotated[_Entries | None, OPTIONAL] = None
    account: Annotated[Name | None, OPTIONAL] = None
    reason: Annotated[_Reason | None, OPTIONAL] = None
    since: Annotated[Time | None, OPTIONAL] = None
    until: Annotated[Time | None, OPTIONAL] = None
    dry_run: Annotated[bool, Field(description="Only count what it would be.")] = False
    why: Annotated[Text | None, OPTIONAL, Field(description="Why, for the record.")] = None

    @model_validator(mode="after")
    def _select_something(self) -> "ReplayRequest":
        if (self.all is True) == any(getattr(self, each) is not None for each in _WAYS):
            raise ValueError("Select dead letters: either all, or some of ids, account, reason, since and until.")
        return self

    @property
    def criteria(self) -> Criteria:
        """As the options of `queue replay` give them."""
        # A larger number is that of no entry, and of no database either.
        entries = tuple(sorted({min(int(each), LARGEST_NUMBER) for each in self.ids or ()}))
        return Criteria(entries, self.reason, self.account, self.since, self.until)


def operations_of() -> list[AnyOperation]:
    """The operations."""
    return [
        Operation(
            "listDeadLetters",
            GET,
            "/dead-letters",
            "List the dead letters, oldest first",
            Role.VIEWER,
            DeadLetterFilter,
            None,
            Answer(HTTPStatus.OK, DeadLetters, "A page of dead letters"),
            _list,
            (HTTPStatus.NOT_FOUND,),
        ),
        Operation(
            "replayDeadLetters",
            POST,
            "/dead-letters/replay",
            "Put dead letters back into the queue, as `queue replay`",
            Role.OPERATOR,
            Nothing,
            ReplayRequest,
            ACCEPTED,
            _replay,
            (HTTPStatus.NOT_FOUND,),
        ),
    ]


async def _list(visit: Visit, parameters: DeadLetterFilter, _body: Nothing) -> web.StreamResponse:
    after = None if parameters.cursor is None else text_of(parameters.cursor)
    if after is not None and not _is_entry(after):
        raise Refused.cursor()
    name = parameters.account
    account_id = None
    if name is not None:
        account_id = (await visit.read(lambda connection: accounts.with_removed(connection, name))).account_id
    selection = Selection(
        account_id=account_id, reason=parameters.reason, since=parameters.since, until=parameters.until
    )
    found = await visit.services.queue.peek(
        limit=parameters.limit + 1, dead_letters=True, selection=selection, after=after
    )
    shown = found[: parameters.limit]
    names = await visit.read(lambda connection: _names(connection, shown))
    return answer_json(
        {
            "items": [row_of(each, names, visit.now) for each in shown],
            "next": cursor_of(shown[-1].entry) if len(found) > len(shown) else None,
        }
    )


def _is_entry(text: str) -> bool:
    return re.fullmatch(_ENTRY, text) is not None and int(text) <= LARGEST_NUMBER


def _names(connection: Connection, found: list[QueuedMessage]) -> dict[int, str]:
    numbers = sorted({each.account_id for each in found if each.account_id is not None})
    return {number: account.settings.name for number, account in accounts.by_id(connection, numbers).items()}


async def _replay(visit: Visit, _parameters: Nothing, body: ReplayRequest) -> web.StreamResponse:
    criteria, services = body.criteria, visit.services
    account_id = None
    if (name := criteria.account) is not None:
        # Messages of a removed account would be dropped.
        account_id = (await visit.read(lambda connection: accounts.by_name(connection, name))).account_id
    selection = criteria.selection(account_id)
    maintenance = QueueMaintenance(services.queue, services.database, author=visit.author, clock=services.clock)

    async def count(job: Job) -> Phrase:
        counted = await maintenance.count_replay(selection, scheduled=False)
        job.facts |= {"would_be_replayed": counted.selected, "imported_already": counted.known}
        return Phrase("Would be replayed: {n}.", n=counted.selected)

    async def replay(job: Job) -> Phrase:
        progress = BatchProgress()
        record = on_record(maintenance, services.settings, "replay", str(criteria), progress, body.why)
        try:
            async with record:
                await maintenance.replay(
                    selection, progress, scheduled=False, rate=None, why=body.why, on_progress=job.progress
                )
        finally:
            job.facts |= {"replayed": progress.done, "imported_already": progress.known}
        return Phrase.joined(Phrase("Replayed: {n}.", n=progress.done), progress.left() or "")

    title = Phrase("Dry run") if body.dry_run else Phrase("Replaying")
    return accepted(services.jobs.start(visit.user, title, count if body.dry_run else replay, back="/failures"))
