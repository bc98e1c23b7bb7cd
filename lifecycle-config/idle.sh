#!/bin/bash
# Start the watcher that stops the instance when nobody works on it, in place of the one that runs.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pid_file="$STATE/idle.pid"
if [ -s "$pid_file" ]; then
    pid="$(cat "$pid_file")"
    # The number may be another process's by now.
    if grep -qs "lab_helpers.idle" "/proc/$pid/cmdline"; then
        kill "$pid" || true
    fi
    rm -f "$pid_file"
fi
if [ "$IDLE_MINUTES" -gt 0 ]; then
    (
        trap '' HUP
        exec setsid "$STATE/venv/bin/python" -m lab_helpers.idle --instance "$NOTEBOOK_INSTANCE" --minutes "$IDLE_MINUTES"
    ) >"$STATE/idle.log" 2>&1 </dev/null &
    echo "$!" >"$pid_file"
fi
