"""Results of the check of a message: bounded, whatever it has attached."""

import pytest

from delivery import checking
from delivery.checking import check, with_lists
from rules.compiled import CompiledRules
from rules.mail import Member
from tests.unit.rules.samples import archive, attachment, mail, rule


def test_archives_that_together_are_too_large_are_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that fit are; so no mail of a few kilobytes fills a disk."""
    monkeypatch.setattr(checking, "_MAX_UNPACKED", 150)
    facts = mail(attachments=[archive(members=None), archive(members=None), archive(members=None)])
    sizes = iter([100, 100, 40])
    listed = with_lists(facts, lambda _: [Member(0, "a.csv", next(sizes))])
    assert [each.members[0].problem for each in listed.attachments if each.members] == [None, "TooLarge", None]


def test_files_beyond_the_limit_are_one_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_MAX_FILES", 2)
    facts = mail(attachments=[attachment(f"{number}.csv", number) for number in range(5)])
    checked = check(CompiledRules([rule()]), facts, lambda _: None)
    found = checked.matches.files
    assert [each.reason for each in found] == [None, None, "TooManyFiles"]
    assert "5 files" in (found[-1].detail or "")
