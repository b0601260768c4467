"""The overview as one screen, and as one line for a monitoring system."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from console.output import Column, Listing, Record, shown, span
from console.translation.labels import word
from console.translation.language import translated
from db.queries.installation import AccountTotals
from db.queries.problems import Problem, Severity
from monitoring.overview import Overview, Verdict
from phrases import Phrase

_MAX_ACCOUNTS: Final = 20
_MAX_IN_LINE: Final = 3
_MAX_TEXT: Final = 1000
"""Characters of a problem's text in one line: NRPE, for one, passes on a few thousand in all."""

VERDICTS: Final = {
    Verdict.OK: Phrase("OK: nothing needs a person"),
    Verdict.DEGRADED: Phrase("DEGRADED: mail is imported, and something needs a person"),
    Verdict.DOWN: Phrase("DOWN: no mail is imported"),
}
_NOT_KNOWN: Final = Phrase("not known")
_NAGIOS_WORDS: Final = ("OK", "WARNING", "CRITICAL")


def screen(overview: Overview) -> Iterator[Record | Listing]:
    """The parts of the screen, from top to bottom."""
    data, now = overview.data(), overview.facts.now
    yield summary(data, now)
    if overview.problems:
        yield _problems(data["problems"], now)
    if data["roles"]:
        yield roles_listing([each for each in data["roles"] if each["process"] not in overview.replaced], now)
    named = {each["account"] for each in data["problems"]}
    troubled = [each for each in data["accounts"] if each["failed"] or each["name"] in named]
    if troubled:
        yield _accounts(troubled[:_MAX_ACCOUNTS], now)


def summary(data: dict[str, Any], now: datetime, totals: AccountTotals | None = None) -> Record:
    """The facts of `Overview.data` in short. `totals`: of the accounts, where these are left out."""
    counted = totals or AccountTotals(len(data["accounts"]), sum(each["enabled"] for each in data["accounts"]))
    is_known = data["schema"]["current"] is not None
    columns = [
        Column("verdict", Phrase("Verdict"), lambda code: VERDICTS[Verdict(code)], colour=_colour_of_verdict),
        Column("services", Phrase("Services"), lambda found: _services(found, now)),
        Column("queue", Phrase("Queue"), _queue),
        Column("delivery", Phrase("Delivery"), lambda found: _delivery(found) if is_known else _NOT_KNOWN),
        Column("last_imported", Phrase("Last import"), lambda time: _ago(time, now)),
        Column(
            "accounts",
            Phrase("Accounts"),
            lambda _: _enabled(counted.in_use, counted.enabled) if is_known else _NOT_KNOWN,
        ),
        Column(
            "certificates", Phrase("Certificates"), lambda found: _certificates(found, now) if is_known else _NOT_KNOWN
        ),
        Column("schema", Phrase("Schema"), _schema),
        Column("checked", Phrase("Checked")),
    ]
    return Record(columns, data)


def _services(services: list[dict[str, Any]], now: datetime) -> Phrase:
    if all(each["reachable"] is None for each in services):
        return Phrase("not known: no role that calls them is alive")
    return Phrase.joined(*(_service(each, now) for each in services), by=", ")


def _service(service: dict[str, Any], now: datetime) -> Phrase:
    name = word(service["service"])
    if service["reachable"]:
        return Phrase("{service} answers", service=name)
    return Phrase("{service} does not answer for {span}", service=name, span=span(now - service["since"]))


def _queue(queue: dict[str, Any]) -> Phrase:
    if queue["waiting"] is None:
        return _NOT_KNOWN
    parts = [
        Phrase("{n} waiting", n=queue["waiting"]),
        Phrase.counted("{n} scheduled", "{n} scheduled", n=queue["scheduled"]),
        Phrase("{n} in work", n=queue["in_work"]) if queue["in_work"] is not None else Phrase(""),
    ]
    if queue["oldest_age_seconds"] is not None:
        parts.append(Phrase("the oldest {span} old", span=span(timedelta(seconds=queue["oldest_age_seconds"]))))
    dead = Phrase.counted("{n} dead letter", "{n} dead letters", n=queue["dead_letters"])
    reasons = [
        Phrase(
            "{count} × {reason} ({account})",
            count=each["count"],
            reason=each["reason"],
            account=each["account"] or "–",
        )
        for each in queue["dead_letter_reasons"][:5]
    ]
    if reasons:
        dead = Phrase("{dead}: {reasons}", dead=dead, reasons=Phrase.joined(*reasons, by=", "))
    return Phrase.joined(*parts, dead, by=", ")


def _delivery(found: dict[str, Any]) -> Phrase:
    waiting, failed = found["waiting_files"], found["failed_files"]
    if not (found["rules"] or waiting or failed):
        return Phrase("no import rule is enabled")
    parts = [
        Phrase.counted("{n} rule", "{n} rules", n=found["rules"]),
        Phrase.counted("{n} message not checked yet", "{n} messages not checked yet", n=found["unchecked_messages"]),
        Phrase.counted("{n} file waiting", "{n} files waiting", n=waiting),
        Phrase.counted("{n} failed", "{n} failed", n=failed),
    ]
    if found["oldest_due_age_seconds"] is not None:
        parts.append(Phrase("the oldest {span} old", span=span(timedelta(seconds=found["oldest_due_age_seconds"]))))
    hosts = ", ".join(found["hosts"][:_MAX_IN_LINE]) + (", …" if len(found["hosts"]) > _MAX_IN_LINE else "")
    parts.append(Phrase("saved by {hosts}", hosts=hosts) if hosts else Phrase("no delivery is alive"))
    return Phrase.joined(*parts, by=", ")


def _enabled(total: int, enabled: int) -> Phrase:
    return Phrase("{enabled} enabled of {total}", enabled=enabled, total=total)


def _certificates(found: list[dict[str, Any]], now: datetime) -> Phrase:
    known = [each for each in found if each["expires"] is not None]
    if not known:
        return Phrase("none here") if not found else Phrase("not in the store of this host")
    first = min(known, key=lambda each: each["expires"])
    if first["expires"] <= now:
        return Phrase(
            "{thumbprint} ended {span} ago", thumbprint=first["thumbprint"], span=span(now - first["expires"])
        )
    return Phrase("{thumbprint} ends in {span}", thumbprint=first["thumbprint"], span=span(first["expires"] - now))


def _schema(schema: dict[str, Any]) -> Phrase:
    if schema["current"] is None:
        return _NOT_KNOWN
    return Phrase.verbatim(schema["current"])


def _problems(problems: list[dict[str, Any]], now: datetime) -> Listing:
    columns = [
        Column("severity", Phrase("Severity"), word, colour=_colour_of_severity),
        Column("kind", Phrase("Problem"), word, priority=3),
        Column("account", Phrase("Account"), priority=2),
        Column("since", Phrase("Since"), lambda time: _ago(time, now), priority=1),
        Column("count", Phrase("Count"), right=True),
    ]
    details = [Column("text", Phrase("Cause")), Column("remedy", Phrase("Remedy"))]
    return Listing(columns, problems, empty=Phrase(""), details=details)


def _colour_of_severity(row: Mapping[str, Any]) -> str:
    return "red" if row["severity"] == Severity.ERROR else "yellow"


def _colour_of_verdict(row: Mapping[str, Any]) -> str | None:
    return {Verdict.DOWN: "red", Verdict.DEGRADED: "yellow"}.get(Verdict(row["verdict"]))


def roles_listing(roles: list[dict[str, Any]], now: datetime) -> Listing:
    """The roles of all processes that are known."""
    columns = [
        Column("role", Phrase("Role"), word),
        Column("host", Phrase("Host"), priority=3),
        Column("version", Phrase("Version")),
        Column("alive", Phrase("Alive"), priority=2, colour=lambda row: None if row["alive"] else "red"),
        Column("started", Phrase("Runs for"), lambda time: span(now - time)),
        Column("heartbeat", Phrase("Heartbeat"), lambda time: _ago(time, now)),
    ]
    return Listing(columns, roles, empty=Phrase(""))


def _accounts(accounts: list[dict[str, Any]], now: datetime) -> Listing:
    columns = [
        Column("name", Phrase("Account in trouble")),
        *([Column("address", Phrase("Mailbox"))] if any(each["address"] for each in accounts) else []),
        Column("waiting", Phrase("Waiting"), right=True),
        Column("failed", Phrase("Failed"), right=True, priority=1),
        Column("last_imported", Phrase("Last import"), lambda time: _ago(time, now)),
        Column("last_swept", Phrase("Last sweep"), lambda time: _ago(time, now)),
    ]
    return Listing(columns, accounts, empty=Phrase(""))


def _ago(time: datetime | None, now: datetime) -> str:
    return shown(None) if time is None else Phrase("{span} ago", span=span(now - time))


def nagios_status(overview: Overview) -> int:
    """The exit status of a plugin: 0 OK, 1 WARNING, 2 CRITICAL (https://www.monitoring-plugins.org/doc/guidelines.html)."""
    if not overview.problems:
        return 0
    return 2 if any(each.severity is Severity.ERROR for each in overview.problems) else 1


def nagios_line(overview: Overview) -> Phrase:
    """One line with performance data, which a bar begins: the texts have none, and are cut."""
    queue = overview.queue_data()
    figures = {
        "problems": len(overview.problems),
        "waiting": queue["waiting"],
        "scheduled": queue["scheduled"],
        "dead_letters": queue["dead_letters"],
        "oldest": queue["oldest_age_seconds"],
        **_of_files(overview),
    }
    performance = " ".join(
        f"{name}={'U' if value is None else value}{'s' if name == 'oldest' and value is not None else ''}"
        for name, value in figures.items()
    )
    worst = sorted(overview.problems, key=lambda each: each.severity is not Severity.ERROR)
    text = Phrase.joined(*map(_in_short, worst[:_MAX_IN_LINE]), by="; ") or VERDICTS[Verdict.OK]
    return Phrase(
        "MAIL-IMPORTER {status} - {text} | {performance}",
        status=_NAGIOS_WORDS[nagios_status(overview)],
        text=text,
        performance=performance,
    )


def _of_files(overview: Overview) -> dict[str, int]:
    """The figures of the delivery, where there is one."""
    found = overview.delivery_data()
    if not (found["rules"] or found["waiting_files"] or found["failed_files"]):
        return {}
    return {"files_waiting": found["waiting_files"], "files_failed": found["failed_files"]}


def _in_short(problem: Problem) -> Phrase:
    return Phrase("{kind}: {text}", kind=problem.kind.value, text=_without_bars(problem.text))


def _without_bars(text: str) -> str:
    """The text, translated, without bars, which the name of an account may have, and within bounds."""
    plain = translated(text).replace("|", "¦")
    return plain if len(plain) <= _MAX_TEXT else plain[: _MAX_TEXT - 1] + "…"
