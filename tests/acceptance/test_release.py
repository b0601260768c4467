"""The parts of a release: its version, and files that can be built again, byte by byte."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from email.parser import Parser
from pathlib import Path
from typing import Final

import pytest

from tests.paths import ROOT, packages

_METADATA: Final = ("pyproject.toml", "README.md", "LICENSE", ".gitattributes", ".git_archival.txt")
_PRETENDED: Final = "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MAIL_IMPORTER"


def _clean(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment, without the repository or version that the caller's may name."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SETUPTOOLS_SCM_"))}
    return own | {"SOURCE_DATE_EPOCH": "1800000000"} | (dict(more) if more else {})


def _hatchling(folder: Path, *arguments: str, **environment: str) -> str:
    # Deprecations of the tools that it calls are theirs.
    command = [sys.executable, "-m", "hatchling", *arguments]
    found = subprocess.run(command, cwd=folder, env=_clean(environment), capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


class _Repository:
    """A repository of the files that decide on the version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _METADATA:
            shutil.copyfile(ROOT / name, folder / name)
        self.git("init", "--quiet")
        self.git("add", "--all")
        self.commit()

    def git(self, *arguments: str) -> str:
        # By its folder: one above it belongs to another checkout, and must stay as it is.
        command = ["git", f"--git-dir={self.folder / '.git'}", f"--work-tree={self.folder}", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=_clean(), capture_output=True, text=True, check=True
        ).stdout.strip()

    def commit(self) -> str:
        own = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "core.hooksPath=/dev/null")
        self.git(*own, "commit", "--quiet", "--allow-empty", "--message", "A change")
        return self.git("rev-parse", "HEAD")

    @property
    def version(self) -> str:
        return _hatchling(self.folder, "version")


@pytest.fixture
def repository(tmp_path: Path) -> _Repository:
    (tmp_path / "repository").mkdir()
    return _Repository(tmp_path / "repository")


def test_version_is_that_of_the_tag(repository: _Repository) -> None:
    """And of the next one afterwards, as a development version that names its commit."""
    repository.git("tag", "v1.2.3")
    repository.git("tag", "sprint-42")  # no version
    assert repository.version == "1.2.3"
    commit = repository.commit()
    version, _, node = repository.version.partition("+g")
    assert version == "1.2.4.dev1"
    assert commit.startswith(node)


def test_a_clone_without_tags_has_a_version(repository: _Repository, tmp_path: Path) -> None:
    """Such as a shallow one of CI: a development version, older than every release."""
    repository.git("tag", "v1.2.3")
    repository.commit()
    shallow = tmp_path / "shallow"
    clone = ["git", "clone", "--quiet", "--depth=1", "--no-tags", f"file://{repository.folder}", str(shallow)]
    subprocess.run(clone, env=_clean(), check=True)
    version, _, node = _hatchling(shallow, "version").partition("+g")
    assert version.startswith("0.0.1.dev")
    assert repository.git("rev-parse", "HEAD").startswith(node)


def test_an_archive_of_git_has_the_version_of_its_commit(repository: _Repository, tmp_path: Path) -> None:
    repository.git("tag", "v1.2.3")
    repository.git("archive", "--format=tar", f"--output={tmp_path / 'archive.tar'}", "HEAD")
    with tarfile.open(tmp_path / "archive.tar") as archive:
        archive.extractall(tmp_path / "archive", filter="data")
    assert _hatchling(tmp_path / "archive", "version") == "1.2.3"


def test_a_tree_without_git_has_the_version_that_it_is_given(tmp_path: Path) -> None:
    """As where an image is built, whose context has no repository; 0.0.0 without."""
    for name in _METADATA[:3]:
        shutil.copyfile(ROOT / name, tmp_path / name)
    assert _hatchling(tmp_path, "version") == "0.0.0"
    assert _hatchling(tmp_path, "version", **{_PRETENDED: "1.2.3"}) == "1.2.3"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and source distribution, built of the same files in two places, at two times, by two users."""
    made = []
    for name, mode, order in (("first", 0o644, 1), ("second", 0o600, -1)):
        source = tmp_path_factory.mktemp(name) / name
        source.mkdir()
        for item in (*packages(), *_METADATA[:3])[::order]:
            if (ROOT / item).is_dir():
                shutil.copytree(ROOT / item, source / item, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(ROOT / item, source / item)
        for path in source.rglob("*"):
            if path.is_file():
                path.chmod(mode)
                os.utime(path, (mode * 1_000_000, mode * 1_000_000))
        _hatchling(source, "build", "--directory", str(source.parent / "dist"), **{_PRETENDED: "1.2.3"})
        made.append(source.parent / "dist")
    return made[0], made[1]


@pytest.mark.slow
def test_two_builds_are_equal_byte_by_byte(built: tuple[Path, Path]) -> None:
    """A user can check a release against its source."""
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in built)
    assert sorted(first) == ["mail_importer-1.2.3-py3-none-any.whl", "mail_importer-1.2.3.tar.gz"]
    assert {name: first[name] == second[name] for name in first} == dict.fromkeys(first, True)


@pytest.mark.slow
def test_wheel_has_the_version_and_the_command_shows_it(built: tuple[Path, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(built[0] / "mail_importer-1.2.3-py3-none-any.whl") as wheel:
        wheel.extractall(tmp_path)  # noqa: S202  # our own, just built
    metadata = Parser().parsestr((tmp_path / "mail_importer-1.2.3.dist-info" / "METADATA").read_text("utf-8"))
    assert (metadata["Version"], metadata["License-Expression"]) == ("1.2.3", "MIT")
    shown = subprocess.run(
        [sys.executable, "-m", "console", "--version"],
        cwd=tmp_path,
        env=_clean({"PYTHONPATH": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "mail-importer, version 1.2.3\n"


@pytest.mark.slow
def test_wheel_is_built_of_the_source_distribution_as_of_the_repository(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    """Its version stands in it; nothing that a wheel has is missing."""
    with tarfile.open(built[0] / "mail_importer-1.2.3.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    _hatchling(tmp_path / "mail_importer-1.2.3", "build", "--target", "wheel", "--directory", str(tmp_path))
    name = "mail_importer-1.2.3-py3-none-any.whl"
    assert (tmp_path / name).read_bytes() == (built[0] / name).read_bytes()
