#!/bin/sh
# The command with the settings of the service, unless the caller names or has others.
if [ -z "${MAIL_IMPORTER_CONFIG+set}" ] && [ ! -e mail-importer.toml ]; then
    export MAIL_IMPORTER_CONFIG=/etc/mail-importer/mail-importer.toml
fi
exec /opt/mail-importer/bin/mail-importer "$@"
