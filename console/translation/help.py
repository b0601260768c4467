"""Commands whose help is said in the chosen language."""

import copy

import click

from console.translation.language import help_said


class Command(click.Command):
    """A command; its texts are plain English, and the catalogue has them."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, in the chosen language."""
        # Not this method again: what it calls are the parts, of the command that is said.
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
    """A copy to be shown, never called."""
    spoken = copy.copy(command)
    spoken.help = None if command.help is None else help_said(command.help)
    spoken.epilog = None if command.epilog is None else help_said(command.epilog)
    spoken.params = [_said_parameter(each) for each in command.get_params(ctx)]
    spoken.add_help_option = False  # it is among them
    return spoken


def _said_parameter(parameter: click.Parameter) -> click.Parameter:
    spoken = copy.copy(parameter)
    if isinstance(spoken, click.Option) and spoken.help:
        spoken.help = help_said(spoken.help)
    return spoken
