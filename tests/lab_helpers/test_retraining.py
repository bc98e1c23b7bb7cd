"""Labeled traffic and what happened meanwhile, as numbers and in one picture; answers in batch."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import batch, retraining, training
from lab_helpers.endpoints import Release
from lab_helpers.examples import Examples
from lab_helpers.executions import Action, Execution
from lab_helpers.monitoring import Traffic
from tests.lab_helpers import fakes

CLASSES: Any = {
    "classes": ["a", "b"],
    "algorithms": {"logistic": {"accuracy": 1.0, "recall": {}, "confusion_matrix": []}},
    "features": {"x": "number", "y": "text or nothing"},
    "target": "label",
    "rows": {},
}
NUMBERS: Any = {
    "classes": [],
    "algorithms": {"ridge": {"root_mean_squared_error": 0.5}},
    "features": {"x": "number"},
    "target": "price",
    "rows": {},
}
OLD, NEW = "0a1b2c3d-old", "9f8e7d6c-new"


def traffic(labels: list[str | float], ids: int = 0) -> Traffic:
    names = tuple(f"id-{place}" for place in range(ids or len(labels)))
    return Traffic("iris-model-prd", names, tuple(labels), fakes.START, fakes.START + timedelta(minutes=2))


def labeled(name: str, release: str, right: int, of: int, minute: int) -> retraining.Labeled:
    at = fakes.START + timedelta(minutes=minute)
    rights = tuple(place < right for place in range(of))
    return retraining.Labeled(name, release, at, at + timedelta(seconds=10), rights)


def test_half_of_the_rows_is_learned_from_and_has_the_same_classes_as_the_other() -> None:
    known = Examples([[float(n), None] for n in range(120)], ["a", "b", "b"] * 40, CLASSES)

    learned, later = retraining.halves(known, 120)

    assert len(learned) == len(later) == 60
    assert not set(learned) & set(later)
    for half in (learned, later):
        assert sum(known.answers[place] == "a" for place in half) == 20
    assert len(retraining.halves(known, 60)[0]) == 30


def test_too_few_rows_are_refused() -> None:
    known = Examples([[1.0, None]] * 40, ["a"] * 40, CLASSES)

    with pytest.raises(retraining.RetrainingError, match="40 rows are too few: take at least 50"):
        retraining.halves(known, 150)


@pytest.mark.parametrize(
    ("evaluation", "answers", "truth", "rights"),
    [
        (CLASSES, ["a", "b", "a"], ["a", "b", "b"], (True, True, False)),
        (NUMBERS, [1.0, 2.0, 9.0], [1.2, 3.5, 2.0], (True, True, False)),
    ],
    ids=["classes", "numbers, within three times the error"],
)
def test_answers_are_compared_with_the_true_labels(
    evaluation: Any, answers: list[str | float], truth: list[str | float], rights: tuple[bool, ...]
) -> None:
    known = Examples([], [], evaluation)

    found = retraining.compare("shifted", OLD, traffic(answers), truth, known)

    assert found.rights == rights
    assert str(found) == "shifted: 66.7% of 3 answers are right"


@pytest.mark.parametrize(
    ("old", "new", "fine"), [(68, 65, True), (68, 70, True), (43, 69, True), (68, 50, False), (71, 60, False)]
)
def test_a_release_is_worse_only_where_chance_would_hardly_make_it_so(old: int, new: int, fine: bool) -> None:
    windows = [labeled("x", "e", right, 71, 0) for right in (new, old)]
    assert retraining.may_be_as_good(*windows) is fine


def test_labels_are_merged_by_inference_id_in_whatever_order_they_come() -> None:
    truth: dict[str, str | float] = {"id-1": "b", "id-0": "a", "id-2": "c"}

    assert retraining.of(truth, traffic(["a", "a"])) == ["a", "b"]


def test_labeled_rows_have_the_columns_of_the_training_data(tmp_path: Path) -> None:
    put: dict[str, Any] = {}
    s3 = fakes.FakeClient("s3", put_object=lambda **given: put.update(given) or {})
    known = Examples([], [], CLASSES)

    key = retraining.put_labeled(fakes.lab(tmp_path, s3=s3), [[1.5, "red"], [2.0, None]], ["a", "b"], known)

    assert key.startswith("training/input/labeled/") and key.endswith(".csv")
    rows = list(csv.reader(io.StringIO(put["Body"].decode())))
    assert rows == [["x", "y", "label"], ["1.5", "red", "a"], ["2.0", "", "b"]]


def execution(**statuses: str) -> Execution:
    actions = [
        Action(
            stage,
            stage,
            "Any",
            "Any",
            status,
            fakes.START + timedelta(minutes=place),
            fakes.START + timedelta(minutes=place + 1),
        )
        for place, (stage, status) in enumerate(statuses.items())
    ]
    return Execution("iris-train-pipeline", "e", "Any", "", tuple(actions))


@pytest.mark.parametrize(
    ("statuses", "texts"),
    [
        ({"Source": "Succeeded", "Train": "Failed"}, ["it starts", "the launcher refuses it"]),
        ({"Train": "Succeeded", "TrainApproval": "Failed"}, ["it starts", "the gate rejects"]),
        (
            {
                "Train": "Succeeded",
                "TrainApproval": "Succeeded",
                "DeployApproval": "Succeeded",
                "DeployPrd": "Succeeded",
            },
            ["it starts", "the gate approves", "a person approves", "the new release serves"],
        ),
        ({"TrainApproval": "Succeeded", "DeployApproval": "InProgress"}, ["it starts", "the gate approves"]),
    ],
)
def test_an_execution_is_told_in_a_few_words(statuses: dict[str, str], texts: list[str]) -> None:
    assert [one.text for one in retraining.events(execution(**statuses), "it starts")] == texts


def test_the_picture_says_what_it_shows() -> None:
    happened = [
        retraining.Event(fakes.START + timedelta(minutes=5), "the new release serves"),
        retraining.Event(fakes.START + timedelta(minutes=1), "the ruler changes"),
    ]
    shown = retraining.picture(
        [
            labeled("before", OLD, 48, 50, 0),
            labeled("shifted", OLD, 30, 50, 2),
            labeled("after", NEW, 47, 50, 6),
        ],
        happened,
    )

    assert shown.alt == (
        "Quality of PRD over time. before: 96.0% of 50 answers are right; shifted: 60.0% of 50 answers are "
        "right; after: 94.0% of 50 answers are right. Meanwhile: the ruler changes, the new release serves."
    )
    legend = [text.get_text() for text in shown.figure.legends[0].get_texts()]
    assert legend == [
        "1  the ruler changes",
        "2  the new release serves",
        "release 0a1b2c3d",
        "release 9f8e7d6c",
    ]


def test_a_picture_of_nothing_is_refused() -> None:
    with pytest.raises(retraining.RetrainingError, match="no labeled traffic"):
        retraining.picture([], [])


def test_an_interval_has_the_share_in_it_and_shrinks_with_more_rows() -> None:
    few, many = retraining.interval(9, 10), retraining.interval(900, 1000)

    assert few[0] < many[0] < 0.9 < many[1] < few[1] <= 1


# --- batch


def release() -> Release:
    return Release("iris-model-prd", "InService", "config", "iris-model-prd-x", "image", "s3://m", 1)


def test_a_transform_job_asks_the_model_of_the_release_and_keeps_the_order(tmp_path: Path) -> None:
    asked: dict[str, Any] = {}
    put: dict[str, Any] = {}
    answer = b"setosa,0.9,0.1\nvirginica,0.2,0.8\n"
    s3 = fakes.FakeClient(
        "s3",
        put_object=lambda **given: put.update(given) or {},
        get_object=lambda **given: {"Body": io.BytesIO(answer)} if given["Key"].endswith(".out") else {},
    )

    def describe(TransformJobName: str) -> dict[str, Any]:
        return {
            **{name: value for name, value in asked.items() if name != "Tags"},
            "TransformJobArn": f"arn:aws:sagemaker:us-east-1:123456789012:transform-job/{TransformJobName}",
            "TransformJobStatus": "Completed",
            "CreationTime": fakes.START,
        }

    sagemaker = fakes.FakeClient(
        "sagemaker",
        create_transform_job=lambda **given: (
            asked.update(given) or {"TransformJobArn": "arn:aws:x" + "y" * 20}
        ),
        describe_transform_job=describe,
    )
    lab = fakes.lab(tmp_path, "ana", s3=s3, sagemaker=sagemaker)

    found = batch.transform(lab, release(), [[1.5, "red"], [2.0, None]], instance_type="ml.m5.large")

    assert found.labels == ("setosa", "virginica")
    assert asked["ModelName"] == "iris-model-prd-x"
    assert asked["TransformJobName"].startswith("ana-iris-model-sdk-")
    assert put["Body"] == b"1.5,red\n2.0,\n"


@pytest.mark.parametrize(
    ("found", "online", "same"),
    [
        (["setosa", "virginica"], ["setosa", "virginica"], True),
        (["setosa", "setosa"], ["setosa", "virginica"], False),
        (["1.50", "2"], [1.5, 2.0], True),
        (["1.5"], [1.5, 2.0], False),
    ],
)
def test_answers_in_batch_and_online_are_compared(
    found: list[str], online: list[str | float], same: bool
) -> None:
    assert batch.same(found, online) is same


def test_batch_is_cheaper_as_long_as_an_endpoint_has_nothing_to_do_for_most_of_the_day() -> None:
    rows = batch.costs("us-east-1", "ml.m5.large", "ml.m5.large", 1e-4).rows
    few, some, many = [[float(str(cell)) for cell in row[1:]] for row in rows]

    assert few[0] > 100 * few[1]
    assert few[0] > some[0] > many[0]
    # A hundred million rows take 2.8 hours: the job ends, and the endpoint goes on.
    assert many[0] == pytest.approx(0.115 * 24 / 100, rel=0.01)
    assert many[1] == pytest.approx(0.115 * (60 + 1e4) / 3600 / 100, rel=0.01)


def test_a_new_model_stands_beside_production_on_the_same_rows() -> None:
    production = {"pipelineExecutionId": OLD, "scores": {"logistic": 0.75}}
    report: Any = {"evaluation": CLASSES, "production": production}

    assert training.compared(report, "challenger").rows == [["logistic", "1.000", "0.750"]]
    for nothing in (None, {"pipelineExecutionId": OLD, "scores": {}}):
        report["production"] = nothing
        with pytest.raises(training.ReportMissing, match="nothing was released"):
            training.compared(report, "challenger")
