"""References in texts: every file, section and command that a text names exists."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import click
import pytest
from babel.messages.pofile import read_po

from console.main import COMMANDS, cli
from tests.paths import ROOT
from tools.messages import PACKAGES, TRANSLATED, extracted, source_of, strings_of


class Text(NamedTuple):
    """A text, and the place where it stands."""

    place: str
    words: str


@cache
def files() -> tuple[Path, ...]:
    """All files of the repository; hidden folders are caches and the like."""
    return tuple(
        path
        for path in sorted(ROOT.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts) and path.is_file()
    )


def markdown() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def with_hashes() -> list[Path]:
    """Other files whose comments begin with a number sign."""
    endings = {".toml", ".yaml", ".sh", ".ps1", ".service"}
    return [path for path in files() if path.suffix in endings or path.name in {"Makefile", "Dockerfile"}]


def _place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def _joined(text: str) -> str:
    return " ".join(text.split())


def _comments(path: Path, found: Iterator[tuple[int, str]]) -> Iterator[Text]:
    """Return comments, those of consecutive lines as one."""
    start, last, words = 0, -1, ""
    for line, comment in found:
        if line != last + 1:
            if words:
                yield Text(_place(path, start), words)
            start, words = line, ""
        words, last = f"{words} {comment.lstrip('# ').rstrip()}".strip(), line
    if words:
        yield Text(_place(path, start), words)


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Walk the statements, and not their expressions, which are most of a tree."""
    for part in ("body", "handlers", "cases", "orelse", "finalbody"):
        for below in getattr(tree, part, ()):
            if isinstance(below, ast.stmt):
                yield below
            yield from _statements(below)


def _docstrings(path: Path, tree: ast.Module) -> Iterator[Text]:
    for node in _statements(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(words))):
                yield Text(_place(path, node.lineno), _joined(words))


_STRING_OR_COMMENT: Final = re.compile(
    r"""(?P<quotes>\"{3}|'{3})(?:\\.|(?!(?P=quotes)).)*(?P=quotes)|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?P<comment>\#[^\n]*)""",
    re.DOTALL,
)
"""Own lexer beside `tokenize`, which takes seconds for this repository."""


def _comments_of_python(source: str) -> Iterator[tuple[int, str]]:
    line, position = 1, 0
    for found in _STRING_OR_COMMENT.finditer(source):
        if found["comment"] is not None:
            line += source.count("\n", position, found.start())
            position = found.start()
            yield line, found["comment"]


def _texts_of_python() -> Iterator[Text]:
    """Return the comments and docstrings, each without line breaks."""
    for path in files():
        if path.suffix != ".py":
            continue
        source = path.read_text("utf-8")
        yield from _docstrings(path, ast.parse(source))
        yield from _comments(path, _comments_of_python(source))


def _texts_of_files() -> Iterator[Text]:
    for path in with_hashes():
        lines = enumerate(path.read_text("utf-8").splitlines(), start=1)
        yield from _comments(path, ((number, line) for number, line in lines if line.lstrip().startswith("#")))


def _texts_of_markdown() -> Iterator[Text]:
    for path in markdown():
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            yield Text(_place(path, number), line)


@cache
def texts() -> tuple[Text, ...]:
    """All comments and docstrings, and the lines of all documents."""
    return (*_texts_of_python(), *_texts_of_files(), *_texts_of_markdown())


# Files.

_URL: Final = re.compile(r"\w+://[^\s)>`\"']+")
_PATH: Final = re.compile(
    r"(?<![\w./*{}…~$\\:-])((?:[\w.-]+/)*[\w-][\w.-]*\.(?:md|py|sh|ps1|toml|yaml|sql|json))(?![\w/-])"
)
_PART_OF_REPOSITORY: Final = (".md", ".py", ".sh", ".ps1")
"""A bare name with another ending may be a file of the user, such as mail-importer.toml."""


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in files())


def _exists(named: str, place: str) -> bool:
    path = Path(named)
    if len(path.parts) == 1:
        return path.name in _names() or path.suffix not in _PART_OF_REPOSITORY
    return (ROOT / path).is_file() or (ROOT / place).parent.joinpath(path).is_file()


@pytest.mark.slow
def test_files_named_in_texts_exist() -> None:
    """A path counts from the root or from the folder of the document; a bare name may be that of a file anywhere."""
    missing = [
        f"{text.place}: {named}"
        for text in texts()
        for named in _PATH.findall(_URL.sub("", text.words))
        if not _exists(named, text.place.rpartition(":")[0])
    ]
    assert missing == []


_LINK: Final = re.compile(r"\]\((?!\w+:)([^)#\s]+)(?:#[^)\s]*)?\)")


@pytest.mark.slow
def test_links_lead_to_files() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in markdown()
        for target in _LINK.findall(path.read_text("utf-8"))
        if not (path.parent / target).exists()
    ]
    assert missing == []


# Sections.

FACTS: Final = ("graph", "servicebus")
"""The documents whose numbered sections are cited."""
_HEADING: Final = re.compile(r"^## (\d+)\. ", re.MULTILINE)
_MENTION: Final = re.compile(rf"(?<![\w-])(?:{'|'.join(FACTS)})\.md")
_CITATION: Final = re.compile(rf"docs/({'|'.join(FACTS)})\.md, sections? (\d+(?:(?:, | and )\d+)*)")


@pytest.mark.slow
def test_cited_sections_exist() -> None:
    headings = {name: _HEADING.findall((ROOT / "docs" / f"{name}.md").read_text("utf-8")) for name in FACTS}
    assert all(numbers == [str(each) for each in range(1, len(numbers) + 1)] for numbers in headings.values())
    missing = [
        f"{text.place}: {name}, {number}"
        for text in texts()
        for name, numbers in _CITATION.findall(text.words)
        for number in re.findall(r"\d+", numbers)
        if number not in headings[name]
    ]
    assert missing == []


@pytest.mark.slow
def test_citations_have_one_form() -> None:
    """`docs/graph.md, section 7`: so a search for a section finds all that relies on it."""
    citing = [text for text in texts() if not text.place.split(":")[0].endswith((".md", "test_references.py"))]
    other = [text.place for text in citing if _MENTION.search(_CITATION.sub("", text.words))]
    assert other == []


# Commands.

PROGRAM: Final = "mail-importer"
_OPTION: Final = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
_WORD: Final = re.compile(r"[a-z][a-z-]*")
_SPAN: Final = re.compile(r"`([^`]+)`")
_CALL: Final = re.compile(rf"(?:^|(?<=[\s(])){PROGRAM}\s+(\S.*)", re.DOTALL)
_BLOCK: Final = re.compile(r"^ *```\w*\n(.*?)^ *```$|((?:^ {4,}(?![-*|])[^\n]+\n)+)", re.MULTILINE | re.DOTALL)
_END: Final = re.compile(r"\s(?:[|>]|&&)\s|\s#\s|\)\"")
"""The end of a call in a line of a shell."""
_SENTENCE: Final = re.compile(rf"['`()]|[.;:,](?:\s|$)|\s(?=\S*{PROGRAM})")
"""The end of a call in a sentence."""


def _options(command: click.Command) -> dict[str, click.Option]:
    options = [each for each in command.get_params(click.Context(command)) if isinstance(each, click.Option)]
    return {name: option for option in options for name in (*option.opts, *option.secondary_opts)}


def problem(words: list[str], command: click.Command = cli) -> str | None:
    """Return what is wrong with the words of a call, the program's name left out; None if the command line takes them.

    Anything but a lower-case word, as `NAME` or `…`, is an argument.
    """
    options = _options(command)
    if words and isinstance(command, click.Group):
        word, rest = words[0].strip(".,;:\"'[]"), words[1:]
        if word in options:
            return problem(rest if options[word].is_flag else rest[1:], command)
        alternatives = word.split("|")
        if len(alternatives) > 1:
            return next(filter(None, (problem([each, *rest], command) for each in alternatives)), None)
        below = command.get_command(click.Context(command), word)
        if below is not None:
            return problem(rest, below)
        if _WORD.fullmatch(word):
            return f"{command.name} has no command {word}"
    unknown = [each for each in _OPTION.findall(" ".join(words)) if each not in options]
    return f"{command.name} has no option {', '.join(unknown)}" if unknown else None


def _problems(place: str, call: str) -> Iterator[str]:
    found = problem(call.replace("\\|", "|").split())
    if found is not None:
        yield f"{place}: {call}: {found}"


def _in_spans(text: Text) -> Iterator[str]:
    """Calls between backticks, also those that leave out the name of the program."""
    for span in _SPAN.findall(text.words):
        call = _CALL.search(span)
        first, _, rest = span.partition(" ")
        if call is not None:
            yield from _problems(text.place, _END.split(call[1])[0])
        elif first in COMMANDS and rest and not rest.startswith("="):
            yield from _problems(text.place, span)


def _in_shell(place: str, lines: str) -> Iterator[str]:
    """Calls at the beginning of a line; also behind another program, if the first word is a command."""
    for line in lines.replace("\\\n", " ").splitlines():
        call = _CALL.search(_END.split(line.strip())[0])
        if call is not None and (call.start() == 0 or call[1].split(" ")[0] in COMMANDS):
            yield from _problems(place, call[1])


def _in_sentences(place: str, words: str) -> Iterator[str]:
    """Calls in a text for users: with quotes, after a colon, or any whose first word is a command."""
    for found in re.finditer(rf"(.?.?){PROGRAM} (\S.*)", words, re.DOTALL):
        call = _SENTENCE.split(found[2])[0].strip()
        if found[1].endswith(("'", "`", "(", ": ")) or call.split(" ")[0] in COMMANDS:
            yield from _problems(place, call)


@pytest.mark.slow
def test_commands_in_comments_and_documents_exist() -> None:
    assert [each for text in texts() for each in _in_spans(text)] == []


def test_commands_in_blocks_of_documents_exist() -> None:
    found = [
        each
        for path in markdown()
        for block in _BLOCK.finditer(path.read_text("utf-8"))
        for each in _in_shell(str(path.relative_to(ROOT)), block[1] or block[2])
    ]
    assert found == []


def _of_users() -> Iterator[Text]:
    """Return the texts of the program, in English and in every other language, except the epilogs."""
    for message in extracted():
        yield from (Text("English", each) for each in strings_of(message.id))
    for language in TRANSLATED:
        with source_of(language).open("rb") as file:
            for message in read_po(file, locale=language, domain="messages"):
                yield from (Text(language, each) for each in strings_of(message.string))


@pytest.mark.slow
def test_commands_in_texts_for_users_exist() -> None:
    found = [each for text in _of_users() for each in (*_in_sentences(*text), *_in_spans(text))]
    assert found == []


def _commands(command: click.Command = cli) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands(below)


@pytest.mark.slow
def test_commands_in_examples_exist() -> None:
    """The epilogs, and other examples, which are not translated."""
    epilogs = [Text(str(command.name), str(command.epilog)) for command in _commands() if command.epilog]
    assert len(epilogs) > 30
    strings = [
        Text(_place(path, node.lineno), node.value)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if PROGRAM in (source := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and f"{PROGRAM} " in node.value
    ]
    examples = [text for text in strings if _CALL.match(text.words.strip())]
    found = [each for text in epilogs for each in _in_shell(*text)]
    found += [
        each
        for text in examples
        for call in [_CALL.match(text.words.strip())]
        if call is not None and call[1].split(" ")[0] in COMMANDS
        for each in _in_shell(text.place, text.words)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ("webhooks", True),
        ("accounts retry", True),
        ("accounts add --nmae laboratory", True),
        ("run all|receiver|sender", True),
        ("--language fr certificates list", False),
        ("run all|receiver|processor|subscriptions", False),
        ("accounts update NAME --no-filters", False),
        ("import {account} --force --id {graph_id}", False),
        ("accounts …", False),
        ("accounts --help", False),
    ],
)
def test_a_wrong_command_is_found(call: str, wrong: bool) -> None:
    assert (problem(call.split()) is not None) == wrong


_NAMES_OF_USERS: Final = re.compile(r"\{(name|account|argument|rule|path|wanted)(?:![rs])?\}")
"""Fields whose values may have blanks, or signs that a shell reads otherwise."""


def _unquoted(source: str) -> Iterator[str]:
    """Fields in the commands of phrases whose values are not quoted for a shell."""
    for call in ast.walk(ast.parse(source)):
        match call:
            case ast.Call(func=ast.Name(id="Phrase") | ast.Attribute(value=ast.Name(id="Phrase"))):
                template = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
                commands = str(template).partition(f"{PROGRAM} ")[2]
                values = {each.arg: ast.unparse(each.value) for each in call.keywords}
                for field in _NAMES_OF_USERS.finditer(commands):
                    if "!r" in field[0] or not values.get(field[1], "quoted(").startswith("quoted("):
                        yield f"{call.lineno}: {field[0]} in {commands}"


def test_what_a_text_says_to_type_is_quoted_for_a_shell() -> None:
    """A name may have blanks: as it stands, it would be two arguments."""
    found = {
        str(path.relative_to(ROOT)): wrong
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if PROGRAM in (source := path.read_text("utf-8")) and (wrong := list(_unquoted(source)))
    }
    assert found == {}
