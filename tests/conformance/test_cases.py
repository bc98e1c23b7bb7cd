"""The cases are complete."""

from __future__ import annotations

import re

import pytest

from tests.conformance.cases import STANDINGS, load, sets, title
from tests.conformance.counts import counts


@pytest.mark.parametrize("name", sets())
def test_cases_say_what_they_must(name: str) -> None:
    cases = load(name)
    assert len({case.id for case in cases}) == len(cases)
    for case in cases:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", case.id), case.id
        assert case.account in STANDINGS
        assert case.source
        assert (case.account == "equal") is (case.here is None), case.id
        assert (case.account == "equal") is not bool(case.why), case.id


def test_every_area_is_counted_under_its_own_title() -> None:
    assert len(counts()) == len(sets())
    assert sum(area.cases for area in counts().values()) == sum(len(load(name)) for name in sets())
    assert all(title(name)[:1].isupper() for name in sets())
