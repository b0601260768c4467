"""Problems of rules and of the files that they save: one for one cause."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from db.queries.deliveries import Deliveries, FailedFiles, WaitingFolder
from db.queries.problems import Problem, ProblemKind, Severity
from db.queries.rules import StoredRule
from monitoring.evaluation import evaluate, hidden
from monitoring.facts import Facts
from monitoring.rule_faults import UnusableRule, unusable
from phrases import Phrase
from rules.rule import Rule, SubjectKind
from tests.doubles.rule_files import FOLDER, MISSING
from tests.unit.monitoring.test_evaluation import EARLIER, NOW, facts, kinds, only, process

SAVES: Final = [process("p"), process("d", "delivery", host="file server")]
MINUTE: Final = timedelta(minutes=1)
RULE: Final = StoredRule(Rule("Results", FOLDER, rule_id=1))
BROKEN: Final = WaitingFolder(
    "k1", 3, due=None, attempted=EARLIER, failing=True, path=FOLDER, reason="FolderMissing", detail=MISSING
)
LATE: Final = WaitingFolder("k2", 2, due=EARLIER, attempted=None, path="/srv/import/late")


def with_deliveries(alive: bool = True, **found: Any) -> Facts:  # noqa: ANN401  # any field
    given = Deliveries(**{"enabled": [RULE], "names": ((1, "Results"), (2, "Other")), **found})
    return facts(alive=("p", "d") if alive else ("p",), processes=SAVES, deliveries=given)


def delivery_problems(found: Facts) -> list[Problem]:
    return [each for each in evaluate(found) if each.kind is not ProblemKind.PROCESS_LOST]


def test_nothing_is_wrong_while_a_delivery_saves() -> None:
    soon = WaitingFolder("k", 9, due=NOW - 4 * MINUTE, attempted=None)
    assert evaluate(with_deliveries(folders=[soon], unchecked=3, unchecked_since=NOW - 4 * MINUTE)) == []


# Roles.


def test_no_delivery_is_a_problem_once_a_rule_needs_one() -> None:
    """And nothing else that only a delivery would show."""
    found = only(evaluate(with_deliveries(alive=False, folders=[BROKEN, LATE], unchecked=1, unchecked_since=EARLIER)))
    assert (found.kind, found.severity) == (ProblemKind.NO_DELIVERY, Severity.ERROR)
    assert "mail-importer run delivery" in found.remedy
    assert kinds(evaluate(with_deliveries(alive=False, enabled=[], folders=[LATE]))) == [ProblemKind.NO_DELIVERY]
    without = facts(deliveries=Deliveries(unchecked=100_000, unchecked_since=EARLIER))
    assert evaluate(without) == []


def test_what_a_delivery_found_before_it_ended_is_not_over() -> None:
    assert hidden(with_deliveries(alive=False)) == {ProblemKind.FOLDER_UNAVAILABLE, ProblemKind.DELIVERY_LATE}
    assert hidden(with_deliveries()) == set()
    assert hidden(with_deliveries(alive=False, enabled=[])) == set()


# Folders.


def test_a_folder_that_cannot_be_used_is_one_problem_with_the_last_reason() -> None:
    found = only(evaluate(with_deliveries(folders=[BROKEN])))
    assert (found.kind, found.severity, found.count, found.since) == (
        ProblemKind.FOLDER_UNAVAILABLE,
        Severity.ERROR,
        3,
        EARLIER,
    )
    assert found.text == f"3 files wait for the folder {FOLDER}: {MISSING}"
    assert f"mail-importer delivery retry --folder {FOLDER}" in found.remedy


def test_two_folders_are_two_problems_and_keep_their_identity() -> None:
    """The number of files that wait, and the reason, may change."""
    other = replace(BROKEN, key="k3", path="/other")
    first, second = evaluate(with_deliveries(folders=[BROKEN, other]))
    assert first.key != second.key
    again = replace(BROKEN, waiting=9, reason="AccessDenied", detail="Denied.")
    assert only(evaluate(with_deliveries(folders=[again]))).key == first.key


def test_a_folder_into_which_files_are_saved_again_is_no_problem() -> None:
    """Whatever still waits for it."""
    assert evaluate(with_deliveries(folders=[replace(BROKEN, works=True), replace(LATE, works=True)])) == []


# Lateness.


def test_files_that_no_delivery_tries_are_late_and_their_folders_named() -> None:
    more = [replace(LATE, key=f"k{number}", path=f"/far/{number}") for number in range(8)]
    found = only(evaluate(with_deliveries(folders=[LATE, *more])))
    assert (found.kind, found.count, found.since) == (ProblemKind.DELIVERY_LATE, 18, EARLIER + 5 * MINUTE)
    assert "/far/0, /far/1, /far/2, /far/3, /far/4, …" in found.text
    assert "delivery_roots" in found.remedy


def test_the_new_files_of_a_folder_that_failed_are_not_late_as_well() -> None:
    assert kinds(evaluate(with_deliveries(folders=[replace(BROKEN, due=EARLIER)]))) == [ProblemKind.FOLDER_UNAVAILABLE]


def test_messages_that_are_not_checked_are_late() -> None:
    found = only(evaluate(with_deliveries(unchecked=7, unchecked_since=EARLIER)))
    assert (found.kind, found.count, found.since) == (ProblemKind.DELIVERY_LATE, 7, EARLIER + 5 * MINUTE)


def test_a_delivery_that_has_just_begun_has_its_time() -> None:
    """Messages and files of years may wait for the first one."""
    began = [process("p"), process("d", "delivery", started=NOW - 4 * MINUTE)]
    found = with_deliveries(folders=[LATE], unchecked=7, unchecked_since=EARLIER)
    assert evaluate(replace(found, stored=replace(found.stored, processes=began))) == []


# Files.


def test_failed_files_are_a_problem_of_their_rule() -> None:
    failed = [FailedFiles(1, 4, "FolderMissing", MISSING), FailedFiles(17, 1, "NotStored", None)]
    first, second = evaluate(with_deliveries(failed=failed))
    assert {first.kind, second.kind} == {ProblemKind.FILES_FAILED}
    assert first.text == f"4 files of rule 'Results' could not be saved, and are not tried again: {MISSING}"
    for command in ("list --state failed", "retry --rule Results", "skip --rule Results"):
        assert f"delivery {command}" in first.remedy
    assert "removed rule (number 17)" in second.text
    assert "delivery retry --rule 17" in second.remedy


def test_failed_files_of_many_rules_are_one_problem() -> None:
    found = only(evaluate(with_deliveries(failed=[FailedFiles(number, 2, "X", "Y") for number in range(11)])))
    assert (found.kind, found.count) == (ProblemKind.FILES_FAILED, 22)
    assert "delivery retry --all" in found.remedy


def test_files_that_are_refused_are_a_problem_of_their_rule_with_those_that_failed() -> None:
    refused = [FailedFiles(1, 1, "FileRefused", "It is locked."), FailedFiles(17, 2, "NameRefused", None)]
    failed = [FailedFiles(1, 4, "FolderMissing", MISSING)]
    first, second = evaluate(with_deliveries(failed=failed, refused=refused))
    assert {first.kind, second.kind} == {ProblemKind.FILES_FAILED}
    assert first.text == "5 files of rule 'Results' cannot be saved, and attempts go on for 1 of them: It is locked."
    assert (first.count, second.count) == (5, 2)
    assert "delivery list --state failed --state pending" in first.remedy
    assert "removed rule (number 17)" in second.text
    alone = only(evaluate(with_deliveries(refused=refused[:1])))
    assert alone.text == "1 file of rule 'Results' cannot be saved, and is tried again: It is locked."
    assert alone.key == first.key == only(evaluate(with_deliveries(failed=failed))).key


def test_refused_files_of_many_rules_are_one_problem() -> None:
    refused = [FailedFiles(number, 2, "X", "Y") for number in range(11)]
    found = only(evaluate(with_deliveries(failed=[FailedFiles(1, 1, "X", "Y")], refused=refused)))
    assert (found.kind, found.count) == (ProblemKind.FILES_FAILED, 23)
    assert "23 files of 11 rules" in found.text


def test_failed_files_are_a_problem_without_any_delivery() -> None:
    found = with_deliveries(alive=False, enabled=[], failed=[FailedFiles(1, 1, "FolderMissing", MISSING)])
    assert kinds(delivery_problems(found)) == [ProblemKind.FILES_FAILED]


# Rules.


def test_a_rule_that_cannot_be_used_is_a_problem_of_its_own() -> None:
    def found(number: int) -> Facts:
        faults = [UnusableRule(each, f"rule {each}", None, Phrase("It is wrong.")) for each in range(number)]
        plain = with_deliveries()
        return replace(plain, stored=replace(plain.stored, unusable_rules=faults))

    first, second = evaluate(found(2))
    assert (first.kind, first.severity, first.text) == (ProblemKind.RULE_UNUSABLE, Severity.ERROR, "It is wrong.")
    assert 'mail-importer rules update "rule 0"' in first.remedy
    assert first.key != second.key
    assert only(evaluate(found(11))).count == 11


@pytest.mark.parametrize(
    "rule",
    [
        StoredRule(Rule("Results", "", rule_id=1)),
        StoredRule(Rule("Results", FOLDER, subject_kind=SubjectKind.MATCHES, subjects=("(",))),
        StoredRule(Rule("Results", FOLDER), {"sUnpack": Phrase("sUnpack holds 'rar', which is not one of zip")}),
    ],
    ids=["folder", "pattern", "row"],
)
def test_a_rule_that_another_program_wrote_wrongly_is_found(rule: StoredRule) -> None:
    assert unusable([RULE]) == []
    [found] = unusable([RULE, rule])
    assert "'Results'" in found.fault
    assert unusable([rule, rule]) == [found, found]
