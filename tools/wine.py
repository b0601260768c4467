"""A CPython for Windows under Wine, made of packages of Debian and PyPI: the product on Windows's own interfaces.

`python -m tools.wine FOLDER ARGUMENT...` runs `python.exe ARGUMENT...` there, and makes it in FOLDER first if need be.
Wine's crypt32, ncrypt, kernel32 and ws2_32 are implementations of their own, so that it is evidence, not proof: what
passes here has still to be seen on a Windows Server.

The interpreter comes from where PyPI has it: the wheel of Panda3D brings `python311.dll` of the Python Software
Foundation with all extension modules of the standard library, whose Python files are those of the Python that runs this
module. `python.exe`, the forwarder `python3.dll` and the `bcryptprimitives.dll` that Wine lacks before version 9 are
compiled here.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path, PureWindowsPath
from typing import Final, TypedDict

from packaging.requirements import Requirement


class _Silent(TypedDict):
    stdin: int
    stdout: int
    stderr: int


ROOT: Final = Path(__file__).parents[1]
COMPILER: Final = "x86_64-w64-mingw32-gcc"
DEBIAN_PACKAGES: Final = ("wine", "wine64", "gcc-mingw-w64-x86-64-win32")

_PYTHON: Final = (3, 11)
_INTERPRETER: Final = "panda3d==1.10.16"
_INTERPRETER_SHA256: Final = "0817a2a657a24c0d5fbb60df56960f42fc66b3039d522ec952dab83e2d869364"
"""python311.dll 3.11.9 of the Python Software Foundation, by its certificate; trusted by the digest of the wheel."""
_TEST_PACKAGES: Final = frozenset(
    {
        *("aiosmtpd", "atpublic", "babel", "colorama", "hypothesis", "iniconfig", "pluggy", "pytest", "pytest-asyncio"),
        *("pytest-timeout", "ruamel-yaml", "sortedcontainers", "sqlglot", "googleapis-common-protos", "protobuf"),
        *("psycopg", "psycopg-binary"),
    }
)
_NOT_OF_STDLIB: Final = ("site-packages", "__pycache__", "test", "lib-dynload", "ensurepip", "idlelib", "config-*")
_PYTHON_EXE: Final = """
#include <wchar.h>
__declspec(dllimport) int Py_Main(int argc, wchar_t **argv);
int wmain(int argc, wchar_t **argv) { return Py_Main(argc, argv); }
"""
_BCRYPTPRIMITIVES: Final = """
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
"""
_STAMP: Final = "complete"
_SILENT: Final[_Silent] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class WineUnavailable(Exception):
    """Wine, the compiler or a package is missing; the text names what to install."""


class WindowsPython:
    """A `python.exe` for Wine in a folder of its own: `windows` has the interpreter, `prefix` the files of Wine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._home = self._folder / "windows"
        self._prefix = self._folder / "prefix"

    def run(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        timeout: float | None = None,
    ) -> tuple[int, str]:
        """Run `python.exe` with the product of this work tree; return exit status and output.

        Standard streams are pipes: Wine 8 gives CPython no usable handle of a regular file.

        Raises:
            subprocess.TimeoutExpired: it ran longer.
        """
        # Services of Wine that its first program starts would keep the pipe open after the end of this one.
        subprocess.run([_wine("wineboot")], env=self._environment(), check=False, **_SILENT)  # noqa: S603  # Wine's own
        done = subprocess.run(  # noqa: S603  # Wine, and the interpreter made here
            [_wine(), str(self._home / "python.exe"), *arguments],
            env=self._environment() | dict(environment or {}),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace").replace("\r\n", "\n")

    def stop(self) -> None:
        """End all processes of this Wine, and wait for their end."""
        server = shutil.which("wineserver") or "/usr/lib/wine/wineserver"
        for flag in ("-k", "-w"):
            subprocess.run([server, flag], env=self._environment(), check=False, timeout=60)  # noqa: S603  # Wine's own

    def make(self) -> None:
        """Make it, unless it is complete and of these packages.

        Raises:
            WineUnavailable: something is missing.
        """
        state = _state()
        stamp = self._folder / _STAMP
        if stamp.is_file() and stamp.read_text("ascii") == state:
            return
        if sys.version_info[:2] != _PYTHON:
            raise WineUnavailable("Python 3.11 is needed: its standard library is that of the interpreter for Wine")
        _wine()
        stamp.unlink(missing_ok=True)
        shutil.rmtree(self._home, ignore_errors=True)
        self._home.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as folder:
            self._unpack_interpreter(Path(folder))
            self._compile(Path(folder))
        self._copy_standard_library()
        self._install_packages()
        if not self._prefix.is_dir():
            boot = [_wine("wineboot"), "--init"]
            subprocess.run(boot, env=self._environment(), check=True, timeout=300, **_SILENT)  # noqa: S603  # Wine's own
        stamp.write_text(state, "ascii")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAIL_IMPORTER_"))}
        return kept | {
            "WINEPREFIX": str(self._prefix),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",  # it would offer to download both
            "PYTHONPATH": windows_path(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",  # the work tree is shared with the Python of this system
            "PYTHONIOENCODING": "utf-8",  # of the pipe; of its own accord it takes the code page of Windows
        }

    def _unpack_interpreter(self, folder: Path) -> None:
        _download(folder, [_INTERPRETER])
        [wheel] = folder.glob("*.whl")
        modules = self._home / "DLLs"
        modules.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                parent, _, file = name.rpartition("/")
                if parent != "deploy_libs" or file.startswith(("api-ms-", "tcl", "tk", "_tkinter")):
                    continue  # the api-ms files are Wine's own
                beside_python = file.lower().startswith(("python", "vcruntime"))
                ((self._home if beside_python else modules) / file).write_bytes(archive.read(name))
        digest = hashlib.sha256((self._home / "python311.dll").read_bytes()).hexdigest()
        if digest != _INTERPRETER_SHA256:
            raise WineUnavailable(f"{_INTERPRETER} brings another python311.dll than the one that was verified")

    def _compile(self, folder: Path) -> None:
        if shutil.which(COMPILER) is None:
            raise WineUnavailable(_advice(COMPILER))
        for name, source, options in (
            ("python.exe", _PYTHON_EXE, ["-municode", str(self._home / "python311.dll")]),
            ("bcryptprimitives.dll", _BCRYPTPRIMITIVES, ["-shared", "-ladvapi32"]),
        ):
            file = folder / f"{name}.c"
            file.write_text(source, "ascii")
            _compiled(str(file), *options, output=self._home / name)
        definition = folder / "python3.def"
        lines = (f"{name} = python311.{name}" for name in _exports(self._home / "python311.dll"))
        definition.write_text("\n".join(("LIBRARY python3.dll", "EXPORTS", *lines)), "ascii")
        _compiled("-shared", "-nostdlib", "-Wl,-e,0", str(definition), output=self._home / "python3.dll")

    def _copy_standard_library(self) -> None:
        source = sysconfig.get_path("stdlib")
        shutil.copytree(source, self._home / "Lib", ignore=shutil.ignore_patterns(*_NOT_OF_STDLIB))

    def _install_packages(self) -> None:
        target = self._home / "Lib" / "site-packages"
        target.mkdir()
        with tempfile.TemporaryDirectory() as folder:
            _download(Path(folder), pinned())
            for wheel in sorted(Path(folder).glob("*.whl")):
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(target)  # pinned by the lock files
        for data in target.glob("*.data"):
            for part in data.glob("*lib"):
                shutil.copytree(part, target, dirs_exist_ok=True)
        _write_metadata(target)


def windows_path(path: Path) -> str:
    """A path of this system, as Wine gives it: below drive Z."""
    return str(PureWindowsPath("Z:/", *path.absolute().parts[1:]))


def available() -> bool:
    """Report if Wine and the compiler are there."""
    return shutil.which("wine") is not None and shutil.which(COMPILER) is not None


def _wine(name: str = "wine") -> str:
    found = shutil.which(name)
    if found is None:
        raise WineUnavailable(_advice(name))
    return found


def _advice(missing: str) -> str:
    packages = " ".join(DEBIAN_PACKAGES)
    return f"{missing} is missing; install with: apt-get install --no-install-recommends {packages}"


def _state() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for lock in ("requirements.lock", "requirements-dev.lock"):
        digest.update((ROOT / lock).read_bytes())
    return digest.hexdigest()


def pinned() -> list[str]:
    """The locked packages that the product and its tests need on Windows."""
    needed: dict[str, str] = {}
    for lock, names in (("requirements.lock", None), ("requirements-dev.lock", _TEST_PACKAGES)):
        for requirement in _requirements(ROOT / lock):
            on_windows = requirement.marker is None or requirement.marker.evaluate(_MARKERS)
            name = requirement.name.lower()
            if on_windows and (names is None or name in names or name.startswith("opentelemetry")):
                needed[requirement.name] = f"{requirement.name}{requirement.specifier}"
    return sorted(needed.values())


_MARKERS: Final = {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows", "platform_machine": "AMD64"}


def _requirements(lock: Path) -> Iterator[Requirement]:
    for line in lock.read_text("utf-8").splitlines():
        if line and not line.startswith((" ", "#")):
            yield Requirement(line.removesuffix("\\").strip())


def _download(folder: Path, requirements: Sequence[str]) -> None:
    """Download the wheels for Windows by pip.

    Raises:
        WineUnavailable: pip could not.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
    command += ["--platform", "win_amd64", "--python-version", "3.11", "--implementation", "cp"]
    command += ["--abi", "cp311", "--abi", "abi3", "--abi", "none", "--only-binary=:all:", "--dest", str(folder)]
    done = subprocess.run([*command, *requirements], capture_output=True, text=True, check=False)  # noqa: S603  # pip
    if done.returncode:
        raise WineUnavailable(f"pip download failed:\n{done.stderr}")


def _exports(library: Path) -> list[str]:
    """The names that a DLL exports, by objdump of the compiler."""
    tool = COMPILER.replace("-gcc", "-objdump")
    listing = subprocess.run([tool, "-p", str(library)], capture_output=True, text=True, check=True).stdout  # noqa: S603  # a tool of mingw
    table = listing.partition("[Ordinal/Name Pointer]")[2].partition("\n\n")[0]
    return [line.split()[-1] for line in table.splitlines() if line.startswith("\t[")]


def _compiled(*arguments: str, output: Path) -> None:
    subprocess.run([COMPILER, "-O2", "-o", str(output), *arguments], check=True)  # noqa: S603  # the compiler


def _write_metadata(target: Path) -> None:
    """Write the metadata of the product, the source of its version; its code is that of the work tree."""
    folder = target / f"mail_importer-{version('mail-importer')}.dist-info"
    folder.mkdir()
    text = f"Metadata-Version: 2.1\nName: mail-importer\nVersion: {version('mail-importer')}\n"
    (folder / "METADATA").write_text(text, "utf-8")


def main() -> None:
    """Run the command."""
    folder, *arguments = sys.argv[1:]
    python = WindowsPython(Path(folder))
    try:
        python.make()
        status, output = python.run(arguments) if arguments else (0, "")
    except WineUnavailable as reason:
        sys.exit(str(reason))
    sys.stdout.write(output)
    sys.exit(status)


if __name__ == "__main__":
    main()
