"""Groups whose commands are loaded when they are called: help appears at once, and a command loads what it uses."""

import gc
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from console.loading import load_libraries
from console.translation.help import Group


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """The location of a command (`module:name`), and its line in the list of all; without one the list loads it."""

    target: str
    summary: str = ""

    def load(self) -> click.Command:
        """Import the command."""
        module, _, name = self.target.partition(":")
        gc.disable()  # collections while modules are loaded find nothing, and take a tenth of a second
        try:
            load_libraries()
            command = getattr(importlib.import_module(module), name)
        finally:
            gc.freeze()  # else the first collection would go through all that was loaded
            gc.enable()
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is no command")
        return command


class LazyGroup(Group):
    """A group of such commands, beside those of its own module."""

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **kwargs: Any) -> None:  # noqa: ANN401  # click's own
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted as click does."""
        return sorted([*super().list_commands(ctx), *self.lazy])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None when there is none of that name."""
        entry = self.lazy.get(cmd_name)
        return super().get_command(ctx, cmd_name) if entry is None else entry.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve as click does, and suggest the names of all commands."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            raise click.exceptions.NoSuchCommand(name, possibilities=known, ctx=ctx)
        return super().resolve_command(ctx, args)
