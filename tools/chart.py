"""Writes the parts of the Helm chart that other files of the repository define.

`make chart` brings them up to date; tests compare:

* `files/`: alert rules and dashboard of `deploy/monitoring`, since a chart cannot read outside its folder;
* the settings in `values.schema.json`, from `console.settings`;
* the table of values in its `README.md`, from the comments of `values.yaml`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from console.config.meanings import meanings
from console.settings import Settings
from tools.marked_part import with_part

ROOT: Final = Path(__file__).parents[1]
CHART: Final = ROOT / "deploy" / "helm" / "mail-importer"
COPIED: Final = ("alerts.yml", "dashboard.json")
BEGIN: Final = "<!-- values: written by tools/chart.py from values.yaml -->"
END: Final = "<!-- end of the values -->"

SECRET: Final = frozenset(
    {"servicebus_connection_string", "client_state_secret", "client_state_secret_previous", "certificate_password"}
    | {"alerts"}
)
"""Settings that never stand in a ConfigMap. `database_url` may, without a password."""
MADE_BY_THE_CHART: Final = frozenset(
    {"metrics_host", "metrics_port", "receiver_host", "receiver_port", "console_host", "console_port"}
)
"""Settings that ports, probes and services depend on."""
_PLAIN_URL: Final = r"^[a-z+]+://([^:@/]*@)?[^@]*$"
_KEY: Final = re.compile(r"^( *)([A-Za-z]\w*):")
_DOCUMENTED: Final = "# -- "


@dataclass(frozen=True, slots=True)
class Value:
    """A documented value: its path, as `image.tag`, its default, and the comment above it."""

    path: str
    default: object
    meaning: str


def settings_schema() -> dict[str, Any]:
    """The JSON schema of the settings that may stand in `settings`."""
    texts = meanings()
    found = {
        name: _narrow(field)
        for name, field in Settings.model_json_schema()["properties"].items()
        if name not in SECRET | MADE_BY_THE_CHART
    }
    found["database_url"]["pattern"] = _PLAIN_URL
    properties = {
        name: each | ({"description": texts[name]} if name in texts else {}) for name, each in sorted(found.items())
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _narrow(field: dict[str, Any]) -> dict[str, Any]:
    kinds = [each for each in field.get("anyOf", [field]) if each.get("type") != "null"]
    (kind,) = kinds
    narrow = {name: kind[name] for name in ("type", "enum") if name in kind}
    bounds = {"ge": "minimum", "le": "maximum", "minimum": "minimum", "maximum": "maximum"}
    return narrow | {bounds[name]: kind[name] for name in bounds if name in kind}


def rewritten_schema(schema: str) -> str:
    """The schema of the values with the present settings."""
    loaded = json.loads(schema)
    loaded["definitions"]["settings"] = settings_schema()
    loaded["definitions"]["secretKey"] = {"type": "string", "enum": sorted(SECRET | {"database_url"})}
    return json.dumps(loaded, indent=2, ensure_ascii=False) + "\n"


def documented_values(text: str) -> Iterator[Value]:
    """The values of `values.yaml` that have a comment of the form `# -- …`, in its order."""
    loaded = YAML(typ="safe").load(text)
    path: list[tuple[int, str]] = []
    meaning: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith(_DOCUMENTED):
            meaning = [stripped.removeprefix(_DOCUMENTED)]
        elif stripped.startswith("#") and meaning:
            meaning.append(stripped.removeprefix("#").strip())
        elif found := _KEY.match(line):
            indent, key = len(found[1]), found[2]
            path = [each for each in path if each[0] < indent] + [(indent, key)]
            if meaning:
                names = [name for _, name in path]
                yield Value(".".join(names), _at(loaded, names), " ".join(meaning))
            meaning = []
        elif not stripped:
            meaning = []


def _at(loaded: Any, names: list[str]) -> object:  # noqa: ANN401  # any YAML
    for name in names:
        loaded = loaded[name]
    found: object = loaded
    return found


def table(text: str) -> str:
    """The table of all values, as Markdown."""
    rows = ["| value | default | meaning |", "| --- | --- | --- |"]
    for each in documented_values(text):
        default = "none" if each.default == "" else f"`{json.dumps(each.default, ensure_ascii=False)}`"
        rows.append(f"| `{each.path}` | {default} | {each.meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def rewritten_readme(document: str, values: str) -> str:
    """The README of the chart with the present values.

    Raises:
        MarkersMissing
    """
    return with_part(document, BEGIN, END, f"{table(values)}\n")


def generated() -> dict[Path, str]:
    """The text that each file should have."""
    values = (CHART / "values.yaml").read_text("utf-8")
    files = {CHART / "files" / name: (ROOT / "deploy" / "monitoring" / name).read_text("utf-8") for name in COPIED}
    files[CHART / "values.schema.json"] = rewritten_schema((CHART / "values.schema.json").read_text("utf-8"))
    files[CHART / "README.md"] = rewritten_readme((CHART / "README.md").read_text("utf-8"), values)
    return files


def main() -> None:
    """Write them."""
    for path, text in generated().items():
        path.write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
