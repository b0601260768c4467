"""The output of commands: data on standard output, as a table or as JSON; messages on standard error."""

import functools
import json
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from console.translation.language import translated
from phrases import Phrase

_STEERING: Final = frozenset({"Cc", "Cf", "Cs"})  # control characters, bidirectional marks, broken UTF-16
_SECOND: Final = Phrase("s")
_UNITS: Final = ((86400, Phrase("d")), (3600, Phrase("h")), (60, Phrase("min")), (1, _SECOND))


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the key of its value in a row, its heading, and the display of the value.

    `show` returns a phrase where the value is a word of the product; foreign text may be any text.
    `whole`: the value is not broken into lines, so that it can be copied. `lines`: the product's line breaks are kept.
    """

    key: str
    heading: Phrase
    show: Callable[[Any], str] | None = None
    right: bool = False
    whole: bool = False
    lines: bool = False

    def text(self, row: Mapping[str, Any]) -> Text:
        """The cell, without markup and control characters: names come from users and from foreign mail."""
        text = translated((self.show or shown)(row[self.key]))
        return Text("\n".join(map(printable, text.split("\n") if self.lines else [text])))


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows. As JSON: an array of objects, with all values of the rows, also those without a column.

    `empty` is printed when there are none. `failure`: the rows are printed, then the command ends with exit status 1.
    """

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    empty: Phrase
    failure: Phrase | None = None

    def data(self) -> object:
        """The value for the JSON."""
        return list(self.rows)

    def table(self) -> RichTable | None:
        """The table on standard output."""
        if not self.rows:
            tell(self.empty)
            return None
        table = RichTable(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for column in self.columns:
            table.add_column(
                translated(column.heading),
                overflow="fold",
                justify="right" if column.right else "left",
                no_wrap=column.whole,
            )
        for row in self.rows:
            table.add_row(*(column.text(row) for column in self.columns))
        return table


@dataclass(frozen=True, slots=True)
class Record:
    """One object, a line for each of its facts. As JSON: one object. `failure`: as in `Listing`.

    `below`: rows displayed under it; in the JSON they are where the row has them.
    """

    columns: Sequence[Column]
    row: Mapping[str, Any]
    failure: Phrase | None = None
    below: Listing | None = None

    def data(self) -> object:
        """The value for the JSON."""
        return dict(self.row)

    def table(self) -> RichTable | None:
        """The table on standard output."""
        table = RichTable(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for column in self.columns:
            table.add_row(translated(column.heading), column.text(self.row))
        return table


def prints_data(function: Callable[..., Listing | Record]) -> Callable[..., None]:
    """Give a command the option `--json`, and print what its function returns."""

    @click.option("--json", "in_json", is_flag=True, help="Print the same data as JSON.")
    @functools.wraps(function)
    def command(*args: object, in_json: bool, **kwargs: object) -> None:
        result = function(*args, **kwargs)
        if in_json:
            click.echo(json.dumps(result.data(), indent=2, default=as_json))
        else:
            print_table(result.table())
            if isinstance(result, Record) and result.below is not None:
                click.echo()
                print_table(result.below.table())
        if result.failure is not None:
            raise failure(result.failure)

    return command


def print_table(table: RichTable | None) -> None:
    """Print a table to standard output."""
    if table is None:
        return
    console = Console(file=sys.stdout, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    # Rich fills the last column up with blanks, a nuisance when pasted.
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_object(facts: Mapping[str, object], name: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Print one JSON object: the facts, and under `name` the rows, streamed: they may exceed memory."""
    click.echo(json.dumps(facts, indent=2, default=as_json).removesuffix("\n}"), nl=False)
    click.echo(f",\n  {json.dumps(name)}: [", nl=False)
    end = "]"
    for number, row in enumerate(rows):
        text = textwrap.indent(json.dumps(row, indent=2, default=as_json), "    ")
        click.echo(f"{',' if number else ''}\n{text}", nl=False)
        end = "\n  ]"
    click.echo(f"{end}\n}}")


def tell(text: Phrase) -> None:
    """Print a message for the user, on standard error, in the chosen language."""
    click.echo(printable(translated(text)), err=True)


def failure(reason: Phrase) -> click.ClickException:
    """The error for exit status 1, with this sentence."""
    return click.ClickException(translated(reason))


def wrong_usage(reason: Phrase) -> click.UsageError:
    """The error for exit status 2: the arguments do not go together."""
    return click.UsageError(translated(reason))


def wrong_value(reason: Phrase, *, of: str | None = None) -> click.BadParameter:
    """The error for exit status 2: a value is invalid. `of`: its option, outside of the option's own check."""
    return click.BadParameter(translated(reason), param_hint=of)


def printable(text: str) -> str:
    """Replace the characters that could control a terminal."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign) in _STEERING else sign for sign in text)


def shown(value: object) -> str:
    """Format a value for display."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return Phrase("yes") if value else Phrase("no")
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return str(value)


def span(time: timedelta) -> Phrase:
    """A length of time in its two largest units: `3 d 4 h`, `12 s`."""
    left = max(0, int(time.total_seconds()))
    parts = []
    for size, unit in _UNITS:
        if left >= size:
            parts.append(Phrase.joined(Phrase.of(left // size), unit))
            left %= size
    return Phrase.joined(*parts[:2]) if parts else Phrase.joined(Phrase.of(0), _SECOND)


def as_json(value: object) -> object:
    """Convert a value that `json.dumps` does not support, alike in the JSON of every command."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
