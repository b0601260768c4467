"""Files of secrets: a folder in which a file is named like a setting, and holds its value.

Docker, Kubernetes and systemd pass secrets on in this form. pydantic-settings has such a source (`secrets_dir`), which
warns of a file that it cannot use and starts with the default instead; here each is a problem of the settings, with its
path. No problem shows anything of a content.
"""

import errno
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from phrases import Phrase

VARIABLE: Final = "MAIL_IMPORTER_SECRETS"
SYSTEMD_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
"""The folder of a unit's credentials: systemd.exec(5), Credentials."""

_OUR_CREDENTIALS: Final = ("mail-importer_", "mail-importer.")
"""Prefixes of credentials: `LoadCredential=mail-importer:FOLDER` names them with `_`, a credential store with a dot."""
_MAX_BYTES: Final = 1 << 20  # of all credentials of a unit together systemd takes as much
_PEM: Final = "-----BEGIN "


@dataclass(slots=True)
class SecretFiles:
    """The files of one folder.

    Attributes:
        values: of each setting the content of its file, without the newline at its end. Of a setting that is a path
            and whose file holds PEM it is the path of this file.
        paths: the file of each setting.
        unknown: by path, the names of files that are no settings.
        problems: what cannot be used.
    """

    values: dict[str, str] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    unknown: dict[Path, str] = field(default_factory=dict)
    problems: list[Phrase] = field(default_factory=list)


def read_secret_files(
    environment: Mapping[str, str], settings: Collection[str], *, paths: Collection[str]
) -> SecretFiles:
    """Read the folder that the environment names.

    In MAIL_IMPORTER_SECRETS each file is a setting's; hidden entries, which Kubernetes makes, are passed over. In
    CREDENTIALS_DIRECTORY files of other names are passed over, unless their name begins with that of the product.

    Args:
        environment: the variables of this process.
        settings: names of all settings.
        paths: names of those that are the path of a file.
    """
    found = SecretFiles()
    variable = VARIABLE if environment.get(VARIABLE) else SYSTEMD_VARIABLE
    if not environment.get(variable):
        return found
    folder = Path(environment[variable]).absolute()
    try:
        entries = sorted(folder.iterdir())
    except OSError as exc:
        found.problems.append(_unusable_folder(variable, folder, exc))
        return found
    for path, name in _named(entries, settings, ours_alone=variable == VARIABLE):
        if name not in settings:
            found.unknown[path] = name
            continue
        try:
            value = _content(path)
        except (OSError, ValueError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else Phrase.of(exc)
            found.problems.append(Phrase("{key}: file {path} cannot be used: {why}.", key=name, path=path, why=why))
            continue
        # Never a content as a path: errors name paths. PEM may begin with attributes or comments.
        is_content = name in paths and (_PEM in value or "\n" in value)
        found.values[name] = str(path) if is_content else value
        found.paths[name] = path
    return found


def _named(entries: list[Path], settings: Collection[str], *, ours_alone: bool) -> Iterator[tuple[Path, str]]:
    """Each file that is meant for the product, and the name of its setting."""
    if ours_alone:
        yield from ((path, path.name) for path in entries if not path.name.startswith("."))
        return
    for path in entries:
        prefix = next((each for each in _OUR_CREDENTIALS if path.name.startswith(each)), None)
        if prefix is not None:
            yield path, path.name.removeprefix(prefix)
    # Last, since what a unit names by itself wins over its folder.
    yield from ((path, path.name) for path in entries if path.name in settings)


def _content(path: Path) -> str:
    """The value in the file.

    Raises:
        OSError: it cannot be read.
        ValueError: with the reason for which it holds no value.
    """
    if not path.is_file():  # to open a named pipe would wait for its writer
        raise ValueError(Phrase("it is no file"))
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(Phrase("it is larger than {most} bytes", most=_MAX_BYTES))
    try:
        text = content.decode("utf-8-sig")  # editors of Windows write a byte order mark
    except UnicodeDecodeError:
        raise ValueError(Phrase("it is not UTF-8")) from None
    if "\0" in text:
        raise ValueError(Phrase("it holds binary data"))
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise ValueError(Phrase("it is empty"))
    return text


def _unusable_folder(variable: str, folder: Path, error: OSError) -> Phrase:
    if error.errno == errno.ENOENT:
        return Phrase("{variable}: there is no folder {folder}.", variable=variable, folder=folder)
    return Phrase(
        "{variable}: the folder {folder} cannot be read: {why}.", variable=variable, folder=folder, why=error.strerror
    )
