#!/bin/bash
# Installs the SageMaker SDK beside the kernel's packages, the first time that a notebook asks for it. The last line
# of the output is the directory with it. It is shared by everything with the same requirements, as `packages` does.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

wanted="$STATE/package/requirements-sdk.txt"
find_uv
packages "$STATE/package/requirements.txt"
directory="$PACKAGES-sdk-$(sha256sum "$wanted" | cut -c1-16)"
python="$PACKAGES/bin/python"
{
    flock 8
    if [ ! -e "$directory/complete" ]; then
        rm -rf "$directory"
        mkdir -p "$directory"
        # What the kernel has stays as it is: only what is missing is installed, in versions that fit. Jupyter asks
        # every program for colors; these lists must have none.
        "$UV" --color never pip freeze --python "$python" >"$directory/there.txt" 8>&-
        echo "looking up the SDK and what it needs"
        resolve=("$UV" --color never pip compile --quiet --no-header --no-annotate --python "$python" --constraint "$directory/there.txt" "$wanted")
        "${resolve[@]}" --offline >"$directory/all.txt" 2>/dev/null 8>&- || "${resolve[@]}" >"$directory/all.txt" 8>&-
        grep -vxFf "$directory/there.txt" "$directory/all.txt" >"$directory/missing.txt"
        echo "installing $(wc -l <"$directory/missing.txt") packages, 300 MB"
        install=("$UV" --color never pip install --quiet --no-deps --python "$python" --target "$directory/packages" --requirement "$directory/missing.txt")
        "${install[@]}" --offline 2>/dev/null 8>&- || "${install[@]}" 8>&-
        touch "$directory/complete"
    fi
    touch "$directory" # in use, see `packages`
} 8>"$directory.lock"
echo "$directory/packages"
