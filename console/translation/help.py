"""Commands with help in the chosen language."""

import copy

import click

from console.translation.language import translated_help


class Command(click.Command):
    """A command; its texts are plain English, translated by the catalogue."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, in the chosen language."""
        # The base method, not this one again: it formats the parts of the translated copy.
        click.Command.format_help(_translated(self, ctx), ctx, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """The line in the list of a group's commands, in the chosen language."""
        copied = copy.copy(self)
        copied.help = None if self.help is None else translated_help(self.help)
        return click.Command.get_short_help_str(copied, limit)


class Group(Command, click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type


def _translated(command: click.Command, ctx: click.Context) -> click.Command:
    """A translated copy, for display only."""
    copied = copy.copy(command)
    copied.help = None if command.help is None else translated_help(command.help)
    copied.epilog = None if command.epilog is None else translated_help(command.epilog)
    copied.params = [_translated_parameter(each) for each in command.get_params(ctx)]
    copied.add_help_option = False  # among them already
    return copied


def _translated_parameter(parameter: click.Parameter) -> click.Parameter:
    copied = copy.copy(parameter)
    if isinstance(copied, click.Option) and copied.help:
        copied.help = translated_help(copied.help)
    return copied
