"""Views of accounts: the facts of each, and their display."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from bus.queue import AccountStatus
from console.accounts.settings import filters_shown
from console.output import Column, shown, span
from console.settings import Settings
from console.translation.labels import word
from db.queries import accounts as table
from db.queries import after_import, filtered, folders, missed, scans, subscriptions
from monitoring.evaluation import kind_of
from monitoring.overview import Overview
from phrases import Phrase
from subscriptions.sweep_schedule import SweepSchedule

_FEW: Final = 200
"""Accounts of which only their own rows are read."""
_NOTHING_QUEUED: Final = AccountStatus(None)


def list_columns(rows: list[dict[str, Any]], settings: Settings, now: datetime) -> list[Column]:
    """Columns for all accounts, a row each."""
    return [
        Column("name", Phrase("Account")),
        Column("mailbox", Phrase("Mailbox")),
        Column("enabled", Phrase("Enabled"), priority=2),
        Column("subscription", Phrase("Subscription"), lambda held: _subscription(held, settings, now), priority=1),
        Column("swept", Phrase("Swept"), lambda time: _ago(time, now)),
        Column("imported", Phrase("Imported"), right=True),
        Column("waiting", Phrase("Waiting"), right=True, priority=3),
        Column("failed", Phrase("Failed"), right=True, priority=3, colour=lambda row: "red" if row["failed"] else None),
        *(
            [Column("actions", Phrase("Left to do"), _actions_in_short)]
            if any(_has_actions(each) for each in rows)
            else []
        ),
        *(
            [Column("scanning", Phrase("Wait for Defender's scan"), right=True)]
            if any(each["scanning"] for each in rows)
            else []
        ),
        Column(
            "problems",
            Phrase("Problems"),
            _kinds,
            whole=True,
            priority=3,
            colour=lambda row: "red" if row["problems"] else None,
        ),
    ]


def record_columns(settings: Settings, now: datetime) -> list[Column]:
    """Columns for all facts of one account."""
    return [
        Column("name", Phrase("Account")),
        Column("account_id", Phrase("Number")),
        Column("enabled", Phrase("Enabled")),
        Column("removed", Phrase("Removed"), lambda time: Phrase("no") if time is None else shown(time)),
        Column("tenant_id", Phrase("Tenant id")),
        Column("client_id", Phrase("Client id")),
        Column("user_id", Phrase("User id")),
        Column("address", Phrase("Mailbox")),
        Column("thumbprint", Phrase("Certificate")),
        Column("secure_certificate_access", Phrase("Trusted root needed")),
        Column("folder", Phrase("Folder")),
        Column("after_import", Phrase("After import"), word),
        Column("move_to_folder", Phrase("Move to")),
        Column("next_thumbprint", Phrase("Next certificate")),
        Column("import_since", Phrase("Imports since"), _import_since_shown),
        Column("filters", Phrase("Imports only"), filters_shown),
        Column("console_access", Phrase("Console access"), _groups),
        Column(
            "webhook",
            Phrase("Webhook"),
            lambda url: url or Phrase("none (no notification_url): works on {alone}", alone=_alone(settings)),
        ),
        Column("subscription", Phrase("Subscription"), lambda held: _subscription(held, settings, now)),
        Column("swept", Phrase("Last sweep"), lambda time: _last(time, now)),
        Column("missed_notifications", Phrase("Missed notifications"), _missed),
        Column("imported", Phrase("Imported")),
        Column("seen", Phrase("Left out by filters")),
        Column("scanning", Phrase("Wait for Defender's scan")),
        Column("actions", Phrase("Left to do"), _actions),
        Column("waiting", Phrase("Waiting")),
        Column("failed", Phrase("Failed")),
        Column("conditions", Phrase("Conditions found"), _conditions),
        Column("problems", Phrase("Problems"), _texts),
    ]


def removed_columns() -> list[Column]:
    """Columns for removed accounts, a row each."""
    return [
        Column("name", Phrase("Account"), priority=1),
        Column("account_id", Phrase("Number"), right=True),
        Column("user_id", Phrase("Mailbox")),
        Column("folder", Phrase("Folder")),
        Column("removed", Phrase("Removed"), whole=True),
        Column("imported", Phrase("Messages"), right=True),
    ]


def removed_rows(connection: Connection, found: list[table.Account]) -> list[dict[str, Any]]:
    """Return these removed accounts, with the numbers of their messages."""
    numbers = [each.account_id for each in found]
    counts = table.imported_counts(connection, numbers if len(numbers) <= _FEW else None)
    return [
        {
            "account_id": each.account_id,
            "name": each.settings.name,
            "tenant_id": each.settings.tenant_id,
            "user_id": each.settings.user_id,
            "folder": each.settings.folder,
            "removed": each.removed_at,
            "imported": counts.get(each.account_id, 0),
        }
        for each in found
    ]


def _sweep_seconds(settings: Settings) -> int | None:
    """Seconds between regular sweeps of a folder; None: never."""
    pause = SweepSchedule.of_settings(settings.sweep_interval, settings.notification_url).next_interval()
    return None if pause is None else int(pause.total_seconds())


def rows(
    connection: Connection, found: list[table.Account], settings: Settings, overview: Overview
) -> list[dict[str, Any]]:
    """Return all facts of these accounts."""
    numbers = [each.account_id for each in found]
    few = numbers if len(numbers) <= _FEW else None
    addresses = table.addresses(connection, few)
    queue = overview.facts.queue
    queued = {} if queue is None else {each.account_id: each for each in queue.accounts}
    problems = _problems(overview)
    held = subscriptions.held(connection, few)
    counts = table.imported_counts(connection, few)
    left_out = filtered.counts(connection, few)
    scanning = scans.counts(connection, few)
    swept = folders.swept(connection, few)
    silence = missed.summaries(connection, few)
    actions = after_import.counts(connection, few)

    def address_of(account: table.Account) -> str | None:
        user_id = account.settings.user_id
        return addresses.get(account.account_id) or (user_id if "@" in user_id else None)

    troubles: dict[int, list[dict[str, Any]]] = {}
    for each in table.conditions(connection, account_ids=few):
        troubles.setdefault(each.account_id, []).append(
            {
                "role": each.role,
                "reason": each.reason,
                "detail": each.detail,
                "since": each.since,
                "next_attempt": each.next_attempt,
            }
        )
    conditions = {each.account_id: [*_unusable(each), *troubles.get(each.account_id, [])] for each in found}
    return [
        {
            "account_id": account.account_id,
            "name": account.settings.name,
            "enabled": account.enabled,
            "removed": account.removed_at,
            "tenant_id": account.settings.tenant_id,
            "client_id": account.settings.client_id,
            "user_id": account.settings.user_id,
            "address": address_of(account),
            "mailbox": address_of(account) or account.settings.user_id,
            "thumbprint": account.settings.thumbprint,
            "secure_certificate_access": account.settings.secure_certificate_access,
            "folder": account.settings.folder,
            "after_import": account.settings.after_import,
            "move_to_folder": account.settings.move_to_folder,
            "next_thumbprint": account.settings.next_thumbprint,
            "import_since": account.settings.import_since,
            "filters": asdict(account.settings.filters),
            "console_access": account.settings.console_access,
            "webhook": _webhook(held.get(account.account_id), settings),
            "subscription": _held(held.get(account.account_id)),
            "sweep_seconds": _sweep_seconds(settings),
            "swept": swept.get(account.account_id),
            "missed_notifications": _silence(silence.get(account.account_id)),
            "imported": counts.get(account.account_id, 0),
            "seen": left_out.get(account.account_id, 0),
            "scanning": scanning.get(account.account_id, 0),
            "actions": asdict(actions.get(account.account_id, after_import.Counts())),
            "waiting": None if queue is None else queued.get(account.account_id, _NOTHING_QUEUED).outstanding,
            "failed": None if queue is None else queued.get(account.account_id, _NOTHING_QUEUED).dead,
            "conditions": conditions[account.account_id],
            "problems": _with_conditions(problems.get(account.account_id, []), conditions[account.account_id]),
        }
        for account in found
    ]


def _problems(overview: Overview) -> dict[int, list[dict[str, Any]]]:
    """The problems of each account that has some of its own."""
    found: dict[int, list[dict[str, Any]]] = {}
    for each in overview.problems:
        if each.account_id is not None:
            found.setdefault(each.account_id, []).append(
                {"kind": each.kind.value, "since": each.since, "text": each.text}
            )
    return found


def _with_conditions(problems: list[dict[str, Any]], conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the problems that the account shares with others, as its conditions show."""
    found = list(problems)
    for each in conditions:
        kind = kind_of(each["role"], each["reason"]).value
        if all(known["kind"] != kind for known in found):
            found.append({"kind": kind, "since": each["since"], "text": each["detail"]})
    return found


def _unusable(account: table.Account) -> list[dict[str, Any]]:
    """The condition that its row itself shows, detected by a role or not."""
    if account.unreadable_because is None:
        return []
    return [
        {
            "role": "row",
            "reason": "AccountUnusable",
            "detail": account.unreadable_because,
            "since": None,
            "next_attempt": None,
        }
    ]


def _held(subscription: subscriptions.HeldSubscription | None) -> dict[str, Any] | None:
    if subscription is None:
        return None
    return {"id": subscription.subscription_id, "state": subscription.state, "expires": subscription.expires}


def _silence(summary: missed.MissedSummary | None) -> dict[str, Any]:
    if summary is None:
        return {"count": 0, "latest": None}
    return {"count": summary.count, "latest": summary.latest}


def _missed(summary: dict[str, Any]) -> Phrase:
    if not summary["count"]:
        return Phrase("none")
    latest = shown(summary["latest"])
    return Phrase("{count} in 90 days, of mail received until {latest}", count=summary["count"], latest=latest)


def _has_actions(row: dict[str, Any]) -> bool:
    return any(row["actions"].values())


def _kinds(problems: list[dict[str, Any]]) -> Phrase:
    return Phrase.joined(*(word(each["kind"]) for each in problems), by=", ")


def _texts(problems: list[dict[str, Any]]) -> Phrase:
    found = (Phrase("{kind}: {text}", kind=word(each["kind"]), text=each["text"]) for each in problems)
    return Phrase.joined(*found, by=" ") if problems else Phrase("none")


def _actions_in_short(counts: dict[str, int]) -> Phrase:
    found = (Phrase.joined(Phrase.of(count), word(state)) for state, count in counts.items() if count)
    return Phrase.joined(*found, by=", ")


def _actions(counts: dict[str, int]) -> Phrase:
    if not any(counts.values()):
        return Phrase("nothing")
    left = Phrase("{pending} messages, {failed} failed.", pending=counts["pending"], failed=counts["failed"])
    again = Phrase("Try them again: mail-importer accounts retry-actions NAME")
    return Phrase.joined(left, again) if counts["failed"] else left


def _webhook(held: subscriptions.HeldSubscription | None, settings: Settings) -> str | None:
    """The URL that Graph notifies, or is to. The database is right even where this host has other settings."""
    if held is not None:
        return held.notification_url
    return None if settings.notification_url is None else f"{settings.notification_url}/notifications"


def _alone(settings: Settings) -> Phrase:
    return Phrase("sweeps alone, every {seconds} s", seconds=_sweep_seconds(settings))


def _import_since_shown(since: datetime | None) -> str:
    if since is None:
        return Phrase("not decided yet: a subscription manager does it")
    return Phrase("always") if since == table.EVERYTHING else shown(since)


def _groups(groups: tuple[str, ...]) -> str:
    return ", ".join(groups) if groups else Phrase("all users")


def _ago(time: datetime | None, now: datetime) -> Phrase:
    return Phrase("never") if time is None else Phrase("{span} ago", span=span(now - time))


def _last(time: datetime | None, now: datetime) -> Phrase:
    if time is None:
        return Phrase("never")
    return Phrase.joined(Phrase.of(shown(time)), _ago(time, now), by=", ")


def _subscription(held: dict[str, Any] | None, settings: Settings, now: datetime) -> Phrase:
    if held is None:
        return Phrase("none") if settings.notification_url is not None else _alone(settings)
    if held["expires"] <= now:
        return Phrase("expired {span} ago", span=span(now - held["expires"]))
    left = Phrase("{span} left", span=span(held["expires"] - now))
    return left if held["state"] == "active" else Phrase.joined(word(held["state"]), left, by=", ")


def _conditions(conditions: list[dict[str, Any]]) -> Phrase:
    return Phrase.joined(*map(_condition, conditions)) if conditions else Phrase("none")


def _condition(condition: dict[str, Any]) -> Phrase:
    if condition["since"] is None:
        return Phrase.joined(Phrase.of(condition["detail"]))
    return Phrase(
        "{role}: {reason} since {since}: {detail} Next attempt at {next_attempt}.",
        role=word(condition["role"]),
        reason=condition["reason"],
        since=shown(condition["since"]),
        detail=condition["detail"],
        next_attempt=shown(condition["next_attempt"]),
    )
