"""Problems found from facts, one for one cause. Pure: the same facts give the same problems.

A cause that concerns many accounts is one problem that counts them: an outage of a service, a refused application, a
certificate. What is of single accounts is a problem each, up to FEW; of more accounts of one application, it is one.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from availability import Service
from db.leases import age
from db.queries.installation import ConditionFact
from db.queries.outages import KnownOutage
from db.queries.problems import NO_ACCOUNT, Problem, ProblemKind, Severity
from db.queries.processes import DELIVERY, PROCESSOR, SUBSCRIPTIONS, KnownProcess
from monitoring.delivery_problems import OF_DELIVERIES, problems_of_delivery
from monitoring.enumeration import FEW, listed
from monitoring.facts import Disk, Facts
from phrases import Phrase
from phrases.commands import quoted

NOT_DRAINED_AFTER: Final = timedelta(minutes=5)
MAX_CLOCK_SECONDS: Final = 10.0
"""Difference of two hosts' clocks from which it is a problem."""

_FORGOTTEN_AFTER: Final = timedelta(days=2)
"""A target that was not tried for so long shows no failure any more: no alerts are configured, or none are due."""
_GIB: Final = 1024**3
_UNREACHED: Final = frozenset({"GraphUnavailable", "TookTooLong"})
"""Reasons of conditions that an outage explains."""
_AFTER_IMPORT: Final = "afterimport"
_BY_CERTIFICATE: Final = frozenset(
    {
        ProblemKind.CERTIFICATE_ENDS,
        ProblemKind.CERTIFICATE_ENDED,
        ProblemKind.CERTIFICATE_NOT_FOUND,
        ProblemKind.CERTIFICATE_KEY_UNREADABLE,
        ProblemKind.CERTIFICATE_UNUSABLE,
        ProblemKind.CERTIFICATE_REPLACED,
    }
)
_KIND_BY_REASON: Final = {
    "SignInRefused": ProblemKind.SIGN_IN_REFUSED,
    "AccessDenied": ProblemKind.MAILBOX_REFUSED,
    "MailboxNotFound": ProblemKind.MAILBOX_REFUSED,
    "FolderNotFound": ProblemKind.FOLDER_NOT_FOUND,
    "AccountUnusable": ProblemKind.SETTINGS_UNUSABLE,
    "FiltersInvalid": ProblemKind.SETTINGS_UNUSABLE,
    "NotificationsMissed": ProblemKind.NOTIFICATIONS_MISSED,
    "EndpointNotValidated": ProblemKind.SUBSCRIPTION_FAILING,
    "NextCertificateInUse": ProblemKind.CERTIFICATE_REPLACED,
    "CertificateExpires": ProblemKind.CERTIFICATE_ENDS,
    "CertificateExpired": ProblemKind.CERTIFICATE_ENDED,
    "CertificateNotYetValid": ProblemKind.CERTIFICATE_UNUSABLE,
    "CertificateNotFound": ProblemKind.CERTIFICATE_NOT_FOUND,
    "CertificateInOtherStore": ProblemKind.CERTIFICATE_NOT_FOUND,
    "CertificateStoreUnreadable": ProblemKind.CERTIFICATE_NOT_FOUND,
    "CertificateKeyMissing": ProblemKind.CERTIFICATE_KEY_UNREADABLE,
    "CertificateKeyUnreadable": ProblemKind.CERTIFICATE_KEY_UNREADABLE,
    "CertificatePasswordMissing": ProblemKind.CERTIFICATE_KEY_UNREADABLE,
    "CertificatePasswordWrong": ProblemKind.CERTIFICATE_KEY_UNREADABLE,
    "CertificateSigningFailed": ProblemKind.CERTIFICATE_KEY_UNREADABLE,
}
_KIND_BY_ROLE: Final = {
    "subscriptions": ProblemKind.SUBSCRIPTION_FAILING,
    "sweep": ProblemKind.SWEEP_FAILING,
    "notifications": ProblemKind.NOTIFICATIONS_MISSED,
    "certificate": ProblemKind.CERTIFICATE_UNUSABLE,
    _AFTER_IMPORT: ProblemKind.AFTER_IMPORT_FAILING,
}
_THUMBPRINT: Final = re.compile(r"\b[0-9A-F]{40}\b")
_WARNINGS: Final = frozenset(
    {
        ProblemKind.AFTER_IMPORT_FAILING,
        ProblemKind.CERTIFICATE_ENDS,
        ProblemKind.CERTIFICATE_REPLACED,
        ProblemKind.NOTIFICATIONS_MISSED,
        ProblemKind.SUBSCRIPTION_FAILING,
    }
)
"""Kinds of conditions while which mail is imported nevertheless: sweeps find what no notification names."""


def evaluate(facts: Facts) -> list[Problem]:
    """All problems at that moment, in no particular order."""
    return [
        *_outages(facts),
        *_conditions(facts),
        *_roles(facts),
        *_queue(facts),
        *_failing(facts),
        *_failed_actions(facts),
        *_clocks(facts),
        *_disk(facts.disk),
        *_targets_of_alerts(facts),
        *problems_of_delivery(facts),
    ]


def shared_causes(conditions: Iterable[ConditionFact]) -> dict[int, set[tuple[str, str]]]:
    """By account, kind and scope of the problem that each of its conditions is where many accounts have it."""
    found: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for each in conditions:
        kind = kind_of(each.role, each.reason)
        found[each.account_id].add((kind, _scope_of(_shared_by(kind, each))))
    return found


def hidden(facts: Facts) -> set[ProblemKind]:
    """The kinds of which some problems may not be found now: an outage explains them, the queue was not counted, or no
    delivery is alive that would show them.

    Those that were open before are not over for that.
    """
    kinds: set[ProblemKind] = set()
    if _unreached(facts):
        kinds |= {kind_of(each.role, each.reason) for each in facts.stored.conditions if each.reason in _UNREACHED}
        kinds |= {ProblemKind.MESSAGES_FAILING} if facts.stored.failing else set()
    if facts.queue is None or not facts.queue.complete:
        kinds |= {ProblemKind.DEAD_LETTERS, ProblemKind.QUEUE_NOT_DRAINED}
    if facts.stored.deliveries.is_used and not facts.has(DELIVERY):
        kinds |= OF_DELIVERIES
    return kinds


# --- Services ---


def _outages(facts: Facts) -> Iterator[Problem]:
    graph, sign_in = facts.outages_of(Service.GRAPH), facts.outages_of(Service.SIGN_IN)
    credentials = facts.outages_of(Service.CREDENTIALS)
    if graph and sign_in:
        # One cause, most likely: the network between.
        yield _outage(
            ProblemKind.GRAPH_UNREACHABLE,
            Phrase(
                "Neither Microsoft Graph nor its sign-in service can be reached from {hosts}: {why}.", **_shown(graph)
            ),
            _NETWORK,
            [*graph, *sign_in],
        )
    elif graph:
        yield _outage(
            ProblemKind.GRAPH_UNREACHABLE,
            Phrase("Microsoft Graph cannot be reached from {hosts}: {why}.", **_shown(graph)),
            _NETWORK,
            graph,
        )
    elif sign_in:
        yield _outage(
            ProblemKind.SIGN_IN_UNREACHABLE,
            Phrase("Microsoft's sign-in service cannot be reached from {hosts}: {why}.", **_shown(sign_in)),
            _NETWORK,
            sign_in,
        )
    if credentials and not (graph and sign_in):
        yield _outage(
            ProblemKind.CREDENTIALS_UNREACHABLE,
            Phrase(
                "The certificate store or the identity with which to sign in does not answer on {hosts}: {why}.",
                **_shown(credentials),
            ),
            _CREDENTIALS,
            credentials,
        )
    queue = facts.outages_of(Service.QUEUE)
    if queue:
        yield _outage(
            ProblemKind.QUEUE_UNREACHABLE,
            Phrase("The queue cannot be reached from {hosts}: {why}", **_shown(queue)),
            _QUEUE,
            queue,
        )


def _unreached(facts: Facts) -> bool:
    """True while a live process cannot reach Graph, the sign-in service, or what signs in there."""
    return bool(facts.outages_of(Service.GRAPH, Service.SIGN_IN, Service.CREDENTIALS))


def _outage(kind: ProblemKind, text: Phrase, remedy: Phrase, found: Sequence[KnownOutage]) -> Problem:
    return Problem(
        kind,
        Severity.ERROR,
        text,
        remedy,
        since=min(each.since for each in found),
        count=max(1, *(each.accounts for each in found)),
    )


def _shown(found: Sequence[KnownOutage]) -> dict[str, str]:
    return {"hosts": listed({each.host for each in found}), "why": max(found, key=lambda each: each.seen).why}


_NETWORK: Final = Phrase(
    "Check network, DNS, proxy (HTTPS_PROXY) and firewall there, and Microsoft's service health "
    "(https://status.cloud.microsoft). Mail waits meanwhile, and is imported once the service answers."
)
_CREDENTIALS: Final = Phrase(
    "Microsoft's sign-in service is not the cause. Check the Key Vault that certificate_store names, and network, DNS "
    "and firewall to it, or the managed identity of the host: mail-importer accounts test. Mail waits meanwhile, and "
    "is imported once there is an answer."
)
_QUEUE: Final = Phrase("Check the queue and the network to it: mail-importer queue status")


# --- Conditions of accounts ---


@dataclass(slots=True)
class _Cause:
    """Conditions of one cause. `accounts`: their number, by role: each role may have found all of them."""

    kind: ProblemKind
    facts: list[ConditionFact]
    accounts: dict[tuple[str, str], int]

    @property
    def count(self) -> int:
        """The number of accounts concerned."""
        by_role: dict[str, int] = defaultdict(int)
        for (role, _), number in self.accounts.items():
            by_role[role] += number
        return max(by_role.values())

    @property
    def first(self) -> ConditionFact:
        """The one whose text stands for all."""
        return min(self.facts, key=lambda each: (each.since, each.account_id, each.role))


def _conditions(facts: Facts) -> Iterator[Problem]:
    # Without a live manager, what it found last is of no outage that goes on.
    unreached = _unreached(facts) or not facts.has(SUBSCRIPTIONS)
    causes: dict[tuple[str, ...], _Cause] = {}
    for each in facts.stored.conditions:
        kind = kind_of(each.role, each.reason)
        if unreached and each.reason in _UNREACHED:
            continue
        key = (kind, *_shared_by(kind, each))
        cause = causes.setdefault(key, _Cause(kind, [], {}))
        cause.facts.append(each)
        group = f"{each.reason} {each.tenant_id} {each.client_id} {each.thumbprint}"
        cause.accounts[each.role, group] = each.in_group
    for key, cause in causes.items():
        yield from _of_cause(cause, scope=_scope_of(key[1:]))


def kind_of(role: str, reason: str) -> ProblemKind:
    """The kind of problem that a condition of an account is."""
    if role == _AFTER_IMPORT:
        return ProblemKind.AFTER_IMPORT_FAILING
    known = _KIND_BY_REASON.get(reason)
    if known is None and reason.startswith("Certificate"):
        return ProblemKind.CERTIFICATE_UNUSABLE
    return known or _KIND_BY_ROLE.get(role, ProblemKind.MESSAGES_FAILING)


def _shared_by(kind: ProblemKind, condition: ConditionFact) -> tuple[str, ...]:
    """The scope of a cause that accounts share."""
    if kind in _BY_CERTIFICATE:
        # The account may have another one by now: until its next attempt it is the same problem, and no new one.
        named = _THUMBPRINT.search(condition.detail)
        return (named[0] if named else condition.thumbprint,)
    if condition.reason == "EndpointNotValidated":
        return (condition.reason,)  # one receiver address for all
    return condition.tenant_id, condition.client_id


def _scope_of(shared: tuple[str, ...]) -> str:
    return " ".join(shared)


def _of_cause(cause: _Cause, *, scope: str) -> Iterator[Problem]:
    shared = cause.kind in _BY_CERTIFICATE or cause.kind is ProblemKind.SIGN_IN_REFUSED
    by_account: dict[int, list[ConditionFact]] = defaultdict(list)
    for each in cause.facts:
        by_account[each.account_id].append(each)
    if len(by_account) == 1 and cause.count == 1:
        first = cause.first
        yield _of_account(cause.kind, first, by_account[first.account_id], scope if shared else "")
    elif shared or cause.count > FEW or cause.first.reason == "EndpointNotValidated":
        yield Problem(
            cause.kind,
            _severity(cause.kind, cause.facts),
            Phrase.counted(
                "{n} account is concerned, {name!r}: {detail}",
                "{n} accounts are concerned, among them {name!r}: {detail}",
                n=cause.count,
                name=cause.first.name,
                detail=cause.first.detail,
            ),
            _account_remedy(cause.first.name),
            scope=scope,
            since=cause.first.since,
            count=cause.count,
        )
    else:
        for found in by_account.values():
            yield _of_account(cause.kind, min(found, key=lambda each: each.since), found, "")


def _severity(kind: ProblemKind, found: Iterable[ConditionFact]) -> Severity:
    """That of the kind; that of a failing subscription is an error where no sweep is scheduled."""
    if kind is ProblemKind.SUBSCRIPTION_FAILING and not all(each.is_swept for each in found):
        return Severity.ERROR
    return Severity.WARNING if kind in _WARNINGS else Severity.ERROR


def _of_account(kind: ProblemKind, first: ConditionFact, found: Sequence[ConditionFact], scope: str) -> Problem:
    return Problem(
        kind,
        _severity(kind, found),
        first.detail,
        _account_remedy(first.name),
        account_id=first.account_id if not scope else None,
        scope=scope,
        since=min(each.since for each in found),
    )


def _account_remedy(name: str) -> Phrase:
    return Phrase("Find the cause and its cure: mail-importer accounts test {name}", name=quoted(name))


# --- Processes ---


def _roles(facts: Facts) -> Iterator[Problem]:
    missing: set[str] = set()
    if facts.stored.accounts and not facts.has(PROCESSOR):
        missing.add(PROCESSOR)
        yield Problem(
            ProblemKind.NO_PROCESSOR,
            Severity.ERROR,
            Phrase("No processor is alive: mail waits in the queue, and is not imported."),
            Phrase("Start one: mail-importer run processor, or run all"),
            since=_last_seen(facts, PROCESSOR),
        )
    if facts.stored.accounts and not facts.has(SUBSCRIPTIONS):
        missing.add(SUBSCRIPTIONS)
        yield Problem(
            ProblemKind.NO_MANAGER,
            Severity.ERROR,
            Phrase("No subscription manager is alive: subscriptions end, and folders are not swept."),
            Phrase("Start one: mail-importer run subscriptions, or run all"),
            since=_last_seen(facts, SUBSCRIPTIONS),
        )
    if facts.stored.deliveries.is_used and not facts.has(DELIVERY):
        missing.add(DELIVERY)
        yield Problem(
            ProblemKind.NO_DELIVERY,
            Severity.ERROR,
            Phrase("No delivery is alive: mail is not checked against the rules, and no file is saved."),
            Phrase("Start one, on each host that reaches the folders: mail-importer run delivery, or run all"),
            since=_last_seen(facts, DELIVERY),
        )
    yield from _lost(facts, missing)
    yield from _workers(facts)


def _lost(facts: Facts, missing: set[str]) -> Iterator[Problem]:
    """Processes that ended or hang; not where a role is missing anyway, or its supervisor cannot start it again."""
    stuck = {each.process: each.since for each in facts.outages_of(Service.LOOP)}
    reporting = {each.process for each in facts.outages_of(Service.WORKER)}
    retried = {
        (each.process.host, role)
        for each in facts.living
        if each.process.name in reporting
        for role in each.process.roles
    }
    for each in facts.stored.processes:
        hangs = each.process.name in stuck
        ended = each.process.name not in facts.alive and not is_replaced(each, facts.living)
        explained = missing & set(each.process.roles) or retried & {
            (each.process.host, role) for role in each.process.roles
        }
        if hangs or (ended and not explained):
            yield Problem(
                ProblemKind.PROCESS_LOST,
                Severity.ERROR if hangs else Severity.WARNING,
                Phrase(
                    "A process on host {host} ended unexpectedly, or hangs: {name} ({roles}).",
                    host=each.process.host,
                    name=each.process.name,
                    roles=", ".join(each.process.roles),
                ),
                Phrase(
                    "Read its log on that host, and start it again: mail-importer run {role}",
                    role="all" if len(each.process.roles) > 1 else each.process.roles[0],
                ),
                scope=each.process.name,
                since=stuck[each.process.name] if hangs else each.heartbeat,
            )


def _workers(facts: Facts) -> Iterator[Problem]:
    """Processes that their supervisor cannot start again: one problem for a host."""
    by_host: dict[str, list[KnownOutage]] = defaultdict(list)
    for each in facts.outages_of(Service.WORKER):
        by_host[each.host].append(each)
    for host, found in by_host.items():
        yield Problem(
            ProblemKind.WORKER_NOT_STARTED,
            Severity.WARNING,
            Phrase(
                "A process on host {host} cannot be started again: {why}",
                host=host,
                why=max(found, key=lambda each: each.seen).why,
            ),
            Phrase(
                "Others go on there. Correct the cause: it is tried again by itself, within half a minute. After a "
                "change of the settings themselves restart the service."
            ),
            scope=host,
            since=min(each.since for each in found),
        )


def _last_seen(facts: Facts, role: str) -> datetime | None:
    """Since when no process has the role: not since before any of those that live began, as after a boot."""
    seen = max((each.heartbeat for each in facts.stored.processes if role in each.process.roles), default=None)
    began = min((each.process.started for each in facts.living), default=None)
    return max(filter(None, (seen, began)), default=None)


def is_replaced(lost: KnownProcess, alive: Iterable[KnownProcess]) -> bool:
    """True if a process of its host that began after its last sign of life has its roles."""
    return any(
        each.process.host == lost.process.host
        and set(lost.process.roles) <= set(each.process.roles)
        and each.process.started >= lost.heartbeat - timedelta(seconds=30)
        for each in alive
    )


# --- Queue ---


def _queue(facts: Facts) -> Iterator[Problem]:
    if facts.queue is None:
        if facts.queue_error is not None and not facts.outages_of(Service.QUEUE):
            yield Problem(
                ProblemKind.QUEUE_UNREACHABLE,
                Severity.ERROR,
                facts.queue_error,
                _QUEUE,
            )
        return
    waiting = facts.queue.waiting_since
    # Without a processor, that is the problem.
    if facts.has(PROCESSOR) and waiting is not None and age(waiting, facts.now) >= NOT_DRAINED_AFTER:
        yield Problem(
            ProblemKind.QUEUE_NOT_DRAINED,
            Severity.ERROR,
            Phrase.counted(
                "{n} message waits in the queue, the oldest since {since:%Y-%m-%d %H:%M} UTC.",
                "{n} messages wait in the queue, the oldest since {since:%Y-%m-%d %H:%M} UTC.",
                n=facts.queue.active,
                since=waiting,
            ),
            Phrase("Look whether processors run, and start more if they do: mail-importer status"),
            since=waiting + NOT_DRAINED_AFTER,
            count=facts.queue.active,
        )
    dead = {
        each.account_id: each.dead
        for each in facts.queue.accounts
        if each.dead and each.account_id not in facts.stored.removed
    }
    if len(dead) <= FEW:
        yield from (_dead_letters_of(account_id, number, facts) for account_id, number in dead.items())
        return
    number = sum(dead.values())
    text = Phrase.counted(
        "{n} message could not be imported and was set aside.",
        "{n} messages could not be imported and were set aside.",
        n=number,
    )
    yield _dead_letters(number, text, None, None)


def _dead_letters_of(account_id: int | None, number: int, facts: Facts) -> Problem:
    if account_id is None:
        text = Phrase.counted(
            "{n} message of no known account was set aside.",
            "{n} messages of no known account were set aside.",
            n=number,
        )
        return _dead_letters(number, text, None, None, scope=NO_ACCOUNT)
    name = facts.stored.names.get(account_id, str(account_id))
    text = Phrase.counted(
        "{n} message of account {name!r} could not be imported and was set aside.",
        "{n} messages of account {name!r} could not be imported and were set aside.",
        n=number,
        name=name,
    )
    return _dead_letters(number, text, account_id, f"--account {quoted(name)}")


def _dead_letters(
    number: int, text: Phrase, account_id: int | None, account: str | None, *, scope: str = ""
) -> Problem:
    """`account`: the option that selects it; None: dead letters of several accounts, or of no known one."""
    see = "mail-importer queue list --dead-letters"
    return Problem(
        ProblemKind.DEAD_LETTERS,
        Severity.ERROR,
        text,
        Phrase(
            "See which, and why: {see}. Once the cause is removed: mail-importer queue replay {selection}",
            see=see if account is None else f"mail-importer messages list --state failed {account}",
            selection=account or "--all",
        ),
        account_id=account_id,
        scope=scope,
        count=number,
    )


def _failing(facts: Facts) -> Iterator[Problem]:
    """Messages that are being retried; those that a known cause holds up are no problem of their own."""
    if _unreached(facts):
        return
    failing = facts.stored.failing
    if len(failing) > FEW:
        number = sum(each.messages for each in failing.values())
        yield Problem(
            ProblemKind.MESSAGES_FAILING,
            Severity.ERROR,
            Phrase.counted(
                "{n} message fails again and again, and is being retried.",
                "{n} messages fail again and again, and are being retried.",
                n=number,
            ),
            Phrase("See which, and why: mail-importer messages list --state waiting"),
            scope="messages",
            since=min(each.since for each in failing.values()),
            count=number,
        )
        return
    for account_id, each in failing.items():
        name = facts.stored.names.get(account_id, str(account_id))
        yield Problem(
            ProblemKind.MESSAGES_FAILING,
            Severity.ERROR,
            Phrase.counted(
                "{n} message of account {name!r} fails again and again, and is being retried: {detail}",
                "{n} messages of account {name!r} fail again and again, and are being retried: {detail}",
                n=each.messages,
                name=name,
                detail=each.detail or Phrase("the reason is in the log"),
            ),
            Phrase(
                "See which, and why: mail-importer messages list --state waiting --account {name}",
                name=quoted(name),
            ),
            account_id=account_id,
            scope="messages",
            since=each.since,
            count=each.messages,
        )


def _failed_actions(facts: Facts) -> Iterator[Problem]:
    failed = facts.stored.failed_actions
    if len(failed) > FEW:
        number = sum(failed.values())
        yield Problem(
            ProblemKind.AFTER_IMPORT_FAILING,
            Severity.WARNING,
            Phrase.counted(
                "The action after the import failed for {n} message.",
                "The action after the import failed for {n} messages.",
                n=number,
            ),
            Phrase("Find the cause, then try again: mail-importer accounts retry-actions NAME"),
            scope="messages",
            count=number,
        )
        return
    for account_id, number in failed.items():
        name = facts.stored.names.get(account_id, str(account_id))
        yield Problem(
            ProblemKind.AFTER_IMPORT_FAILING,
            Severity.WARNING,
            Phrase.counted(
                "The action after the import failed for {n} message of account {name!r}.",
                "The action after the import failed for {n} messages of account {name!r}.",
                n=number,
                name=name,
            ),
            Phrase("Find the cause, then try again: mail-importer accounts retry-actions {name}", name=quoted(name)),
            account_id=account_id,
            scope="messages",
            count=number,
        )


# --- Hosts ---


def _clocks(facts: Facts) -> Iterator[Problem]:
    for host, seconds in facts.clocks.items():
        if abs(seconds) > MAX_CLOCK_SECONDS:
            yield Problem(
                ProblemKind.CLOCKS_APART,
                Severity.WARNING,
                Phrase(
                    "The clock of host {host} differs from that of another one by more than ten seconds.", host=host
                ),
                Phrase("Synchronise the clocks of all hosts (NTP)."),
                scope=host,
            )


def _disk(disk: Disk | None) -> Iterator[Problem]:
    if disk is None or disk.free >= min(_GIB * 10, max(_GIB, disk.total // 20)):
        return
    yield Problem(
        ProblemKind.DISK_NEARLY_FULL,
        Severity.ERROR if disk.free < _GIB // 4 else Severity.WARNING,
        Phrase("The disk of the gateway database is nearly full."),
        Phrase("Free space, or delete old mail: mail-importer db purge"),
        since=None,
    )


def _targets_of_alerts(facts: Facts) -> Iterator[Problem]:
    for each in facts.stored.failing_targets:
        # Not `age`: of a pending alert it is the time of the next attempt, up to an hour ahead.
        if facts.now - each.last >= _FORGOTTEN_AFTER:
            continue
        yield Problem(
            ProblemKind.ALERT_FAILING,
            Severity.WARNING,
            Phrase("Alerts cannot be sent to {target}: {why}", target=each.target, why=each.reason),
            Phrase("Correct the setting alerts, or the target, and test it: mail-importer alerts test"),
            scope=each.target,
            since=each.since,
        )
