# shellcheck shell=bash
# What the lifecycle scripts share. Sourced; WORKSHOP_HOME and WORKSHOP_USER come from the hook in cfn/m.yml.

: "${WORKSHOP_HOME:=/home/ec2-user/SageMaker}" "${WORKSHOP_USER:=ec2-user}"
export WORKSHOP_HOME WORKSHOP_USER
# shellcheck disable=SC2034 # for those who source this
STATE="$WORKSHOP_HOME/.workshop"

# set_status running|ready|"failed: reason": in one step, so that nobody reads half of it.
set_status() {
    printf '%s\n' "$1" >"$STATE/provision.status.new"
    mv "$STATE/provision.status.new" "$STATE/provision.status"
}

# as_user COMMAND...: hooks run as root, everything of the learner's must not.
as_user() {
    if [ "$(id -un)" = "$WORKSHOP_USER" ]; then
        "$@"
    else
        runuser -u "$WORKSHOP_USER" -- env HOME="$(getent passwd "$WORKSHOP_USER" | cut -d: -f6)" "$@"
    fi
}

# give_to_user PATH...: nothing to do where the hook runs as the user.
give_to_user() {
    if [ "$(id -un)" != "$WORKSHOP_USER" ]; then
        chown -R "$WORKSHOP_USER:" "$@"
    fi
}

# fail MESSAGE: in one line, which provision.sh finds again.
fail() {
    echo "error: $*" | tr -s '\n ' ' ' >&2
    echo >&2
    exit 1
}
