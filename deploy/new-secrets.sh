#!/bin/sh
# Makes the secrets that a compose file needs, each in a file of its own below ./secrets; keeps those that are there.
#
#   sh new-secrets.sh sqlserver     for compose.yaml
#   sh new-secrets.sh postgresql    for compose.small.yaml with COMPOSE_PROFILES=postgresql
#
# In a container the files belong to the user of the host who made them. So that user id 10001 can read them, everybody
# may, but the folder around them lets nobody else of this host in.
set -eu
umask 022
cd "$(dirname "$0")"
database=${1:-}
folder=secrets/mail-importer
mkdir -p $folder
chmod 700 secrets

# 32 letters and digits, and three more for the rules of SQL Server: upper case, lower case, digit.
random() {
    printf '%sAa1' "$(LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32)"
}

# write FILE CONTENT
write() {
    if [ -s "$1" ]; then
        echo "$1 is there; kept."
    else
        printf '%s\n' "$2" >"$1"
        echo "$1 made."
    fi
}

case $database in
sqlserver)
    if [ ! -s secrets/sqlserver.env ]; then
        password=$(random)
        administrator=$(random)
        # Also read by the tools in Microsoft's images, by the names that these give.
        write secrets/sqlserver.env "MSSQL_SA_PASSWORD=$administrator
SQLCMDPASSWORD=$administrator
DATABASE_PASSWORD=$password"
        rm -f $folder/database_url
        # The server makes its certificate itself; nobody else is on the network between.
        write $folder/database_url "mssql+pyodbc://mail_importer:$password@sqlserver/MonitorPro?TrustServerCertificate=yes"
    fi
    write $folder/client_state_secret "$(random)$(random)"
    # How every emulator is reached: its key is no secret. For a real namespace, write its connection string here.
    write $folder/servicebus_connection_string 'Endpoint=sb://servicebus;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;'
    ;;
postgresql)
    if [ ! -s secrets/postgresql_password ]; then
        password=$(random)
        rm -f $folder/database_url
        write secrets/postgresql_password "$password"
        write $folder/database_url "postgresql+psycopg://mail_importer:$password@postgresql/mail_importer"
    fi
    ;;
*)
    echo "Usage: sh new-secrets.sh sqlserver | postgresql" >&2
    exit 2
    ;;
esac
