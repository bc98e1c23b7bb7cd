"""Which pictures there are, and the text that each is drawn from."""

from __future__ import annotations

import json
import re
from pathlib import Path

from diagrams.drawing import lit

TEXTS = Path(__file__).parent
NOTEBOOKS = TEXTS.parent / "notebooks"
PICTURES = NOTEBOOKS / "diagrams"
STEPS = ("01", "02", "03", "04", "05")
"""The numbers of the notebooks that everyone works through, as the map names them."""
_PLACE = "  // on request\n"
_TITLE = re.compile(r"# (\d\d) · (.+)")


def on_request(notebooks: Path = NOTEBOOKS) -> dict[str, str]:
    """Return the titles of the lessons after the last step, by number; the last, 99, deletes the lab."""
    found = {}
    for path in sorted(notebooks.glob("[0-9][0-9]_*.ipynb")):
        if STEPS[-1] < path.name[:2] < "99":
            first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"][0]
            if title := _TITLE.match(first):
                found[title[1]] = title[2].strip()
    return found


def route(text: str, lessons: dict[str, str]) -> str:
    """Return the text of the map with the lessons on request beside the last step."""
    if not lessons:
        return text.replace(_PLACE, "")
    nodes = [f'    n{number} [label="{number}\\n{title.lower()}"]\n' for number, title in lessons.items()]
    arrows = [f"  n04 -> n{number} [style=dashed]\n" for number in lessons]
    cluster = ["  subgraph cluster_request {\n", '    label="on request" margin=4\n', *nodes, "  }\n"]
    return text.replace(_PLACE, "".join([*cluster, *arrows]))


def wanted() -> dict[Path, str]:
    """Return the text of each picture by its path; the map also once for each lesson on it, lit up."""
    pictures: dict[Path, str] = {}
    lessons = on_request()
    for path in sorted(TEXTS.glob("*.dot")):
        text = path.read_text(encoding="utf-8")
        if path.stem == "map":
            text = route(text, lessons)
            pictures |= {PICTURES / f"map-{step}.svg": lit(text, f"n{step}") for step in (*STEPS, *lessons)}
        pictures[PICTURES / f"{path.stem}.svg"] = text
    return pictures
