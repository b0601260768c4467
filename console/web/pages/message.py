"""An e-mail: its fields, recipients, attachments, headers and steps; and what an operator may do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import click
from aiohttp import web
from sqlalchemy import Connection

from console.messages.importing import ImportRequest, failure_of, run_import
from console.messages.traced import TracedMail, failure_facts, gathered, person
from console.output import hearing
from console.rules.apply import applied_to_message, sentences
from console.session import opened_mailbox
from console.translation.labels import FILE_COLOURS, RULE_COLOURS, word
from console.web.jobs import Job, JobState
from console.web.mail_access import imported_mail, unimported_mail
from console.web.mail_document import SANDBOX
from console.web.pages.messages import address_of_unimported
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.outcomes import MessageState, Outcome
from db.queries import console_activity, exports
from db.queries.console_activity import Activity
from db.queries.exports import Attachment
from db.queries.trace import TracedMessage
from phrases import Phrase
from processor.on_demand import Selection, Tally

_MAX_FILES: Final = 200
"""Files of rules on the page."""
_MAX_LISTED: Final = 200
"""Recipients of a kind, attachments and headers on the page."""
_MAX_OPENINGS: Final = 50
_KINDS: Final[Mapping[str, Phrase]] = {
    "to": Phrase("To"),
    "cc": Phrase("Cc"),
    "bcc": Phrase("Bcc"),
    "replyTo": Phrase("Reply to"),
}
_STATE_COLOURS: Final = {MessageState.FAILED: "red", MessageState.WAITING: "yellow"}


@dataclass(frozen=True, slots=True)
class _Content:
    """Facts of an imported message beside its trace."""

    facts: Mapping[str, Any]
    attachments: Sequence[Attachment]
    openings: Sequence[Activity]


async def show(visit: Visit) -> web.StreamResponse:
    """An imported e-mail; for htmx the frame of its body alone."""
    if visit.is_partial and visit.query.get("body") == "show":
        visit.require(Role.READER)
        mail = await imported_mail(visit)
        return visit.page("message.html#body", number=mail.found.message_id, shows_body=True, sandbox=SANDBOX)
    mail = await imported_mail(visit)

    def read(connection: Connection) -> tuple[TracedMail, _Content | None]:
        return _traced(connection, mail.key), _content(connection, mail.found.message_id)

    traced, content = await visit.read(read)
    if content is None:  # deleted meanwhile
        raise web.HTTPNotFound
    return _page(visit, traced, mail.account, content)


async def show_unimported(visit: Visit) -> web.StreamResponse:
    """An e-mail that is not imported: it failed, waits, was left out, is a copy, or is gone."""
    graph_id = visit.query.get("graph_id", "")
    key, account = await unimported_mail(visit, graph_id)
    traced = await visit.read(partial(_traced, key=key))
    if traced.committed is not None:
        return visit.redirect(f"/messages/{traced.committed.message_id}")
    if not (traced.attempts or traced.copies or traced.left_out or traced.failure):
        raise web.HTTPNotFound
    return _page(visit, traced, account, None)


def _traced(connection: Connection, key: TracedMessage) -> TracedMail:
    [found] = gathered(connection, [key], most_files=_MAX_FILES)
    return found


def _content(connection: Connection, number: int) -> _Content | None:
    facts = exports.message_of(connection, number, with_body=False)
    if facts is None:
        return None
    attachments = exports.attachments_of(connection, number)
    return _Content(facts, attachments, console_activity.of_message(connection, number, limit=_MAX_OPENINGS))


def _page(visit: Visit, traced: TracedMail, account: str, content: _Content | None) -> web.Response:
    state = _state_of(traced)
    rule_state = traced.rule_state
    number = None if content is None else content.facts["message_id"]
    key = traced.message
    return visit.page(
        "message.html",
        traced=traced,
        account=account,
        number=number,
        state=state,
        state_colour=_STATE_COLOURS.get(state) if state is not None else None,
        rule_state=rule_state,
        rule_colours=RULE_COLOURS,
        file_colours=FILE_COLOURS,
        facts=_facts(traced, account, content),
        recipients=_recipients(content),
        attachments=() if content is None else content.attachments,
        headers=() if content is None else content.facts["headers"],
        mime=None if content is None else content.facts["original"],
        openings=() if content is None else content.openings,
        most=_MAX_LISTED,
        import_path=f"/messages/of/{key.account_id}/import",
        shows_body=visit.query.get("body") == "show",
        sandbox=SANDBOX,
    )


def _state_of(traced: TracedMail) -> MessageState | None:
    """As the log has it; None: it is only under way."""
    if traced.committed is not None:
        return MessageState.IMPORTED
    if traced.failure is not None:
        return MessageState.FAILED if traced.failure.next_attempt is None else MessageState.WAITING
    if traced.copies:
        return MessageState.DUPLICATE
    if traced.left_out is not None:
        return MessageState.FILTERED
    ended = [each for each in traced.attempts if each.outcome == Outcome.GONE]
    return MessageState.REMOVED if ended else None


def _facts(traced: TracedMail, account: str, content: _Content | None) -> list[tuple[Phrase, object]]:
    """Headings and values, those that are known."""
    found: list[tuple[Phrase, object]] = [
        (Phrase("Account"), account),
        (Phrase("Sender"), person(*traced.author)),
        (Phrase("Received"), traced.received),
    ]
    if content is not None:
        facts = content.facts
        sender = person(facts["sender"]["name"], facts["sender"]["address"])
        found += [
            (Phrase("Sent by"), sender if sender != person(*traced.author) else None),
            (Phrase("Sent"), facts["sent"]),
            (Phrase("Imported at"), facts["imported"]),
            (Phrase("Importance"), word(facts["importance"] or "–")),
            (Phrase("Categories"), ", ".join(map(str, facts["categories"])) or None),
            (Phrase("Size"), facts["size"]),
            (Phrase("Rules matched"), facts["rules"]["matched"]),
            (Phrase("Message number"), facts["message_id"]),
        ]
    found += [
        (Phrase("Graph id"), traced.message.graph_id),
        (Phrase("Internet message id"), traced.internet_message_id),
        *failure_facts(traced.failure),
    ]
    if traced.left_out is not None and traced.committed is None:
        found += [(Phrase("Reason"), traced.left_out.reason), (Phrase("Detail"), traced.left_out.rule)]
    return [(heading, value) for heading, value in found if value is not None]


def _recipients(content: _Content | None) -> list[tuple[Phrase, list[str]]]:
    if content is None:
        return []
    named = [(each["kind"], person(each["name"], each["address"]) or "–") for each in content.facts["recipients"]]
    listed = [(heading, [name for kind, name in named if kind == wanted]) for wanted, heading in _KINDS.items()]
    return [(heading, names) for heading, names in listed if names]


# Actions.


async def import_again(visit: Visit) -> web.StreamResponse:
    """Fetch the e-mail again, and replace what is stored."""
    graph_id = await visit.text("graph_id")
    key, account = await unimported_mail(visit, graph_id)
    request = ImportRequest(account, Selection((graph_id,)), force=True)
    back = address_of_unimported(key.account_id or 0, graph_id)
    job = visit.services.jobs.start(visit.user, Phrase("Import again"), partial(_import, visit, request), back=back)
    return visit.redirect(f"/jobs/{job.job_id}")


async def _import(visit: Visit, request: ImportRequest, job: Job) -> Phrase:
    services, author = visit.services, visit.author
    with hearing() as heard:
        try:
            async with opened_mailbox(
                services.settings, services.database, request.name, services.calls, clock=services.clock
            ) as opened:
                tally = await run_import(
                    opened, request, services.settings, services.calls, clock=services.clock, author=author
                )
        except click.ClickException as exc:  # of the settings
            job.state = JobState.FAILED
            return Phrase.verbatim(exc.message)
    for line in heard:
        job.add(line)
    for each in tally.not_imported:
        job.add(Phrase.joined(Phrase.of(each.reason or ""), Phrase.of(each.detail or ""), by=": "))
    failure = failure_of(opened.account, request, tally)
    if failure is not None:
        job.state = JobState.FAILED
        return failure
    return _outcome(tally)


async def apply_rules(visit: Visit) -> web.StreamResponse:
    """Apply the enabled rules to the e-mail."""
    mail = await imported_mail(visit)
    again = await visit.text("again") == "on"
    number = mail.found.message_id
    job = visit.services.jobs.start(
        visit.user, Phrase("Apply rules"), partial(_apply, visit, number, again), back=f"/messages/{number}"
    )
    return visit.redirect(f"/jobs/{job.job_id}")


async def _apply(visit: Visit, number: int, again: bool, job: Job) -> Phrase:  # of the form
    services = visit.services
    with hearing() as heard:
        numbers = await applied_to_message(
            services.settings, services.database, number, again=again, clock=services.clock, author=visit.author
        )
    for line in heard:
        job.add(line)
    return Phrase.joined(*sentences(numbers))


def _outcome(tally: Tally) -> Phrase:
    if tally.replaced:
        return Phrase("The e-mail was imported again.")
    if tally.imported:
        return Phrase("The e-mail was imported.")
    outcomes = {
        Outcome.DUPLICATE: tally.duplicate,
        Outcome.FILTERED: tally.seen,
        Outcome.GONE: tally.gone,
        Outcome.SCANNING: tally.scanning,
    }
    names = [word(each) for each, count in outcomes.items() if count]
    return Phrase("The e-mail was not imported: {outcome}", outcome=Phrase.joined(*names, by=", "))


ROUTES: Routes = (
    page("/messages/{message}", show),
    page("/messages/of/{account}", show_unimported),
    action("/messages/{message}/rules", apply_rules, Role.OPERATOR),
    action("/messages/of/{account}/import", import_again, Role.OPERATOR),
)
