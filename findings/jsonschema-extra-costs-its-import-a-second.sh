#!/usr/bin/env bash
# jsonschema with its extra `format-nongpl` takes more than ten times as long to import as without: the extra
# brings rfc3987-syntax, which compiles a grammar with lark while it is imported, and jsonschema imports it
# whether or not a format is ever checked. Jupyter brings the extra (jupyter-events requires it), so that
# `import nbformat` takes a second or two longer in an environment with JupyterLab than with nbconvert only.
#
# Seen with jsonschema 4.26.0, rfc3987-syntax 1.1.0 and lark 1.3.1 on Python 3.11:
#   without: 0.06 s CPU, lark imported: False
#   with: 1.66 s CPU, lark imported: True
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

for name in without with; do
  python3 -m venv "$directory/$name"
done
"$directory/without/bin/pip" install --quiet jsonschema==4.26.0
"$directory/with/bin/pip" install --quiet 'jsonschema[format-nongpl]==4.26.0' rfc3987-syntax==1.1.0 lark==1.3.1

cat >"$directory/load.py" <<'PYTHON'
import sys
import time

import attrs, referencing  # what jsonschema needs in both cases

begin = time.process_time()
import jsonschema

print(f"{time.process_time() - begin:.2f} s CPU, lark imported: {'lark' in sys.modules}")
PYTHON

for name in without with; do
  "$directory/$name/bin/python" "$directory/load.py" >/dev/null # compiles
  printf '%s: ' "$name"
  "$directory/$name/bin/python" "$directory/load.py" | tee "$directory/$name.txt"
done

grep -q 'lark imported: False' "$directory/without.txt"
grep -q 'lark imported: True' "$directory/with.txt"
awk '{ seconds[FILENAME] = $1 } END { exit !(seconds[ARGV[2]] > 3 * seconds[ARGV[1]]) }' \
  "$directory/without.txt" "$directory/with.txt"
echo "as described"
