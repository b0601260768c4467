"""The catalogues hold all user-facing text, translated; no help text stays English."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import click
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo

from console.main import cli
from console.translation.help import Command
from console.translation.language import FOLDER, catalogue, catalogue_file, unwrapped
from phrases import Phrase
from phrases.storage import has_plain_fields
from tests.unit.console.conftest import Run
from tools import messages
from tools.messages import TRANSLATED, MessageId, strings_of

_ENGLISH_WORDS = re.compile(r"\b(the|and|with|which|that|from|of|Usage|Show|Example|Examples|Commands)\b")
_FRENCH_SPACES = re.compile(r"[^\S\u00a0\n][:;?!»](?=\s|$)|«(?!\u00a0)|(?<=[a-zéè}])[;?!](?=\s|$)")


@pytest.fixture(scope="module")
def extracted() -> Catalog:
    return messages.extracted()


@pytest.fixture(scope="module", params=TRANSLATED)
def language(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def translated(language: str) -> Catalog:
    return messages.read(language)


def texts(catalog: Catalog) -> list[Message]:
    return [each for each in catalog if each.id]


def id_of(message: Message) -> MessageId:
    return message.id if isinstance(message.id, str) else (message.id[0], message.id[1])


@pytest.mark.slow
def test_every_text_of_the_code_is_in_the_catalogue_and_no_other(translated: Catalog, extracted: Catalog) -> None:
    there, wanted = ({id_of(each) for each in texts(catalog)} for catalog in (translated, extracted))
    assert wanted - there == set(), "run: make messages"
    assert there - wanted == set(), "run: make messages"
    assert not translated.obsolete


def test_every_text_is_translated_for_certain(translated: Catalog) -> None:
    assert [each.id for each in texts(translated) if each.fuzzy or not all(strings_of(each.string))] == []


def test_a_translation_has_the_values_of_its_english(translated: Catalog) -> None:
    def fields(text: str) -> set[tuple[str, str, str | None]]:
        return {(name, form or "", conversion) for _, name, form, conversion in Formatter().parse(text) if name}

    for each in texts(translated):
        english, said = strings_of(each.id), strings_of(each.string)
        # French uses the singular for zero, so that its first form has the count even where that of English needs none.
        for form, wanted in zip(said, english, strict=True):
            assert fields(form) in (fields(wanted), fields(english[-1])), form


@pytest.mark.slow
def test_every_template_can_be_stored(extracted: Catalog) -> None:
    """The templates of the code have no other fields and formats than those that the database may have."""
    assert [form for each in texts(extracted) for form in strings_of(each.id) if not has_plain_fields(form)] == []


def test_french_has_the_spaces_of_french() -> None:
    for each in texts(messages.read("fr")):
        for form in strings_of(each.string):
            assert not _FRENCH_SPACES.search(form), form


def test_what_is_compiled_is_what_is_written(language: str, translated: Catalog) -> None:
    with catalogue_file(language).open("rb") as file:
        compiled = read_mo(file)
    assert {id_of(each): strings_of(each.string) for each in texts(compiled)} == {
        id_of(each): strings_of(each.string) for each in texts(translated)
    }
    assert messages.source_of(language).read_bytes() == messages.written(translated), "run: make messages"


@pytest.mark.slow
def test_the_words_of_click_are_those_that_it_says() -> None:
    folder = Path(click.__file__).parent
    said = {
        argument.value
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "ngettext"}
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    wanted = {form for each in messages.OF_CLICK for form in ([each] if isinstance(each, str) else each)}
    assert wanted - said == {"required"}  # it has that one by way of a variable


def test_a_phrase_that_is_no_literal_is_found() -> None:
    with pytest.raises(TypeError, match="Line 1"):
        list(messages.phrases_in('Phrase(f"It is {wrong}.")'))


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None
            yield from walk(each, (*path, name))


def test_no_help_is_left_in_english(language: str, run: Run) -> None:
    for path, command in walk(cli):
        assert isinstance(command, Command), f"{path} needs cls=Command or cls=Group"
        out = run("--language", language, *path, "--help").stdout
        assert max(map(len, out.splitlines())) <= 80, f"{path} is too wide"
        plain = " ".join(out.split())
        for text in filter(
            None, [command.help, *(each.help for each in command.params if isinstance(each, click.Option))]
        ):
            for paragraph in unwrapped(text).split("\n\n"):
                assert paragraph not in plain, f"{path}: {paragraph}"
        # Examples and names of options are the same in each language.
        prose = re.split(r"Exemples?", re.sub(r"`[^`]*`|\[.*?\]|--\S+|\S+/\S+", "", out))[0]
        assert not _ENGLISH_WORDS.search(prose), f"{path}: {_ENGLISH_WORDS.search(prose)}"


def test_the_parts_of_the_french_help_are_french(run: Run) -> None:
    out = run("--language", "fr", "accounts", "add", "--help").stdout
    for part in (
        "Utilisation\u00a0:",
        "Options\u00a0:",
        "Afficher ce message et quitter.",
        "[obligatoire]",
        "Exemple\u00a0:",
    ):
        assert part in out
    assert "Commandes\u00a0:" in run("--language", "fr", "--help").stdout


def test_every_language_has_its_catalogue_and_every_catalogue_its_language() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(TRANSLATED)
    assert Phrase("yes").translated(catalogue("fr")) == "oui"
