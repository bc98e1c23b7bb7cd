#!/bin/bash
# Does everything that takes longer than a hook may: prepares an environment, then runs
# lab_helpers/instance/provision.py in it. Safe to repeat: it keeps what already exists. .workshop/provision.status
# says how it ended.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=lib.sh
. "$here/lib.sh"

ended=""
trap '[ -n "$ended" ] || set_status "failed: provisioning was interrupted, see $STATE/provision.log"' EXIT
trap 'exit 143' TERM INT

# tell STATUS LINE: reports a failure in the bucket, as lab_helpers/instance/provision.py does. The programs are those
# that the hook has fetched the package with.
tell() {
    python3 - "$1" "$2" "$(cut -d' ' -f1 "$STATE/workshop.sha256")" <<'REPORT' |
import datetime, json, sys
status, line, package = sys.argv[1:]
now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
print(json.dumps({"status": status, "at": now, "package": package, "log": [line]}, indent=1))
REPORT
        aws s3 cp --only-show-errors --cli-connect-timeout 10 --content-type application/json \
            - "s3://$BUCKET/package/provision.json" 9>&-
}

exec 9>"$STATE/provision.lock"
flock 9 # a start right after another waits for it

set -a
# shellcheck source=/dev/null
. "$STATE/lab.env"
set +a
export AWS_REGION="$REGION" AWS_DEFAULT_REGION="$REGION"

if ! said="$(bash "$here/tools.sh" 2>&1 9>&-)"; then
    ended=yes
    echo "tools: $said"
    status="failed: tools: $(tail -n 1 <<<"$said")"
    set_status "$status"
    tell "$status" "tools: $(tail -n 1 <<<"$said")" || echo "provision: could not publish the status"
    exit 1
fi
[ -z "$said" ] || echo "tools: $said"
# The new process inherits the lock and releases it when it has provisioned.
PROVISION_LOCK=9 exec "$STATE/tools/bin/python" -m lab_helpers.instance.provision
