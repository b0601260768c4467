"""Finds import rules that cannot be used: other programs write their table, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from db.queries.rules import StoredRule
from phrases import Phrase
from rules.rule import Rule

_MAX_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class UnusableRule:
    """An enabled rule against which no mail is checked, and why."""

    rule_id: int
    name: str
    account_id: int | None
    fault: Phrase


def unusable(enabled: Sequence[StoredRule]) -> list[UnusableRule]:
    """Those that cannot be used. A rule is compiled once, until it changes."""
    found = []
    for each in enabled:
        fault = each.unreadable_because or _fault_of(each.rule)
        if fault is not None:
            found.append(UnusableRule(each.rule.rule_id, each.rule.name, each.rule.account_id, fault))
    return found


@lru_cache(maxsize=_MAX_KEPT)
def _fault_of(rule: Rule) -> Phrase | None:
    from rules.compiled import BadRule, CompiledRule  # noqa: PLC0415  # takes long to load, and there may be no rules

    try:
        CompiledRule(rule)
    except BadRule as exc:
        return Phrase("The rule {name!r} cannot be used: {why}", name=rule.name, why=Phrase.of(exc))
    return None
