"""Templates: HTML from the files of `templates/`, escaped, in the language of the request.

In a template: `t("text {name}", name=…)` and `n("{n} file", "{n} files", n=…)` translate literals (`make messages`
finds them); `value|say` translates a phrase; `code|word` shows a code; `time|time`, `time|ago` show a time;
`m.listing(view, …)`, `m.record(view, …)`, `m.field(…)` and `m.state(…)`
are the macros of `macros.html`.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import jinja2
from markupsafe import Markup, escape

from console.output import Column, shown, span
from console.translation.labels import word
from console.translation.language import LANGUAGES, catalogue, translated_help
from console.web.rights import Role
from console.web.security import CSRF_FIELD
from phrases import Phrase

if TYPE_CHECKING:
    from console.web.visit import Visit

FOLDER: Final = Path(__file__).parent / "templates"
STATIC: Final = Path(__file__).parent / "static"
_STEERING: Final = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters and marks of direction; not the joiners, which words of several languages need."""
_TINTS: Final[Mapping[str | None, str]] = {"red": "bad", "yellow": "warn", "green": "good"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its text, and the class of its colour, empty for none."""

    text: str
    tint: str
    right: bool


class Templates:
    """The templates, compiled once. `stamps`: by file name, what changes with each version of a static file."""

    def __init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._stamps = {each.name: _stamp(each) for each in STATIC.iterdir() if each.is_file()}
        self._environment.globals.update(
            Role=Role, static=self.static, languages=LANGUAGES, tint=tint, headed=headed, zip=zip
        )
        # A block that is rendered alone has no imports of its template.
        self._environment.globals["m"] = self._environment.get_template("macros.html").module
        self._environment.filters.update(query=query_of, path=_path, plain=plain, code=code)

    def static(self, name: str) -> str:
        """The address of a static file, which a browser may keep for ever."""
        return f"/static/{name}?v={self._stamps[name]}"

    def static_file(self, name: str) -> Path | None:
        """The static file of that name; None: there is none."""
        return STATIC / name if name in self._stamps else None

    def render(self, name: str, visit: "Visit", values: Mapping[str, Any]) -> str:
        """The text of a template. `name` may have a block behind `#`: only that part of the page is rendered."""
        file, _, block = name.partition("#")
        template = self._environment.get_template(file)
        context = template.new_context({**_tools(visit), **values})
        if not block:
            return "".join(template.root_render_func(context))
        return "".join(template.blocks[block](context))


def _tools(visit: "Visit") -> dict[str, Any]:
    """The names that depend on the request."""
    found = catalogue(visit.language)

    def say(text: object) -> str:
        return visit.translated(text)

    def translate(template: str, **values: object) -> str:
        return Phrase.of_template(template, None, values).translated(found)

    def translate_counted(one: str, many: str, *, n: int, **values: object) -> str:
        return Phrase.of_template(one, many, {"n": n, **values}, n=n).translated(found)

    def cells(columns: Sequence[Column], row: Mapping[str, Any]) -> list[Cell]:
        return [_cell(column, row, say) for column in columns]

    return {
        "t": translate,
        "n": translate_counted,
        "say": say,
        "explain": translated_help,
        "word": lambda code: say(word(str(code))),
        "show": lambda value: say(shown(value)),
        "time": time_of,
        "span": lambda length: say(span(length)),
        "ago": lambda time: _ago(time, visit.now, say),
        "cells": cells,
        "visit": visit,
        "user": visit.user_or_none,
        "language": visit.language,
        "csrf": visit.csrf,
        "field_csrf": lambda: Markup('<input type="hidden" name="{name}" value="{token}">').format(
            name=CSRF_FIELD, token=visit.csrf
        ),
        "notice": visit.notice,
        "here": visit.request.path,
    }


def code(text: str) -> Markup:
    """A text, with what stands between backquotes as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # the text is escaped


def tint(colour: str | None) -> str:
    """The class for a colour of a terminal; empty for none."""
    return _TINTS.get(colour, "")


def headed(heading: str) -> Phrase:
    """A heading in front of its value; French has a blank before the colon."""
    return Phrase("{heading}:", heading=heading)


def _cell(column: Column, row: Mapping[str, Any], say: Callable[[object], str]) -> Cell:
    text = plain(say((column.show or shown)(row[column.key])))
    return Cell(text, tint(None if column.colour is None else column.colour(row)), column.right)


def plain(text: str) -> str:
    """The text without characters that change the direction of others: a file name would hide its extension."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def time_of(time: datetime | None) -> Markup:
    """A time in UTC, with its exact value for programs; a script of the page adds the reader's own time."""
    if time is None:
        return Markup("–")
    moment = time.astimezone(UTC)
    text, exact = moment.strftime("%Y-%m-%d %H:%M:%S"), moment.isoformat().replace("+00:00", "Z")
    return Markup('<time datetime="{exact}">{text}</time>').format(exact=exact, text=text)


def _ago(time: datetime | None, now: datetime, say: Callable[[object], str]) -> Markup:
    if time is None:
        return Markup("–")
    exact = time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    gone = now - time
    text = Phrase("{span} ago", span=span(gone)) if gone >= timedelta(0) else Phrase("in {span}", span=span(-gone))
    return Markup('<time datetime="{exact}" title="{exact}">{text}</time>').format(exact=exact, text=say(text))


def query_of(values: Mapping[str, object], /, **changes: object) -> str:
    """The query of an address: the values with changes, without those that are empty."""
    merged = {name: value for name, value in {**values, **changes}.items() if value not in (None, "")}
    return "?" + urlencode(merged, doseq=True) if merged else ""


def _path(text: object) -> str:
    """A text as one part of a path."""
    return quote(str(text), safe="")


def _stamp(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
