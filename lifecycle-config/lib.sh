# shellcheck shell=bash
# Shared by the lifecycle scripts, which source it. WORKSHOP_HOME and WORKSHOP_USER come from the hook in cfn/m.yml.

: "${WORKSHOP_HOME:=/home/ec2-user/SageMaker}" "${WORKSHOP_USER:=ec2-user}"
export WORKSHOP_HOME WORKSHOP_USER
# shellcheck disable=SC2034 # for the scripts that source this
STATE="$WORKSHOP_HOME/.workshop"

# set_status running|ready|"failed: reason": atomic, so that no one reads half of it.
set_status() {
    printf '%s\n' "$1" >"$STATE/provision.status.new"
    mv "$STATE/provision.status.new" "$STATE/provision.status"
}

# as_user COMMAND...: hooks run as root, but nothing of the learner's may.
as_user() {
    if [ "$(id -un)" = "$WORKSHOP_USER" ]; then
        "$@"
    else
        runuser -u "$WORKSHOP_USER" -- env HOME="$(getent passwd "$WORKSHOP_USER" | cut -d: -f6)" "$@"
    fi
}

# give_to_user PATH...: does nothing where the hook already runs as the user.
give_to_user() {
    if [ "$(id -un)" != "$WORKSHOP_USER" ]; then
        chown -R "$WORKSHOP_USER:" "$@"
    fi
}

# find_uv: sets UV to the uv on this machine, or installs one.
find_uv() {
    # The home directory is new at every start; what uv downloads must last as long as the environments made from it.
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

# packages FILE: sets PACKAGES to an environment with what the file requires. It is made once for everything with
# the same requirements, so that 20,000 files are not copied and compiled again each time.
packages() {
    local environments="${WORKSHOP_ENVIRONMENTS:-$STATE/environments}"
    PACKAGES="$environments/$(sha256sum "$1" | cut -c1-16)"
    mkdir -p "$environments"
    {
        flock 8
        if [ ! -e "$PACKAGES/complete" ] || [ ! -x "$PACKAGES/bin/python" ]; then
            echo "installing $(grep -c '^[a-zA-Z]' "$1") packages and their dependencies"
            rm -rf "$PACKAGES"
            # Uses a Python on the PATH if one is new enough, and downloads one otherwise.
            "$UV" venv --quiet --no-project --python ">=3.11,<3.14" "$PACKAGES" 8>&-
            local install=("$UV" pip install --quiet --python "$PACKAGES/bin/python" --requirement "$1")
            # Takes seconds if the cache has everything: asking the index about 100 packages takes much longer.
            "${install[@]}" --offline 2>/dev/null 8>&- || "${install[@]}" 8>&-
            touch "$PACKAGES/complete"
        fi
        touch "$PACKAGES" # in use; environments unused for two weeks are deleted
        find "$environments" -mindepth 1 -maxdepth 1 -mtime +14 -exec rm -rf {} +
    } 8>"$PACKAGES.lock"
}

# environment DIRECTORY PATH...: makes a small environment of the instance's own, for what the learner installs. It
# also sees PACKAGES and the given directories.
environment() {
    local directory=$1 site
    shift
    site="$(cd "$PACKAGES/lib"/python3.*/site-packages && pwd)"
    if [ ! -x "$directory/bin/python" ] || [ ! -d "$directory${site#"$PACKAGES"}" ]; then
        rm -rf "$directory"
        "$UV" venv --quiet --no-project --python "$PACKAGES/bin/python" "$directory"
    fi
    local shared
    for shared in share etc; do # where Jupyter looks for the files of packages
        if [ -d "$PACKAGES/$shared" ]; then
            ln -sfn "$PACKAGES/$shared" "$directory/$shared"
        fi
    done
    # Last and at once: with it, the environment can be used, and somebody may be waiting for that.
    local paths="$directory${site#"$PACKAGES"}/mlops_workshop.pth"
    printf '%s\n' "$site" "$@" >"$paths.new"
    mv "$paths.new" "$paths"
}

# fail MESSAGE: prints the message on one line, so that the caller can find it in the output.
fail() {
    echo "error: $*" | tr -s '\n ' ' ' >&2
    echo >&2
    exit 1
}
