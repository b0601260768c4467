"""Commands with help in the chosen language."""

import copy

import click

from console.translation.language import help_said


class Command(click.Command):
    """A command; its texts are plain English, translated by the catalogue."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, in the chosen language."""
        # The base method, not this one again: it formats the parts of the translated copy.
        click.Command.format_help(_said(self, ctx), ctx, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """The line in the list of a group's commands, in the chosen language."""
        spoken = copy.copy(self)
        spoken.help = None if self.help is None else help_said(self.help)
        return click.Command.get_short_help_str(spoken, limit)


class Group(Command, click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type


def _said(command: click.Command, ctx: click.Context) -> click.Command:
    """A translated copy, for display only."""
    spoken = copy.copy(command)
    spoken.help = None if command.help is None else help_said(command.help)
    spoken.epilog = None if command.epilog is None else help_said(command.epilog)
    spoken.params = [_said_parameter(each) for each in command.get_params(ctx)]
    spoken.add_help_option = False  # among them already
    return spoken


def _said_parameter(parameter: click.Parameter) -> click.Parameter:
    spoken = copy.copy(parameter)
    if isinstance(spoken, click.Option) and spoken.help:
        spoken.help = help_said(spoken.help)
    return spoken
