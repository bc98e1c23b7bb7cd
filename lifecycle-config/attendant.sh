#!/bin/bash
# Start the attendant, which stops an idle instance and resets exercises on request; replace one that is running.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pid_file="$STATE/attendant.pid"
if [ -s "$pid_file" ]; then
    pid="$(cat "$pid_file")"
    # The pid may belong to another process by now.
    if grep -qs "lab_helpers.instance.attendant" "/proc/$pid/cmdline"; then
        kill "$pid" || true
    fi
    rm -f "$pid_file"
fi
(
    trap '' HUP
    exec setsid "$STATE/venv/bin/python" -m lab_helpers.instance.attendant \
        --instance "$NOTEBOOK_INSTANCE" --minutes "$IDLE_MINUTES"
) >"$STATE/attendant.log" 2>&1 </dev/null &
echo "$!" >"$pid_file"
