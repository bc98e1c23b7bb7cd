#!/usr/bin/env bash
# The SageMaker SDK installs a package called `tests`: smdebug-rulesconfig, which sagemaker-core requires, has
# its test suite at the top level of its wheel. A project whose own `tests/` has no __init__.py is a namespace
# package, and a regular package anywhere on the path wins over it: `import tests.something` then fails, or
# finds theirs. An empty tests/__init__.py ends that.
#
# Seen with smdebug-rulesconfig 1.0.1 on Python 3.11:
#   without tests/__init__.py: ModuleNotFoundError: No module named 'tests.ours'
#   with tests/__init__.py: ours
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet --no-deps smdebug-rulesconfig==1.0.1

mkdir -p "$directory/project/tests"
echo 'name = "ours"' >"$directory/project/tests/ours.py"

look() {
  cd "$directory/project"
  { "$directory/venv/bin/python" -c 'import tests.ours; print(tests.ours.name)' 2>&1 || true; } | tail -n 1
}

without=$(look)
touch "$directory/project/tests/__init__.py"
with=$(look)
echo "without tests/__init__.py: $without"
echo "with tests/__init__.py: $with"
[ "$without" = "ModuleNotFoundError: No module named 'tests.ours'" ]
[ "$with" = ours ]
echo "as described"
