"""The file of settings to begin with: each setting with its meaning and its default, as comments."""

import textwrap
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from console.config.meanings import meanings
from console.settings import Settings
from console.translation.language import translated, translated_help
from phrases import Phrase

_WIDTH: Final = 118


def template() -> str:
    """The file, in the language of the user."""
    head = Phrase(
        "Settings of mail-importer. Each is shown with its default: remove the # before it to set another value. A "
        "variable of the environment wins over this file. Check it with: mail-importer config check"
    )
    parts = [_comment(translated(head))]
    for name, meaning in meanings().items():
        parts.append(f"{_comment(translated_help(meaning))}\n#{name} = {_default(Settings.model_fields[name])}")
    return "\n\n".join(parts) + "\n"


def _comment(text: str) -> str:
    return "\n".join(f"# {line}" for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False))


def _default(field: FieldInfo) -> str:
    """The default as TOML; an empty text where there is none, or where it follows from another setting."""
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if isinstance(value, bool):
        return str(value).lower()
    # TOML's basic strings are those of JSON for what defaults hold.
    return str(value) if isinstance(value, int) else f'"{value if isinstance(value, str) else ""}"'
