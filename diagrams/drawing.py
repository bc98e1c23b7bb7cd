"""A diagram's SVG: laid out by Graphviz, with alternative text, readable on light and dark pages."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

SVG = "http://www.w3.org/2000/svg"
WIDEST = 800
"""Pixels: the narrowest window that the lessons are meant for."""
_POINT = 4 / 3
"""CSS pixels of a point, Graphviz's unit ("CSS Values and Units", absolute lengths)."""
_ALT = re.compile(r"^// alt: (.+)$", re.MULTILINE)
_LOOK = (
    "bgcolor=transparent rankdir=LR ranksep=0.3 nodesep=0.2 pad=0.15 fontname=Helvetica fontsize=11 "
    'node [shape=box style="rounded,filled" fontname=Helvetica fontsize=11 margin="0.12,0.07" height=0.3] '
    "edge [fontname=Helvetica fontsize=10 arrowsize=0.7]"
)
# A picture in a page can't know the page's theme, only the system's, so it brings a ground of its own.
_STYLE = """
.ground { fill: #ffffff; stroke: #d0d7de; }
text { font-family: Helvetica, Arial, sans-serif; fill: #1f2328; }
.node path, .node polygon { fill: #eef2f7; stroke: #57606a; }
.node.you path { fill: #fff1d6; stroke: #9a6700; }
.node.file path { fill: #f3ecff; stroke: #6e4bb5; }
.node.kept path { fill: #dff5e3; stroke: #1a7f37; }
.node.lit path { fill: #0b5cad; stroke: #0b5cad; }
.node.lit text { fill: #ffffff; font-weight: bold; }
.edge path { fill: none; stroke: #57606a; }
.edge polygon { fill: #57606a; stroke: #57606a; }
.cluster path, .cluster polygon { fill: none; stroke: #8c959f; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #161b22; stroke: #3d444d; }
  text { fill: #e6edf3; }
  .node path, .node polygon { fill: #262c36; stroke: #9198a1; }
  .node.you path { fill: #4b3a12; stroke: #d4a72c; }
  .node.file path { fill: #352a52; stroke: #b392f0; }
  .node.kept path { fill: #173d25; stroke: #4ac26b; }
  .node.lit path { fill: #6cb6ff; stroke: #6cb6ff; }
  .node.lit text { fill: #0d1117; }
  .edge path { stroke: #9198a1; }
  .edge polygon { fill: #9198a1; stroke: #9198a1; }
}
"""


class DiagramError(ValueError):
    """A diagram's text lacks something, or it does not fit the page; the message names it."""


def alternative(text: str) -> str:
    """Return a diagram's alternative text, its line `// alt: …`. Raises DiagramError."""
    found = _ALT.search(text)
    if found is None:
        raise DiagramError("a diagram needs a line `// alt: …` that says in words what it shows")
    return found[1]


def lit(text: str, node: str) -> str:
    """Return the text with one node lit up. Raises DiagramError if no line of the text is about it."""
    changed, count = re.subn(rf"^( *{node} \[)", r"\1class=lit ", text, count=1, flags=re.MULTILINE)
    if not count:
        raise DiagramError(f"the diagram has no node {node}")
    return changed


def digest(text: str) -> str:
    """Return what an SVG says of the text, and the look, that it was drawn from (SHA-256, hex)."""
    return hashlib.sha256(f"{text}\0{_LOOK}\0{_STYLE}".encode()).hexdigest()


def draw(text: str) -> str:
    """Return the SVG of a diagram in the DOT language.

    Raises DiagramError, and FileNotFoundError without `dot`.
    The layout is that of Graphviz; colors and fonts are in a style sheet of the SVG.
    """
    laid_out = text.replace("{", "{ " + _LOOK, 1)
    done = subprocess.run(["dot", "-Tsvg"], input=laid_out, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DiagramError(f"dot refuses the diagram: {done.stderr.strip()}")
    ElementTree.register_namespace("", SVG)
    drawn = ElementTree.fromstring(done.stdout)  # noqa: S314 (Graphviz wrote it)
    width, height = (float(number) for number in drawn.get("viewBox", "").split()[2:])
    if width * _POINT > WIDEST:
        raise DiagramError(f"the diagram is {width * _POINT:.0f} pixels wide: {WIDEST} fit")
    picture = ElementTree.Element(
        f"{{{SVG}}}svg",
        {
            "viewBox": drawn.attrib["viewBox"],
            "width": f"{width * _POINT:.0f}",
            "height": f"{height * _POINT:.0f}",
            "role": "img",
            "aria-labelledby": "alt",
        },
    )
    ElementTree.SubElement(picture, f"{{{SVG}}}title", {"id": "alt"}).text = alternative(text)
    ElementTree.SubElement(picture, f"{{{SVG}}}metadata").text = f"drawn from {digest(text)}"
    ElementTree.SubElement(picture, f"{{{SVG}}}style").text = _STYLE
    ground = {"class": "ground", "x": "0.5", "y": "0.5", "rx": "6"}
    ground |= {"width": f"{width - 1:.1f}", "height": f"{height - 1:.1f}"}
    ElementTree.SubElement(picture, f"{{{SVG}}}rect", ground)
    for part in drawn:
        _bare(part)
        picture.append(part)
    ElementTree.indent(picture)
    return ElementTree.tostring(picture, encoding="unicode") + "\n"


def _bare(part: ElementTree.Element) -> None:
    """Remove colors, which the style sets, and titles, which show names of nodes as tooltips."""
    for title in part.findall(f"{{{SVG}}}title"):
        part.remove(title)
    for name in ("fill", "stroke", "font-family"):
        part.attrib.pop(name, None)
    for child in list(part):
        _bare(child)


def source_of(picture: Path) -> str:
    """Return the digest of the text that an SVG was drawn from; empty if it says none."""
    found = re.search(r"drawn from ([0-9a-f]{64})", picture.read_text(encoding="utf-8"))
    return found[1] if found else ""
