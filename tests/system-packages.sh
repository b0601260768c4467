#!/bin/sh
# What only the system's packages give: unixodbc (pyodbc cannot be imported without libodbc.so.2) and
# systemd-analyze. Installs them where it may (Debian, root); elsewhere names them, and the tests that need them skip.
set -eu
PATH=$PATH:/usr/sbin:/sbin # where ldconfig is, also for who is not root
missing=""
ldconfig -p 2>/dev/null | grep -q 'libodbc\.so\.2' || missing="$missing unixodbc"
command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    # shellcheck disable=SC2086  # one word per package
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >&2 && exit 0
fi
echo "Not installed:$missing. The tests that need them are skipped; install with: sudo apt-get install$missing" >&2
