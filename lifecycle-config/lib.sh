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

# packages FILE: sets PACKAGES to an environment with what the file requires: made once for all that require the
# same, so that 20,000 files are neither copied nor compiled for each of them.
packages() {
    local environments="${WORKSHOP_ENVIRONMENTS:-$STATE/environments}"
    PACKAGES="$environments/$(sha256sum "$1" | cut -c1-16)"
    mkdir -p "$environments"
    {
        flock 8
        if [ ! -e "$PACKAGES/complete" ] || ! "$PACKAGES/bin/python" -c "" 2>/dev/null; then
            echo "installing $(grep -c '^[a-zA-Z]' "$1") packages and what they need"
            rm -rf "$PACKAGES"
            # Takes a Python from the PATH when it is new enough, and fetches one when none is.
            "$UV" venv --quiet --no-project --python ">=3.11,<3.14" "$PACKAGES" 8>&-
            local install=("$UV" pip install --quiet --python "$PACKAGES/bin/python" --requirement "$1")
            # From the cache in seconds when it has everything: asking the index about 100 packages takes long.
            "${install[@]}" --offline 2>/dev/null 8>&- || "${install[@]}" 8>&-
            touch "$PACKAGES/complete"
        fi
        touch "$PACKAGES" # in use; what nobody has used for two weeks goes
        find "$environments" -mindepth 1 -maxdepth 1 -mtime +14 -exec rm -rf {} +
    } 8>"$PACKAGES.lock"
}

# environment DIRECTORY PATH...: a small environment of the instance's own, for what the learner installs; it sees
# PACKAGES and the given directories behind it.
environment() {
    local directory=$1 site
    shift
    site="$(cd "$PACKAGES/lib"/python3.*/site-packages && pwd)"
    if ! "$directory/bin/python" -c "" 2>/dev/null || [ ! -d "$directory${site#"$PACKAGES"}" ]; then
        rm -rf "$directory"
        "$UV" venv --quiet --no-project --python "$PACKAGES/bin/python" "$directory"
    fi
    printf '%s\n' "$site" "$@" >"$directory${site#"$PACKAGES"}/mlops_workshop.pth"
    local shared
    for shared in share etc; do # where Jupyter looks for what belongs to packages
        if [ -d "$PACKAGES/$shared" ]; then
            ln -sfn "$PACKAGES/$shared" "$directory/$shared"
        fi
    done
}

# fail MESSAGE: in one line, which provision.sh finds again.
fail() {
    echo "error: $*" | tr -s '\n ' ' ' >&2
    echo >&2
    exit 1
}
