"""Shares are compared by intervals that are right in the textbooks, and as often right as they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from lab_helpers import comparisons
from lab_helpers.comparisons import Share

SHARES = st.integers(1, 500).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count)))


@given(SHARES)
def test_the_interval_of_a_share_is_scipys_wilson_interval(share: tuple[int, int]) -> None:
    expected = binomtest(*share).proportion_ci(0.95, "wilson")

    assert Share("A", *share).interval() == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        # Newcombe (1998), table II, method 10.
        ((48, 80), (56, 70), 0.0524, 0.3339),
        ((3, 10), (9, 10), 0.1705, 0.8090),
        ((2, 7), (6, 7), 0.0582, 0.8062),
        ((0, 29), (5, 56), -0.0381, 0.1926),
        ((0, 20), (0, 10), -0.1611, 0.2775),
        ((0, 10), (10, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    found = comparisons.compare(Share("A", *first), Share("B", *second))

    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(SHARES, SHARES)
def test_exchanging_the_two_changes_nothing_but_the_sign(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    one = comparisons.compare(Share("A", *first), Share("B", *second))
    other = comparisons.compare(Share("B", *second), Share("A", *first))

    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.low <= one.difference <= one.high
    assert one.better == other.better


def test_a_winner_is_named_only_if_the_interval_leaves_out_zero() -> None:
    clear = comparisons.compare(Share("A", 900, 1000), Share("B", 970, 1000))
    close = comparisons.compare(Share("A", 90, 100), Share("B", 92, 100))

    assert (clear.better, close.better) == ("B", "")
    assert "B is better" in repr(clear)
    assert "too close to tell" in repr(close)
    shown = repr(comparisons.table([clear, close]))
    assert "+7.0 points" in shown
    assert "2,000" in shown


def test_an_interval_contains_the_difference_as_often_as_it_promises() -> None:
    """Of shares near 1, where the usual textbook interval is too narrow."""
    random, count, hits = np.random.default_rng(1), 150, 0
    drawn = random.binomial(count, [[0.97], [0.94]], (2, 2000))
    for one, other in drawn.T.tolist():
        found = comparisons.compare(Share("A", one, count), Share("B", other, count))
        hits += found.low <= -0.03 <= found.high

    assert 0.935 <= hits / 2000 <= 0.975


def test_so_many_requests_find_the_difference_as_often_as_planned() -> None:
    count = comparisons.needed(0.97, 0.94)
    drawn = np.random.default_rng(2).binomial(count, [[0.97], [0.94]], (2, 2000))
    found = [
        comparisons.compare(Share("A", one, count), Share("B", other, count)).better == "A"
        for one, other in drawn.T.tolist()
    ]

    assert sum(found) / 2000 == pytest.approx(comparisons.POWER, abs=0.05)


def test_a_known_sample_size() -> None:
    # Fleiss, 60 % and 70 %: 356 each without continuity correction.
    assert comparisons.needed(0.6, 0.7) == 356
    assert comparisons.needed(0.6, 0.7) == comparisons.needed(0.7, 0.6)
    with pytest.raises(ValueError, match="however many requests"):
        comparisons.needed(0.9, 0.9)


@pytest.mark.parametrize(("hits", "count"), [(0, 0), (-1, 3), (4, 3)])
def test_what_is_no_share_is_refused(hits: int, count: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        Share("A", hits, count)


def test_nothing_is_beyond_certainty() -> None:
    low, high = Share("A", 20, 20).interval()
    assert high == 1.0
    assert low < 1.0
    assert math.isclose(Share("A", 0, 20).interval()[0], 0.0)
