"""Addresses of the pages of things that other pages name."""

from urllib.parse import quote, urlencode


def mailbox(name: str) -> str:
    """The page of an account."""
    return f"/mailboxes/{quote(name, safe='')}"


def rule(name: str) -> str:
    """The page of an import rule."""
    return f"/rules/{quote(name, safe='')}"


def message(message_id: int) -> str:
    """The page of an imported message."""
    return f"/messages/{message_id}"


def mail(account_id: int, graph_id: str) -> str:
    """The page of an e-mail that may not be imported."""
    return f"/messages/of/{account_id}?{urlencode({'graph_id': graph_id})}"
