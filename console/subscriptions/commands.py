"""`mail-importer subscriptions`: list, sync and delete the webhooks at Microsoft Graph."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import click
from sqlalchemy import Connection

from console.audit import audited
from console.confirmation import confirm
from console.invocation import (
    Invocation,
    account_names,
    as_stored,
    as_stored_each,
    example,
    pass_invocation,
)
from console.loop import run_async
from console.output import Column, Listing, Record, failure, prints_data, shown, tell, wrong_usage
from console.subscriptions.session import Found, OpenedSubscriptions, opened_subscriptions
from console.translation.help import Command, Group
from console.translation.labels import word
from db.queries import accounts
from db.queries import subscriptions as table
from graph.errors import GraphError
from phrases import Phrase
from subscriptions.comparison import State
from subscriptions.drift import Drift, repair

_AT_ONCE: Final = 500
_OURS: Final = frozenset({State.ACTIVE, State.PENDING, State.SURPLUS})


@click.group(cls=Group, epilog=example("mail-importer subscriptions list"))
def subscriptions() -> None:
    """Compare Graph's subscriptions with those of the database, and correct what differs.

    The subscription manager does so by itself, at its start and every hour; mail-importer accounts list shows the
    subscription of each account as the database has it.
    """


# List.


@subscriptions.command(
    "list",
    cls=Command,
    epilog=example("mail-importer subscriptions list", "mail-importer subscriptions list --account laboratory --json"),
)
@click.option(
    "--account",
    metavar="NAME",
    callback=as_stored,
    shell_complete=account_names,
    help="Only that of this account.",
)
@prints_data
@pass_invocation
def list_(invocation: Invocation, account: str | None) -> Listing:
    """List the subscriptions that Graph has for the applications of all accounts, and what differs.

    States: active; gone, Graph has it no more; missing, an enabled account has none; pending, an account is about to
    hold it; surplus, Graph has it for this installation and no account holds it; other, it belongs to another
    installation or program with the same application.
    """
    found, failures = run_async(_listed(invocation, account))
    rows = [_row(each) for each in found if account is None or each.account == account]
    rows.sort(key=lambda row: (row["account"] is None, row["account"] or "", row["state"]))
    return Listing(
        _COLUMNS,
        rows,
        empty=Phrase("There is no subscription, and none is needed."),
        failure=_incomplete(failures),
        details=_DETAILS,
    )


async def _listed(invocation: Invocation, account: str | None) -> tuple[list[Found], int]:
    async with opened_subscriptions(invocation) as opened:
        return await opened.all(of_account=account)


_COLUMNS: Final = (
    Column("account", Phrase("Account"), priority=2),
    Column("state", Phrase("State"), show=word, priority=3),
    Column("expires", Phrase("Expires"), show=lambda expires: "–" if expires is None else shown(expires), priority=1),
    Column("subscription_id", Phrase("Subscription"), whole=True),
)
_DETAILS: Final = (
    Column("resource", Phrase("Resource")),
    Column("notification_url", Phrase("Address")),
)


def _row(found: Found) -> dict[str, Any]:
    each = found.subscription
    return {
        "account": found.account,
        "state": each.state.value,
        "expires": each.expires,
        "subscription_id": each.subscription_id,
        "resource": each.resource,
        "notification_url": each.notification_url,
        "tenant_id": found.application.tenant_id,
        "client_id": found.application.client_id,
    }


def _incomplete(failures: int) -> Phrase | None:
    if not failures:
        return None
    return Phrase.counted(
        "The subscriptions of {n} application could not be read.",
        "The subscriptions of {n} applications could not be read.",
        n=failures,
    )


# Sync.


@subscriptions.command(cls=Command, epilog=example("mail-importer subscriptions sync"))
@prints_data
@pass_invocation
def sync(invocation: Invocation) -> Record:
    """Correct now what differs between Graph and the database, as the manager does every hour.

    Deletes at Graph what no account holds, and has a running subscription manager create what is gone or missing.
    Subscriptions of other installations stay.
    """
    facts, failures = run_async(_synchronised(invocation))
    if facts["requested"]:
        tell(Phrase("A running subscription manager creates the missing ones within seconds."))
    return Record(
        [
            Column("listed", Phrase("At Graph")),
            Column("deleted", Phrase("Surplus, deleted")),
            Column("gone", Phrase("Gone")),
            Column("requested", Phrase("Accounts without one, due now")),
        ],
        facts,
        _incomplete(failures),
    )


async def _synchronised(invocation: Invocation) -> tuple[dict[str, int], int]:
    async with opened_subscriptions(invocation) as opened:
        if opened.notification_url is None:
            raise failure(Phrase("notification_url is not set: there are no subscriptions; folders are swept instead."))
        drift = Drift()
        failures = requested = 0
        for application in await opened.database.read(accounts.applications):
            try:
                await repair(
                    opened.database,
                    opened.client,
                    application,
                    drift,
                    notification_url=opened.notification_url,
                    clock=invocation.clock,
                )
            except GraphError as error:
                tell(Phrase.of(error))
                failures += 1
            waiting = await opened.database.read(partial(accounts.unsubscribed, application=application))
            numbers = [each.account_id for each in waiting]
            for start in range(0, len(numbers), _AT_ONCE):
                some = numbers[start : start + _AT_ONCE]
                await opened.database.write(partial(_make_due, account_ids=some, now=invocation.clock()))
            requested += len(numbers)
        facts = {"listed": drift.listed, "deleted": drift.deleted, "gone": drift.gone, "requested": requested}
        return facts, failures


def _make_due(connection: Connection, account_ids: Sequence[int], now: datetime) -> None:
    for each in account_ids:
        accounts.make_due(connection, each, now=now)


# Delete.


@subscriptions.command(
    cls=Command,
    epilog=example(
        "mail-importer subscriptions delete --id 7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
        "mail-importer subscriptions delete --all --why 'moved to another host'",
    ),
)
@click.option(
    "--id", "ids", metavar="ID", multiple=True, callback=as_stored_each, help="The one with this id; may be repeated."
)
@click.option(
    "--account", metavar="NAME", callback=as_stored, shell_complete=account_names, help="Only those of this account."
)
@click.option("--all", "everything", is_flag=True, help="All of this installation.")
@click.option("--why", metavar="TEXT", help="Reason, for the record (mail-importer queue audit).")
@click.option("--yes", is_flag=True, help="Do not prompt.")
@prints_data
@pass_invocation
def delete(
    invocation: Invocation,
    ids: tuple[str, ...],
    account: str | None,
    everything: bool,
    why: str | None,
    yes: bool,
) -> Record:
    """Delete subscriptions at Graph: of an account, of all this installation, or by their ids.

    One of another installation or program is deleted by its id alone. An enabled account gets another from a running
    subscription manager: disable it first to be without, or stop the managers before the installation is given up.
    """
    if sum((bool(ids), account is not None, everything)) != 1:
        raise wrong_usage(Phrase("Name what to delete: --id, --account or --all."))
    deleted, failures = run_async(_deleted(invocation, ids, account, why, yes=yes))
    reason = Phrase("Not all could be deleted; see above.") if failures else None
    return Record([Column("deleted", Phrase("Deleted"))], {"deleted": deleted}, reason)


async def _deleted(
    invocation: Invocation, ids: tuple[str, ...], account: str | None, why: str | None, *, yes: bool
) -> tuple[int, int]:
    async with opened_subscriptions(invocation) as opened:
        found, failures = await opened.all(of_account=account, even_idle=True)
        wanted = {each.lower() for each in ids}
        chosen = _chosen(found, wanted, account)
        if len(chosen) < len(wanted):
            raise failure(
                Phrase("Some of the ids are of no subscription. See: mail-importer subscriptions list --json")
            )
        if not chosen:
            return 0, failures
        confirm(
            Phrase.counted(
                "Delete {n} subscription at Microsoft Graph?",
                "Delete {n} subscriptions at Microsoft Graph?",
                n=len(chosen),
            ),
            yes=yes,
        )
        done = 0
        async with audited(
            opened.database,
            action="subscriptions delete",
            selection=_selection(ids, account),
            done=lambda: done,
            clock=invocation.clock,
            why=why,
        ):
            for each in chosen:
                try:
                    await _delete(opened, each, invocation.clock())
                except GraphError as error:
                    tell(Phrase.of(error))
                    failures += 1
                else:
                    done += 1
        return done, failures


def _chosen(found: Sequence[Found], ids: Collection[str], account: str | None) -> list[Found]:
    there = [each for each in found if each.subscription.subscription_id is not None]
    if ids:
        return [each for each in there if str(each.subscription.subscription_id).lower() in ids]
    ours = [each for each in there if each.subscription.state in _OURS]
    return [each for each in ours if account is None or each.account == account]


def _selection(ids: tuple[str, ...], account: str | None) -> str:
    if ids:
        return " ".join(f"--id {each}" for each in ids)
    return "all" if account is None else f"--account {account}"


async def _delete(opened: OpenedSubscriptions, found: Found, now: datetime) -> None:
    """Delete it at Graph, then the row of the account that holds it, whose manager makes another."""
    each = found.subscription
    await opened.client.delete(found.application, str(each.subscription_id))
    if each.account_id is not None:
        lose = partial(table.lose, account_id=each.account_id, subscription_id=each.subscription_id, now=now)
        await opened.database.write(lose)
