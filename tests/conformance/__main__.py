"""Print how many cases each set has: in all, equal, different on purpose, refused."""

from __future__ import annotations

from collections import Counter

from tests.conformance.cases import STANDINGS, load, sets

total: Counter[str] = Counter()
print(f"{'set':30} {'cases':>9} " + " ".join(f"{standing:>9}" for standing in STANDINGS))
for name in sets():
    counts = Counter(case.account for case in load(name))
    total += counts
    row = " ".join(f"{counts[standing]:>9}" for standing in STANDINGS)
    print(f"{name:30} {counts.total():>9} {row}")
row = " ".join(f"{total[standing]:>9}" for standing in STANDINGS)
print(f"{'total':30} {total.total():>9} {row}")
