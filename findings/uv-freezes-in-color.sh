#!/usr/bin/env bash
# `uv pip freeze` colors its output even if that goes to a file, once FORCE_COLOR is set. Jupyter sets it for
# every kernel, so what a notebook writes with `uv pip freeze > constraints.txt` holds escape sequences, and uv
# itself refuses the file as constraints ("Unexpected ''"). pip freeze writes plain text in the same place.
# `--color never` helps.
#
# Seen with uv 0.13.9 on Python 3.11, `cat -v`:
#   FORCE_COLOR=1:                ^[[1msix^[[0m==1.17.0
#   FORCE_COLOR=1, --color never: six==1.17.0
#   as constraints: error
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv --without-pip "$directory/venv"
python3 -m venv "$directory/tool"
"$directory/tool/bin/pip" install --quiet 'uv==0.13.9'
uv="$directory/tool/bin/uv"
export FORCE_COLOR=1
unset NO_COLOR
"$uv" pip install --quiet --color never --python "$directory/venv" six==1.17.0

"$uv" pip freeze --quiet --python "$directory/venv" >"$directory/colored.txt"
{
  echo "FORCE_COLOR=1:                $(cat -v "$directory/colored.txt")"
  echo "FORCE_COLOR=1, --color never: $("$uv" pip freeze --quiet --color never --python "$directory/venv")"
  "$uv" pip install --quiet --python "$directory/venv" -c "$directory/colored.txt" six 2>"$directory/words" ||
    echo "as constraints: error"
} | tee "$directory/seen.txt"
diff - "$directory/seen.txt" <<'SEEN'
FORCE_COLOR=1:                ^[[1msix^[[0m==1.17.0
FORCE_COLOR=1, --color never: six==1.17.0
as constraints: error
SEEN
echo "as described"
