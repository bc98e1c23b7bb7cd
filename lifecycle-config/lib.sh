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

# find_uv: sets UV to the uv of this machine, or to one of our own.
find_uv() {
    # The home directory is new at every start; what uv fetched lasts as long as the environments made of it.
    export UV_PYTHON_INSTALL_DIR="$STATE/python" UV_CACHE_DIR="${UV_CACHE_DIR:-$STATE/uv-cache}"
    if ! UV="$(command -v uv)"; then
        UV="$STATE/bootstrap/bin/uv"
        if ! "$UV" --version >/dev/null 2>&1; then
            rm -rf "$STATE/bootstrap"
            python3 -m venv "$STATE/bootstrap"
            "$STATE/bootstrap/bin/pip" install --quiet --disable-pip-version-check "uv>=0.8,<1"
        fi
    fi
}

# make_environment DIRECTORY: takes a Python from the PATH when it is new enough, and fetches one when none is.
make_environment() {
    "$UV" venv --quiet --no-project --python ">=3.11,<3.14" "$1"
}

# install_requirements DIRECTORY FILE: only when the file has changed since the last time.
install_requirements() {
    local done="$1/requirements.sha256"
    if ! sha256sum --check --status "$done" 2>/dev/null; then
        echo "installing $(grep -c '^[a-zA-Z]' "$2") packages and what they need"
        local install=("$UV" pip install --quiet --python "$1/bin/python" --requirement "$2")
        # From the cache in seconds when it has everything: asking the index about 100 packages takes long.
        "${install[@]}" --offline 2>/dev/null || "${install[@]}"
        sha256sum "$2" >"$done"
    fi
}

# fail MESSAGE: in one line, which provision.sh finds again.
fail() {
    echo "error: $*" | tr -s '\n ' ' ' >&2
    echo >&2
    exit 1
}
