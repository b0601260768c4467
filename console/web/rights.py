"""Roles of users, and what each allows."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """A role, by the word that Entra has for it. Each of the first three allows what those before it do."""

    VIEWER = "Viewer"
    """Sees states, never the content of mail."""
    OPERATOR = "Operator"
    """Replays and imports."""
    ADMINISTRATOR = "Administrator"
    """Changes accounts, rules and users."""
    READER = "Reader"
    """Opens bodies and attachments, beside one of the others."""


_RANKS: Final = (Role.VIEWER, Role.OPERATOR, Role.ADMINISTRATOR)


def known_roles(words: Collection[str]) -> frozenset[Role]:
    """The roles among these words; others are of no meaning here."""
    return frozenset(each for each in Role if each.value in words)


def allows(roles: Collection[Role], needed: Role) -> bool:
    """True if one of the roles includes the needed one. `READER` opens nothing without one of the others."""
    rank = max((_RANKS.index(each) for each in roles if each in _RANKS), default=-1)
    if needed is Role.READER:
        return rank >= 0 and Role.READER in roles
    return rank >= _RANKS.index(needed)
