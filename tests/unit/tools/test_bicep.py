"""The compiler of the subset of Bicep that `deploy/azure` uses."""

from typing import Any

import pytest

pytest.importorskip("tree_sitter_bicep", reason="tree-sitter-bicep of the group dev is not installed")

from tools.bicep import COMPILED, SOURCE, Compiler, Unsupported, compiled


def _template(source: str) -> dict[str, Any]:
    return Compiler(source).template()


def test_template_is_compiled_from_its_source() -> None:
    """`make azure` has been run since main.bicep changed."""
    assert COMPILED.read_text(encoding="utf-8") == compiled(SOURCE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'plain'", "plain"),
        ("'[bracket'", "[[bracket"),
        (r"'it\'s'", "it's"),
        ("'a-${p}{b}'", "[format('a-{0}{{b}}', parameters('p'))]"),
        ("p == 'x' && !empty(p)", "[and(equals(parameters('p'), 'x'), not(empty(parameters('p'))))]"),
        ("p != 'x' ? [1] : null", "[if(not(equals(parameters('p'), 'x')), createArray(1), null())]"),
        ("resourceGroup().location", "[resourceGroup().location]"),
        ("{ 'a-b': [true, -1] }", {"a-b": [True, -1]}),
    ],
)
def test_expressions(expression: str, expected: object) -> None:
    """Values without an expression remain JSON; others are in brackets."""
    assert _template(f"param p string\nvar v = {expression}\n")["variables"]["v"] == expected


def test_parameters_keep_their_decorators() -> None:
    """A secure string has a type of its own, and bounds and description go along."""
    source = "@description('The key.')\n@secure()\n@minLength(32)\nparam key string\n"
    expected = {"type": "securestring", "metadata": {"description": "The key."}, "minLength": 32}
    assert _template(source)["parameters"] == {"key": expected}


def test_resources_refer_to_each_other() -> None:
    """Parent, scope, condition, loop and references give names, ids and dependencies."""
    source = """param names array
resource a 'Microsoft.A/as@2024-01-01' = { name: 'a' }
resource b 'Microsoft.A/as/bs@2024-01-01' = if (!empty(names)) {
  parent: a
  name: 'b'
}
resource c 'Microsoft.C/cs@2024-01-01' = [for name in names: {
  scope: b
  name: name
  properties: { of: a.properties.state }
}]
"""
    resources = _template(source)["resources"]
    assert resources["b"]["name"] == "[format('{0}/{1}', 'a', 'b')]"
    assert resources["b"]["condition"] == "[not(empty(parameters('names')))]"
    assert resources["b"]["dependsOn"] == ["a"]
    assert resources["c"]["copy"] == {"name": "c", "count": "[length(parameters('names'))]"}
    assert resources["c"]["scope"] == "[resourceId('Microsoft.A/as/bs', 'a', 'b')]"
    assert resources["c"]["name"] == "[parameters('names')[copyIndex()]]"
    assert resources["c"]["properties"] == {"of": "[reference('a').state]"}
    assert resources["c"]["dependsOn"] == ["a", "b"]


@pytest.mark.parametrize(
    "line",
    [
        "module m 'm.bicep' = { name: 'm' }",
        "var v = [for i in range(0, 3): i]",
        "var v = unknown",
        "var v = dateTimeAdd('a', 'b')",
        "var v = 'a' 'b'",
        "type t = string",
    ],
)
def test_outside_of_the_subset_is_an_error_with_its_line(line: str) -> None:
    """Nothing is compiled by guess."""
    with pytest.raises(Unsupported, match=r"^line 2: "):
        _template(f"param p string\n{line}\n")
