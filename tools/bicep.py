"""Compiles the subset of Bicep that `deploy/azure` uses into an ARM template with symbolic names.

It is not Microsoft's compiler, and knows no resource types: `bicep build` also checks properties, types and API
versions, and is what a pipeline should run. The Bicep compiler is distributed by NuGet only, which the tests of this
repository do not use. Differences from the output of `bicep build`: no `_generator` metadata, and properties in the
order of the source. What is outside of the subset is an error with its line: modules, user-defined types and
functions, spread, lambdas, nested resources, loops outside of resources, items of looped resources, `.?` and `!.`.

`make azure` writes the template; a test compares.
https://learn.microsoft.com/azure/azure-resource-manager/bicep/file
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

SOURCE: Final = Path(__file__).parents[1] / "deploy" / "azure" / "main.bicep"
COMPILED: Final = SOURCE.with_name("azuredeploy.json")
SCHEMA: Final = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"

_OPERATORS: Final = {
    "==": "equals", "&&": "and", "||": "or", ">": "greater", "<": "less", ">=": "greaterOrEquals",
    "<=": "lessOrEquals", "+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod", "??": "coalesce",
}  # fmt: skip
_FUNCTIONS: Final = frozenset(
    [
        "concat",
        "union",
        "empty",
        "length",
        "format",
        "guid",
        "uniqueString",
        "toLower",
        "take",
        "replace",
        "split",
        "join",
        "first",
        "last",
        "contains",
        "range",
        "min",
        "max",
        "string",
        "int",
        "json",
        "listKeys",
        "reference",
        "resourceId",
        "subscriptionResourceId",
        "resourceGroup",
        "subscription",
        "tenant",
        "environment",
        "deployment",
        "cidrSubnet",
    ]
)
_DECORATORS: Final = {
    "description": "description", "allowed": "allowedValues", "minLength": "minLength", "maxLength": "maxLength",
    "minValue": "minValue", "maxValue": "maxValue", "secure": "secure",
}  # fmt: skip
_SECURE: Final = {"string": "securestring", "object": "secureObject"}
_ESCAPES: Final = {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\t": "\t", "\\r": "\r", "\\$": "$"}


class Unsupported(Exception):
    """The source is no Bicep, or outside of the subset; the text begins with the line."""

    def __init__(self, node: Node, why: str) -> None:
        super().__init__(f"line {node.start_point.row + 1}: {why}")


@dataclass(frozen=True, slots=True)
class Code:
    """An expression of ARM's language, without its brackets."""

    text: str


@dataclass(slots=True)
class Resource:
    """A declared resource, before its properties are compiled."""

    symbol: str
    type: str
    api_version: str
    body: Node
    existing: bool = False
    condition: Node | None = None
    items: Node | None = None
    item: str | None = None
    index: str | None = None
    parent: str | None = None
    properties: dict[str, Node] = field(default_factory=dict)


class Compiler:
    """Compiles one file."""

    def __init__(self, source: str) -> None:
        """`source`: the text of a Bicep file.

        Raises:
            Unsupported: it is outside of the subset.
        """
        self._root = Parser(Language(tree_sitter_bicep.language())).parse(source.encode()).root_node
        if self._root.has_error:
            raise Unsupported(_faulty(self._root), "this is no Bicep that the grammar knows")
        self._parameters: dict[str, dict[str, Any]] = {}
        self._variables: dict[str, Node] = {}
        self._resources: dict[str, Resource] = {}
        self._outputs: list[tuple[Node, dict[str, Any]]] = []
        self._used: set[str] = set()
        self._variable_uses: dict[str, set[str]] = {}
        self._loop: Resource | None = None
        self._in_variable = False

    def template(self) -> dict[str, Any]:  # noqa: C901 - one case per kind of declaration
        """Return the ARM template.

        Raises:
            Unsupported: the file is outside of the subset.
        """
        metadata: dict[str, Any] = {}
        pending: list[tuple[Node, list[Node]]] = []
        decorators: list[Node] = []
        for node in self._root.named_children:
            match node.type:
                case "comment" | "diagnostic_comment":
                    continue
                case "decorators":
                    decorators = node.named_children
                    continue
                case "target_scope_assignment":
                    if _plain(node.named_children[0]) != "resourceGroup":
                        raise Unsupported(node, "only the scope resourceGroup is supported")
                case "metadata_declaration":
                    metadata[_text(node.named_children[0])] = _plain(node.named_children[1])
                case "variable_declaration":
                    self._variables[_text(node.named_children[0])] = node.named_children[1]
                case "resource_declaration":
                    self._declare(node)
                case "parameter_declaration" | "output_declaration":
                    pending.append((node, decorators))
                case _:
                    raise Unsupported(node, f"{node.type} is not supported")
            decorators = []
        for node, _ in pending:
            if node.type == "parameter_declaration":
                self._parameters[_text(node.named_children[0])] = {}
        for symbol in self._resources:
            self._parent(self._resources[symbol])
        for node, given in pending:
            if node.type == "parameter_declaration":
                self._parameters[_text(node.named_children[0])] = self._typed(node, given, "defaultValue")
        variables = {name: self._variable(name) for name in self._variables}
        resources = {symbol: self._resource(each) for symbol, each in self._resources.items()}
        outputs = {
            _text(node.named_children[0]): self._typed(node, given, "value")
            for node, given in pending
            if node.type == "output_declaration"
        }
        return {
            "$schema": SCHEMA,
            "languageVersion": "2.0",
            "contentVersion": "1.0.0.0",
            **({"metadata": metadata} if metadata else {}),
            "parameters": self._parameters,
            "variables": variables,
            "resources": resources,
            "outputs": outputs,
        }

    def _typed(self, node: Node, decorators: list[Node], value: str) -> dict[str, Any]:
        kind = _text(node.named_children[1])
        if kind not in {"string", "int", "bool", "object", "array"}:
            raise Unsupported(node, f"the type {kind} is not supported")
        found: dict[str, Any] = {"type": kind}
        for decorator in decorators:
            call = decorator.named_children[0]
            name = _text(call.named_children[0])
            if call.type != "call_expression" or name not in _DECORATORS:
                raise Unsupported(decorator, f"the decorator {name} is not supported")
            arguments = call.named_children[1].named_children
            if name == "secure":
                found["type"] = _SECURE[kind]
            elif name == "description":
                found["metadata"] = {"description": _plain(arguments[0])}
            else:
                found[_DECORATORS[name]] = _plain(arguments[0])
        rest = node.named_children[2:]
        if rest:
            found[value] = self._json(rest[0])
        return found

    def _declare(self, node: Node) -> None:
        symbol, kind, *rest = node.named_children
        type_name, _, api_version = str(_plain(kind)).partition("@")
        existing = any(child.type == "existing" for child in node.children)
        body = rest[-1]
        resource = Resource(_text(symbol), type_name, api_version, body, existing)
        if body.type == "for_statement":
            names, resource.items, body = body.named_children
            if names.type == "for_loop_parameters":
                resource.item, resource.index = (_text(each) for each in names.named_children)
            else:
                resource.item = _text(names)
        if body.type == "if_statement":
            condition, body = body.named_children
            resource.condition = condition.named_children[0]
        if body.type != "object":
            raise Unsupported(body, f"the body of the resource {resource.symbol} is no object")
        resource.properties = dict(_entries(body))
        if resource.symbol in self._resources:
            raise Unsupported(symbol, f"{resource.symbol} is declared twice")
        self._resources[resource.symbol] = resource

    def _parent(self, resource: Resource) -> None:
        parent = resource.properties.get("parent")
        if parent is not None:
            resource.parent = _text(parent)
            if resource.parent not in self._resources:
                raise Unsupported(parent, f"the parent {resource.parent} is not declared")

    def _variable(self, name: str) -> object:
        before, self._used, self._in_variable = self._used, set(), True
        found = self._json(self._variables[name])
        self._variable_uses[name] = self._used
        self._used, self._in_variable = before, False
        return found

    def _resource(self, resource: Resource) -> dict[str, Any]:
        self._used = set()
        self._loop = resource if resource.items is not None else None
        compiled: dict[str, Any] = {}
        if resource.existing:
            compiled["existing"] = True
        if resource.items is not None:
            items = self._code(resource.items)
            compiled["copy"] = {"name": resource.symbol, "count": f"[length({items})]"}
        if resource.condition is not None:
            compiled["condition"] = self._json(resource.condition)
        compiled |= {"type": resource.type, "apiVersion": resource.api_version}
        for name, node in resource.properties.items():
            if name == "name":
                compiled["name"] = _bracketed(self._name(resource))
            elif name == "scope":
                compiled["scope"] = _bracketed(self._id(self._known(node)))
            elif name == "parent":
                self._used.add(_text(node))
            elif name == "dependsOn":
                self._used |= {self._known(each).symbol for each in node.named_children}
            else:
                compiled[name] = self._json(node)
        needed = sorted(each for each in self._used if each != resource.symbol and not self._resources[each].existing)
        if needed:
            compiled["dependsOn"] = needed
        self._loop = None
        return compiled

    def _known(self, node: Node) -> Resource:
        resource = self._resources.get(_text(node))
        if resource is None:
            raise Unsupported(node, f"{_text(node)} is no resource of this file")
        self._used.add(resource.symbol)
        return resource

    def _names(self, resource: Resource) -> list[str]:
        """The segments of the resource's name, as code."""
        own = self._code(resource.properties["name"])
        if resource.parent is None:
            return [own]
        return [*self._names(self._resources[resource.parent]), own]

    def _name(self, resource: Resource) -> Code:
        names = self._names(resource)
        if len(names) == 1:
            return Code(names[0])
        pattern = "/".join(f"{{{number}}}" for number in range(len(names)))
        return Code(f"format('{pattern}', {', '.join(names)})")

    def _id(self, resource: Resource) -> Code:
        if resource.items is not None:
            raise Unsupported(resource.body, f"items of the looped resource {resource.symbol} are not supported")
        if "scope" in resource.properties:
            raise Unsupported(resource.body, f"the id of {resource.symbol}, which has a scope, is not supported")
        return Code(f"resourceId('{resource.type}', {', '.join(self._names(resource))})")

    def _json(self, node: Node) -> object:
        """The value as JSON, with expressions in brackets."""
        match node.type:
            case "object":
                return {self._key(key): self._json(each) for key, each in _pairs(node)}
            case "array":
                return [self._json(each) for each in _values(node)]
            case "number" | "boolean" | "null":
                return json.loads(_text(node))
            case "parenthesized_expression":
                return self._json(node.named_children[0])
            case "string" if not any(each.type == "interpolation" for each in node.named_children):
                text = str(_plain(node))
                return f"[{text}" if text.startswith("[") else text
            case _:
                return f"[{self._code(node)}]"

    def _key(self, node: Node) -> str:
        if any(each.type == "interpolation" for each in node.named_children):
            return f"[{self._string(node)}]"
        return str(_plain(node)) if node.type == "string" else _text(node)

    def _code(self, node: Node) -> str:  # noqa: C901 - one case per kind of node
        parts = node.named_children
        match node.type:
            case "string":
                return self._string(node)
            case "number":
                return _text(node)
            case "boolean" | "null":
                return f"{_text(node)}()"
            case "object":
                found = [part for name, each in _entries(node) for part in (_quoted(name), self._code(each))]
                return f"createObject({', '.join(found)})"
            case "array":
                return f"createArray({', '.join(self._code(each) for each in _values(node))})"
            case "parenthesized_expression":
                return self._code(parts[0])
            case "identifier":
                return self._identifier(node)
            case "ternary_expression":
                return f"if({', '.join(self._code(each) for each in parts)})"
            case "unary_expression" if node.children[0].type == "!":
                return f"not({self._code(parts[0])})"
            case "binary_expression":
                return self._binary(node)
            case "call_expression":
                name = _text(parts[0])
                if parts[0].type != "identifier" or name not in _FUNCTIONS:
                    raise Unsupported(node, f"the function {name} is not supported")
                return f"{name}({', '.join(self._code(each) for each in parts[1].named_children)})"
            case "member_expression":
                return self._member(node)
            case "subscript_expression":
                return f"{self._code(parts[0])}[{self._code(parts[1])}]"
            case _:
                raise Unsupported(node, f"{node.type} is not supported here")

    def _binary(self, node: Node) -> str:
        left, right = (self._code(each) for each in node.named_children)
        operator = node.children[1].type
        if operator == "!=":
            return f"not(equals({left}, {right}))"
        if operator not in _OPERATORS:
            raise Unsupported(node, f"the operator {operator} is not supported")
        return f"{_OPERATORS[operator]}({left}, {right})"

    def _identifier(self, node: Node) -> str:
        name = _text(node)
        if self._loop is not None and self._loop.items is not None:
            if name == self._loop.item:
                return f"{self._code(self._loop.items)}[copyIndex()]"
            if name == self._loop.index:
                return "copyIndex()"
        if name in self._parameters:
            return f"parameters('{name}')"
        if name in self._variables:
            if name not in self._variable_uses:
                if self._in_variable:
                    raise Unsupported(node, f"the variable {name} is used before its own declaration")
                raise Unsupported(node, f"the variable {name} is used where it has no value yet")
            self._used |= self._variable_uses[name]
            return f"variables('{name}')"
        raise Unsupported(node, f"{name} is no parameter and no variable, or a resource without a property")

    def _member(self, node: Node) -> str:
        target, name = node.named_children
        if any(child.type == ".?" for child in node.children):
            raise Unsupported(node, ".? is not supported")
        member = _text(name)
        if target.type == "identifier" and _text(target) in self._resources:
            resource = self._known(target)
            if member == "id":
                return self._id(resource).text
            if member == "name":
                return self._names(resource)[-1]
            if member == "properties":
                if self._in_variable:
                    raise Unsupported(node, "a variable cannot read properties of a resource")
                return f"reference('{resource.symbol}')"
            raise Unsupported(node, f"the property {member} of a resource is not supported")
        return f"{self._code(target)}.{member}"

    def _string(self, node: Node) -> str:
        if not any(each.type == "interpolation" for each in node.named_children):
            return _quoted(str(_plain(node)))
        pattern, values = "", list[str]()
        for each in node.named_children:
            if each.type == "interpolation":
                pattern += f"{{{len(values)}}}"
                values.append(self._code(each.named_children[0]))
            else:
                pattern += _piece(each).replace("{", "{{").replace("}", "}}")
        return f"format({_quoted(pattern)}, {', '.join(values)})"


def compiled(source: str) -> str:
    """Return the template of a Bicep file's text, as the text of a JSON file.

    Raises:
        Unsupported: the text is outside of the subset.
    """
    return json.dumps(Compiler(source).template(), indent=2, ensure_ascii=False) + "\n"


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _piece(node: Node) -> str:
    if node.type == "escape_sequence":
        text = _text(node)
        if text not in _ESCAPES:
            raise Unsupported(node, f"the escape {text} is not supported")
        return _ESCAPES[text]
    return _text(node)


def _plain(node: Node) -> object:
    """The value of a literal."""
    match node.type:
        case "string":
            if _text(node).startswith("'''"):
                raise Unsupported(node, "multi-line strings are not supported")
            if any(each.type == "interpolation" for each in node.named_children):
                raise Unsupported(node, "a literal is needed here")
            return "".join(_piece(each) for each in node.named_children)
        case "number" | "boolean" | "null":
            return json.loads(_text(node))
        case "array":
            return [_plain(each) for each in _values(node)]
        case _:
            raise Unsupported(node, "a literal is needed here")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _bracketed(code: Code) -> str:
    if code.text.startswith("'") and code.text.endswith("'") and "'" not in code.text[1:-1]:
        return code.text[1:-1]
    return f"[{code.text}]"


def _values(node: Node) -> list[Node]:
    return [each for each in node.named_children if each.type != "comment"]


def _entries(node: Node) -> Iterator[tuple[str, Node]]:
    for key, value in _pairs(node):
        yield (str(_plain(key)) if key.type == "string" else _text(key)), value


def _pairs(node: Node) -> Iterator[tuple[Node, Node]]:
    for entry in _values(node):
        if entry.type != "object_property" or len(entry.named_children) != 2:
            raise Unsupported(entry, f"{entry.type} is not supported in an object")
        key, value = entry.named_children
        yield key, value


def _faulty(node: Node) -> Node:
    for child in node.children:
        if child.is_error or child.is_missing:
            return child
        if child.has_error:
            return _faulty(child)
    return node


if __name__ == "__main__":
    COMPILED.write_text(compiled(SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
