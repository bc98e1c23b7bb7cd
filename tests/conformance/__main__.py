"""Print how many cases each area has: in all, equal, different on purpose, refused.

With `--markdown` it is a table for `docs/fidelity.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import astuple

from tests.conformance.cases import load, sets
from tests.conformance.counts import counts, of

HEADER = ("area", "cases", "equal", "different", "refused")


def rows() -> Iterator[tuple[str, ...]]:
    total = of([case for name in sets() for case in load(name)])
    for area, row in [*counts().items(), ("total", total)]:
        yield area, *(str(number) for number in astuple(row))


def text() -> str:
    return "\n".join(f"{area:30} " + " ".join(f"{one:>9}" for one in row) for area, *row in (HEADER, *rows()))


def markdown() -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEADER, ("---",) * len(HEADER), *rows()))


if __name__ == "__main__":
    print(markdown() if "--markdown" in sys.argv else text())
