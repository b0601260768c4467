"""The templates of Azure against Microsoft's schemas of each resource, which are too large to be here.

`MAIL_IMPORTER_TEST_ARM_SCHEMAS` names a folder of them: `schemas` of a checkout of
https://github.com/Azure/azure-resource-manager-schemas. They let unknown properties pass; here none may be there.
"""

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests.paths import ROOT
from tests.unit.deploy.azure.arm import Evaluator
from tests.unit.deploy.azure.test_template import CASES, TEMPLATE, given

if TYPE_CHECKING:
    from jsonschema import ValidationError

_VARIABLE: Final = "MAIL_IMPORTER_TEST_ARM_SCHEMAS"
_SITE: Final = "https://schema.management.azure.com/schemas/"
_GROUPS: Final = ("resourceDefinitions", "unknown_resourceDefinitions", "extension_resourceDefinitions")
_OF_EACH: Final = frozenset(
    {"type", "apiVersion", "name", "scope", "dependsOn", "condition", "copy", "location", "tags"}
)
"""Properties that every resource may have: https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax."""
QUEUE_ALONE: Final = json.loads((ROOT / "deploy" / "servicebus" / "azuredeploy.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def schemas() -> Path:
    folder = os.environ.get(_VARIABLE)
    if not folder:
        pytest.skip(f"needs {_VARIABLE}: the folder schemas of Azure/azure-resource-manager-schemas")
    return Path(folder)


def _strict(node: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    """The schema with no other properties than those that it names."""
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {name: _strict(each) for name, each in node.items()}
    if "cpu" in found:  # of Container Apps, in cores: quarters of one are documented
        found["cpu"] = json.loads(json.dumps(found["cpu"]).replace('"integer"', '"number"'))
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


@cache
def _read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = _strict(json.loads(path.read_text("utf-8-sig")))
    return loaded


def _definitions(schemas: Path, resource: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The definitions of the type in its version, with their address."""
    for path in sorted((schemas / resource["apiVersion"]).glob("*.json")):
        for group in _GROUPS:
            for name, definition in _read(path).get(group, {}).items():
                kinds = definition["properties"]["type"].get("enum", [])
                if resource["type"].casefold() in {each.casefold() for each in kinds}:
                    yield f"{_SITE}{resource['apiVersion']}/{path.name}#/{group}/{name}", definition


def _given(node: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    """The JSON without the properties that are null, which Azure takes as not given."""
    if isinstance(node, list):
        return [_given(each) for each in node]
    if isinstance(node, dict):
        return {name: _given(each) for name, each in node.items() if each is not None}
    return node


def _leaves(error: "ValidationError") -> Iterator["ValidationError"]:
    """The errors of all alternatives, one of which was meant."""
    if not error.context:
        yield error
    for each in error.context or ():
        yield from _leaves(each)


def _problems(schemas: Path, resource: dict[str, Any]) -> list[str]:
    def retrieve(uri: str) -> Resource[Any]:
        return Resource.from_contents(
            _read(schemas / uri.partition("#")[0].removeprefix(_SITE)), default_specification=DRAFT4
        )

    from jsonschema import Draft4Validator  # not by each worker: its import takes 1.7 s

    place = f"{resource['type']}@{resource['apiVersion']} {resource['name']}"
    found = list(_definitions(schemas, resource))
    if not found:
        return [f"{place}: no such type in that version"]
    problems: list[str] = []
    for address, definition in found:
        known = {each: value for each, value in resource.items() if each in definition["properties"]}
        unknown = [each for each in resource if each not in known and each not in _OF_EACH]
        problems = [f"{place}: unknown {each}" for each in unknown]
        registry = Registry(retrieve=retrieve)  # type: ignore[call-arg]  # its alias is not seen by mypy
        validator = Draft4Validator({"$ref": address}, registry=registry)
        # Patterns are those of the last part of a name.
        for error in validator.iter_errors(_given({**known, "name": known["name"].rpartition("/")[2]})):
            problems += [
                f"{place}: {'/'.join(map(str, each.absolute_path))}: {each.message[:300]}" for each in _leaves(error)
            ]
        if not problems:
            return []
    return problems


@pytest.mark.parametrize("case", CASES)
def test_each_resource_is_one_of_its_version(case: str, schemas: Path) -> None:
    resources = Evaluator(TEMPLATE, given(case)).resources().values()
    assert [problem for each in resources for problem in _problems(schemas, each)] == []


def test_template_of_the_queue_alone_is_valid(schemas: Path) -> None:
    assert [problem for each in QUEUE_ALONE["resources"] for problem in _problems(schemas, each)] == []


def test_what_is_wrong_is_found(schemas: Path) -> None:
    """Else the tests above would prove nothing."""
    wrong = {
        "type": "Microsoft.KeyVault/vaults",
        "apiVersion": "2023-07-01",
        "name": "vault",
        "location": "x",
        "properties": {"tenantId": 5, "sku": {"family": "A", "name": "basic"}, "enableSoftDelet": True},
    }
    found = "\n".join(_problems(schemas, wrong))
    for text in ("basic", "enableSoftDelet", "5"):
        assert text in found
    assert "no such type" in _problems(schemas, {**wrong, "apiVersion": "2023-01-31"})[0]
