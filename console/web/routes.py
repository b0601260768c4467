"""Routes: what a page answers, and the right that it needs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from console.web.rights import Role
from console.web.visit import Visit

Handler = Callable[[Visit], Awaitable[web.StreamResponse]]

GET: Final = "GET"
POST: Final = "POST"


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `needs`: the role of its user; None: anyone, as the sign-in itself. `has_file`: its form has one.

    A route that changes something is a POST: its request must prove that it comes from a page of this session.
    """

    method: str
    path: str
    handler: Handler
    needs: Role | None
    has_file: bool = False

    @property
    def is_api(self) -> bool:
        """True of a route for programs: they prove who they are by a token, not by a session."""
        return self.path.startswith("/api/")


def page(path: str, handler: Callable[[Visit], Awaitable[Any]], needs: Role | None = Role.VIEWER) -> Route:
    """A route that only reads."""
    return Route(GET, path, handler, needs)


def action(
    path: str, handler: Callable[[Visit], Awaitable[Any]], needs: Role | None, *, has_file: bool = False
) -> Route:
    """A route that changes something."""
    return Route(POST, path, handler, needs, has_file)


Routes = Sequence[Route]
