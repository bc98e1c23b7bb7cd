#!/bin/bash
# Everything that takes longer than a hook may: lab_helpers/instance/provision.py, and the environment that it needs.
# Safe to repeat; what is there already stays. .workshop/provision.status says how it ended.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=lib.sh
. "$here/lib.sh"

ended=""
trap '[ -n "$ended" ] || set_status "failed: provisioning was interrupted, see $STATE/provision.log"' EXIT
trap 'exit 143' TERM INT

exec 9>"$STATE/provision.lock"
flock 9 # a start on the heels of another one waits for it

set -a
# shellcheck source=/dev/null
. "$STATE/lab.env"
set +a
export AWS_REGION="$REGION" AWS_DEFAULT_REGION="$REGION"

if ! said="$(bash "$here/tools.sh" 2>&1 9>&-)"; then
    ended=yes
    echo "tools: $said"
    set_status "failed: tools: $(tail -n 1 <<<"$said")"
    exit 1
fi
[ -z "$said" ] || echo "tools: $said"
# The lock goes with it, and ends with it.
exec "$STATE/tools/bin/python" -m lab_helpers.instance.provision
