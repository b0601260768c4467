#!/bin/sh
# Dependencies available only as system packages: unixodbc (pyodbc cannot be imported without libodbc.so.2),
# systemd-analyze, libfuse (of a share that hangs), chromium (of the web console), lintian, prometheus and promtool,
# nginx, and the compiler for python-qpid-proton, which has no wheels. Installs them where permitted (Debian, root);
# elsewhere names them. Tests that need the others are skipped without; without a compiler no test can run.
set -eu
PATH=$PATH:/usr/sbin:/sbin # location of ldconfig, for any user
tools=.venv/bin
missing="" unpacked=""
ldconfig -p 2>/dev/null | grep -q 'libodbc\.so\.2' || missing="$missing unixodbc"
ldconfig -p 2>/dev/null | grep -q 'libfuse3*\.so' || missing="$missing libfuse2"
command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v lintian >/dev/null 2>&1 || missing="$missing lintian"
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
"${PYTHON:-python3}" -c 'import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' || missing="$missing python3-dev"
[ "${1:-}" != wine ] || { command -v wine && command -v x86_64-w64-mingw32-gcc; } >/dev/null 2>&1 ||
    missing="$missing wine wine64 gcc-mingw-w64-x86-64-win32" # for tools/wine.py
[ -x $tools/promtool ] || command -v promtool >/dev/null 2>&1 || unpacked=prometheus
[ -x $tools/nginx ] || command -v nginx >/dev/null 2>&1 || unpacked="$unpacked nginx"
[ -n "$missing$unpacked" ] || exit 0

# These packages would start a server on this machine: only the programs are taken from them.
unpack() {
    for package; do
        case $package in
        prometheus) programs="./usr/bin/prometheus ./usr/bin/promtool" ;;
        nginx) programs=./usr/sbin/nginx ;;
        esac
        folder=$(mktemp -d)
        # shellcheck disable=SC2086  # one word per program
        (cd "$folder" && apt-get download -qq -o APT::Sandbox::User=root "$package") &&
            dpkg-deb --fsys-tarfile "$folder"/*.deb | tar -x -C $tools --strip-components=3 $programs
        found=$?
        rm -r "$folder"
        [ $found = 0 ] || return $found
    done
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    # shellcheck disable=SC2086  # one word per package
    {
        apt-get update -qq &&
            { [ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } &&
            unpack $unpacked
    } >&2 && exit 0
fi
missing="$missing $unpacked"
echo "Not installed:$missing. What needs them is skipped, or fails; install with: sudo apt-get install$missing" >&2
