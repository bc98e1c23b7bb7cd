"""The drift benchmark: shifts are what they say, tools see the same windows, alarms are counted rightly."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks import environments
from benchmarks.drift import large
from benchmarks.drift.counts import Counts, Rate, Seen
from benchmarks.drift.data import PREDICTION, Table
from benchmarks.drift.judges import Ours, Peer, PeerError, running
from benchmarks.drift.page import Found, page
from benchmarks.drift.part import figures
from benchmarks.drift.picture import draw
from benchmarks.drift.shifts import NONE, SHIFTS
from benchmarks.drift.trials import CALM, TRAINING_ROWS, WINDOW_ROWS, Trial, trials

ROWS = 20_000


def table() -> Table:
    random = np.random.default_rng(3)
    numbers = {name: random.normal(10, 2, 400) for name in ("a", "b")}
    kinds = random.choice(["red", "blue", "green"], 400)
    return Table("made", {**numbers, "kind": kinds, PREDICTION: random.choice(["yes", "no"], 400)})


def drawn(name: str) -> dict[str, np.ndarray]:
    (shift,) = [one for one in SHIFTS if one.name == name]
    return dict(shift.draw(table(), ROWS, np.random.default_rng(5)))


def deviations(columns: dict[str, np.ndarray]) -> list[float]:
    known = table().columns
    return [(np.nanmean(columns[name]) - known[name].mean()) / known[name].std() for name in ("a", "b")]


@pytest.mark.parametrize("by", ["0.5", "1", "2", "3"])
def test_a_mean_is_shifted_by_that_many_deviations_in_one_feature(by: str) -> None:
    found = sorted(deviations(drawn(f"mean + {by} sd")))

    assert found == [pytest.approx(0, abs=0.03), pytest.approx(float(by), abs=0.03)]


@pytest.mark.parametrize("times", ["2", "0.5"])
def test_a_spread_changes_and_the_mean_does_not(times: str) -> None:
    columns, known = drawn(f"spread × {times}"), table().columns

    found = {round(columns[name].std() / known[name].std(), 1) for name in ("a", "b")}
    assert found == {1.0, float(times)}
    assert deviations(columns) == [pytest.approx(0, abs=0.05)] * 2


@pytest.mark.parametrize("percent", [10, 30])
def test_values_are_missing_in_one_feature(percent: int) -> None:
    columns = drawn(f"{percent} % missing")

    found = sorted(float(np.isnan(columns[name]).mean()) for name in ("a", "b"))
    assert found == [0.0, pytest.approx(percent / 100, abs=0.01)]


def test_categories_answers_and_rows_are_drawn_otherwise() -> None:
    known = table().columns

    def shares(cells: np.ndarray) -> dict[str, float]:
        return {str(one): float((cells == one).mean()) for one in np.unique(cells)}

    def most(name: str, column: str) -> float:
        before, now = shares(known[column]), shares(drawn(name)[column])
        return max(abs(now[one] - before[one]) for one in before)

    category = "a quarter of a column in one category"
    assert max(most(category, "kind"), most(category, PREDICTION)) == pytest.approx(0.16, abs=0.06)
    assert most("proportions of the answers", PREDICTION) == pytest.approx(0.25, abs=0.05)
    assert max(deviations(drawn("rows drawn by one feature"))) == pytest.approx(0.7, abs=0.15)


def test_a_calm_window_comes_from_the_same_rows() -> None:
    assert (
        deviations(dict(NONE.draw(table(), ROWS, np.random.default_rng(5))))
        == [pytest.approx(0, abs=0.03)] * 2
    )


def test_trials_are_the_same_each_time_and_have_every_shift_in_every_size() -> None:
    first, again = (list(trials([table()], 2)) for _ in range(2))

    assert [one.line() for one in first] == [one.line() for one in again]
    assert len({one.line() for one in first}) == len(first) == 2 * len(TRAINING_ROWS)
    assert [one.training_rows for one in first] == [*TRAINING_ROWS, *TRAINING_ROWS]
    expected = {(shift.name, rows) for shift in (*SHIFTS, NONE) for rows in WINDOW_ROWS}
    assert {(one.shift, one.rows) for one in first[0].windows} == expected
    assert sum(one.shift == NONE.name for one in first[0].windows) == CALM * len(WINDOW_ROWS)
    assert all(len(one.columns[PREDICTION]) == one.rows for one in first[0].windows)


def test_the_check_reads_windows_as_captured_data(tmp_path: Path) -> None:
    trial = next(trials([table()], 1))
    found = Ours(tmp_path).judge(trial)

    by_shift = {
        window.shift: verdict
        for window, verdict in zip(trial.windows, found, strict=True)
        if window.rows == 500
    }
    assert by_shift["mean + 2 sd"].alarm
    assert len(by_shift["mean + 2 sd"].columns) == 1
    assert by_shift["30 % missing"].alarm
    assert not by_shift[NONE.name].alarm
    assert len((tmp_path / "window.jsonl").read_text().splitlines()) == 500


@dataclass(frozen=True)
class Fake(Peer):
    """A program that runs with the Python of the tests."""

    @property
    def python(self) -> Path:
        return Path(sys.executable)


def program(tmp_path: Path, body: str) -> Fake:
    path = tmp_path / "program.py"
    path.write_text(f"import json, sys\nprint(json.dumps({{'some': '1'}}), flush=True)\n{body}")
    return Fake("fake", (), str(path), "its rule")


ANSWERS = """
for line in sys.stdin:
    asked = json.loads(line)
    words = asked["categories"]
    found = [{"alarm": None in one["a"] + one["b"], "columns": words} for one in asked["windows"]]
    print(json.dumps(found), flush=True)
"""


def test_a_peer_gets_the_same_windows_and_missing_values_as_null(tmp_path: Path) -> None:
    trial = next(trials([table()], 1))
    with running(program(tmp_path, ANSWERS)) as peer:
        assert peer.versions == {"some": "1"}
        found = peer.judge(trial)

    lost = [one.shift.endswith("missing") for one in trial.windows]
    assert [one.alarm for one in found] == lost
    assert found[0].columns == ("kind", PREDICTION)


def test_a_peer_that_ends_is_said_with_what_it_wrote(tmp_path: Path) -> None:
    with running(program(tmp_path, "sys.exit('no such module')")) as peer, pytest.raises(PeerError) as raised:
        peer.judge(next(trials([table()], 1)))

    assert "fake ended:\nno such module" in str(raised.value)


def seen(tool: str, shift: str, alarms: int, windows: int, rows: int = 50) -> list[Seen]:
    return [Seen(tool, "made", 1_000, rows, shift, number < alarms) for number in range(windows)]


def test_alarms_of_shifted_windows_are_detections_and_others_are_false() -> None:
    counts = Counts([*seen("ours", "spread × 2", 8, 10), *seen("ours", NONE.name, 1, 100)])

    assert (counts.detection("ours"), counts.false_alarms("ours")) == (Rate(8, 10), Rate(1, 100))
    assert str(counts.false_alarms("ours")) == "1.0% (0.2% to 5.4%)"
    assert Rate(0, 100).interval[0] == 0
    assert Rate(0, 100).interval[1] == pytest.approx(0.037, abs=0.001)
    assert Rate(0, 0).interval == (0.0, 1.0)


def made(tmp_path: Path) -> Found:
    tools = ["ours", "ours, alpha 0.05", "evidently", "nannyml", "alibi-detect", "evidently, any column"]
    some: list[Seen] = []
    for place, tool in enumerate(tools):
        for rows in WINDOW_ROWS:
            for shift in SHIFTS:
                some += seen(tool, shift.name, 9 - place, 10, rows)
            some += seen(tool, NONE.name, place, 10, rows)
    took = {
        name: [large.Took(seconds, seconds, 60.0, steps)] * 3
        for name, seconds, steps in (
            ("ours", 4.0, {}),
            *(
                (f"evidently, {reader}", 10.0, dict.fromkeys(("import", "read", "report", "write"), 2.5))
                for reader in large.READERS
            ),
        )
    }
    return Found(Counts(some), dict.fromkeys(tools, "a rule"), {"evidently": {"evidently": "1"}}, took, 1_000)


def test_the_check_has_to_find_no_less_and_be_wrong_no_more_than_any_peer(tmp_path: Path) -> None:
    found = {one.name: one for one in figures(made(tmp_path))}

    assert found["drift.ours.detection_rate"].value == pytest.approx(0.9)
    assert found["drift.found_more_than_evidently"].value == pytest.approx(0.2)
    assert found["drift.alarms_less_than_alibi_detect"].value == pytest.approx(0.4)
    assert found["drift.seconds_to_evidently_orjson_ratio"].value == pytest.approx(0.4)
    assert all(one.kept is not False for one in found.values())


def test_page_and_picture_have_every_tool_and_shift(tmp_path: Path) -> None:
    text = page(made(tmp_path))
    assert "find more than ours" not in text
    draw(made(tmp_path), tmp_path / "drift.svg")

    for name in (
        "| ours |",
        "| evidently, any column |",
        "| 30 % missing |",
        "| windows of 500 rows |",
        "0.40 ×",
    ):
        assert name in text
    assert "alibi-detect" in (tmp_path / "drift.svg").read_text()


def test_the_large_check_compares_all_rows_that_were_written(tmp_path: Path) -> None:
    large.write(tmp_path, 3_000)

    took = large.run(large.ours(tmp_path))

    assert json.loads((tmp_path / "ours/report.json").read_text())["rows"] == 3_000
    assert (20 < took.megabytes < 150, took.cpu_seconds > 0, took.steps) == (True, True, {})
    with pytest.raises(RuntimeError, match="failed:\nno such thing"):
        large.run([sys.executable, "-c", "import sys; sys.exit('no such thing')"])


def test_an_environment_is_made_again_for_other_pins_or_if_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def uv(*arguments: str) -> None:
        asked.append(arguments[0])
        (tmp_path / "peer/bin").mkdir(parents=True, exist_ok=True)
        if "broken==1" in arguments:
            raise environments.InstallError("broken")

    monkeypatch.setattr(environments, "HOME", tmp_path)
    monkeypatch.setattr(environments, "_uv", uv)
    for pins in (["a==1"], ["a==1"], ["a==2", "b==1"]):
        assert environments.environment("peer", *pins) == tmp_path / "peer"
    assert asked == ["venv", "pip"] * 2

    for _ in range(2):
        with pytest.raises(environments.InstallError):
            environments.environment("other", "broken==1")
    assert asked == ["venv", "pip"] * 4


def test_a_trial_says_how_many_rows_it_was_trained_with() -> None:
    one = table()
    assert Trial(one, one.columns, ()).training_rows == len(one)
