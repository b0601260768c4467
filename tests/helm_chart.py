"""The Helm chart, rendered by Helm's own engine, and the schemas that its objects are validated against."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from referencing import Registry, Resource
from ruamel.yaml import YAML

from tests.paths import ROOT

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

CHART: Final = ROOT / "deploy" / "helm" / "mail-importer"
CASES: Final = tuple(sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml")))
KUBERNETES: Final = ("1.29.0", "1.37.0")
"""The oldest version that the chart allows, and the newest of which there are schemas."""
NAMESPACE: Final = "mail"
_CRDS: Final = ROOT / "tests" / "samples" / "crds"

Manifest = dict[str, Any]


def helm() -> Any:  # noqa: ANN401  # an untyped module where it is not installed
    """Helm as a Python package, which has no wheels for every platform."""
    return pytest.importorskip("helm_python", reason="needs the package helm-python-sdk")


def from_yaml(text: str | Path) -> Any:  # noqa: ANN401  # any YAML
    """The first document."""
    return YAML(typ="safe").load(text)


def case_values(case: str) -> dict[str, Any]:
    """The values of a case of `ci/`."""
    loaded: dict[str, Any] = from_yaml(CHART / "ci" / f"{case}-values.yaml")
    return loaded


class Release:
    """The objects of a release with these values."""

    def __init__(self, values: Mapping[str, Any], *, name: str = "mail-importer") -> None:
        """Render it.

        Raises:
            HelmValuesError, HelmRenderError: the chart refuses the values.
        """
        with helm().Chart.load(CHART) as chart:
            texts: dict[str, str] = chart.render(dict(values), name=name, namespace=NAMESPACE)
        self.notes = next((text for path, text in texts.items() if path.endswith("NOTES.txt")), "")
        self.objects: list[Manifest] = [
            each
            for path, text in texts.items()
            if path.endswith(".yaml")
            for each in YAML(typ="safe").load_all(text)
            if each
        ]

    def of(self, kind: str) -> list[Manifest]:
        """The objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def named(self, kind: str, name: str) -> Manifest:
        """The only object of this kind and name."""
        (found,) = (each for each in self.of(kind) if each["metadata"]["name"] == name)
        return found

    def pods(self) -> dict[str, Manifest]:
        """By role, the template of its pods; the job is the role `migration`."""
        owners = [*self.of("Deployment"), *self.of("Job")]
        return {each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["template"] for each in owners}

    def settings_file(self, role: str) -> str:
        """The TOML file that the pods of the role mount."""
        text: str = self.named("ConfigMap", _config_of(self.pods()[role]))["data"]["mail-importer.toml"]
        return text


def _config_of(pod: Manifest) -> str:
    (name,) = (each["configMap"]["name"] for each in pod["spec"]["volumes"] if each["name"] == "settings")
    return str(name)


@cache
def release(case: str) -> Release:
    """The release of a case, rendered once."""
    return Release(case_values(case))


def container(pod: Manifest) -> Manifest:
    """The only container of a pod."""
    (found,) = pod["spec"]["containers"]
    return dict(found)


def problems(manifest: Manifest) -> Iterator[str]:
    """Violations of the schemas of all versions by an object, each with the version."""
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    for version in KUBERNETES if _is_builtin(manifest) else ("",):
        for error in _validator(manifest["apiVersion"], manifest["kind"], version).iter_errors(manifest):
            yield f"{name} {version} {error.json_path}: {error.message[:300]}"


def _is_builtin(manifest: Manifest) -> bool:
    return not (_CRDS / f"{manifest['kind']}.json").is_file()


@cache
def _validator(api_version: str, kind: str, version: str) -> "Draft202012Validator":
    # Here, as it compiles 40 grammars, which each worker would do to collect the tests.
    from jsonschema import Draft202012Validator

    if not version:
        definition = json.loads((_CRDS / f"{kind}.json").read_text("utf-8"))
        assert definition["apiVersion"] == api_version
        return Draft202012Validator(_strict(definition["schema"]))
    folder = _kubernetes_schemas() / f"v{version}-local-strict"
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = json.loads((folder / f"{kind.lower()}-{group}.json").read_text("utf-8"))
    return Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> "Registry[Any]":
    text = (_kubernetes_schemas() / f"v{version}-local-strict" / "_definitions.json").read_text("utf-8")
    resource = Resource.from_contents(json.loads(text))
    return resource @ Registry()


def _kubernetes_schemas() -> Path:
    pytest.importorskip("kubernetes_validate", reason="needs the package kubernetes-validate")
    return Path(str(resources.files("kubernetes_validate"))) / "kubernetes-json-schema"


def _strict(schema: Any) -> Any:  # noqa: ANN401  # any JSON
    """The schema with unknown fields refused, which the API server would drop silently."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {
        name: {key: _strict(each) for key, each in value.items()} if name == "properties" else _strict(value)
        for name, value in schema.items()
    }
    # `metadata` of a custom resource is an object without more: the API server checks it.
    open_to_more = strict.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in strict
    if strict.get("type") == "object" and strict.get("properties") and not open_to_more:
        strict["additionalProperties"] = False
    return strict
