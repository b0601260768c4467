"""PowerShell, parsed by its grammar: syntax errors, functions, commands and variables of a script."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from tests.paths import ROOT

FOLDER: Final = ROOT / "deploy" / "windows"
SCRIPTS: Final = sorted(FOLDER.glob("*.ps1"))
_FENCE: Final = re.compile(r"^( *)```powershell\b[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_powershell.language()))


def parse(source: str) -> Node:
    return _parser().parse(source.encode()).root_node


@cache
def script(path: Path) -> Node:
    return parse(path.read_text("utf-8"))


def text(node: Node) -> str:
    return (node.text or b"").decode()


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def errors(root: Node) -> list[str]:
    """Return the places that the grammar does not take, with their lines."""
    return [
        f"line {node.start_point[0] + 1}: {text(node)[:60]}"
        for node in walk(root)
        if node.type == "ERROR" or node.is_missing
    ]


def blocks(document: Path) -> list[str]:
    """Return the blocks of PowerShell in a document."""
    return [found[2] for found in _FENCE.finditer(document.read_text("utf-8"))]


def functions(root: Node) -> dict[str, Node]:
    return {
        text(child): node
        for node in walk(root)
        if node.type == "function_statement"
        for child in node.children
        if child.type == "function_name"
    }


def parameters(node: Node) -> list[str]:
    """Return the parameters of a script or function, with their dollar sign."""
    lists = (each for each in walk(node) if each.type == "parameter_list" and _owner(each) == _own(node))
    return [
        text(child)
        for each in lists
        for parameter in each.children
        if parameter.type == "script_parameter"
        for child in parameter.children
        if child.type == "variable"
    ]


def _own(node: Node) -> int | None:
    return node.id if node.type == "function_statement" else None


def _owner(node: Node) -> int | None:
    owner = enclosing(node, "function_statement")
    return None if owner is None else owner.id


def enclosing(node: Node, kind: str) -> Node | None:
    """Return the innermost node of this kind around a node."""
    around = node.parent
    while around is not None and around.type != kind:
        around = around.parent
    return around


def commands(node: Node) -> Iterator[Node]:
    return (each for each in walk(node) if each.type == "command")


def name(command: Node) -> str:
    found = command.child_by_field_name("command_name")
    return "" if found is None else text(found)


def elements(command: Node) -> list[Node]:
    found = command.child_by_field_name("command_elements")
    return [] if found is None else [each for each in found.children if each.type != "command_argument_sep"]


def named_parameters(command: Node) -> list[str]:
    """Return the parameters that a command is given by name, without their values."""
    return [text(each).rstrip(":") for each in elements(command) if each.type == "command_parameter"]


def lists_of_words(node: Node) -> Iterator[list[str]]:
    """Return the arrays whose first item is a literal; any other item that is none stands as `X`."""
    for each in walk(node):
        if each.type == "array_expression":
            row = next((below for below in walk(each) if below.type == "array_literal_expression"), None)
            items = [] if row is None else [_literal(item) for item in row.children if item.type != ","]
            if items and items[0] != "X":
                yield items


def _literal(node: Node) -> str:
    found = next((each for each in walk(node) if each.type == "verbatim_string_characters"), None)
    return "X" if found is None or text(found) != text(node) else text(found)[1:-1]
