"""Rules and mail of the tests."""

from datetime import UTC, datetime
from typing import Any

from rules.compiled import CompiledRule, CompiledRules, Verdict
from rules.mail import AttachmentFacts, MailFacts, Member
from rules.rule import Rule

IMPORTED = datetime(2026, 3, 31, 12, 0, 5, tzinfo=UTC)
RECEIVED = datetime(2026, 3, 31, 11, 59, 58, tzinfo=UTC)


def rule(**fields: Any) -> CompiledRule:  # noqa: ANN401  # any field
    return CompiledRule(Rule(**{"name": "Laboratory", "folder": "/srv/import", **fields}))


def mail(**fields: Any) -> MailFacts:  # noqa: ANN401  # any field
    known: dict[str, Any] = {
        "message_id": 7,
        "account_id": 1,
        "imported": IMPORTED,
        "received": RECEIVED,
        "senders": ("labor@example.com",),
        "recipients": ("import@riviere.example",),
        "subject": "Prüfbericht",
        "body_text": "Guten Tag",
    }
    return MailFacts(**{**known, **fields})


def attachment(name: str | None = "results.csv", position: int = 0, **fields: Any) -> AttachmentFacts:  # noqa: ANN401  # any field
    known: dict[str, Any] = {
        "position": position,
        "kind": "file",
        "name": name,
        "safe_name": name or f"attachment-{position + 1}",
        "content_type": None,
        "size": 100,
        "inline": False,
        "state": "stored",
        "sha256": f"{position:064x}",
    }
    return AttachmentFacts(**{**known, **fields})


def archive(*names: str, position: int = 0, **fields: Any) -> AttachmentFacts:  # noqa: ANN401  # any field
    members = [Member(number, name, 50) for number, name in enumerate(names)]
    return attachment(**{"name": "data.zip", "position": position, "members": members, **fields})


def verdict(compiled: CompiledRule, facts: MailFacts) -> Verdict:
    """The verdict, after a check that the fast way to it leads to the same."""
    rules = CompiledRules([compiled])
    [found] = rules.check(facts)
    matches = rules.matching(facts)
    assert [each.rule for each in matches.rules] == ([compiled.rule] if found.matches else [])
    assert matches.needs_archives is found.needs_archives
    return found


def failed(compiled: CompiledRule, facts: MailFacts) -> str | None:
    return verdict(compiled, facts).failed
