"""Notices: a sentence that an action leaves for the next page, in a cookie that only this browser's secret opens."""

import json
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from console.web.tokens import RandomBytes, sealed, unsealed
from phrases.storage import from_json, to_json

COOKIE: Final = "__Host-notice"
_SECONDS: Final = 60
_MAX_LENGTH: Final = 2000
"""Characters of the JSON; a browser keeps 4,096 bytes of a cookie."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence. `warns`: what was asked for was not done, or not all of it."""

    text: str
    warns: bool = False


def leave(answer: web.StreamResponse, notice: Notice, browser_id: str, random: RandomBytes) -> None:
    """Leave a sentence; one that is too long for a cookie is cut, and stays English."""
    text = json.dumps([to_json(notice.text), "".join(notice.text), notice.warns])
    if len(text) > _MAX_LENGTH:
        text = json.dumps([None, "".join(notice.text)[: _MAX_LENGTH // 8], notice.warns])
    answer.set_cookie(
        COOKIE,
        sealed(text, browser_id, random),
        max_age=_SECONDS,
        path="/",
        secure=True,
        httponly=True,
        samesite="Lax",
    )


def left(request: web.Request, browser_id: str) -> Notice | None:
    """The sentence that the last answer left."""
    text = request.cookies.get(COOKIE)
    opened = None if text is None else unsealed(text, browser_id)
    if opened is None:
        return None
    stored, english, warns = json.loads(opened)
    return Notice(from_json(stored, english) or "", warns)


def forget(answer: web.StreamResponse) -> None:
    """Have the browser forget the sentence, once it is shown."""
    answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
