"""The Debian package: installed, upgraded, removed and purged by the real dpkg, in a root of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

import pytest
from packaging.version import Version

from tests.paths import ROOT
from tests.system_packages import without_system_package
from tools.deb import build, debian_version, locked

_SCRIPTS: Final = ("postinst", "prerm", "postrm", "mail-importer.sh")
_PYTHON: Final = Path("/usr/bin/python3")
_IN_A_ROOT: Final = """
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for each in dev proc tmp $3; do mkdir -p "$1/root/$each"; mount --rbind "/$each" "$1/root/$each"; done
exec chroot "$1/root" /bin/sh -eux "$2"
"""
_LIFE: Final = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C
unset PYTHONPATH MAIL_IMPORTER_CONFIG || true
cd /
as_user() { runuser -u mail-importer -- "$@"; }
equals() { [ "$1" = "$2" ] || { echo "$1, not $2" >&2; exit 1; }; }

dpkg --force-depends --install "$OLD" | tee /run/printed
grep -q 'mail-importer db upgrade' /run/printed
settings=/etc/mail-importer/mail-importer.toml
equals "$(stat -c '%a %U:%G' /etc/mail-importer)" '750 root:mail-importer'
equals "$(stat -c '%a %U:%G' $settings)" '640 root:mail-importer'
equals "$(stat -c '%a %U:%G' /var/lib/mail-importer)" '750 mail-importer:mail-importer'
dpkg-query --show --showformat '${Conffiles}' mail-importer | grep -q $settings
grep -rIl /stage/opt /opt/mail-importer && exit 1
systemd-analyze verify /lib/systemd/system/mail-importer.service 2>&1 | tee /run/verified
[ ! -s /run/verified ]
as_user mail-importer --version | grep -F 1.0.0
as_user mkdir /var/lib/mail-importer/certificates
as_user mail-importer config check
as_user mail-importer db upgrade
for each in bash-completion/completions/mail-importer zsh/vendor-completions/_mail-importer; do
    grep -q mail-importer /usr/share/$each
done

echo 'metrics_port = 9999' >>$settings
dpkg --force-depends --force-confdef --force-confold --install "$NEW"
as_user mail-importer --version | grep -F 1.1.0
as_user mail-importer config show | grep 9999
equals "$(stat -c '%a %U:%G' $settings)" '640 root:mail-importer'

dpkg --remove mail-importer
[ -e $settings ] && [ -s /var/lib/mail-importer/gateway.db ] && [ ! -e /usr/bin/mail-importer ]
[ ! -e /opt/mail-importer ]
dpkg --purge mail-importer
[ ! -e /etc/mail-importer ] && [ ! -e /var/lib/mail-importer ]
echo purged
"""


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.2.3", "1.2.3"),
        ("0.0.1.dev5+gabc", "0.0.1~dev5+gabc"),
        ("1.2.3rc1", "1.2.3~rc1"),
        ("1.2.3.post1", "1.2.3+post1"),
    ],
)
def test_version_is_sorted_by_dpkg_as_by_python(version: str, expected: str) -> None:
    """A version before a release is older than it."""
    assert debian_version(Version(version)) == expected


def test_package_has_hashes_of_all_that_runs_and_none_of_what_builds() -> None:
    """Every requirement is locked by its hash."""
    lines = locked().splitlines()
    assert all(" --hash=sha256:" in line for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"psycopg-binary", "pyodbc", "opentelemetry-sdk"} <= names
    assert not {"hatchling", "pip"} & names


@pytest.mark.parametrize("name", _SCRIPTS)
def test_shellcheck_takes_the_maintainer_scripts(name: str) -> None:
    """The linter of shell scripts reports nothing."""
    if shutil.which("shellcheck") is None:
        pytest.skip("needs shellcheck: apt-get install shellcheck")
    command = ["shellcheck", "--shell=sh", str(ROOT / "deploy" / "debian" / name)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_lintian_finds_no_error_and_no_warning(tmp_path: Path) -> None:
    """Without --show-overrides: with it, lintian counts what is overridden, too, and ends with status 2."""
    if shutil.which("lintian") is None:
        without_system_package("lintian")
    _needs_python_of_debian()
    site = Path(sysconfig.get_path("purelib"))
    package = build(_wheel(tmp_path, "1.0.0"), _PYTHON, tmp_path, 1_800_000_000, site=site)
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", str(package)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, ""), found.stderr


def _wheel(folder: Path, version: str) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    pretended = {"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MAIL_IMPORTER": version}
    subprocess.run(command, cwd=ROOT, env=os.environ | pretended, check=True, capture_output=True)
    return next(folder.glob(f"*-{version}-*.whl"))


def _needs_python_of_debian() -> None:
    if shutil.which("dpkg-deb") is None or not _PYTHON.exists():
        without_system_package("dpkg and python3")
    found = subprocess.run([_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=True)
    if found.stdout.split() != [str(part).encode() for part in sys.version_info[:2]]:
        pytest.skip("the Python of Debian is another one than that of the tests, whose packages it would need")


def _needs_a_root_of_its_own() -> None:
    _needs_python_of_debian()
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs root, and the right to make a mount namespace")


@pytest.mark.slow
def test_package_lives_from_installation_to_purge(tmp_path: Path) -> None:
    """User, rights, units and settings; an upgrade keeps changed settings, removal the data, and purge nothing."""
    _needs_a_root_of_its_own()
    site = Path(sysconfig.get_path("purelib"))
    paths = [build(_wheel(tmp_path, each), _PYTHON, tmp_path, 1_800_000_000, site=site) for each in ("1.0.0", "1.1.0")]
    life = tmp_path / "life.sh"
    life.write_text(_LIFE, "utf-8")
    root = tmp_path / "root"
    root.mkdir()
    command = ["unshare", "-m", "sh", "-c", _IN_A_ROOT, "sh", str(root), str(life), str(ROOT).lstrip("/")]
    environment = os.environ | {"OLD": str(paths[0]), "NEW": str(paths[1])}
    found = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=110
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.endswith("purged\n")
