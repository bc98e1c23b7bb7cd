#!/bin/bash
# The Jupyter kernel "MLOps workshop": its own Python environment on the volume, so that it survives stop and start.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

venv="$STATE/venv"
requirements="$WORKSHOP_HOME/workshop/requirements.txt"
# The home directory is new at every start; what uv fetched lasts as long as the environment made of it.
export UV_PYTHON_INSTALL_DIR="$STATE/python" UV_CACHE_DIR="${UV_CACHE_DIR:-$STATE/uv-cache}"

if ! uv="$(command -v uv)"; then
    uv="$STATE/bootstrap/bin/uv"
    if ! "$uv" --version >/dev/null 2>&1; then
        rm -rf "$STATE/bootstrap"
        python3 -m venv "$STATE/bootstrap"
        "$STATE/bootstrap/bin/pip" install --quiet --disable-pip-version-check "uv>=0.8,<1"
    fi
fi

if ! "$venv/bin/python" -c "" 2>/dev/null; then
    rm -rf "$venv" "$STATE/requirements.sha256"
    # Takes a Python from the PATH when it is new enough, and fetches one when none is.
    "$uv" venv --quiet --no-project --python ">=3.11,<3.14" "$venv"
fi

if ! sha256sum --check --status "$STATE/requirements.sha256" 2>/dev/null; then
    echo "installing $(grep -c '^[a-zA-Z]' "$requirements") packages and what they need"
    install=("$uv" pip install --quiet --python "$venv/bin/python" --requirement "$requirements")
    # From the cache in seconds when it has everything: asking the index about 200 packages takes half a minute.
    "${install[@]}" --offline 2>/dev/null || "${install[@]}"
    sha256sum "$requirements" >"$STATE/requirements.sha256"
fi

echo "$WORKSHOP_HOME/workshop" >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/mlops_workshop.pth"
# Under the home directory, which is new at every start.
"$venv/bin/python" -m ipykernel install --user --name mlops-workshop --display-name "MLOps workshop" \
    --env WORKSHOP_HOME "$WORKSHOP_HOME"
