#!/bin/sh
# Disaster drill: proves that a backup of a SQLite database can be restored, and what is missing in it. docs/backup.md.
#
#   sh drill.sh BACKUP [SINCE]
#
# BACKUP: a file of `mail-importer db backup`; SINCE: compare the mail of this time (default: 2d). Run it on a spare host
# with the settings and certificates of the installation, in the folder of its settings. It works on a copy, starts no
# role, and changes nothing in any mailbox. COMMAND: the command to run instead of mail-importer.
# Exit status: 0 the backup is good, 1 it is not.
set -eu

backup=${1:?Usage: drill.sh BACKUP [SINCE]}
since=${2:-2d}
command=${COMMAND:-mail-importer}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
began=$(date +%s)

step() {
  printf '%5s s  %s\n' "$(($(date +%s) - began))" "$1"
}

export MAIL_IMPORTER_LANGUAGE=en
umask 077
cp "$backup" "$folder/gateway.db"
export MAIL_IMPORTER_DATABASE_URL="sqlite:///$folder/gateway.db"
step "restored: $(wc -c < "$folder/gateway.db") bytes"

$command db upgrade
$command db check
step "schema: as this version needs it"

$command messages list --limit 1 --state imported --json > "$folder/newest.json" 2> "$folder/why"
grep -q '"graph_id"' "$folder/newest.json"
step "messages: the newest are there"

$command accounts list | cut -f 1 | tail -n +2 > "$folder/accounts"
[ -s "$folder/accounts" ]
while IFS= read -r name; do
  # 1: mail of the folder is not in the backup, which is right for what came since. Anything else ends the drill.
  status=0
  $command verify "$name" --since "$since" < /dev/null > "$folder/verify" 2> "$folder/why" || status=$?
  if [ "$status" -gt 1 ] || ! { [ "$status" -eq 0 ] || grep -q '^missing' "$folder/verify"; }; then
    cat "$folder/why" >&2
    step "$name: cannot be compared with its mailbox"
    exit 1
  fi
  step "$name: $(grep -c '^missing' "$folder/verify" || true) missing: came after the backup, verify --repair queues it"
done < "$folder/accounts"
step "the backup is good"
