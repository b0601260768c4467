"""The meaning of each setting, as `console/settings.py` has it below the setting."""

import ast
import inspect

from console.settings import Settings
from console.translation.language import unwrapped


def meanings() -> dict[str, str]:
    """The meanings, in English, by setting, in the order of the settings."""
    settings = ast.parse(inspect.getsource(Settings)).body[0]
    if not isinstance(settings, ast.ClassDef):
        raise TypeError("The source of the settings is no class.")
    found: dict[str, str] = {}
    for statement, below in zip(settings.body, settings.body[1:], strict=False):
        match statement, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ) if name in Settings.model_fields:
                found[name] = unwrapped(text)
    return found
