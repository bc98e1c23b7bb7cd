"""Measures of predictions, compared with what defines them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor import measures
from monitor.endpoint import BATCH_BYTES, BATCH_ROWS, batches

import check

CLASSES = ("a", "b", "c")
pairs = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), max_size=60)
counts = st.integers(0, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilsons_interval_holds_the_rate_and_stays_a_rate(counted: tuple[int, int]) -> None:
    successes, trials = counted
    low, high = measures.wilson(successes, trials)
    assert 0 <= low <= high <= 1
    if trials:
        assert low <= successes / trials <= high


@given(counts)
def test_its_ends_solve_wilsons_equation(counted: tuple[int, int]) -> None:
    successes, trials = counted
    if not trials:
        return
    for end in measures.wilson(successes, trials):
        if 0 < end < 1:  # an end p is as far from the rate as z standard deviations of p itself
            distance = abs(successes / trials - end)
            assert distance == pytest.approx(measures.Z * math.sqrt(end * (1 - end) / trials), abs=1e-9)


@given(counts)
def test_it_is_symmetric_and_narrows_with_more_trials(counted: tuple[int, int]) -> None:
    successes, trials = counted
    low, high = measures.wilson(successes, trials)
    assert measures.wilson(trials - successes, trials) == pytest.approx((1 - high, 1 - low))
    more = measures.wilson(4 * successes, 4 * trials)
    assert more[1] - more[0] <= high - low + 1e-12


@given(counts)
def test_the_check_of_captured_data_has_the_same_interval(counted: tuple[int, int]) -> None:
    """It runs in another place, so it has a copy; its number of deviations is rounded to 1.96."""
    assert check.wilson(*counted) == pytest.approx(measures.wilson(*counted), abs=2e-5)


@given(pairs)
def test_a_confusion_matrix_counts_every_pair_once(found: list[tuple[str, str]]) -> None:
    truth, predicted = [t for t, _ in found], [p for _, p in found]
    matrix = measures.confusion(truth, predicted, CLASSES)
    assert sum(map(sum, matrix)) == len(found)
    assert [sum(row) for row in matrix] == [truth.count(name) for name in CLASSES]
    assert [sum(column) for column in zip(*matrix, strict=True)] == [
        predicted.count(name) for name in CLASSES
    ]
    right = sum(matrix[i][i] for i in range(len(CLASSES)))
    assert measures.accuracy(truth, predicted) == (right / len(found) if found else 0)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=80), st.integers(1, 20))
def test_calibration_puts_every_prediction_into_the_bin_of_its_probability(
    found: list[tuple[float, bool]], bins: int
) -> None:
    made = measures.calibration([c for c, _ in found], [r for _, r in found], bins)
    assert len(made) == bins
    assert sum(one.count for one in made) == len(found)
    assert made[0].low == 0
    assert made[-1].high == 1
    for one in made:
        assert not one.count or one.low - 1e-9 <= one.confidence <= one.high + 1e-9
    assert math.fsum(one.right * one.count for one in made) == pytest.approx(sum(r for _, r in found))


numbers = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@given(numbers)
def test_r2_is_one_for_the_truth_and_zero_for_the_mean(truth: list[float]) -> None:
    assert measures.r2(truth, truth) == 1
    if len(set(truth)) > 1 and max(truth) - min(truth) > 1e-3:
        mean = math.fsum(truth) / len(truth)
        assert measures.r2(truth, [mean] * len(truth)) == pytest.approx(0, abs=1e-6)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(1, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], percent: float) -> None:
    found = measures.percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-9
    assert sum(value < found for value in values) < len(values) * percent / 100 + 1e-9


rows = st.lists(
    st.lists(st.one_of(st.floats(-9, 9), st.none(), st.text(max_size=40)), min_size=1), max_size=30
)


@given(rows, st.integers(1, 40))
def test_batches_ask_about_every_row_once_and_in_order(found: list[list[object]], times: int) -> None:
    import json

    asked = [row for row in found for _ in range(times)]
    seen: list[object] = []
    for body, count in batches(asked):  # type: ignore[arg-type]
        instances = json.loads(body)["instances"]
        assert len(instances) == count <= BATCH_ROWS
        assert len(body) <= BATCH_BYTES + 100 or count == 1
        seen += instances
    assert seen == asked
