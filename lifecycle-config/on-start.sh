#!/bin/bash
# Runs at every start: provisions in the background, because a hook has only five minutes.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=lib.sh
. "$here/lib.sh"

mkdir -p "$STATE" "$WORKSHOP_HOME/notebooks"
# What a hook finds: `doctor --trial` reports it, and nothing else reads it.
{
    echo "user=$(id -un)"
    echo "path=$PATH"
    for tool in aws git python3 docker sha256sum runuser getent setsid flock; do
        echo "$tool=$(command -v "$tool")"
    done
} >"$STATE/hook.txt"
if [ -f "$STATE/provision.log" ]; then
    mv "$STATE/provision.log" "$STATE/provision.log.1"
fi
: >"$STATE/provision.log"
set_status running
give_to_user "$STATE" "$WORKSHOP_HOME/notebooks"

# In a session of its own and ignoring hangups, so that it outlives the hook; nothing stays to wait for it.
(
    trap '' HUP
    as_user setsid --fork bash "$here/provision.sh"
) >>"$STATE/provision.log" 2>&1 </dev/null &
