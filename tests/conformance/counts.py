"""How many cases each area has, for the conformance table of the documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tests.conformance.cases import Case, load, sets, title


@dataclass(frozen=True)
class Counts:
    """The cases of an area: all that are run, and how the account stands to AWS in them."""

    cases: int
    equal: int
    different: int
    """On purpose; each case says why."""
    refused: int
    """The account lacks it, and says so."""


def counts() -> Mapping[str, Counts]:
    """Return the counts by the title of the area, in the order of the files, without a total."""
    return {title(name): of(load(name)) for name in sets()}


def of(cases: list[Case]) -> Counts:
    """Return the counts of some cases."""
    by = Counter(case.account for case in cases)
    return Counts(by.total(), by["equal"], by["different"], by["refuses"])
