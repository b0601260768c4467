"""The validation that Graph requires of an endpoint before it creates a subscription (docs/graph.md, section 2).

https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation
"""

from typing import Final

from aiohttp import web

MAX_TOKEN: Final = 4096


def answer(token: str) -> web.Response:
    """Return the decoded token and nothing else; `nosniff` and a length limit keep it harmless without altering it."""
    if len(token) > MAX_TOKEN:
        return web.Response(status=400, text=f"validationToken is longer than {MAX_TOKEN} characters.")
    return web.Response(
        text=token,
        content_type="text/plain",
        charset="utf-8",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"},
    )
