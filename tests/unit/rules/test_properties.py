"""Rules and mail made at random, against an oracle; and very many of them."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.addresses import Address, AddressPattern
from rules.compiled import CompiledRule, CompiledRules
from rules.mail import AttachmentFacts, MailFacts, Member
from rules.rule import Container, Rule, SubjectKind
from rules.selection import files_of
from tests.unit.rules.samples import archive, attachment, mail, rule

_ADDRESSES = ("x@b.example", "y@b.example", "x@a.b.example", "x+1@c.example", "")
_PATTERNS = ("x@b.example", "b.example", "*.b.example", "c.example")
_TEXTS = ("a", "b", "É b", "a b")
_NAMES = ("a.csv", "b.csv", "A.txt", "b.zip", "c/a.csv")


def _subset(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.one_of(st.just(()), st.lists(st.sampled_from(values), max_size=2).map(tuple))


@st.composite
def _rules(draw: st.DrawFn) -> Rule:
    subjects = draw(_subset(_TEXTS))
    return Rule(
        name="r",
        folder="/srv",
        rule_id=draw(st.integers(0, 3)),
        position=draw(st.integers(0, 3)),
        account_id=draw(st.sampled_from([None, None, 1, 2])),
        senders=draw(_subset(_PATTERNS)),
        recipients=draw(_subset((*_PATTERNS, "x+*@c.example"))),
        subject_kind=draw(st.sampled_from(SubjectKind)) if subjects else None,
        subjects=subjects,
        body_words=draw(_subset((*_TEXTS, '"a b"'))),
        attachment_names=draw(_subset(("*.csv", "a.*", "?.zip", "b.csv"))),
        size_least=draw(st.sampled_from([None, None, 1])),
        size_most=draw(st.sampled_from([None, None, 2])),
        has_attachments=draw(st.sampled_from([None, None, True, False])),
        unpack=draw(st.frozensets(st.sampled_from(Container))),
    )


@st.composite
def _attachments(draw: st.DrawFn, position: int) -> AttachmentFacts:
    origin = draw(st.sampled_from(["graph", "graph", "item", "tnef"])) if position else "graph"
    name = draw(st.sampled_from(_NAMES))
    members = None
    if name.endswith(".zip"):
        members = [Member(n, each, draw(st.integers(0, 3))) for n, each in enumerate(draw(_subset(_NAMES)))]
    return attachment(
        name,
        position,
        kind=draw(st.sampled_from(["file", "file", "file", "reference"])) if members is None else "file",
        size=draw(st.integers(0, 3)),
        inline=draw(st.booleans()),
        content_type=draw(st.sampled_from([None, "image/png"])),
        origin=origin,
        parent=None if origin == "graph" else draw(st.integers(0, position - 1)),
        members=members,
    )


@st.composite
def _mails(draw: st.DrawFn) -> MailFacts:
    return mail(
        account_id=draw(st.sampled_from([1, 2])),
        senders=draw(_subset(_ADDRESSES)),
        recipients=draw(_subset(_ADDRESSES)),
        subject=draw(st.sampled_from([None, *_TEXTS, "A  B"])),
        body_text=draw(st.sampled_from([None, *_TEXTS, "b, a, b", "A\n(b)"])),
        attachments=[draw(_attachments(number)) for number in range(draw(st.integers(0, 3)))],
    )


def _address_fits(patterns: tuple[str, ...], addresses: Any) -> bool:  # noqa: ANN401  # a sequence
    plain = [each for each in patterns if "+*" not in each]
    return any(
        (each.lower().startswith("x+") and len(plain) < len(patterns))
        or any(AddressPattern(pattern).fits(Address.of(each)) for pattern in plain)
        for each in addresses
    )


def _subject_fits(kind: SubjectKind | None, text: str, subject: str) -> bool:
    if kind is SubjectKind.MATCHES:
        return bool(re.search(text, subject, re.IGNORECASE))
    text, subject = text.casefold(), subject.casefold()
    return text in subject if kind is SubjectKind.CONTAINS else text.split() == subject.split()


def _words_fit(text: str, body: str) -> bool:
    gap = r"\W+" if '"' in text else r"\b.*\b"
    words = text.strip('"').replace("É", "e").split()
    return bool(re.search(rf"\b{gap.join(words)}\b", body.replace("É", "e"), re.IGNORECASE | re.DOTALL))


def _considered(one: AttachmentFacts, every: Any, unpack: Any) -> bool:  # noqa: ANN401  # a sequence, a set
    if one.origin == "graph":
        return True
    return one.origin in unpack and _considered(every[one.parent], every, unpack)


def _pieces(rule: Rule, facts: MailFacts) -> list[tuple[str, int, bool]]:
    """Names, sizes, and whether no pattern is needed, of all that may be saved."""
    found = []
    for one in facts.attachments:
        if one.kind != "reference" and _considered(one, facts.attachments, rule.unpack):
            inside = one.members or () if Container.ZIP in rule.unpack else ()
            came_out = [
                each
                for each in facts.attachments
                if each.parent == one.position
                and each.kind != "reference"
                and not (each.inline and each.content_type == "image/png")
            ]
            opened = bool(inside) or (not one.members and bool(came_out) and came_out[-1].origin in rule.unpack)
            picture = one.inline and one.content_type == "image/png"
            found.append((one.name or "", one.size, not (picture or opened)))
            found += [(each.name.split("/")[-1], each.size, True) for each in inside]
    return found


def _attachments_fit(rule: Rule, facts: MailFacts) -> bool:
    def named(name: str) -> bool:
        return any(
            re.fullmatch(re.escape(each).replace(r"\*", ".*").replace(r"\?", "."), name, re.IGNORECASE)
            for each in rule.attachment_names
        )

    least, most = rule.size_least or 0, 10 if rule.size_most is None else rule.size_most
    return any(
        least <= size <= most and (named(name) if rule.attachment_names else plain)
        for name, size, plain in _pieces(rule, facts)
    )


def _oracle(rule: Rule, facts: MailFacts) -> bool:
    attached = [
        each
        for each in facts.attachments
        if each.origin == "graph" and not (each.inline and each.content_type == "image/png")
    ]
    sized = (rule.size_least, rule.size_most) != (None, None)
    return (
        rule.account_id in {None, facts.account_id}
        and (not rule.senders or _address_fits(rule.senders, facts.senders))
        and (not rule.recipients or _address_fits(rule.recipients, facts.recipients))
        and (
            not rule.subjects
            or any(_subject_fits(rule.subject_kind, each, facts.subject or "") for each in rule.subjects)
        )
        and (not rule.body_words or any(_words_fit(each, facts.body_text or "") for each in rule.body_words))
        and (rule.has_attachments is None or rule.has_attachments is bool(attached))
        and (not (rule.attachment_names or sized) or _attachments_fit(rule, facts))
    )


@pytest.mark.slow
@settings(max_examples=200)
@given(st.lists(_rules(), max_size=5), _mails())
def test_rules_and_mail(rules: list[Rule], facts: MailFacts) -> None:
    """A rule matches when all of its conditions hold, each taken by itself; both ways to it say the same."""
    compiled = CompiledRules(map(CompiledRule, rules))
    verdicts = compiled.check(facts)
    assert [each.matches for each in verdicts] == [_oracle(each.rule.rule, facts) for each in verdicts]
    assert [each.failed is None for each in verdicts] == [each.matches for each in verdicts]
    matches = compiled.matching(facts)
    assert list(matches.rules) == [each.rule for each in verdicts if each.matches]
    assert not matches.needs_archives
    for each in matches.rules:
        files = files_of(each, facts)
        assert len({file.file_name.lower() for file in files}) == len({file.key for file in files}) == len(files)
        if each.attachments.is_set:
            assert files


def test_ten_thousand_rules() -> None:
    """Of very many rules those of the mail are found, in their order."""
    rules = CompiledRules(
        rule(
            name=f"r{number}",
            position=-number,
            senders=(f"s{number % 5000}@example.com",) if number % 2 else (),
            attachment_names=(f"*.x{number % 100}",),
            subject_kind=SubjectKind.CONTAINS,
            subjects=("prüf",),
        )
        for number in range(10_000)
    )
    facts = mail(senders=("s7@example.com",), attachments=(attachment("a.x7"), attachment("a.x8", 1)))
    found = [each.rule.name for each in rules.matching(facts).rules]
    assert found == [each.rule.rule.name for each in rules.check(facts) if each.matches]
    assert {"r7", "r5007", "r8", "r9908"} <= set(found)
    assert len(found) == 102


def test_a_thousand_attachments() -> None:
    """A mail with very many attachments is checked against very many rules, each attachment once for equal patterns."""
    attachments = [attachment(f"a{number}.csv", number) for number in range(1000)]
    facts = mail(attachments=(*attachments, archive(*(f"m{number}.txt" for number in range(1000)), position=1000)))
    unpack = frozenset({Container.ZIP})
    compiled = [rule(attachment_names=(f"*.x{number % 20}",), unpack=unpack, rule_id=number) for number in range(2000)]
    compiled.append(rule(attachment_names=("*.txt", "a7*.csv"), unpack=unpack, position=1))
    [found] = CompiledRules(compiled).matching(facts).rules
    assert len(files_of(found, facts)) == 1111
