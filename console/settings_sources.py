"""The sources of the settings: environment, files of secrets, TOML file, defaults.

The environment (prefix `MAIL_IMPORTER_`) overrides the files of secrets (`console/secret_files.py`), which override the
TOML file that `MAIL_IMPORTER_CONFIG` names (else `./mail-importer.toml`), which overrides the defaults. An empty
variable counts as not set. Relative paths start at the working directory.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from console.secret_files import VARIABLE as SECRETS_VARIABLE
from console.secret_files import read_secret_files
from console.settings import PREFIX, Settings, SettingsError
from console.translation import language
from phrases import Phrase

CONFIG_VARIABLE: Final = "MAIL_IMPORTER_CONFIG"
TEST_PREFIX: Final = "MAIL_IMPORTER_TEST_"
"""Prefix of variables that control tests and are no settings."""
DEFAULT_FILE: Final = "mail-importer.toml"

_MAX_UNKNOWN: Final = 5
"""Files of secrets named as unknown: one may have named a folder of something else."""
_PATHS: Final = frozenset(
    name for name, field in Settings.model_fields.items() if Path in {field.annotation, *get_args(field.annotation)}
)
"""The settings that are the path of a PEM file."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of a setting: a variable of the environment, a file of secrets, a line of the TOML file, or none of
    them: the default.
    """

    variable: str | None = None
    file: Path | None = None
    line: int | None = None
    secret: bool = False

    @property
    def kind(self) -> str:
        """The kind of source: `environment`, `secret`, `file` or `default`."""
        if self.variable is not None:
            return "environment"
        if self.file is None:
            return "default"
        return "secret" if self.secret else "file"

    @property
    def shown(self) -> Phrase:
        """The source for users."""
        if self.variable is not None:
            return Phrase("the environment as {variable}", variable=self.variable)
        if self.file is None:
            return Phrase("the default")
        if self.secret:
            return Phrase("secret file {path}", path=self.file)
        if self.line is None:
            return Phrase("file {path}", path=self.file)
        return Phrase("file {path}, line {line}", path=self.file, line=self.line)


class Sources:
    """The environment and the files of this process, read once.

    Attributes:
        problems: what is wrong with them, but for the values.
    """

    def __init__(self) -> None:
        self._variables = {
            name.upper(): name for name, value in os.environ.items() if name.upper().startswith(PREFIX) and value
        }
        self.problems = [
            _unknown(name, upper.removeprefix(PREFIX).lower(), Phrase("the environment"), _variable_of)
            for upper, name in sorted(self._variables.items())
            if upper not in {CONFIG_VARIABLE, SECRETS_VARIABLE, language.VARIABLE}
            and not upper.startswith(TEST_PREFIX)
            and upper.removeprefix(PREFIX).lower() not in Settings.model_fields
        ]
        self._secrets = read_secret_files(os.environ, Settings.model_fields, paths=_PATHS)
        self.problems.extend(self._secrets.problems)
        unknown = [*self._secrets.unknown.items()]
        self.problems.extend(
            _unknown(path.name, name.lower().removeprefix(PREFIX.lower()), Phrase("file {path}", path=path), str)
            for path, name in unknown[:_MAX_UNKNOWN]
        )
        if len(unknown) > _MAX_UNKNOWN:
            folder, n = unknown[0][0].parent, len(unknown) - _MAX_UNKNOWN
            self.problems.append(
                Phrase("{n} more files of the folder {folder} are no settings either.", n=n, folder=folder)
            )
        self._path = config_file()
        self._text = ""
        values = self._read_file()
        self.problems.extend(
            _unknown(key, key.lower(), Phrase("file {path}", path=self._path), str)
            for key in values
            if key not in Settings.model_fields
        )
        self._in_file = {key: value for key, value in values.items() if key in Settings.model_fields}

    def settings(self) -> Settings:
        """Return the settings.

        Raises:
            SettingsError: with every problem found.
        """
        try:
            settings = Settings(**self._in_file | self._secrets.values | self._in_environment())
        except ValidationError as exc:
            raise SettingsError(*self.problems, *self._explained(exc)) from None
        if self.problems:
            raise SettingsError(*self.problems)
        return settings

    def _in_environment(self) -> dict[str, Any]:
        return {
            key: os.environ[self._variables[_variable_of(key)]]
            for key in Settings.model_fields
            if _variable_of(key) in self._variables
        }

    def origin(self, key: str) -> Origin:
        """Return the source of a setting."""
        variable = self._variables.get(_variable_of(key))
        if variable is not None:
            return Origin(variable)
        if key in self._secrets.paths:
            return Origin(file=self._secrets.paths[key], secret=True)
        if key not in self._in_file:
            return Origin()
        found = re.search(rf"^[ \t]*[\"']?{key}[\"']?[ \t]*=", self._text, re.MULTILINE)
        return Origin(None, self._path, None if found is None else self._text.count("\n", 0, found.start()) + 1)

    def _read_file(self) -> dict[str, Any]:
        path = self._path
        try:
            self._text = path.read_text("utf-8")
            return tomllib.loads(self._text)
        except FileNotFoundError:
            if os.environ.get(CONFIG_VARIABLE):
                self.problems.append(
                    Phrase("{variable}: there is no file {path}.", variable=CONFIG_VARIABLE, path=path)
                )
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            why = Phrase.of(exc) if isinstance(exc, tomllib.TOMLDecodeError) else Phrase("it is not UTF-8")
            self.problems.append(Phrase("file {path} is not TOML: {why}.", path=path, why=why))
        except OSError as exc:
            self.problems.append(Phrase("file {path} cannot be read: {why}.", path=path, why=exc.strerror))
        return {}

    def _explained(self, error: ValidationError) -> list[Phrase]:
        """One line per problem. Only pydantic's sentence is used, never its input: that may be a secret."""
        lines = []
        for each in error.errors(include_url=False, include_input=False):
            if each["type"] == "default_factory_not_called":
                continue  # follows from the others
            key = str(each["loc"][0])
            origin = self.origin(key)
            if origin == Origin():
                lines.append(Phrase("{key}: {why}.", key=key, why=_why(each)))
            else:
                lines.append(Phrase("{key}: {why} (set in {where}).", key=key, why=_why(each), where=origin.shown))
        return lines


def load_settings() -> Settings:
    """Read the settings of this process.

    Raises:
        SettingsError: with every problem found.
    """
    return Sources().settings()


def config_file() -> Path:
    """The file of settings of this process, existing or not."""
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_FILE).absolute()


def _variable_of(key: str) -> str:
    return PREFIX + key.upper()


def _unknown(key: str, bare: str, where: Phrase, spelt: Callable[[str], str]) -> Phrase:
    close = difflib.get_close_matches(bare, Settings.model_fields, n=1, cutoff=0.7)
    hint = Phrase("See the settings in the documentation.")
    if close:
        hint = Phrase("Did you mean {key}?", key=spelt(close[0]))
    return Phrase("{key}: there is no such setting (set in {where}). {hint}", key=key, where=where, hint=hint)


def _why(error: ErrorDetails) -> Phrase:
    """The message of pydantic, or of a check above; never the value itself."""
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return Phrase.of(context["error"])
        case "greater_than_equal":
            return Phrase("Input should be greater than or equal to {least}", least=context["ge"])
        case "less_than_equal":
            return Phrase("Input should be less than or equal to {most}", most=context["le"])
        case "literal_error":
            return Phrase("Input should be one of {expected}", expected=context["expected"].replace(" or ", ", "))
        case "int_parsing" | "int_type" | "int_from_float":
            return Phrase("Input should be a whole number")
        case "string_type" | "path_type":
            return Phrase("Input should be a text")
    return Phrase.verbatim(error["msg"].removesuffix("."))
