"""What a model is asked, and how well it has to answer, follows what was trained."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import examples, training
from lab_helpers.examples import Examples
from tests.lab_helpers.fakes import FakeClient, lab

DATA = """kind,width,color
a,1,red
a,2,red
a,9,blue
b,5,
"""


def evaluation(accuracy: float = 0.9, **recall: float) -> Any:
    scores = {"accuracy": accuracy, "recall": recall, "confusion_matrix": []}
    return {
        "classes": ["a", "b"],
        "target": "kind",
        "features": {"color": "text or nothing", "width": "number"},
        "rows": {"training": 3, "test": 1},
        "algorithms": {"one": scores},
    }


REGRESSION: Any = {
    "classes": [],
    "target": "width",
    "features": {"color": "text or nothing"},
    "rows": {"training": 3, "test": 1},
    "algorithms": {"ridge": {"r2": 0.8, "root_mean_squared_error": 0.5}},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data.csv").write_text(DATA)
    return tmp_path / "data.csv"


def test_rows_have_the_models_columns_in_its_order(data: Path) -> None:
    found = examples.read(data, evaluation())
    assert found.rows == [["red", 1.0], ["red", 2.0], ["blue", 9.0], [None, 5.0]]
    assert found.answers == ["a", "a", "a", "b"]


def test_an_evaluation_of_an_earlier_image_means_the_last_column(data: Path) -> None:
    data.write_text("width,kind\n1,a\n")
    earlier = evaluation()
    del earlier["target"], earlier["features"]
    found = examples.read(data, earlier)
    assert (found.rows, found.answers) == ([[1.0]], ["a"])


def test_a_working_server_is_told_from_one_that_guesses(data: Path) -> None:
    found = examples.read(data, evaluation(0.95))
    assert found.score(["a", "a", "a", "b"]) == 1.0
    assert found.score(["a", "a", "a", "a"]) == 0.75 < found.enough("one") < 0.95


def test_a_model_that_is_no_better_than_guessing_is_not_the_servers_fault(data: Path) -> None:
    assert examples.read(data, evaluation(0.5)).enough("one") == float("-inf")


def test_a_regressor_is_measured_by_r2(data: Path) -> None:
    found = examples.read(data, REGRESSION)
    assert (found.measure, found.answers) == ("r2", [1.0, 2.0, 9.0, 5.0])
    assert found.score([1.0, 2.0, 9.0, 5.0]) == 1.0
    assert found.score([4.25] * 4) == 0.0 < found.enough("ridge")
    assert found.tolerance("ridge") == 1.5
    assert [found.answers[i] for i in found.typical()] == [1.0, 9.0, 5.0]
    assert found.recognized(0, "ridge", 3.3)


def test_a_typical_row_is_near_the_mean_of_its_class(data: Path) -> None:
    assert examples.read(data, evaluation()).typical() == [1, 3]


def test_a_class_that_training_found_to_be_missed_need_not_be_recognized(data: Path) -> None:
    found = examples.read(data, evaluation(a=1.0, b=0.0))
    assert found.recognized(1, "one", "a")
    assert not found.recognized(1, "one", "b")
    assert found.recognized(3, "one", "a")


def test_a_large_data_set_is_thinned_out(data: Path) -> None:
    data.write_text("width,kind\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(2_500)))
    wide = evaluation()
    wide["features"] = {"width": "number"}
    found = examples.read(data, wide)
    assert len(found.rows) == 834
    assert set(found.answers) == {"a", "b"}


TRAINED = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


def version(key: str, minutes: int, content: str | None, *, newest: bool = True) -> dict[str, Any]:
    """A version of an object, so many minutes after the training; `content` None: a delete marker."""
    return {
        "Key": f"training/input/{key}",
        "VersionId": f"{key}{minutes}",
        "IsLatest": newest,
        "LastModified": TRAINED + timedelta(minutes=minutes),
        "content": content,
    }


def read_rows(tmp_path: Path, *versions: dict[str, Any]) -> list[Any]:
    """Return the first column of what `of_job` reads from a bucket with these versions."""
    kept = {(one["Key"], one["VersionId"]): one for one in versions}

    def listed(Bucket: str, Prefix: str) -> dict[str, Any]:
        shown = [{k: v for k, v in one.items() if k != "content"} for one in versions]
        gone = [one["content"] is None for one in versions]
        return {
            "Versions": [one for one, is_gone in zip(shown, gone, strict=True) if not is_gone],
            "DeleteMarkers": [one for one, is_gone in zip(shown, gone, strict=True) if is_gone],
        }

    def get(Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:
        [found] = [
            one
            for (key, name), one in kept.items()
            if key == Key and (name == VersionId or (not VersionId and one["IsLatest"]))
        ]
        return {"Body": io.BytesIO(found["content"].encode())}

    s3 = FakeClient("s3", list_object_versions=listed, get_object=get)
    job: Any = type("Job", (), {"data": "s3://bucket/training/input/", "created": TRAINED})
    return [row[0] for row in examples.of_job(lab(tmp_path, s3=s3), job, evaluation()).rows]


def table(color: str) -> str:
    return f"kind,width,color\na,1,{color}\n"


def test_the_rows_of_a_job_come_from_its_channel(tmp_path: Path) -> None:
    notes = version("notes.txt", -5, "no table")
    two = version("one.csv", -5, table("red")), version("two.csv", -1, table("blue"))
    assert read_rows(tmp_path, notes, *two) == ["red", "blue"]
    with pytest.raises(examples.DataMissing, match="upload the data again"):
        read_rows(tmp_path, notes)


def test_what_has_come_or_changed_since_the_training_is_not_what_the_model_has_learned(
    tmp_path: Path,
) -> None:
    old = version("one.csv", -5, table("red"), newest=False)
    new = version("one.csv", 5, table("pink"))
    labeled = version("labeled/1.csv", 7, table("green"))
    assert read_rows(tmp_path, new, old, labeled) == ["red"]


def test_what_was_deleted_counts_as_it_was_at_the_training(tmp_path: Path) -> None:
    kept = version("one.csv", -5, table("red"))
    before = version("labeled/1.csv", -9, table("blue"), newest=False), version("labeled/1.csv", -7, None)
    after = version("labeled/2.csv", -9, table("green"), newest=False), version("labeled/2.csv", 7, None)
    assert read_rows(tmp_path, kept, *before, *after) == ["green", "red"]


def test_versions_that_have_expired_leave_what_is_there_now(tmp_path: Path) -> None:
    assert read_rows(tmp_path, version("one.csv", 5, table("pink"))) == ["pink"]


def test_data_that_was_replaced_by_another_is_named(data: Path) -> None:
    data.write_text("height,kind\n1,a\n")
    with pytest.raises(examples.DataMissing, match="no column color, width any more"):
        examples.read(data, evaluation())


def test_the_lessons_flowers_are_what_everyone_would_choose() -> None:
    from tests.checkout import ROOT

    scores: Any = {"accuracy": 0.97, "recall": {}, "confusion_matrix": []}
    iris: training.Evaluation = {
        "classes": ["setosa", "versicolor", "virginica"],
        "rows": {},
        "algorithms": {"logistic": scores},
    }
    found: Examples = examples.read(ROOT / "notebooks/data/iris.csv", iris)
    assert [found.answers[i] for i in found.typical()] == iris["classes"]
    assert 0.6 < found.enough("logistic") < 0.7
