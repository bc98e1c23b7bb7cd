#!/usr/bin/env bash
# papermill takes `raise SystemExit` for success: the cells after it never run, and the exit status is 0. A
# cell tagged `raises-exception`, which Jupyter and nbclient let raise, fails the notebook in papermill, and
# the error names whatever cell ran last. `-p name false` hands over the text "false", which is true.
#
# Seen with papermill 2.7.0, nbclient 0.11.0, ipykernel 7.4.0 on Python 3.11:
#   SystemExit in the first of two cells: exit status 0, 1 cell ran
#   a cell that may raise: exit status 1
#   -p: str false
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet papermill==2.7.0 nbclient==0.11.0 ipykernel==7.4.0

cat >"$directory/look.py" <<'PYTHON'
import subprocess
import sys

import nbformat


def run(*cells, tags=(), arguments=()):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python", "language": "python"}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    notebook.cells[0].metadata["tags"] = list(tags)
    nbformat.write(notebook, "in.ipynb")
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "in.ipynb", "out.ipynb", *arguments]
    status = subprocess.run(command, capture_output=True).returncode
    return status, nbformat.read("out.ipynb", 4).cells


status, cells = run("raise SystemExit", "print('never')")
print(f"SystemExit in the first of two cells: exit status {status}, {sum(bool(c.execution_count) for c in cells)} cell ran")
status, _ = run("1 / 0", "print('still runs')", tags=["raises-exception"])
print(f"a cell that may raise: exit status {status}")
_, cells = run("x = True", "print(type(x).__name__, x)", tags=["parameters"], arguments=["-p", "x", "false"])
print("-p:", cells[-1].outputs[0].text.strip())
PYTHON

cd "$directory"
found=$("$directory/venv/bin/python" look.py)
echo "$found"
[ "$found" = "SystemExit in the first of two cells: exit status 0, 1 cell ran
a cell that may raise: exit status 1
-p: str false" ]
echo "as described"
