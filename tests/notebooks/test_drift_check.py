"""The check of captured data: what it finds, what it leaves out, and how often it is wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency

import check
from tests.checkout import ROOT

IRIS = ROOT / "notebooks/data/iris.csv"


def rows_of_iris() -> list[list[float]]:
    lines = IRIS.read_text().splitlines()[1:]
    return [[float(cell) for cell in line.split(",")[:4]] for line in lines]


def event(
    rows: Sequence[Sequence[object]],
    labels: Sequence[object],
    name: str = "",
    time: str = "2026-12-01T08:00:00Z",
) -> dict[str, Any]:
    """Return a captured request as data capture writes it."""
    about = {"eventId": "1", "inferenceTime": time} | ({"inferenceId": name} if name else {})

    def part(mode: str, data: object) -> dict[str, str]:
        kind = "application/json"
        return {"observedContentType": kind, "mode": mode, "data": json.dumps(data), "encoding": "JSON"}

    return {
        "captureData": {
            "endpointInput": part("INPUT", {"instances": rows}),
            "endpointOutput": part("OUTPUT", {"predictions": labels}),
        },
        "eventMetadata": about,
        "eventVersion": "0",
    }


def run(tmp_path: Path, lines: Sequence[object], *more: str, baseline: str = "") -> dict[str, Any]:
    """Run the program as the job does, and return its report."""
    for folder in ("capture/2026/12/01/08", "baseline", "labels"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    text = [one if isinstance(one, str) else json.dumps(one) for one in lines]
    (tmp_path / "capture/2026/12/01/08/a.jsonl").write_text("\n".join(text) + "\n")
    (tmp_path / "baseline/training.csv").write_text(baseline or IRIS.read_text())
    folders = [f"--{name}={tmp_path / name}" for name in ("capture", "baseline", "labels", "report")]
    assert check.main([*folders, "--target=species", *more]) == 0
    found: dict[str, Any] = json.loads((tmp_path / "report/report.json").read_text())
    return found


def windows(count: int, rows: int, shift: float = 0.0) -> list[list[str]]:
    """Return the drifted columns of windows of requests drawn from the training data, always the same."""
    random, data = np.random.default_rng(7), np.array(rows_of_iris())
    species = np.repeat(["setosa", "versicolor", "virginica"], 50)
    found = []
    for _ in range(count):
        chosen = random.integers(0, len(data), rows)
        values = data[chosen] + [0, 0, shift, 0]
        features, prediction = check.read_baseline(IRIS, "species")
        requests = [check.Captured(values.tolist(), species[chosen].tolist(), "", "2026-12-01T08:00:00Z")]
        found.append(check.check(features, prediction, requests, check.Settings())["drifted"])
    return found


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20))
def test_equal_shares_have_no_instability(counts: list[int]) -> None:
    assert check.stability(np.array(counts), np.array(counts)) == 0


def anderson_darling(before: Sequence[float], now: Sequence[float]) -> float:
    """Return the statistic as Scholz and Stephens (1987) define it, with midranks for ties."""
    n, rows = len(before), len(before) + len(now)
    total = 0.0
    for value in sorted({*before, *now}):
        counts = [
            sum(one < value for one in some) + sum(one == value for one in some) / 2 for some in (before, now)
        ]
        below, ties = sum(counts), sum(one == value for one in (*before, *now))
        if (spread := below * (rows - below) - rows * ties / 4) > 0:
            total += ties * (rows * counts[0] - n * below) ** 2 / spread
    return total * (rows - 1) / rows / n / (rows - n)


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=40),
    st.lists(st.integers(-12, 12).map(lambda twice: twice / 2), min_size=1, max_size=40),
)
def test_the_statistic_of_a_stream_is_that_of_all_its_values(before: list[int], now: list[float]) -> None:
    one = check.Numbers("x", np.array(before, float), 0)
    for place in range(0, len(now), 7):
        one.add(now[place : place + 7])

    # Between two values of the training data, captured ones count as equal: no training value is among them.
    points: list[float] = sorted(set(before))
    there = [value if value in points else sum(value > point for point in points) - 0.5 for value in now]
    places = [points.index(value) if value in points else value for value in there]
    expected = anderson_darling([points.index(value) for value in before], places)
    found = one.compare()
    assert found["statistic"] == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert sum(found["found"]) == len(now)
    inside = [sum((value >= low) for value in now) for low in one.edges]
    assert [len(now), *inside] == np.cumsum(found["found"][::-1])[::-1].tolist()


# Percentage points of the limit of the statistic: Scholz and Stephens (1987), table 1, for two samples.
@pytest.mark.parametrize(("value", "p"), [(1.933, 0.1), (2.492, 0.05), (3.070, 0.025), (3.857, 0.01)])
def test_p_values_without_ties_are_those_of_the_table(value: float, p: float) -> None:
    found = check.beyond(value, check.weights(np.full(64, 1 / 64)))

    assert p <= found <= 1.2 * p  # the approximation is on the safe side


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 200), st.integers(1, 200))
def test_of_two_values_the_test_is_chi_square(a: int, b: int, c: int, d: int) -> None:
    statistic, p = check.anderson(np.array([a, b]), np.array([c, d]))
    rows = a + b + c + d

    expected = chi2_contingency([[a, b], [c, d]], correction=False).statistic
    assert statistic == pytest.approx(expected * (rows - 1) / rows)
    assert p == pytest.approx(chi2.sf(statistic, 1), rel=0.25)


@pytest.mark.parametrize("values", [2, 3, 5, 20, 1_000], ids="{} values".format)
@pytest.mark.parametrize("zeros", [0.0, 0.7], ids=["spread", "most are zero"])
def test_ties_do_not_make_p_values_too_small(values: int, zeros: float) -> None:
    """Nothing has changed: of many windows, p is below a level as often as the level says."""
    random, ps = np.random.default_rng(1), []
    for _ in range(800):
        rows = random.integers(1, values + 1, 500) * (random.random(500) >= zeros)
        _, places = np.unique(rows, return_inverse=True)
        before, now = (np.bincount(part, minlength=places.max() + 1) for part in (places[:350], places[350:]))
        ps.append(check.anderson(before, now)[1])

    assert np.mean(np.array(ps) <= 0.05) <= 0.07
    assert np.mean(np.array(ps) <= 0.01) <= 0.02


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=30),
    st.lists(st.integers(0, 50), min_size=1, max_size=30),
)
def test_a_p_value_is_a_number_from_0_to_1(before: list[int], now: list[int]) -> None:
    count = min(len(before), len(now))

    statistic, p = check.anderson(np.array(before[:count]), np.array(now[:count]))

    assert statistic >= 0
    assert 0 <= p <= 1


def test_a_shift_of_all_rows_has_a_p_value_near_0_however_many_they_are() -> None:
    assert check.anderson(np.array([150, 0]), np.array([0, 1_000_000]))[1] < 1e-30
    assert check.anderson(np.array([0, 150]), np.array([0, 150])) == (0.0, 1.0)


def test_p_values_are_adjusted_as_benjamini_and_hochberg_say() -> None:
    assert check.adjusted([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


def test_windows_without_drift_raise_no_more_alarms_than_alpha() -> None:
    found = windows(300, 100)

    assert sum(bool(one) for one in found) / len(found) <= 0.01


def test_a_known_shift_is_found_in_its_feature_only() -> None:
    assert windows(20, 100, shift=1.5) == [["petal_length"]] * 20


def test_a_feature_that_spreads_is_found_although_its_mean_stays(tmp_path: Path) -> None:
    rows = np.array(rows_of_iris())
    rows[:, 1] = rows[:, 1].mean() + 2 * (rows[:, 1] - rows[:, 1].mean())
    species = np.repeat(["setosa", "versicolor", "virginica"], 50).tolist()

    found = run(tmp_path, [event([row], [one]) for row, one in zip(rows.tolist(), species, strict=True)])

    assert found["drifted"] == ["sepal_width"]
    assert found["columns"][1]["test"] == "Anderson-Darling"


def test_calm_and_shifted_requests_of_the_same_hour_are_told_apart_by_time(tmp_path: Path) -> None:
    rows = rows_of_iris()
    calm = [event([row], ["setosa"], time="2026-12-01T08:10:00Z") for row in rows[:50]]
    calm += [event([row], ["versicolor"], time="2026-12-01T08:10:00Z") for row in rows[50:100]]
    calm += [event([row], ["virginica"], time="2026-12-01T08:10:00Z") for row in rows[100:]]
    warm = [event([[a + 2, b, c, d]], ["virginica"], time="2026-12-01T08:20:00Z") for a, b, c, d in rows]

    before = run(tmp_path, calm + warm, "--until=2026-12-01T08:15:00Z")
    after = run(tmp_path, calm + warm, "--since=2026-12-01T08:15:00Z")

    assert (before["drifted"], before["rows"], before["skipped"]["outside"]) == ([], 150, 150)
    assert after["drifted"] == ["sepal_length", "prediction"]
    assert after["summary"] == "drift in sepal_length, prediction (150 rows)"


def test_requests_that_are_no_traffic_of_clients_are_left_out(tmp_path: Path) -> None:
    lines = [event([[99, 99, 99, 99]], ["setosa"], name) for name in ("load-test", "held-out-rows")] * 60

    found = run(tmp_path, lines, "--skip=load-test", "--skip=held-out-rows")

    assert (found["rows"], found["skipped"]["not_clients"]) == (0, 120)


def test_too_few_rows_are_said_and_are_no_alarm(tmp_path: Path) -> None:
    found = run(tmp_path, [event([[99, 99, 99, 99]], ["setosa"])] * 49)

    assert (found["enough"], found["drifted"]) == (False, [])
    assert found["summary"] == "only 49 rows: too few to compare, 50 are needed"


def test_damaged_lines_and_rows_of_another_width_are_counted_not_fatal(tmp_path: Path) -> None:
    binary = event([[5.0, 3.0, 1.0, 0.2]], ["setosa"])
    given = binary["captureData"]["endpointInput"]
    given |= {"encoding": "BASE64", "data": base64.b64encode(given["data"].encode()).decode()}
    image = event([], [])
    image["captureData"]["endpointInput"] |= {"encoding": "BASE64", "data": "AAAA"}
    table = event([], ["setosa"])
    table["captureData"]["endpointInput"] |= {"encoding": "CSV", "data": "5.1,3.5,1.4,0.2\n5,3,,0.2\n"}

    refused = event([], [])
    refused["captureData"]["endpointInput"]["data"] = '{"instances": [[[1]], {"a": 1}]}'
    deep = event([], [])
    deep["captureData"]["endpointInput"]["data"] = '{"instances": ' + "[" * 100_000
    silent = event([], [])
    del silent["captureData"]["endpointInput"]

    found = run(
        tmp_path, ["{", "[]", binary, image, refused, deep, silent, table, event([[1, 2, 3]], ["setosa"])]
    )

    assert found["skipped"] | {"outside": 0} == {
        "damaged": 2, "unreadable": 4, "outside": 0, "not_clients": 0, "rows": 1,
    }  # fmt: skip
    assert found["rows"] == 3
    assert found["columns"][2]["missing"] == [0.0, pytest.approx(1 / 3)]


def test_numbers_beyond_every_float_count_as_missing(tmp_path: Path) -> None:
    found = run(tmp_path, [event([[10**400, "x", True, 1]], ["setosa"])] * 50)

    assert [one["missing"][1] for one in found["columns"]] == [1.0, 1.0, 0.0, 0.0, 0.0]


def test_missing_values_and_categories_that_training_has_not_seen_are_drift(tmp_path: Path) -> None:
    kinds = ("small", "large")
    baseline = "width,kind,species\n" + "".join(f"{i % 17},{kinds[i % 2]},a\n" for i in range(200))
    calm = [event([[i % 17, kinds[i % 2]]], ["a"]) for i in range(200)]
    lost = [event([[None if i % 3 == 0 else i % 17, kinds[i % 2]]], ["a"]) for i in range(200)]
    unseen = [event([[i % 17, "huge" if i % 3 == 0 else kinds[i % 2]]], ["a"]) for i in range(200)]

    assert run(tmp_path, calm, baseline=baseline)["drifted"] == []
    assert run(tmp_path, lost, baseline=baseline)["drifted"] == ["width"]
    assert run(tmp_path, unseen, baseline=baseline)["drifted"] == ["kind"]


def test_labels_that_come_late_are_merged_by_inference_id(tmp_path: Path) -> None:
    lines = [
        event([[5, 3, 1, 0.2]], ["setosa"], f"r-{i}", f"2026-12-01T08:0{i // 50}:00Z") for i in range(100)
    ]
    (tmp_path / "labels").mkdir()
    labels = [f"r-{i},{'virginica' if i >= 75 else 'setosa'}" for i in range(100)]
    (tmp_path / "labels/labels.csv").write_text("\n".join(["inferenceId,label", *labels, "other,setosa"]))

    found = run(tmp_path, lines)["quality"]

    assert [(one["period"], one["labels"], one["share"]) for one in found] == [
        ("2026-12-01T08:00", 50, 1.0),
        ("2026-12-01T08:01", 50, 0.5),
    ]
    assert found[0]["low"] > found[1]["high"]


class Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.alternatives: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "svg":
            self.alternatives.append(dict(attrs)["aria-label"] or "")


def test_the_page_has_everything_inside_and_says_what_its_pictures_show(tmp_path: Path) -> None:
    run(tmp_path, [event([row], ["setosa"]) for row in rows_of_iris()])
    found = Images()
    found.feed((tmp_path / "report/report.html").read_text())

    assert not {"script", "img", "link"} & set(found.tags)
    assert len(found.alternatives) == 5
    assert found.alternatives[-1].startswith("Shares of prediction: setosa 33% before, 100% now;")


def test_the_check_of_many_rows_needs_no_more_memory_than_that_of_few(tmp_path: Path) -> None:
    """What grows is the number of lines; what is kept of them is counts."""
    features, prediction = check.read_baseline(IRIS, "species")
    kept = [one.counts.nbytes for one in features if isinstance(one, check.Numbers)]
    skipped = check.Skipped()
    path = tmp_path / "a.jsonl"
    line = json.dumps(event(rows_of_iris(), ["setosa"] * 150))
    path.write_text("\n".join([line] * 200))

    report = check.check(
        features, prediction, check.captured([path], check.Settings(), skipped), check.Settings()
    )

    assert report["rows"] == 30_000
    assert [one.counts.nbytes for one in features if isinstance(one, check.Numbers)] == kept
