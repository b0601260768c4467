"""Evaluates the ARM templates of `deploy/azure`: the expressions that they use, as Azure Resource Manager would.

`reference` answers with made-up properties, since nothing is deployed.
https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""

import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_TOKEN: Final = re.compile(r"\s*('(?:[^']|'')*'|-?\d+|\w+|[()\[\],.])")
_SUBSCRIPTION: Final = "/subscriptions/00000000-0000-0000-0000-000000000001"
GROUP: Final = f"{_SUBSCRIPTION}/resourceGroups/mail-importer"
_LAZY: Final = "if"


def resource_id(kind: str, *names: str) -> str:
    """The id of a resource of the group, by its full type and the segments of its name."""
    provider, *types = kind.split("/")
    assert len(types) == len(names), f"{kind} has {len(types)} segments, not {names}"
    return f"{GROUP}/providers/{provider}/" + "/".join(
        f"{each}/{name}" for each, name in zip(types, names, strict=True)
    )


def _guid(*parts: str) -> str:
    digest = hashlib.sha256("-".join(parts).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _subnet(text: str, length: int, index: int) -> str:
    return str(list(ipaddress.ip_network(text).subnets(new_prefix=length))[index])


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "and": lambda *values: all(values),
    "cidrSubnet": _subnet,
    "concat": lambda first, *rest: sum(rest, first) if isinstance(first, list) else "".join([first, *rest]),
    "contains": lambda container, item: item in container,
    "createArray": lambda *values: list(values),
    "createObject": lambda *values: dict(zip(values[::2], values[1::2], strict=True)),
    "empty": lambda value: not value,
    "environment": lambda: {
        "suffixes": {"sqlServerHostname": ".database.windows.net", "storage": "core.windows.net"},
    },
    "false": lambda: False,
    "format": lambda pattern, *values: pattern.format(*values),
    "guid": _guid,
    "json": json.loads,
    "length": len,
    "listKeys": lambda _id, _version: {"keys": [{"value": "KEY-OF-THE-STORAGE"}]},
    "max": max,
    "not": lambda value: not value,
    "null": lambda: None,
    "replace": str.replace,
    "resourceGroup": lambda: {"id": GROUP, "location": "westeurope"},
    "resourceId": resource_id,
    "string": str,
    "subscriptionResourceId": lambda kind, name: f"{_SUBSCRIPTION}/providers/{kind}/{name}",
    "take": lambda text, count: text[:count],
    "tenant": lambda: {"tenantId": "00000000-0000-0000-0000-00000000000a"},
    "true": lambda: True,
    "uniqueString": lambda *parts: _guid(*parts).replace("-", "")[:13],
}  # fmt: skip


class Evaluator:
    """Evaluates one template with the values of one parameter file."""

    def __init__(self, template: dict[str, Any], given: Mapping[str, Any]) -> None:
        """`given`: the parameters by name; a missing one has its default."""
        declared = template["parameters"]
        assert not set(given) - set(declared), "a parameter that the template lacks"
        self._template = template
        self._index = 0
        self.parameters: dict[str, Any] = {}
        for name, each in declared.items():
            assert name in given or "defaultValue" in each, f"the parameter {name} has no value"
            value = given[name] if name in given else self.value(each["defaultValue"])
            assert value in each.get("allowedValues", [value])
            assert (
                each.get("minValue", value) <= value <= each.get("maxValue", value) if each["type"] == "int" else True
            )
            if each["type"] in {"string", "securestring"}:
                assert each.get("minLength", 0) <= len(value) <= each.get("maxLength", len(value)), name
            self.parameters[name] = value

    def resources(self) -> dict[str, dict[str, Any]]:
        """The deployment: the evaluated resources, by their symbol, and `symbol[0]` and so on of a loop."""
        found = {}
        for symbol, resource in self._template["resources"].items():
            rest = {key: each for key, each in resource.items() if key not in {"copy", "condition"}}
            loops = "copy" in resource
            for index in range(self.value(resource["copy"]["count"]) if loops else 1):
                self._index = index
                if self.value(resource.get("condition", True)):
                    found[f"{symbol}[{index}]" if loops else symbol] = self.value(rest)
        return found

    def outputs(self) -> dict[str, Any]:
        """The values of the outputs."""
        return {name: self.value(each["value"]) for name, each in self._template["outputs"].items()}

    def value(self, value: Any) -> Any:  # noqa: ANN401  # JSON
        """The value with all of its expressions evaluated."""
        if isinstance(value, dict):
            return {self.value(key): self.value(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, str) and value.startswith("[["):
            return value[1:]
        if isinstance(value, str) and value.startswith("["):
            tokens = [match.group(1) for match in _TOKEN.finditer(value[1:-1])]
            assert "".join(tokens) == re.sub(r"('(?:[^']|'')*')|\s", r"\1", value[1:-1]), value
            result, position = self._expression(tokens, 0)
            assert position == len(tokens), value
            return result()
        return value

    def _expression(self, tokens: list[str], at: int) -> tuple[Callable[[], Any], int]:
        token = tokens[at]
        at += 1
        found: Callable[[], Any]
        if token.startswith("'"):
            text = token[1:-1].replace("''", "'")
            found = lambda: text  # noqa: E731 - one of several closures
        elif token.lstrip("-").isdigit():
            number = int(token)
            found = lambda: number  # noqa: E731 - one of several closures
        else:
            assert tokens[at] == "(", token
            arguments, at = [], at + 1
            while tokens[at] != ")":
                argument, at = self._expression(tokens, at)
                arguments.append(argument)
                at += tokens[at] == ","
            at += 1
            found = self._call(token, arguments)
        while at < len(tokens) and tokens[at] in {".", "["}:
            if tokens[at] == ".":
                found = _member(found, tokens[at + 1])
                at += 2
            else:
                index, at = self._expression(tokens, at + 1)
                assert tokens[at] == "]"
                found, at = _item(found, index), at + 1
        return found, at

    def _call(self, name: str, arguments: list[Callable[[], Any]]) -> Callable[[], Any]:
        if name == _LAZY:
            condition, then, otherwise = arguments
            return lambda: then() if condition() else otherwise()
        own: dict[str, Callable[..., Any]] = {
            "parameters": lambda key: self.parameters[key],
            "variables": lambda key: self.value(self._template["variables"][key]),
            "copyIndex": lambda: self._index,
            "reference": self._reference,
        }
        function = own.get(name) or _FUNCTIONS[name]
        return lambda: function(*(each() for each in arguments))

    def _reference(self, symbol: str) -> dict[str, Any]:
        resource = self._template["resources"][symbol]
        assert self.value(resource.get("condition", True)), f"{symbol} is referred to, and not deployed"
        name = self.value(resource["name"])
        return {
            "clientId": f"client-of-{name}",
            "principalId": f"principal-of-{name}",
            "serviceBusEndpoint": f"https://{name}.servicebus.windows.net:443/",
            "fullyQualifiedDomainName": f"{name}.database.windows.net",
            "secretUri": f"https://{name.split('/')[0]}.vault.azure.net/secrets/{name.split('/')[-1]}",
            "defaultDomain": "example.azurecontainerapps.io",
            "configuration": {"ingress": {"fqdn": f"{name}.example.azurecontainerapps.io"}},
        }


def _member(target: Callable[[], Any], name: str) -> Callable[[], Any]:
    return lambda: target()[name]


def _item(target: Callable[[], Any], index: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: target()[index()]
