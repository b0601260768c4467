"""A scripted stand-in for Graph's odd responses, tokens without sign-in, and a clock that does not wait."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from graph.application import Application
from graph.mailbox import Mailbox

NOW = datetime.now(UTC)


def make_mailbox(**facts: object) -> Mailbox:
    values: dict[str, Any] = {
        "account_id": 1,
        "account_name": "Support",
        "tenant_id": "9c41aaaa-0000-4000-8000-000000000001",
        "client_id": "c11e0000-0000-4000-8000-000000000001",
        "user_id": "6b1f0000-0000-4000-8000-000000000001",
        "thumbprint": "AB" * 20,
        "secure_certificate_access": False,
    }
    return Mailbox(**{**values, **facts})


class Clock:
    """Advances only by sleeping."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class FixedTokens:
    """Tokens token-1, token-2, …: a new one after each rejection; after a refusal the one of `granted`, if any."""

    def __init__(self) -> None:
        self.current = 1
        self.refreshed = 0
        self.granted: str | None = None

    async def token(self, application: Application) -> str:  # noqa: ARG002  # one for all
        return f"token-{self.current}"

    async def fresh(self, application: Application, rejected: str) -> str:
        if rejected == await self.token(application):
            self.current += 1
            self.refreshed += 1
        return await self.token(application)

    async def newer(self, application: Application, refused: str) -> str | None:
        assert refused == await self.token(application)
        return self.granted


Answer = Callable[[web.Request], Any]


@dataclass
class Script:
    """Responses in order, the last one for ever; `requests` has the requests."""

    answers: list[Answer] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""

    def say(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        result = answer(request)
        if hasattr(result, "__await__"):
            result = await result
        assert isinstance(result, web.StreamResponse)
        return result


def ok(body: object, **headers: str) -> Answer:
    return lambda _: web.json_response(body, headers=headers)


def raw(status: int = 200, body: bytes = b"", content_type: str = "application/json", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.Response(status=status, body=body, content_type=content_type, headers=named)


def fail(status: int, code: str = "", message: str = "", inner: object = None, **headers: str) -> Answer:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner is not None:
        error["innerError"] = inner
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.json_response({"error": error}, status=status, headers=named)


def hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
