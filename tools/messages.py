"""Extracts the texts of the code into the catalogues, and compiles these. `make messages` runs it; tests use it too."""

import ast
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import jinja2
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2 import nodes

from console.config.meanings import meanings
from console.lazy_commands import LazyGroup
from console.main import cli
from console.translation.language import ENGLISH, LANGUAGES, catalogue_file, unwrapped
from phrases import Phrase

MessageId = str | tuple[str, str]

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = (
    "alerts",
    "bus",
    "console",
    "db",
    "delivery",
    "graph",
    "hostfaults",
    "monitoring",
    "phrases",
    "processor",
    "receiver",
    "rules",
    "subscriptions",
)
TRANSLATED: Final = tuple(language for language in LANGUAGES if language != ENGLISH)

OF_CLICK: Final[tuple[MessageId, ...]] = (
    "Aborted!",
    "Choose from:\n\t{choices}",
    "Commands",
    ("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
    "Error: The two entered values do not match.",
    "Error: {message}",
    ("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    "Invalid value for {param_hint}: {message}",
    "Invalid value: {message}",
    "Missing argument",
    "Missing command.",
    "Missing option",
    "No such command {name!r}.",
    "No such option {name!r}.",
    "Option {name!r} does not take a value.",
    ("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
    "Options",
    "Repeat for confirmation",
    "Show the version and exit.",
    "Show this message and exit.",
    "Try '{command} {option}' for help.",
    "Usage:",
    "directory",
    "file",
    "path",
    "{name} {filename!r} does not exist.",
    "{name} {filename!r} is a directory.",
    "{name} {filename!r} is a file.",
    "{name} {filename!r} is not readable.",
    "{name} {filename!r} is not writable.",
    "{value!r} is not a valid boolean. Recognized values: {states}",
    "{value!r} is not a valid {number_type}.",
    ("{value!r} is not {choice}.", "{value!r} is not one of {choices}."),
    "{value} is not in the range {range}.",
    "default: {default}",
    "env var: {var}",
    "required",
)
"""The texts of click itself that users see."""


def phrases_in(source: str) -> Iterator[MessageId]:
    """The templates of the phrases in a module.

    Raises:
        TypeError: one is no literal, and could not be translated.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id="Phrase"):
                yield _literal(node, 0)
            case ast.Attribute(value=ast.Name(id="Phrase"), attr="counted"):
                yield _literal(node, 0), _literal(node, 1)


def _literal(call: ast.Call, place: int) -> str:
    template = call.args[place]
    if not isinstance(template, ast.Constant) or not isinstance(template.value, str):
        raise TypeError(f"Line {call.lineno}: the template of a phrase is a literal, not {ast.unparse(template)}")
    return template.value


def phrases_in_template(source: str) -> Iterator[MessageId]:
    """The texts of a template of the web console: those of `t("…")` and `n("…", "…", n=…)`.

    Raises:
        TypeError: one is no literal, and could not be translated.
    """
    for call in jinja2.Environment(autoescape=True).parse(source).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in {"t", "n"}:
            texts = [_literal_of_template(each, call.lineno) for each in call.args]
            yield texts[0] if call.node.name == "t" else (texts[0], texts[1])


def _literal_of_template(node: nodes.Expr, line: int) -> str:
    if not isinstance(node, nodes.Const) or not isinstance(node.value, str):
        raise TypeError(f"Line {line}: the text of a template is a literal, not {node}")
    return node.value


def help_texts(command: click.Command = cli) -> Iterator[str]:
    """The help texts of a command and of all below it, except the epilog, which is a phrase."""
    if command.help:
        yield unwrapped(command.help)
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help and not isinstance(parameter.help, Phrase):
            yield unwrapped(parameter.help)
    if isinstance(command, LazyGroup):
        yield from (unwrapped(entry.summary) for entry in command.lazy.values())
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in filter(None, (command.get_command(context, name) for name in command.list_commands(context))):
            yield from help_texts(each)


def extracted() -> Catalog:
    """Return all texts that a catalogue needs, sorted."""
    found: set[MessageId] = set(OF_CLICK)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            found.update(phrases_in(path.read_text("utf-8")))
    for path in (ROOT / "console" / "web" / "templates").glob("*.html"):
        found.update(phrases_in_template(path.read_text("utf-8")))
    found.update(help_texts())
    found.update(meanings().values())
    template = Catalog(domain="messages", fuzzy=False)
    for message in sorted(found - {""}, key=lambda each: (each, "") if isinstance(each, str) else each):
        template.add(message)
    return template


def source_of(language: str) -> Path:
    """The file with the translations, edited by hand."""
    return catalogue_file(language).with_suffix(".po")


def read(language: str) -> Catalog:
    """The catalogue as it is in its file."""
    with source_of(language).open("rb") as file:
        return read_po(file, locale=language, domain="messages")


def written(catalog: Catalog) -> bytes:
    """The text of the catalogue's file, without locations and dates, which would only make branches differ."""
    head = (
        'msgid ""\nmsgstr ""\n'
        f'"Language: {catalog.locale_identifier}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Plural-Forms: {catalog.plural_forms}\\n"\n\n'
    )
    body = io.BytesIO()
    write_po(body, catalog, width=120, no_location=True, omit_header=True, sort_output=True, ignore_obsolete=True)
    return head.encode() + body.getvalue()


def compiled(catalog: Catalog) -> bytes:
    """The file for gettext."""
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    content = io.BytesIO()
    write_mo(content, catalog)
    return content.getvalue()


def main() -> None:
    """Update the catalogues from the code. New texts are empty, or fuzzy where a similar one existed."""
    template = extracted()
    for language in TRANSLATED:
        catalog = read(language)
        catalog.update(template)
        source_of(language).write_bytes(written(catalog))
        catalogue_file(language).write_bytes(compiled(read(language)))
        left = [each for each in catalog if each.id and (each.fuzzy or not all(strings_of(each.string)))]
        click.echo(f"{language}: {len(catalog)} texts, {len(left)} to translate or to look at")


def strings_of(string: object) -> tuple[str, ...]:
    """The forms of a translation: one, or several of a plural."""
    forms = string if isinstance(string, tuple | list) else (string,)
    return tuple("" if form is None else str(form) for form in forms)


if __name__ == "__main__":
    main()
