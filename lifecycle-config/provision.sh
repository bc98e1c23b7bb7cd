#!/bin/bash
# Everything that takes longer than a hook may: repository, stacks, kernel, exercises, idle stop.
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

declare -A parts=()

# part NAME COMMAND...: in the background; its lines in the log begin with its name.
part() {
    local name=$1
    shift
    ("$@" 2>&1 | sed -u "s/^/$name: /") 9>&- &
    parts[$name]=$!
}

# In this order: a rule that is there when the branches are seeded would start the pipelines.
repository_and_stacks() {
    bash "$here/repository.sh"
    bash "$here/stacks.sh"
}

# cause PART: what it said of its failure, or its last words.
cause() {
    local said
    said="$(sed -n "s/^$1: error: /$1: /p" "$STATE/provision.log" | head -n 1)"
    said="${said:-$(grep "^$1: ." "$STATE/provision.log" | tail -n 1)}" || true
    echo "${said:-$1: failed without a word}"
}

began=$SECONDS
part kernel bash "$here/kernel.sh"
part exercises python3 "$here/exercises.py" "$WORKSHOP_HOME/workshop/notebooks" "$WORKSHOP_HOME/notebooks" "$STATE/exercises.json"
part stacks repository_and_stacks

failures=()
for name in "${!parts[@]}"; do
    if ! wait "${parts[$name]}"; then
        failures+=("$(cause "$name")")
    fi
done
if [ "${#failures[@]}" -eq 0 ] && ! reason="$(bash "$here/idle.sh" 9>&- 2>&1)"; then
    failures+=("idle: $reason")
fi

ended=yes
if [ "${#failures[@]}" -gt 0 ]; then
    echo "provision: failed after $((SECONDS - began)) s"
    printf '%s\n' "${failures[@]}"
    set_status "failed: $(printf '%s; ' "${failures[@]}" | sed 's/; $//')"
    exit 1
fi
echo "provision: ready after $((SECONDS - began)) s"
set_status ready
