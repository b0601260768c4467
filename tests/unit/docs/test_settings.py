"""docs/settings.md names every setting with its default and meaning, and no other."""

import re
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from console.config.meanings import meanings
from console.settings import PREFIX, Settings
from tests.paths import ROOT

_ROW: Final = re.compile(r"^\| `(\w+)` \| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)
_TEXT: Final = (ROOT / "docs" / "settings.md").read_text("utf-8")


def _shown(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "by `cloud`"
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if default is None:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_tables_have_every_setting_once_and_no_other() -> None:
    assert sorted(row[0] for row in _ROW.findall(_TEXT)) == sorted(Settings.model_fields)


def test_the_tables_have_the_variable_and_the_default_of_each() -> None:
    documented = {name: (variable, default) for name, variable, default, _ in _ROW.findall(_TEXT)}
    assert documented == {name: (PREFIX + name.upper(), _shown(field)) for name, field in Settings.model_fields.items()}


def test_the_tables_have_the_meaning_that_the_program_shows() -> None:
    assert {name: meaning for name, _, _, meaning in _ROW.findall(_TEXT)} == meanings()


def test_every_row_of_the_tables_is_one_of_a_setting() -> None:
    """No row is missed by the others for a slip in its form."""
    rows = [line for line in _TEXT.splitlines() if line.startswith("| `")]
    assert len(rows) == len(_ROW.findall(_TEXT))
