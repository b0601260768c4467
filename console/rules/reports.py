"""Sentences about rules that were added and changed."""

from console.settings import Settings
from phrases import Phrase
from rules.compiled import CompiledRule
from rules.rule import Rule


def added_sentence(rule: Rule) -> Phrase:
    """A rule is added."""
    if rule.enabled:
        return Phrase("Rule {name!r} is added and enabled.", name=rule.name)
    return Phrase("Rule {name!r} is added, but not enabled.", name=rule.name)


def changed_sentence(rule: Rule) -> Phrase:
    """A rule is changed."""
    return Phrase("Rule {name!r} is changed. A running delivery role applies it within seconds.", name=rule.name)


def enabled_sentence(rule: Rule) -> Phrase:
    """A rule is enabled or disabled."""
    if rule.enabled:
        return Phrase("Rule {name!r} is enabled.", name=rule.name)
    return Phrase("Rule {name!r} is disabled.", name=rule.name)


def moved_sentence(rule: Rule, place: int) -> Phrase:
    """A rule is at that place."""
    return Phrase("Rule {name!r} is at position {place}.", name=rule.name, place=place)


def removed_sentence(rule: Rule) -> Phrase:
    """A rule is removed."""
    return Phrase("Rule {name!r} is removed.", name=rule.name)


def rule_sentences(rule: Rule) -> list[Phrase]:
    """Remarks on a valid rule that an operator may not expect."""
    if not CompiledRule(rule).is_unconditional:
        return []
    if rule.account_id is None:
        return [Phrase("It has no condition: it fits all mail.")]
    return [Phrase("It has no condition: it fits all mail of its account.")]


def folder_sentences(settings: Settings) -> list[Phrase]:
    """Remark that this host does not check the folder."""
    if settings.delivery_folders:
        return []
    return [
        Phrase(
            "This host delivers nothing: delivery_roots is not set. The folder is checked by the host that delivers."
        )
    ]
