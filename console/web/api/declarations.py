"""Declarations of the API: what an operation accepts, answers and needs.

Requests are checked by the same models of which the OpenAPI document is made. What a model does not know is refused.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from console.web.rights import Role
from console.web.visit import Visit

ROOT: Final = "/api/v1"
MAX_LIMIT: Final = 200
LARGEST_NUMBER: Final = 2**63 - 1
_TIME: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)  # RFC 3339, section 5.6

_DIGITS: Final = re.compile(r"-?\d{1,19}", re.ASCII)

P = TypeVar("P", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)


class Given(BaseModel):
    """The base of what requests give."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nullable(Given):
    """The base of bodies whose members may be null, as they are in the answers."""


class Nothing(Given):
    """No parameters, or no body."""


def _time(value: object) -> datetime:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("Give a time of RFC 3339, as 2026-11-29T14:30:00Z.")
    time = datetime.fromisoformat(value.upper())
    try:
        return time.astimezone(UTC)
    except OverflowError:  # of the first or the last day of the calendar, with an offset
        return time.replace(tzinfo=UTC)


def _number(value: object) -> object:
    """Digits alone: pydantic accepts more, which no document says."""
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("Give a whole number.")
    return value


def _flag(value: object) -> object:
    words = {"true": True, "false": False}
    if isinstance(value, str) and value not in words:
        raise ValueError("Give true or false.")
    return words[value] if isinstance(value, str) else value


def _not_null(value: object) -> object:
    if value is None:
        raise ValueError("null is no value here; leave the member out.")
    return value


OPTIONAL: Final = BeforeValidator(_not_null)
"""Of a member that may be left out, and that is None then."""
Time = Annotated[
    datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 40})
]
"""A time with an offset."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\u0000]+$")]
"""A name. No database stores the character NUL."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\u0000]+$")]
"""A text to search for, or to keep."""
Number = Annotated[int, Field(ge=1, le=LARGEST_NUMBER), BeforeValidator(_number)]
"""The number of an object."""
Flag = Annotated[bool, BeforeValidator(_flag)]
"""A parameter that is true or false."""
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="At most so many."), BeforeValidator(_number)]
Cursor = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=r"^[^\u0000]+$"),
    Field(description="Continue behind an earlier page: the value of its `next`."),
]


class Paged(Given):
    """The parameters of all lists."""

    limit: Limit = 50
    cursor: Cursor | None = None


class Refused(Exception):
    """Members or parameters of the request are wrong. `errors`: each with its place and its reason."""

    def __init__(self, *errors: dict[str, str]) -> None:
        super().__init__("the request is refused")
        self.errors = list(errors)

    @classmethod
    def cursor(cls) -> "Refused":
        """The cursor is of no page."""
        return cls({"parameter": "cursor", "detail": "It is no cursor that this list gave."})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of success: its status, its model (None: bytes), and its headers."""

    status: HTTPStatus
    model: type[BaseModel] | None
    text: str
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation(Generic[P, B]):
    """One operation. `parameters`: of path and query; `needs`: None is anyone. `problems`: beside those of all."""

    name: str
    method: str
    path: str
    summary: str
    needs: Role | None
    parameters: type[P]
    body: type[B] | None
    answer: Answer
    handler: Callable[[Visit, P, B], Awaitable[web.StreamResponse]]
    problems: tuple[HTTPStatus, ...] = ()

    @property
    def path_names(self) -> list[str]:
        """The parameters that are in the path."""
        return re.findall(r"{(\w+)}", self.path)


AnyOperation = Operation[Any, Any]
