#!/bin/sh
# install.sh PACKAGE TARGET ODBCINST_INI: Microsoft's ODBC Driver 18 out of the installed package mssql_python_odbc into
# TARGET, made known to unixODBC. Microsoft publishes the package for mssql-python, which finds the driver by itself.
set -eu
package=$1 target=$2 ini=$3
# A wheel holds one architecture. The driver looks for its messages in ../share, so that both go together.
mkdir -p "$(dirname "$target")"
cp -R "$package"/libs/linux/debian_ubuntu/* "$target"
rm "$target"/lib/libodbcinst.so.* # Debian's own belongs to its driver manager
cat >"$ini" <<END
[ODBC Driver 18 for SQL Server]
Description=Microsoft ODBC Driver 18 for SQL Server
Driver=$(echo "$target"/lib/libmsodbcsql-18.*.so.*)
END
