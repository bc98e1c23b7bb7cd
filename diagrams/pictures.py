"""Which pictures there are, and the text that each is drawn from."""

from __future__ import annotations

from pathlib import Path

from diagrams.drawing import lit

TEXTS = Path(__file__).parent
PICTURES = TEXTS.parent / "notebooks" / "diagrams"
STEPS = ("01", "02", "03", "04", "05")
"""The numbers of the notebooks that are steps of the map."""


def wanted() -> dict[Path, str]:
    """Return the text of each picture by its path; the map also once for each step, with that step lit up."""
    pictures = {}
    for path in sorted(TEXTS.glob("*.dot")):
        text = path.read_text(encoding="utf-8")
        pictures[PICTURES / f"{path.stem}.svg"] = text
        if path.stem == "map":
            pictures |= {PICTURES / f"map-{step}.svg": lit(text, f"n{step}") for step in STEPS}
    return pictures
