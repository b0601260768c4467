"""State shared by the commands: the settings and the gateway database of one invocation."""

import functools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Final

import click
from sqlalchemy import Connection, Engine

from console import logs, terminal
from console.output import wrong_value
from console.settings import Settings
from console.settings_sources import load_settings
from console.times import parse_time
from console.translation.language import block
from console.wiring.calls import CallContext
from console.wiring.clock import utc_now
from console.wiring.database import open_engine
from db.engine import Database, run_reading
from db.errors import DatabaseError
from db.queries.accounts import every, every_removed
from db.schema import revisions
from graph.errors import GraphError
from phrases import Phrase

_COMPLETION_SECONDS: Final = 2
"""Limit of the wait for a database during shell completion."""


_MAX_SEARCHED: Final = 1000
"""Characters of a text to search for."""


class Invocation:
    """One call of `mail-importer`. The settings are read when a command first needs them, and only once."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        calls: CallContext | None = None,
    ) -> None:
        self._given = settings
        self.clock = clock
        self.calls = CallContext(clock=clock) if calls is None else calls
        """Time, chance and bounds of calls of Graph."""

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings; from here on logs go to standard error in the form they set, or nowhere (`--verbose`).

        Raises:
            SettingsError: they are wrong.
        """
        settings = self._given if self._given is not None else load_settings()
        if terminal.verbose():
            logs.configure(sys.stderr, settings.log_format)
        else:
            logs.discard()
        return settings

    @contextmanager
    def gateway(self, *, current: bool = True, unhurried: bool = False) -> Iterator[Engine]:
        """The gateway database, its schema checked unless `current` is false; `unhurried`: see `open_engine`.

        Raises:
            DriverMissing, DatabaseUnavailable, SchemaNotCurrent
        """
        engine = open_engine(self.settings, unhurried=unhurried)
        try:
            if current:
                revisions.require_current(engine)
            yield engine
        finally:
            engine.dispose()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """As `gateway`, for coroutines."""
        with self.gateway() as engine:
            database = Database(engine)
            try:
                yield database
            finally:
                await database.close()


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


def as_stored(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Return text unchanged, to compare it with the database; bytes that are no UTF-8 are wrong usage."""
    if text is not None and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise wrong_value(Phrase("It is not UTF-8 text."))
    return text


def as_stored_each(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return texts unchanged, as `as_stored` does."""
    for each in texts:
        as_stored(context, parameter, each)
    return texts


def search_text(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    """Parse a text to search for: not empty, and of bounded length."""
    stored = as_stored(context, parameter, text)
    if stored is None:
        return None
    bare = stored.strip()
    if not bare:
        raise wrong_value(Phrase("It is empty."))
    if len(bare) > _MAX_SEARCHED:
        raise wrong_value(
            Phrase("It has {count} characters; {longest} is the most.", count=len(bare), longest=_MAX_SEARCHED)
        )
    return bare


def account_names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The account names with this prefix; none where they cannot be read: completion shows no errors."""
    return _completed(lambda connection: [each.settings.name for each in every(connection)], incomplete)


def all_account_names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """As `account_names`, with those of removed accounts."""
    return _completed(
        lambda connection: [each.settings.name for each in (*every(connection), *every_removed(connection))],
        incomplete,
    )


def rule_names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The names of rules with this prefix, as `account_names`."""
    from db.queries import rules  # noqa: PLC0415  # of a completion alone

    return _completed(lambda connection: [each.rule.name for each in rules.every(connection)], incomplete)


def _completed(names: Callable[[Connection], list[str]], incomplete: str) -> list[str]:
    try:
        settings = load_settings().model_copy(update={"database_login_timeout": _COMPLETION_SECONDS})
        with Invocation(settings).gateway() as engine:
            found = run_reading(engine, names)
    except (click.ClickException, DatabaseError, GraphError):
        return []
    return [each for each in found if each.startswith(incomplete)]


def moment(context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | None:
    """Parse a time in one of the forms of `console.times`."""
    if text is None:
        return None
    try:
        return parse_time(text, context.ensure_object(Invocation).clock())
    except (ValueError, OverflowError) as exc:
        raise wrong_value(
            Phrase(
                "{text!r} is not a time. Forms: a time ago (90m, 2h, 3d, 2w), today, yesterday, ISO 8601 (2026-11-29, "
                "2026-11-29T14:30, 2026-11-29T14:30:00+02:00), or a date with the day first (29.11.2026, 29/11/2026, "
                "29.11.2026 14:30). It is UTC unless it has an offset.",
                text=text,
            )
        ) from exc


def past_moment(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    """Parse a time as `moment` does; a future one is wrong usage, too."""
    time = moment(context, parameter, text)
    if time is not None and time > context.ensure_object(Invocation).clock():
        raise wrong_value(Phrase("{time:%Y-%m-%d %H:%M:%S} UTC is in the future.", time=time))
    return time


def example(*lines: str) -> Phrase:
    """The end of a command's help: example lines."""
    commands = sum(not line.startswith(" ") for line in lines)
    heading = Phrase("Example:") if commands == 1 else Phrase("Examples:")
    return block(heading, *(Phrase.verbatim(f"  {line}") for line in lines))
