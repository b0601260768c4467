"""Checks of import rules per second, and their cost beside the import of a message, in computing time.

Baseline of the same run: a bare loop that searches, for each mail and rule, one compiled expression of Python in the
text that the rule's first condition is about. It decides less, and goes through all rules, as `check` does.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from bench.figure import Figure
from bench.stage import stage
from console.wiring.process import freeze_gc
from rules.compiled import CompiledRule, CompiledRules
from rules.mail import AttachmentFacts, MailFacts
from rules.rule import Rule, SavedBody, SubjectKind
from rules.selection import files_of

_RULES = 1000
_MAILS = 10_000
_FEW_RULES = 50
_IMPORTED = 1000
_NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
_TYPES = ("csv", "xlsx", "pdf", "txt", "xml")
_WORDS = (
    *(
        "Guten",
        "Tag",
        "anbei",
        "die",
        "Ergebnisse",
        "der",
        "Prüfung",
        "vom",
        "Standort",
        "mit",
        "freundlichen",
        "Grüßen",
    ),
    *("bonjour", "veuillez", "trouver", "les", "résultats", "de", "mesure", "station", "qualité", "eau", "prélèvement"),
    *(
        "please",
        "find",
        "attached",
        "sample",
        "report",
        "value",
        "limit",
        "nitrate",
        "pH",
        "7,4",
        "mg/l",
        "conductivity",
    ),
)
_Bare = tuple[Callable[[str], object], int]
_GOAL = 0.5
_FEW_MAILS = 1000


@dataclass(frozen=True, slots=True)
class _Rates:
    """Checks per second of CPU time: of the bare loop, of the rules that match, and of verdicts of all."""

    bare: float
    matching: float
    all: float


def main() -> None:
    """Print the figures."""
    mails = _mails(_MAILS)
    mixed = [_rule(number) for number in range(_RULES)]
    _print("of all kinds", _compare(mixed, mails))
    subjects = [_rule(number, kind=2) for number in range(_RULES)]
    _print("by a text of the subject", _compare(subjects, mails))
    _beside_import(mixed[:_FEW_RULES], mails)


def figures() -> Iterator[Figure]:
    """Checks of rules of all kinds, of fewer mails than `main`."""
    rates = _compare([_rule(number) for number in range(_RULES)], _mails(_FEW_MAILS))
    yield Figure(
        f"checks of {_RULES} rules ÷ bare loop of expressions, by CPU time",
        rates.matching / rates.bare,
        "times",
        _GOAL,
        f"{rates.bare:,.0f} checks/s",
    )


def _mails(number: int) -> list[MailFacts]:
    random = Random(1)
    mails = [_mail(random, each) for each in range(number)]
    freeze_gc()
    return mails


def _compare(rules: Sequence[Rule], mails: Sequence[MailFacts]) -> _Rates:
    compiled = CompiledRules(map(CompiledRule, rules))
    patterns, texts = list(map(_bare, rules)), [_texts(each) for each in mails]
    bare = _seconds(lambda: [search(each[which]) for each in texts for search, which in patterns])
    fast = _seconds(lambda: [compiled.matching(each) for each in mails])
    every = _seconds(lambda: [compiled.check(each) for each in mails])
    checks = len(rules) * len(mails)
    return _Rates(checks / bare, checks / fast, checks / every)


def _print(kind: str, rates: _Rates) -> None:
    print(f"rules, {_RULES} {kind}, {_MAILS} mails, by CPU time:")
    print(f"  bare loop of expressions      {rates.bare:12,.0f} checks/s")
    for title, rate, goal in (
        ("rules that match (delivery) ", rates.matching, f" (to reach: {_GOAL})"),
        ("verdicts of all (rules test)", rates.all, ""),
    ):
        print(f"  {title}  {rate:12,.0f} checks/s, ratio {rate / rates.bare:.2f}{goal}")


def _beside_import(rules: Sequence[Rule], mails: Sequence[MailFacts]) -> None:
    compiled = CompiledRules(map(CompiledRule, rules))
    found = [(rule, each) for each in mails for rule in compiled.matching(each).rules]
    checked = _seconds(lambda: [compiled.matching(each) for each in mails]) / len(mails)
    selected = _seconds(lambda: [files_of(rule, each) for rule, each in found]) / len(mails)
    imported = asyncio.run(_import())
    ours = checked + selected
    print(f"rules, {len(rules)} beside the import of a message, by CPU time:")
    print(f"  import of a message     {imported * 1000:7.3f} ms")
    print(f"  check of all rules      {checked * 1000:7.3f} ms")
    print(f"  selection of its files  {selected * 1000:7.3f} ms, {len(found) / len(mails):.1f} rules match a message")
    print(f"  part of the import {ours / imported:.1%} (to reach: under 5 %)")


async def _import() -> float:
    async with stage(4) as scene:
        warm_up = await scene.deliver(100)
        await scene.import_all(warm_up)
        known = {each["message_id"] for each in warm_up}
        ledger = [each for each in await scene.deliver(_IMPORTED, seed=2) if each["message_id"] not in known]
        before = time.process_time()
        await scene.import_all(ledger)
        return (time.process_time() - before) / len(ledger)


def _seconds(run: Callable[[], object]) -> float:
    before = time.process_time()
    run()
    return time.process_time() - before


def _rule(number: int, *, kind: int | None = None) -> Rule:
    """One of five kinds, alike often; a fifth of each asks for words of the body, too."""
    kind = number % 5 if kind is None else kind
    return Rule(
        name=f"rule {number}",
        folder=f"/srv/import/{number}",
        rule_id=number,
        senders=((f"s{number}@laboratory.example", f"d{number}.example") if kind == 0 else ()),
        recipients=((f"lab+site{number}*@riviere.example",) if kind == 1 else ()),
        subject_kind={2: SubjectKind.CONTAINS, 3: SubjectKind.MATCHES}.get(kind),
        subjects={2: (f"Prüfbericht {number}",), 3: (rf"^(AW: )?sample {number}\b",)}.get(kind, ()),
        attachment_names=(f"{number}-*.{_TYPES[number % 5]}",) if kind == 4 else ("*.csv", "*.xlsx"),
        body_words=("Ergebnisse Prüfung", "résultats mesure") if number % 25 < 5 else (),
        file_name="{received:%Y%m%d}_{name}" if number % 2 else None,
        save_body=SavedBody.TEXT if number % 10 == 0 else None,
    )


def _bare(rule: Rule) -> _Bare:
    """The search of a compiled expression, and the text for it: sender, recipient, subject, attachments."""
    if rule.senders:
        return re.compile("|".join(map(re.escape, rule.senders)), re.IGNORECASE).search, 0
    if rule.recipients:
        return re.compile(re.escape(rule.recipients[0]).replace(r"\*", ".*"), re.IGNORECASE).search, 1
    if rule.subject_kind is SubjectKind.CONTAINS:
        return re.compile(re.escape(rule.subjects[0]), re.IGNORECASE).search, 2
    if rule.subject_kind is SubjectKind.MATCHES:
        return re.compile(rule.subjects[0], re.IGNORECASE).search, 2
    return re.compile(re.escape(rule.attachment_names[0]).replace(r"\*", ".*"), re.IGNORECASE).search, 3


def _texts(mail: MailFacts) -> Sequence[str]:
    names = "\n".join(each.safe_name for each in mail.attachments)
    return mail.senders[0], mail.recipients[0], mail.subject or "", names


def _mail(random: Random, number: int) -> MailFacts:
    site = random.randrange(2 * _RULES)
    body = " ".join(random.choice(_WORDS) for _ in range(random.randrange(20, 400)))
    return MailFacts(
        message_id=number,
        account_id=1 + number % 8,
        imported=_NOW,
        received=_NOW,
        senders=(f"s{site}@laboratory.example" if number % 3 else f"someone@d{site}.example",),
        recipients=(f"lab+site{site}@riviere.example", "archive@riviere.example"),
        subject=f"{random.choice(('Prüfbericht', 'sample', 'AW: sample', 'Rechnung'))} {site} vom 31.03.2026",
        body_text=body,
        attachments=[_attachment(random, position, site) for position in range(number % 4)],
    )


def _attachment(random: Random, position: int, site: int) -> AttachmentFacts:
    name = f"{site}-{position} Messwerte.{random.choice(_TYPES)}"
    return AttachmentFacts(
        position, "file", name, name, None, random.randrange(100, 100_000), False, "stored", f"{site:064x}"
    )


if __name__ == "__main__":
    main()
