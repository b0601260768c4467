"""Problems found from facts: one for one cause, with its begin, its number and a remedy."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from bus.queue import AccountStatus, QueueStatus
from db.queries.alerts import FailingTarget
from db.queries.failures import FailingAgain
from db.queries.installation import ConditionFact
from db.queries.outages import KnownOutage
from db.queries.problems import Problem, ProblemKind, Severity
from db.queries.processes import KnownProcess, Process
from monitoring.evaluation import evaluate, hidden
from monitoring.facts import Disk, Facts, StoredFacts
from phrases import Phrase
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
EARLIER: Final = NOW - timedelta(minutes=20)
GIB: Final = 1024**3


def process(name: str, *roles: str, host: str = "one", started: datetime = EARLIER) -> KnownProcess:
    made = Process(name, host, roles or ("receiver", "processor", "subscriptions"), "1.0", started)
    return KnownProcess(made, heartbeat=NOW, lease_until=NOW + timedelta(seconds=20))


def condition(number: int, reason: str, role: str = "processor", *, in_group: int = 1, **changed: Any) -> ConditionFact:  # noqa: ANN401  # passed through
    made = ConditionFact(
        role, reason, number, f"station {number}", "tenant", "client", "AB" * 20, EARLIER, f"It is {reason}.", in_group
    )
    return replace(made, **changed)


def outage(
    service: str, owner: str = "p", *, host: str = "one", accounts: int = 3, why: str = "refused"
) -> KnownOutage:
    return KnownOutage(owner, host, service, EARLIER, NOW, accounts, why)


def facts(*, alive: tuple[str, ...] = ("p",), queue: QueueStatus | None = None, **stored: Any) -> Facts:  # noqa: ANN401  # passed through
    given: dict[str, Any] = {"accounts": 1, "processes": [process("p")], **stored}
    return Facts(NOW, StoredFacts(**given), alive, queue or QueueStatus([]))


def kinds(found: list[Problem]) -> list[ProblemKind]:
    return sorted(each.kind for each in found)


def only(found: list[Problem]) -> Problem:
    assert len(found) == 1, found
    return found[0]


def test_nothing_is_wrong_with_live_roles_and_an_empty_queue() -> None:
    assert evaluate(facts()) == []


def test_the_problem_of_a_certificate_is_of_that_which_its_text_names() -> None:
    """The account may have another one by now, until the next attempt."""
    ended = condition(1, "CertificateExpired", thumbprint="CD" * 20, detail=f"Certificate {'AB' * 20} ended.")
    assert only(evaluate(facts(conditions=[ended]))).scope == "AB" * 20
    unnamed = condition(1, "CertificateStoreUnreadable", thumbprint="CD" * 20)
    assert only(evaluate(facts(conditions=[unnamed]))).scope == "CD" * 20


def test_without_a_processor_that_alone_is_the_problem() -> None:
    """And not also that the queue is not drained."""
    waiting = QueueStatus([AccountStatus(1, active=3, waiting_since=EARLIER)])
    assert kinds(evaluate(facts(queue=waiting))) == [ProblemKind.QUEUE_NOT_DRAINED]
    manager = [process("p", "subscriptions")]
    assert kinds(evaluate(facts(queue=waiting, processes=manager))) == [ProblemKind.NO_PROCESSOR]


# Services.


def test_an_outage_of_graph_is_one_problem_that_counts_the_accounts() -> None:
    """Two processes found it; conditions that it explains are no problems of their own."""
    silent = [condition(number, "GraphUnavailable", "sweep", in_group=300) for number in range(10)]
    found = only(
        evaluate(
            facts(
                alive=("p", "q"),
                processes=[process("p"), process("q", host="two")],
                outages=[outage("graph", accounts=300), outage("graph", "q", host="two", accounts=200)],
                conditions=silent,
            )
        )
    )
    assert (found.kind, found.severity, found.count, found.since) == (
        ProblemKind.GRAPH_UNREACHABLE,
        Severity.ERROR,
        300,
        EARLIER,
    )
    assert found.text == "Microsoft Graph cannot be reached from one, two: refused."


def test_graph_and_sign_in_that_are_out_together_are_one_problem() -> None:
    assert kinds(evaluate(facts(outages=[outage("graph"), outage("signin")]))) == [ProblemKind.GRAPH_UNREACHABLE]
    assert kinds(evaluate(facts(outages=[outage("signin")]))) == [ProblemKind.SIGN_IN_UNREACHABLE]


def test_a_vault_that_does_not_answer_is_no_outage_of_microsoft() -> None:
    """Else an operator would search at the sign-in service, which answers."""
    silent = [condition(1, "GraphUnavailable", "sweep")]
    found = only(evaluate(facts(outages=[outage("credentials")], conditions=silent)))
    assert (found.kind, found.severity) == (ProblemKind.CREDENTIALS_UNREACHABLE, Severity.ERROR)
    assert "does not answer on one: refused." in found.text
    assert "certificate_store" in found.remedy
    network = facts(outages=[outage("graph"), outage("signin"), outage("credentials")])
    assert kinds(evaluate(network)) == [ProblemKind.GRAPH_UNREACHABLE]


def test_an_outage_that_a_killed_process_left_is_none() -> None:
    assert evaluate(facts(outages=[outage("graph", "killed")])) == []


def test_a_queue_that_cannot_be_reached_is_a_problem_whichever_process_finds_it() -> None:
    assert kinds(evaluate(facts(outages=[outage("queue")]))) == [ProblemKind.QUEUE_UNREACHABLE]
    unread = replace(facts(), queue=None, queue_error="The broker refused.")
    assert only(evaluate(unread)).text == "The broker refused."
    both = replace(facts(outages=[outage("queue")]), queue=None, queue_error="The broker refused.")
    assert kinds(evaluate(both)) == [ProblemKind.QUEUE_UNREACHABLE]


def test_trouble_of_one_account_is_shown_beside_an_outage_that_a_killed_process_left() -> None:
    found = evaluate(facts(outages=[outage("graph", "killed")], conditions=[condition(1, "GraphUnavailable", "sweep")]))
    assert kinds(found) == [ProblemKind.SWEEP_FAILING]


def test_what_an_outage_explains_is_hidden_by_it_not_over() -> None:
    unreached = [condition(1, "GraphUnavailable", "sweep"), condition(2, "AccessDenied")]
    failing = {1: FailingAgain(1, EARLIER, "it answers with HTTP status 503")}
    out = facts(outages=[outage("graph")], conditions=unreached, failing=failing)
    assert hidden(out) == {ProblemKind.SWEEP_FAILING, ProblemKind.MESSAGES_FAILING}
    assert hidden(facts(conditions=unreached, failing=failing)) == set()


def test_what_was_not_counted_is_not_over() -> None:
    of_queue = {ProblemKind.DEAD_LETTERS, ProblemKind.QUEUE_NOT_DRAINED}
    assert hidden(replace(facts(), queue=None, queue_error="The broker refused.")) == of_queue
    assert hidden(facts(queue=QueueStatus([], complete=False))) == of_queue


# Accounts.


@pytest.mark.parametrize(
    ("role", "reason", "kind", "severity"),
    [
        ("processor", "SignInRefused", ProblemKind.SIGN_IN_REFUSED, Severity.ERROR),
        ("processor", "CertificateNotFound", ProblemKind.CERTIFICATE_NOT_FOUND, Severity.ERROR),
        ("subscriptions", "CertificateExpired", ProblemKind.CERTIFICATE_ENDED, Severity.ERROR),
        ("sweep", "CertificateKeyUnreadable", ProblemKind.CERTIFICATE_KEY_UNREADABLE, Severity.ERROR),
        ("sweep", "CertificateNotTrusted", ProblemKind.CERTIFICATE_UNUSABLE, Severity.ERROR),
        ("certificate", "CertificateExpires", ProblemKind.CERTIFICATE_ENDS, Severity.WARNING),
        ("certificate", "NextCertificateInUse", ProblemKind.CERTIFICATE_REPLACED, Severity.WARNING),
        ("processor", "AccessDenied", ProblemKind.MAILBOX_REFUSED, Severity.ERROR),
        ("sweep", "MailboxNotFound", ProblemKind.MAILBOX_REFUSED, Severity.ERROR),
        ("sweep", "FolderNotFound", ProblemKind.FOLDER_NOT_FOUND, Severity.ERROR),
        ("processor", "FiltersInvalid", ProblemKind.SETTINGS_UNUSABLE, Severity.ERROR),
        ("subscriptions", "EndpointNotValidated", ProblemKind.SUBSCRIPTION_FAILING, Severity.WARNING),
        ("subscriptions", "RequestRejected", ProblemKind.SUBSCRIPTION_FAILING, Severity.WARNING),
        ("notifications", "NotificationsMissed", ProblemKind.NOTIFICATIONS_MISSED, Severity.WARNING),
        ("sweep", "GraphUnavailable", ProblemKind.SWEEP_FAILING, Severity.ERROR),
        ("afterimport", "AccessDenied", ProblemKind.AFTER_IMPORT_FAILING, Severity.WARNING),
        ("processor", "OfANewerVersion", ProblemKind.MESSAGES_FAILING, Severity.ERROR),
    ],
)
def test_a_condition_of_an_account_is_a_problem_with_its_text_and_a_command(
    role: str, reason: str, kind: ProblemKind, severity: Severity
) -> None:
    found = only(evaluate(facts(conditions=[condition(7, reason, role)])))
    assert (found.kind, found.severity, found.count, found.since) == (kind, severity, 1, EARLIER)
    assert found.text == f"It is {reason}."
    assert found.remedy.endswith('mail-importer accounts test "station 7"')


@pytest.mark.parametrize("reason", ["RequestRejected", "EndpointNotValidated"])
@pytest.mark.parametrize("number", [1, 2, 30])
def test_accounts_without_a_subscription_that_are_not_swept_are_an_error(reason: str, number: int) -> None:
    """No mail of them is imported: with `sweep_interval = 0`, nothing else finds it."""
    made = [condition(each, reason, "subscriptions", in_group=number) for each in range(min(number, 10))]
    swept = evaluate(facts(conditions=made))
    unswept = evaluate(facts(conditions=[replace(each, is_swept=False) for each in made]))
    assert {each.severity for each in swept} == {Severity.WARNING}
    assert {each.severity for each in unswept} == {Severity.ERROR}
    assert {each.kind for each in unswept} == {ProblemKind.SUBSCRIPTION_FAILING}


def test_one_mailbox_that_every_role_finds_refused_is_one_problem() -> None:
    """Its begin is that of the first."""
    before = EARLIER - timedelta(hours=1)
    found = only(
        evaluate(
            facts(
                conditions=[
                    condition(7, "AccessDenied"),
                    condition(7, "AccessDenied", "sweep", since=before),
                    condition(7, "AccessDenied", "subscriptions"),
                ]
            )
        )
    )
    assert (found.kind, found.account_id, found.since, found.count) == (ProblemKind.MAILBOX_REFUSED, 7, before, 1)


def test_a_few_refused_mailboxes_are_a_problem_each() -> None:
    denied = [condition(number, "AccessDenied", in_group=3) for number in range(3)]
    assert sorted(each.account_id or 0 for each in evaluate(facts(conditions=denied))) == [0, 1, 2]


def test_many_refused_mailboxes_of_one_application_are_one_problem() -> None:
    """Two roles found the same ones."""
    denied = [
        condition(number, "AccessDenied", role, in_group=300) for number in range(10) for role in ("processor", "sweep")
    ]
    found = only(evaluate(facts(conditions=denied)))
    assert (found.account_id, found.count) == (None, 300)
    assert "300 accounts are concerned, among them 'station 0'" in found.text


def test_an_application_that_is_refused_is_one_problem_however_few_accounts_it_has() -> None:
    refused = [condition(number, "SignInRefused", in_group=2) for number in range(2)]
    other = condition(5, "SignInRefused", client_id="another")
    assert Counter(each.count for each in evaluate(facts(conditions=[*refused, other]))) == {2: 1, 1: 1}


def test_a_certificate_that_two_applications_use_is_one_problem() -> None:
    missing = [condition(1, "CertificateNotFound"), condition(2, "CertificateNotFound", client_id="another")]
    found = only(evaluate(facts(conditions=missing)))
    assert (found.count, found.account_id, found.scope) == (2, None, "AB" * 20)


def test_the_identity_of_a_certificate_problem_does_not_depend_on_the_number_of_accounts() -> None:
    """Else one account more would clear the problem and open another, with two alerts."""
    one = only(evaluate(facts(conditions=[condition(1, "CertificateNotFound")])))
    two = only(evaluate(facts(conditions=[condition(number, "CertificateNotFound", in_group=2) for number in (1, 2)])))
    assert one.key == two.key


# Processes.


def test_mail_that_no_live_process_imports_is_a_problem_since_the_last_heartbeat() -> None:
    found = evaluate(facts(alive=(), processes=[process("p")]))
    assert kinds(found) == [ProblemKind.NO_MANAGER, ProblemKind.NO_PROCESSOR]
    assert {each.since for each in found} == {NOW}
    assert kinds(evaluate(facts(alive=(), processes=[]))) == [ProblemKind.NO_MANAGER, ProblemKind.NO_PROCESSOR]


def test_what_a_manager_found_that_is_dead_is_no_outage_of_now() -> None:
    silent = condition(1, "GraphUnavailable", "sweep")
    found = evaluate(facts(alive=(), conditions=[silent]))
    assert kinds(found) == [ProblemKind.NO_MANAGER, ProblemKind.NO_PROCESSOR]


def test_an_installation_without_accounts_needs_no_process() -> None:
    assert evaluate(facts(accounts=0, processes=[])) == []


def test_a_killed_process_is_a_problem_until_another_one_has_its_roles_there() -> None:
    killed = process("killed", "processor", host="two", started=EARLIER)
    found = only(evaluate(facts(processes=[process("p"), killed])))
    assert (found.kind, found.severity) == (ProblemKind.PROCESS_LOST, Severity.WARNING)
    assert "host two" in found.text
    again = process("again", "processor", host="two", started=NOW)
    assert evaluate(facts(alive=("p", "again"), processes=[process("p"), killed, again])) == []


def test_processes_that_their_supervisor_cannot_start_again_are_one_problem_of_their_host() -> None:
    """Which explains what is lost of its roles there; while it tries, another process is there for a moment."""
    lost = [process("killed", "receiver", "processor", host="two"), process("gone", "delivery", host="two")]
    serving = process("serving", "receiver", "processor", host="two")
    other = process("other", "receiver", "processor", host="three")
    outages = [
        KnownOutage("serving", "two", "worker", EARLIER, NOW - timedelta(minutes=1), 0, "alerts: no file."),
        KnownOutage("serving 2", "two", "worker", NOW, NOW, 0, "ca_bundle: no file."),
    ]
    alive = ("p", "serving", "serving 2", "other")
    processes = [process("p"), serving, other, *lost]
    found = {each.kind: each for each in evaluate(facts(alive=alive, processes=processes, outages=outages))}
    assert set(found) == {ProblemKind.WORKER_NOT_STARTED, ProblemKind.PROCESS_LOST}
    problem = found[ProblemKind.WORKER_NOT_STARTED]
    assert (problem.severity, problem.scope, problem.since) == (Severity.WARNING, "two", EARLIER)
    assert problem.text == "A process on host two cannot be started again: ca_bundle: no file."
    assert found[ProblemKind.PROCESS_LOST].scope == "gone"


# Queue.


def queue_of(**counts: Any) -> QueueStatus:  # noqa: ANN401  # passed through
    return QueueStatus([AccountStatus(7, **counts)])


def test_messages_that_nothing_receives_are_a_problem_after_five_minutes() -> None:
    waits = queue_of(active=3, waiting_since=NOW - timedelta(minutes=6))
    found = only(evaluate(facts(queue=waits)))
    assert (found.kind, found.count, found.since) == (ProblemKind.QUEUE_NOT_DRAINED, 3, NOW - timedelta(minutes=1))
    assert evaluate(facts(queue=queue_of(active=3, waiting_since=NOW - timedelta(minutes=4)))) == []


def test_messages_that_are_to_be_retried_later_are_no_problem_of_the_queue() -> None:
    assert evaluate(facts(queue=queue_of(scheduled=3, oldest=NOW - timedelta(hours=6)))) == []


def test_dead_letters_are_a_problem_of_their_account() -> None:
    found = only(evaluate(facts(queue=queue_of(dead=2), names={7: "site 7"})))
    assert (found.kind, found.account_id, found.count) == (ProblemKind.DEAD_LETTERS, 7, 2)
    assert found.text == "2 messages of account 'site 7' could not be imported and were set aside."
    assert found.remedy.endswith('mail-importer queue replay --account "site 7"')


def test_dead_letters_of_many_accounts_are_one_problem() -> None:
    found = only(evaluate(facts(queue=QueueStatus([AccountStatus(number, dead=2) for number in range(30)]))))
    assert (found.account_id, found.count) == (None, 60)
    assert found.remedy.endswith("mail-importer queue replay --all")


def test_dead_letters_of_no_known_account_are_a_problem() -> None:
    assert only(evaluate(facts(queue=QueueStatus([AccountStatus(None, dead=1)])))).count == 1


def test_messages_that_fail_again_and_again_are_a_problem_of_their_account() -> None:
    """With the last real error as its reason; while Graph is out of reach, that is the problem."""
    failing = {7: FailingAgain(3, EARLIER, Phrase("It is corrupt."))}
    found = only(evaluate(facts(failing=failing, names={7: "site 7"})))
    assert (found.kind, found.account_id, found.count, found.since) == (ProblemKind.MESSAGES_FAILING, 7, 3, EARLIER)
    assert found.text.endswith("It is corrupt.")
    assert kinds(evaluate(facts(failing=failing, outages=[outage("graph")]))) == [ProblemKind.GRAPH_UNREACHABLE]
    many = only(evaluate(facts(failing=dict.fromkeys(range(30), failing[7]))))
    assert (many.account_id, many.count) == (None, 90)


def test_failed_actions_after_the_import_are_a_problem_of_their_account() -> None:
    found = only(evaluate(facts(failed_actions={7: 4}, names={7: "site 7"})))
    assert (found.kind, found.account_id, found.count) == (ProblemKind.AFTER_IMPORT_FAILING, 7, 4)


# Hosts.


def test_a_host_whose_clock_is_wrong_is_a_problem() -> None:
    apart = replace(facts(), clocks={"two": -11.0, "three": 2.0})
    assert (only(evaluate(apart)).kind, only(evaluate(apart)).scope) == (ProblemKind.CLOCKS_APART, "two")


@pytest.mark.parametrize(
    ("free", "total", "severity"),
    [
        (50 * GIB, 1000 * GIB, None),
        (9 * GIB, 1000 * GIB, Severity.WARNING),
        (2 * GIB, 20 * GIB, None),
        (GIB - 1, 20 * GIB, Severity.WARNING),
        (GIB // 5, 20 * GIB, Severity.ERROR),
    ],
)
def test_a_disk_is_nearly_full_by_what_is_free(free: int, total: int, severity: Severity | None) -> None:
    found = evaluate(replace(facts(), disk=Disk(free, total)))
    assert [each.severity for each in found] == ([] if severity is None else [severity])


# Alerts.


def test_a_target_of_alerts_that_fails_is_a_problem_with_its_reason_until_it_is_tried_no_more() -> None:
    failing = FailingTarget("Slack", 3, "error=403.", since=EARLIER, last=NOW)
    found = only(evaluate(facts(failing_targets=[failing])))
    assert (found.kind, found.severity, found.scope) == (ProblemKind.ALERT_FAILING, Severity.WARNING, "Slack")
    assert found.since == EARLIER
    assert "error=403." in found.text
    waits = replace(failing, last=NOW + timedelta(hours=1))  # its alert is pending, to be tried again then
    assert only(evaluate(facts(failing_targets=[waits]))).kind is ProblemKind.ALERT_FAILING
    assert evaluate(facts(failing_targets=[replace(failing, last=NOW - timedelta(days=2))])) == []
    waits = replace(failing, last=NOW + timedelta(minutes=4))
    assert kinds(evaluate(facts(failing_targets=[waits]))) == [ProblemKind.ALERT_FAILING]


def test_accounts_of_one_application_in_several_tenants_are_counted_together() -> None:
    """A certificate may serve an application that several tenants admitted."""
    found = [
        condition(number, "CertificateExpired", in_group=number * 100, tenant_id=f"tenant {number}")
        for number in (1, 2)
    ]
    assert only(evaluate(facts(conditions=found))).count == 300
