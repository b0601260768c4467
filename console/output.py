"""The output of commands: data on standard output, as a table or as JSON; messages on standard error."""

import functools
import json
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
from rich.cells import cell_len, set_cell_size

from console import terminal
from console.translation.language import translated
from phrases import Phrase

_STEERING: Final = frozenset({"Cc", "Cf", "Cs"})  # control characters, bidirectional marks, broken UTF-16
_SECOND: Final = Phrase("s")
_UNITS: Final = ((86400, Phrase("d")), (3600, Phrase("h")), (60, Phrase("min")), (1, _SECOND))
_HEARD: Final[ContextVar[list[Phrase] | None]] = ContextVar("console.output", default=None)
_GAP: Final = 2
_LEAST: Final = 10
"""Columns of text are not made narrower than that."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the key of its value in a row, its heading, and the display of the value.

    `show` returns a phrase where the value is a word of the product; foreign text may be any text.
    `whole`: the value is never cut, so that it can be copied. `lines`: the product's line breaks are kept on a
    terminal. `priority`: where a terminal has no room for all columns, those with the lowest are left out, the last of
    them first; the first column stays. `colour`: of the cell, by its row, where that is trouble; a word states it, too.
    """

    key: str
    heading: Phrase
    show: Callable[[Any], str] | None = None
    right: bool = False
    whole: bool = False
    lines: bool = False
    priority: int = 0
    colour: Callable[[Mapping[str, Any]], str | None] | None = None

    def cell(self, row: Mapping[str, Any]) -> list[str]:
        """The lines of the cell, without control characters: names come from users and from foreign mail."""
        text = translated((self.show or shown)(row[self.key]))
        return [printable(line) for line in (text.split("\n") if self.lines else [text])]

    def coloured(self, text: str, row: Mapping[str, Any]) -> str:
        """The text in the colour of the cell."""
        colour = None if self.colour is None else self.colour(row)
        return text if colour is None else click.style(text, fg=colour)


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows. As JSON: an array of objects, with all values of the rows, also those without a column.

    `empty` is printed when there are none. `failure`: the rows are printed, then the command ends with exit status 1.
    `details`: columns of long texts, which a terminal shows whole below each row.
    """

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    empty: Phrase
    failure: Phrase | None = None
    details: Sequence[Column] = ()

    def data(self) -> object:
        """The value for the JSON."""
        return list(self.rows)

    def print(self) -> None:
        """Print the table; where standard output is no terminal, its fields whole, separated by tabs."""
        if not self.rows:
            tell(self.empty)
            return
        width = terminal.width()
        shown_columns = self.columns if width is not None else [*self.columns, *self.details]
        headings = [printable(translated(column.heading)) for column in shown_columns]
        cells = [[column.cell(row) for column in shown_columns] for row in self.rows]
        if width is None:
            for fields in (headings, *(["; ".join(cell) for cell in row] for row in cells)):
                click.echo("\t".join(fields))
            return
        kept, widths = fitted(self.columns, headings, cells, width)
        gap = " " * _GAP
        titles = (_padded(headings[place], widths[place], right=self.columns[place].right) for place in kept)
        click.echo(click.style(gap.join(titles).rstrip(), bold=True))
        for row, texts in zip(self.rows, cells, strict=True):
            for number in range(max(len(texts[place]) for place in kept)):
                lines = (texts[place][number] if number < len(texts[place]) else "" for place in kept)
                padded = (
                    (self.columns[place], _padded(line, widths[place], right=self.columns[place].right))
                    for place, line in zip(kept, lines, strict=True)
                )
                click.echo(gap.join(column.coloured(line, row) for column, line in padded).rstrip())
            for column in self.details:
                for text in filter(None, column.cell(row)):
                    detail = Phrase("{heading}: {text}", heading=column.heading, text=text)
                    click.echo("\n".join(_wrapped(translated(detail), width - _GAP, gap)))
        if len(kept) < len(self.columns):
            left_out = ", ".join(heading for place, heading in enumerate(headings) if place not in kept)
            tell(
                Phrase(
                    "Columns left out for want of room: {columns}. With --json there are all of them.", columns=left_out
                )
            )


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

    def print(self) -> None:
        """Print the facts, texts wrapped between words; where standard output is no terminal, separated by tabs."""
        headings = [printable(translated(column.heading)) for column in self.columns]
        indent, width = max(map(cell_len, headings), default=0) + _GAP, terminal.width()
        for column, heading in zip(self.columns, headings, strict=True):
            cell = column.cell(self.row)
            if width is None:
                click.echo(f"{heading}\t{'; '.join(cell)}")
                continue
            wrapped = [part for line in cell for part in _wrapped(line, max(width - indent, _LEAST)) or [""]]
            lines = [column.coloured(line, self.row) for line in wrapped]
            title = click.style(_padded(heading, indent, right=False), bold=True)
            click.echo(f"\n{' ' * indent}".join([title + lines[0], *lines[1:]]).rstrip())
        if self.below is not None:
            click.echo()
            self.below.print()


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a command that changes or examines something: sentences on standard error; as JSON its facts.

    `failure`: as in `Listing`.
    """

    facts: Mapping[str, Any] | Sequence[Any]
    sentences: Sequence[Phrase] = ()
    failure: Phrase | None = None

    def data(self) -> object:
        """The value for the JSON."""
        return self.facts

    def print(self) -> None:
        """Print the sentences."""
        for sentence in self.sentences:
            tell(sentence)


def prints_data(function: Callable[..., Listing | Record | Report]) -> Callable[..., None]:
    """Give a command the option `--json`, and print what its function returns."""

    @click.option("--json", "in_json", is_flag=True, help="Print the same data as JSON.")
    @functools.wraps(function)
    def command(*args: object, in_json: bool, **kwargs: object) -> None:
        result = function(*args, **kwargs)
        if in_json:
            click.echo(json.dumps(result.data(), indent=2, default=as_json))
        else:
            result.print()
        if result.failure is not None:
            raise failure(result.failure)

    return command


def json_is_printed() -> bool:
    """Return True if the command prints JSON, for which standard output is reserved then."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.params.get("in_json"))


def fitted(
    columns: Sequence[Column], headings: Sequence[str], cells: Sequence[Sequence[Sequence[str]]], width: int
) -> tuple[list[int], dict[int, int]]:
    """The places of the columns that fit into `width`, and the width of each."""
    natural = [
        max([cell_len(heading), *(cell_len(line) for row in cells for line in row[place])])
        for place, heading in enumerate(headings)
    ]
    least = [
        natural[place] if column.whole or column.right else min(natural[place], max(_LEAST, cell_len(headings[place])))
        for place, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))

    def left() -> int:
        return width - sum(least[place] for place in kept) - _GAP * (len(kept) - 1)

    while len(kept) > 1 and left() < 0:
        kept.remove(min(kept[1:], key=lambda place: (columns[place].priority, -place)))
    widths = {place: least[place] for place in kept}
    spare = max(0, left())
    # Those that need the least more come first, so that what they leave is for the others.
    for rank, place in enumerate(sorted(kept, key=lambda place: natural[place] - least[place])):
        more = min(natural[place] - least[place], spare // (len(kept) - rank))
        widths[place] += more
        spare -= more
    return kept, widths


def _padded(text: str, width: int, *, right: bool) -> str:
    """The text in exactly this width, cut with an ellipsis where it is longer."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    blanks = " " * (width - length)
    return blanks + text if right else text + blanks


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    # An id that is longer than the line is left to the terminal, which copies it whole.
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


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


@contextmanager
def hearing() -> Iterator[list[Phrase]]:
    """Collect the messages for the user, for a page that shows them, instead of printing them."""
    heard: list[Phrase] = []
    token = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(token)


def tell(text: Phrase) -> None:
    """Print a message for the user, on standard error, in the chosen language."""
    heard = _HEARD.get()
    if heard is not None:
        heard.append(text)
    else:
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


def megabytes(size: int) -> Phrase:
    """A number of bytes in megabytes."""
    return Phrase("{megabytes:,.1f} MB", megabytes=size / 1_000_000)


def as_json(value: object) -> object:
    """Convert a value that `json.dumps` does not support, alike in the JSON of every command."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
