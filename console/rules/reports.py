"""Sentences of the commands that add and change rules."""

from console.settings import Settings
from phrases import Phrase
from rules.compiled import CompiledRule
from rules.rule import Rule


def rule_sentences(rule: Rule) -> list[Phrase]:
    """What an operator may not expect of a valid rule."""
    if not CompiledRule(rule).is_unconditional:
        return []
    if rule.account_id is None:
        return [Phrase("It has no condition: it fits all mail.")]
    return [Phrase("It has no condition: it fits all mail of its account.")]


def folder_sentences(settings: Settings) -> list[Phrase]:
    """What this host does not check."""
    if settings.delivery_folders:
        return []
    return [
        Phrase(
            "This host delivers nothing: delivery_roots is not set. The folder is checked by the host that delivers."
        )
    ]
