"""Builds the Debian package: `make deb`, which needs the dev dependencies, and dpkg-deb of Debian.

It holds a virtual environment in /opt/mail-importer, made with the Python of this machine's distribution, which it then
depends on. The same commit gives the same bytes, by SOURCE_DATE_EPOCH.
https://www.debian.org/doc/debian-policy/
"""

import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Final

import click
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from tools.lock_file import EXTRAS, read_lock, runtime

_ROOT: Final = Path(__file__).parents[1]
_DEBIAN: Final = _ROOT / "deploy" / "debian"
_PLACE: Final = Path("opt/mail-importer")
_NOBODY: Final = "mail-importer <root@localhost>"
"""The maintainer of a package that is built without a name: it is for the hosts of who built it."""
_ADDRESS: Final = re.compile(r"[^<>\n]+ <[^<>@\s]+@[^<>@\s]+>")
_COMPLETIONS: Final = {
    "bash": "usr/share/bash-completion/completions/mail-importer",
    "zsh": "usr/share/zsh/vendor-completions/_mail-importer",
    "fish": "usr/share/fish/vendor_completions.d/mail-importer.fish",
}


def debian_version(version: Version) -> str:
    """The version as dpkg sorts it: what comes before a release has a tilde.

    >>> debian_version(Version("0.0.1.dev5+gabc"))
    '0.0.1~dev5+gabc'
    """
    text = re.sub(r"(?<=\d)(a|b|rc)(?=\d)", r"~\1", version.public)
    text = text.replace(".dev", "~dev").replace(".post", "+post")
    return f"{text}+{version.local}" if version.local else text


def locked() -> str:
    """The requirements of the product with every extra, with hashes, without what only builds it."""
    packages = runtime(read_lock(EXTRAS)).values()
    return "".join(
        f"{each.name}=={each.version}{f' ; {each.marker}' if each.marker else ''}"
        + "".join(f" --hash=sha256:{digest}" for digest in each.digests)
        + "\n"
        for each in packages
    )


def build(
    wheel: Path, python: Path, output: Path, epoch: int, *, maintainer: str = _NOBODY, site: Path | None = None
) -> Path:
    """The path of the package made of the wheel in the folder `output`.

    `maintainer`: `NAME <ADDRESS>`. `site`: a folder of packages that the environment uses in place of its own copies,
    for tests.

    Raises:
        CalledProcessError: of a tool that failed; it printed why.
    """
    version = debian_version(parse_wheel_filename(wheel.name)[1])
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder) / "stage"
        minor = _environment(stage, wheel, python, site)
        _files(stage, version, epoch, maintainer)
        _relocate(stage)
        _control(stage, version, minor, maintainer)
        for path in [stage, *stage.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or _is_program(path) else 0o644)
        (stage / "etc/mail-importer").chmod(0o750)
        (stage / "etc/mail-importer/mail-importer.toml").chmod(0o640)
        (stage / "var/lib/mail-importer").chmod(0o750)
        output.mkdir(parents=True, exist_ok=True)
        made = output / f"mail-importer_{version}_{_architecture()}.deb"
        _run(
            # Every dpkg beside a Python of 3.11 or newer reads zstd, which takes a fraction of the time of xz.
            *("dpkg-deb", "--root-owner-group", "-Zzstd", "-z3" if site else "-z9", "--build", str(stage), str(made)),
            SOURCE_DATE_EPOCH=str(epoch),
        )
    return made


def _is_program(path: Path) -> bool:
    # Wheels mark libraries and modules as executable, too.
    return path.stat().st_mode & 0o100 != 0 and "site-packages" not in path.parts


def _run(*command: str, **environment: str) -> str:
    found = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # commands of this module
    return found.stdout.strip()


def _architecture() -> str:
    return _run("dpkg", "--print-architecture")


def _environment(stage: Path, wheel: Path, python: Path, site: Path | None) -> str:
    """Make the virtual environment; returns the minor version of its Python, such as 3.11."""
    minor = _run(str(python), "-c", "import sys; print('{}.{}'.format(*sys.version_info))")
    place = stage / _PLACE
    # By the name with its minor version: another one could not use what is installed here.
    _run(str(python.with_name(f"python{minor}")), "-m", "venv", "--without-pip", str(place))
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin/python"), "--disable-pip-version-check"]
    options = ["install", "--quiet", "--no-compile", "--root-user-action=ignore"]
    packages = place / f"lib/python{minor}/site-packages"
    if site is None:
        requirements = stage.parent / "requirements.lock"
        requirements.write_text(locked(), "utf-8")
        _run(*pip, *options, "--require-hashes", "--only-binary", ":all:", "-r", str(requirements))
    else:
        (packages / "shared.pth").write_text(f"{site}\n", "utf-8")
    _run(*pip, *options, "--no-deps", "--no-index", str(wheel))
    return minor


def _files(stage: Path, version: str, epoch: int, maintainer: str) -> None:
    """Add what stands outside of the environment."""
    program = stage / _PLACE / "bin"
    for shell, target in _COMPLETIONS.items():
        text = _run(str(program / "python"), "-B", str(program / "mail-importer"), "completion", shell)
        _write(stage / target, text + "\n")
    units = stage / "lib/systemd/system"
    shutil.copytree(_ROOT / "deploy/systemd", units)
    for source, target in (
        ("mail-importer.toml", "etc/mail-importer/mail-importer.toml"),
        ("mail-importer.sh", "usr/bin/mail-importer"),
        ("README.Debian", "usr/share/doc/mail-importer/README.Debian"),
        ("copyright", "usr/share/doc/mail-importer/copyright"),
        ("lintian-overrides", "usr/share/lintian/overrides/mail-importer"),
    ):
        _write(stage / target, "")
        shutil.copy(_DEBIAN / source, stage / target)
    (stage / "var/lib/mail-importer").mkdir(parents=True)
    day = format_datetime(datetime.fromtimestamp(epoch, UTC))
    entry = f"mail-importer ({version}) stable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {maintainer}  {day}\n"
    changelog = stage / "usr/share/doc/mail-importer/changelog.gz"
    changelog.write_bytes(gzip.compress(entry.encode(), mtime=0))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _relocate(stage: Path) -> None:
    """Have everything point to the final place, and nothing to the place or time of the build."""
    place = stage / _PLACE
    built, final = str(place), f"/{_PLACE}"
    for path in (place / "bin").iterdir():
        if path.name.lower().startswith("activate"):
            path.unlink()
        elif not path.is_symlink():
            path.write_bytes(path.read_bytes().replace(built.encode(), final.encode()))
    configuration = place / "pyvenv.cfg"
    configuration.write_text(configuration.read_text("utf-8").replace(built, final), "utf-8")
    for address in place.rglob("direct_url.json"):
        address.unlink()
    for record in place.rglob("RECORD"):
        lines = [line for line in record.read_text("utf-8").splitlines() if "/direct_url.json," not in line]
        # Programs were changed above, so that their checksums no longer hold.
        lines = [re.sub(r"^(\.\./\.\./\.\./bin/[^,]+),.*", r"\1,,", line) for line in lines]
        record.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    # The service may not write them, and dpkg removes only what it brought.
    _run(
        *(str(place / "bin/python"), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(stage), "-p", "/", str(place / "lib")),
    )


def _control(stage: Path, version: str, minor: str, maintainer: str) -> None:
    size = sum(path.lstat().st_size for path in stage.rglob("*") if not path.is_dir()) // 1024
    fields = {
        "Package": "mail-importer",
        "Version": version,
        "Architecture": _architecture(),
        "Maintainer": maintainer,
        "Installed-Size": str(size),
        "Depends": f"adduser, libc6 (>= 2.28), libstdc++6, python{minor}, unixodbc, zlib1g",
        "Recommends": "ca-certificates",
        "Section": "mail",
        "Priority": "optional",
        "Description": "imports the e-mail of Exchange Online mailboxes into a database\n"
        " It receives the change notifications of Microsoft Graph, and imports each\n"
        " message into the MonitorPro gateway database as it arrives.",
    }
    control = stage / "DEBIAN"
    _write(control / "control", "".join(f"{name}: {value}\n" for name, value in fields.items()))
    _write(control / "conffiles", "/etc/mail-importer/mail-importer.toml\n")
    for script in ("postinst", "prerm", "postrm"):
        shutil.copy(_DEBIAN / script, control)


@click.command()
@click.option("--wheel", type=click.Path(exists=True, path_type=Path), required=True, help="The product's wheel.")
@click.option(
    "--python", type=click.Path(exists=True, path_type=Path), default=Path("/usr/bin/python3"), help="Of Debian."
)
@click.option("--output", type=click.Path(path_type=Path), default=Path("dist"), help="The folder of the package.")
@click.option("--site", type=click.Path(exists=True, path_type=Path), help="Dependencies that stay there, for tests.")
@click.option("--maintainer", envvar="MAINTAINER", default=_NOBODY, help="NAME <ADDRESS> of who answers for it.")
@click.option("--epoch", envvar="SOURCE_DATE_EPOCH", type=int, required=True, help="The time that the package names.")
def main(wheel: Path, python: Path, output: Path, site: Path | None, maintainer: str, epoch: int) -> None:
    """Build the Debian package of a wheel."""
    if not _ADDRESS.fullmatch(maintainer):
        raise click.BadParameter("it is not of the form NAME <ADDRESS>", param_hint="--maintainer")
    click.echo(build(wheel.resolve(), python, output, epoch, maintainer=maintainer, site=site))


if __name__ == "__main__":
    main()
