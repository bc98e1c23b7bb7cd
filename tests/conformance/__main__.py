"""Print how many cases each area has: in all, equal, different on purpose, refused."""

from __future__ import annotations

from dataclasses import astuple

from tests.conformance.cases import load, sets
from tests.conformance.counts import counts, of

print(f"{'area':30} {'cases':>9} {'equal':>9} {'different':>9} {'refused':>9}")
total = of([case for name in sets() for case in load(name)])
for area, row in [*counts().items(), ("total", total)]:
    print(f"{area:30} " + " ".join(f"{number:>9}" for number in astuple(row)))
