#!/usr/bin/env bash
# With embed_images=True, nbconvert parses each piece of HTML in Markdown by itself to look for images. A piece ends
# at a blank line, or is a single tag: the parser closes what is open. So the text of <details> lands behind it and
# is never folded, and <kbd> loses its key. Embed images only in pieces that have one.
#
# Seen with nbconvert 7.17.2:
#   embed_images=False: folded
#   embed_images=True: not folded
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet 'nbconvert==7.17.2'
"$directory/venv/bin/python" - <<'PYTHON'
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbformat.v4 import new_markdown_cell, new_notebook

cell = new_markdown_cell("<details>\n<summary>Hint</summary>\n\nLook there.\n\n</details>")
for embed, expected in ((False, True), (True, False)):
    page, _ = HTMLExporter(embed_images=embed).from_notebook_node(new_notebook(cells=[cell]))
    folded = "Look there." in BeautifulSoup(page, "html.parser").find("details").get_text()
    print(f"embed_images={embed}: {'folded' if folded else 'not folded'}")
    if folded is not expected:
        raise SystemExit("this is no longer so")
PYTHON
echo "as described"
