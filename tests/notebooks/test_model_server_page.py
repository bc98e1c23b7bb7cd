"""docs/model-server.md says what the programs say."""

from __future__ import annotations

import ast
import re
from typing import Any

from tests.checkout import ROOT
from tests.notebooks import sources

PAGE = (ROOT / "docs/model-server.md").read_text(encoding="utf-8")


def constants(program: str) -> dict[str, Any]:
    """Return the numbers that a program assigns to names in capitals."""
    found = {}
    for node in ast.parse((sources.PROGRAMS / program).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
            if name.isupper() and isinstance(value, ast.Constant) and isinstance(value.value, int):
                found[name] = value.value
    return found


def test_the_page_has_each_limit_of_the_server_with_its_value() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([\d,]+) ", PAGE, re.M)
    assert len(rows) > 10
    assert {name: int(value.replace(",", "")) for name, value in rows} == constants("server.py")


def test_the_page_has_each_program_and_what_it_names_is_there() -> None:
    rows = re.findall(r"^\| `(\w+\.py)` \| ", PAGE, re.M)
    assert set(rows) == {"app.py", *sources.given("base_image")}
    for program, name in re.findall(r"`(predictor|rows|server|training)\.(\w+)`", PAGE):
        if name != "py":
            source = (sources.PROGRAMS / f"{program}.py").read_text(encoding="utf-8")
            assert re.search(rf"^def {name}\b", source, re.M), f"{program}.{name}"
