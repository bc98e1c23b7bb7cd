#!/usr/bin/env bash
# nbconvert's exporters have the trait raw_template, whose default is the empty string: no template of one's own.
# Given that same empty string, an exporter fails with "No template_file specified!": any assignment clears the
# template file, and only a text that is not empty takes its place. So pass raw_template only if there is one.
#
# Seen with nbconvert 7.17.2:
#   the default is '': a page
#   given '': ValueError: No template_file specified!
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet 'nbconvert==7.17.2'
"$directory/venv/bin/python" - <<'PYTHON'
from nbconvert import HTMLExporter
from nbformat.v4 import new_notebook

default = HTMLExporter()
assert default.raw_template == ""
page, _ = default.from_notebook_node(new_notebook())
assert "<html" in page
print("the default is '': a page")
try:
    HTMLExporter(raw_template="").from_notebook_node(new_notebook())
except ValueError as error:
    assert str(error) == "No template_file specified!", error
    print(f"given '': ValueError: {error}")
else:
    raise SystemExit("given '': a page, so this is no longer so")
PYTHON
echo "as described"
