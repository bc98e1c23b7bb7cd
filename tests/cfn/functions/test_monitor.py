"""The monitor answers TrainApproval once, for the right execution, when its training job has ended."""

import io
import json
import math
import tarfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from monitor.evaluation import MAX_ARCHIVE, Evaluation, EvaluationError, Scores, parse, read_archive
from monitor.gate import judge
from monitor.report import MAX_REASON, MAX_SUMMARY, Report
from monitor.watch import Monitor, Settings
from quality_gate import QualityGate, RegressionGate

from tests.cfn.functions.fakes import archived, missing, model_error

FIRST, SECOND = (f"0a1b2c3d-0000-4000-8000-00000000000{n}" for n in (1, 2))
SETTINGS = Settings(
    "ana-mlops",
    "ana-iris-train-pipeline",
    "ana-iris-model-",
    "ana-iris-model-prd",
    "ana-rule",
    "ana-iris-model",
    "arn:aws:codepipeline:us-east-1:123456789012:ana-iris-train-pipeline",
)
GATE: QualityGate = {"MinimumAccuracy": 0.9, "MinimumRecall": 0.85, "MaximumAccuracyDrop": 0.02}


def scores(accuracy: float, recall: float = 1.0) -> Scores:
    return {
        "accuracy": accuracy,
        "recall": {"setosa": 1.0, "virginica": recall},
        "confusion_matrix": [[9, 1], [0, 10]],
    }


class Written(Evaluation):
    """An evaluation with a member that the monitor keeps but does not read."""

    schema: int


def evaluation(accuracy: float = 0.97, recall: float = 1.0) -> Written:
    return {
        "schema": 1,
        "algorithms": {"logistic": scores(accuracy, recall), "random_forest": scores(0.97)},
        "classes": ["setosa", "virginica"],
        "target": "species",
        "features": {"x": "number", "color": "text or nothing"},
    }


FLOWERS = [(float(x), "" if x % 2 else "red", "setosa" if x < 50 else "virginica") for x in range(100)]
"""The held-out rows: what is below 50 is setosa."""


def held_out(right: float) -> dict[str, bytes]:
    """Return the files of held-out rows of which both algorithms got the share `right` right."""
    wrong = 100 - round(100 * right)
    lines = ["x,color,species", *(",".join(map(str, flower)) for flower in FLOWERS)]
    guesses = ["virginica" if i < wrong else label for i, (*_, label) in enumerate(FLOWERS)]
    table = "".join(f"{line}\n" for line in lines).encode()
    return {
        "held_out.csv": table,
        "held_out_predictions.csv": "".join(
            f"{line},{line}\n" if i else "logistic,random_forest\n" for i, line in enumerate(["", *guesses])
        ).encode(),
    }


class Pages:
    def __init__(self, key: str, items: list[dict[str, Any]]) -> None:
        self.key, self.items = key, items

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{self.key: self.items[:1]}, {self.key: self.items[1:]}]


class Pipeline:
    """The part of CodePipeline that the monitor uses: where executions are, and approvals answered once."""

    def __init__(self) -> None:
        self.stage_of: dict[str, str] = {}
        self.answers: dict[str, dict[str, str]] = {}

    def get_pipeline_state(self, name: str) -> dict[str, Any]:
        assert name == SETTINGS.pipeline
        held = [execution for execution, stage in self.stage_of.items() if stage == "TrainApproval"]
        stage: dict[str, Any] = {
            "stageName": "TrainApproval",
            "actionStates": [{"actionName": "TrainApproval"}],
        }
        if held:
            stage["latestExecution"] = {"pipelineExecutionId": held[0], "status": "InProgress"}
            stage["actionStates"][0]["latestExecution"] = {
                "status": "InProgress",
                "token": f"token-{held[0]}",
            }
        return {"stageStates": [{"stageName": "Train", "actionStates": []}, stage]}

    def put_approval_result(self, **asked: Any) -> None:
        execution = asked["token"].removeprefix("token-")
        if execution in self.answers:
            raise missing("ApprovalAlreadyCompletedException")
        assert asked["pipelineName"] == SETTINGS.pipeline
        assert asked["stageName"] == asked["actionName"] == "TrainApproval"
        assert len(asked["result"]["summary"]) <= MAX_SUMMARY
        self.answers[execution] = asked["result"]
        self.stage_of[execution] = "DeployDev" if asked["result"]["status"] == "Approved" else "Failed"

    def get_paginator(self, operation: str) -> Any:
        if operation == "list_pipeline_executions":
            found = [
                {"pipelineExecutionId": execution, "status": "Failed" if stage == "Failed" else "InProgress"}
                for execution, stage in self.stage_of.items()
            ]
            return Pages("pipelineExecutionSummaries", found)
        return self

    def paginate(self, pipelineName: str, filter: dict[str, str]) -> list[dict[str, Any]]:  # noqa: A002
        stage = self.stage_of[filter["pipelineExecutionId"]]
        approval = {"DeployDev": "Succeeded", "Failed": "Failed", "TrainApproval": "InProgress"}.get(stage)
        details = [{"stageName": "Train", "status": "Succeeded"}]
        details += [{"stageName": "TrainApproval", "status": approval}] if approval else []
        return [{"actionExecutionDetails": details}]


class SageMaker:
    """Training jobs and the production endpoint."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.production = ""
        self.endpoint_status = "InService"

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        if TrainingJobName not in self.jobs:
            raise missing("ValidationException")
        return self.jobs[TrainingJobName]

    def describe_endpoint(self, EndpointName: str) -> dict[str, str]:
        if not self.production:
            raise missing("ValidationException")
        config = f"{EndpointName}-{self.production}"
        return {"EndpointConfigName": config, "EndpointStatus": self.endpoint_status}

    def get_paginator(self, operation: str) -> Pages:
        assert operation == "list_training_jobs"
        running = [
            {"TrainingJobName": n} for n, job in self.jobs.items() if job["TrainingJobStatus"] == "InProgress"
        ]
        return Pages("TrainingJobSummaries", running)


class Events:
    """The rule, and what a launcher does at the very moment when the monitor disables it."""

    def __init__(self) -> None:
        self.enabled = True
        self.calls: Counter[str] = Counter()
        self.meanwhile: Any = lambda: None

    def disable_rule(self, Name: str) -> None:
        assert Name == SETTINGS.monitor_rule
        self.meanwhile()
        self.enabled = False
        self.calls["disable"] += 1

    def enable_rule(self, Name: str) -> None:
        assert Name == SETTINGS.monitor_rule
        self.enabled = True


class Logs:
    """The logs of training jobs."""

    def __init__(self) -> None:
        self.of: dict[str, list[str]] = {}

    def describe_log_streams(self, logGroupName: str, logStreamNamePrefix: str) -> dict[str, Any]:
        assert logGroupName == "/aws/sagemaker/TrainingJobs"
        found = [f"{job}/algo-1-1" for job in self.of if f"{job}/" == logStreamNamePrefix]
        return {"logStreams": [{"logStreamName": name} for name in found]}

    def get_log_events(self, logStreamName: str, limit: int, **_: Any) -> dict[str, Any]:
        lines = self.of[logStreamName.partition("/")[0]]
        return {"events": [{"message": f"{line}\n"} for line in lines[-limit:]]}


class Runtime:
    """PRD: an algorithm takes for setosa what is below its threshold; `error` is raised instead."""

    def __init__(self) -> None:
        self.thresholds = {"logistic": 50, "random_forest": 50}
        self.error: Exception | None = None
        self.asked: list[list[Any]] = []

    def invoke_endpoint(self, **asked: Any) -> dict[str, Any]:
        assert asked["EndpointName"] == SETTINGS.production_endpoint
        if self.error:
            raise self.error
        algorithm = asked["CustomAttributes"].removeprefix("algorithm=")
        if algorithm not in self.thresholds:
            raise model_error(f"unknown algorithm '{algorithm}'")
        rows = json.loads(asked["Body"])["instances"]
        self.asked += rows
        labels = ["setosa" if row[0] < self.thresholds[algorithm] else "virginica" for row in rows]
        body = json.dumps({"algorithm": algorithm, "predictions": labels})
        return {"Body": io.BytesIO(body.encode())}


class Versions:
    """The model registry: what was registered, and whether a version still waits for its decision."""

    def __init__(self) -> None:
        self.registered: list[str] = []
        self.undecided = False
        self.error: Exception | None = None

    def register(self, report: Report, record: Any) -> str:
        if self.error:
            raise self.error
        assert record["Trigger"] == "rule ana-iris-train-drift" or not report.evaluation
        self.registered.append(report.execution_id)
        return "arn"

    def follow(self) -> bool:
        return self.undecided


class World:
    def __init__(self, s3: Any) -> None:
        self.s3, self.pipeline, self.sagemaker, self.events = s3, Pipeline(), SageMaker(), Events()
        self.logs, self.production = Logs(), Runtime()
        self.registry = Versions()
        clients: Any = (
            self.sagemaker, self.pipeline, self.events, self.logs, self.production, self.registry,
        )  # fmt: skip
        self.monitor = Monitor(SETTINGS, s3, *clients)

    def trains(
        self, execution: str, status: str = "InProgress", stage: str = "TrainApproval", **more: Any
    ) -> None:
        job = f"ana-iris-model-{execution}"
        self.pipeline.stage_of[execution] = stage
        self.sagemaker.jobs[job] = {
            "TrainingJobName": job,
            "TrainingJobStatus": status,
            "AlgorithmSpecification": {"TrainingImage": "repository@sha256:1"},
            "OutputDataConfig": {"S3OutputPath": "s3://ana-mlops/training/output"},
            "TrainingEndTime": datetime(2026, 1, 1, tzinfo=UTC),
            **more,
        }
        record = {"QualityGate": GATE, "Trigger": "rule ana-iris-train-drift"}
        self.put(f"training/jobs/{execution}.json", json.dumps(record))

    def evaluates(self, execution: str, found: Any, files: dict[str, bytes] | None = None) -> None:
        files = {
            "./plots/a.txt": b"x" * 1000,
            "./evaluation.json": json.dumps(found).encode(),
            **(files or {}),
        }
        archive = archived(files)
        self.put(f"training/output/ana-iris-model-{execution}/output/output.tar.gz", archive)

    def put(self, key: str, body: str | bytes) -> None:
        self.s3.put_object(Bucket="ana-mlops", Key=key, Body=body)

    def text(self, key: str) -> str:
        return str(self.s3.get_object(Bucket="ana-mlops", Key=key)["Body"].read().decode())

    def report(self, execution: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text(f"training/reports/{execution}.json"))
        return found

    def serves(self, execution: str, found: Any) -> None:
        self.sagemaker.production = execution
        self.put(f"training/reports/{execution}.json", json.dumps({"evaluation": found}))


@pytest.fixture
def world(s3: Any) -> World:
    return World(s3)


def test_a_good_model_is_approved_with_a_report_for_people_and_programs(world: World) -> None:
    world.trains(FIRST, "Completed", FinalMetricDataList=[{"MetricName": "a", "Value": 0.97}])
    world.evaluates(FIRST, evaluation())

    world.monitor.watch()

    assert world.pipeline.answers[FIRST]["status"] == "Approved"
    assert world.pipeline.answers[FIRST]["summary"] == (
        "approved, all 6 checks passed; accuracy: logistic 0.9700, random_forest 0.9700; "
        f"nothing in production yet; report: training/reports/{FIRST}.json"
    )
    report = world.report(FIRST)
    assert report["decision"] == "approved"
    assert report["trainingJob"]["metrics"] == {"a": 0.97}
    assert report["evaluation"] == evaluation()
    assert report["production"] is None
    assert report["trigger"] == "rule ana-iris-train-drift"
    page = world.text(f"training/reports/{FIRST}.md")
    assert "| logistic: accuracy | 0.9700 | 0.9000 | passed |" in page
    assert "- started by: rule ana-iris-train-drift" in page
    assert not world.events.enabled
    assert world.registry.registered == [FIRST]


@pytest.mark.parametrize(
    "error",
    [missing("AccessDeniedException"), ParamValidationError(report="value too long"), KeyError("Image")],
)
def test_whatever_goes_wrong_in_the_registry_does_not_hold_up_the_approval(
    world: World, error: Exception
) -> None:
    world.trains(FIRST, "Completed")
    world.evaluates(FIRST, evaluation())
    world.registry.error = error

    world.monitor.watch()

    assert world.pipeline.answers[FIRST]["status"] == "Approved"


def test_the_monitor_stays_awake_until_a_version_has_its_decision(world: World) -> None:
    world.registry.undecided = True
    world.monitor.watch()
    assert world.events.enabled
    world.registry.undecided = False
    world.monitor.watch()
    assert not world.events.enabled


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (evaluation(accuracy=0.5), "logistic: accuracy 0.5000 is below 0.9000"),
        (evaluation(recall=0.2), "logistic: recall of virginica 0.2000 is below 0.8500"),
        ({"algorithms": {}}, 'no "algorithms"'),
        ({"algorithms": {"logistic": {"accuracy": 0.99}}}, "no recall"),
        ([], "not a JSON object"),
    ],
)
def test_a_model_below_the_gate_is_rejected_with_the_checks_that_failed(
    world: World, found: Any, says: str
) -> None:
    world.trains(FIRST, "Completed")
    world.evaluates(FIRST, found)

    world.monitor.watch()

    assert world.pipeline.answers[FIRST]["status"] == "Rejected"
    assert says in world.pipeline.answers[FIRST]["summary"]
    assert world.report(FIRST)["decision"] == "rejected"


@pytest.mark.parametrize(
    ("status", "more", "says"),
    [
        (
            "Failed",
            {"FailureReason": "AlgorithmError: C must be positive"},
            "failed: AlgorithmError: C must be",
        ),
        ("Stopped", {}, "stopped: someone stopped it"),
        (
            "Stopped",
            {"SecondaryStatus": "MaxRuntimeExceeded", "StoppingCondition": {"MaxRuntimeInSeconds": 60}},
            "stopped: MaxRuntimeExceeded: it took longer than MaxRuntimeInSeconds, 60 s",
        ),
    ],
)
def test_a_job_that_did_not_complete_is_rejected_with_its_reason(
    world: World, status: str, more: dict[str, str], says: str
) -> None:
    world.trains(FIRST, status, **more)

    world.monitor.watch()

    assert world.pipeline.answers[FIRST]["status"] == "Rejected"
    assert says in world.pipeline.answers[FIRST]["summary"]


def test_a_job_without_output_and_an_execution_without_a_job_are_rejected(world: World) -> None:
    world.trains(FIRST, "Completed")
    world.monitor.watch()
    world.pipeline.stage_of[SECOND] = "TrainApproval"
    world.monitor.watch()

    assert "wrote nothing to /opt/ml/output/data" in world.pipeline.answers[FIRST]["summary"]
    assert "there is no training job" in world.pipeline.answers[SECOND]["summary"]


def test_a_running_job_is_left_for_the_next_event(world: World) -> None:
    world.trains(FIRST)

    world.monitor.watch()

    assert not world.pipeline.answers
    assert world.events.enabled


def test_a_job_that_ends_before_its_approval_waits_is_answered_once_it_does(world: World) -> None:
    world.trains(FIRST, "Completed", stage="Train")
    world.evaluates(FIRST, evaluation())
    world.monitor.watch()
    assert not world.pipeline.answers
    assert world.events.enabled

    world.pipeline.stage_of[FIRST] = "TrainApproval"
    world.monitor.watch()

    assert world.pipeline.answers[FIRST]["status"] == "Approved"
    assert not world.events.enabled


def test_two_executions_each_get_their_own_answer(world: World) -> None:
    world.trains(FIRST, "Completed")
    world.evaluates(FIRST, evaluation(accuracy=0.1))
    world.trains(SECOND, "Completed", stage="Train")
    world.evaluates(SECOND, evaluation())

    world.monitor.watch()
    assert world.events.enabled
    world.pipeline.stage_of[SECOND] = "TrainApproval"
    world.monitor.watch()

    assert {execution: a["status"] for execution, a in world.pipeline.answers.items()} == {
        FIRST: "Rejected",
        SECOND: "Approved",
    }
    assert not world.events.enabled


def test_an_event_delivered_twice_changes_nothing(world: World) -> None:
    world.trains(FIRST, "Completed")
    world.evaluates(FIRST, evaluation())
    waiting = next(world.monitor.waiting())

    world.monitor.answer(waiting)
    world.monitor.answer(waiting)

    assert world.pipeline.answers[FIRST]["status"] == "Approved"


def test_the_rule_stays_enabled_when_an_execution_begins_while_it_is_being_disabled(world: World) -> None:
    world.events.meanwhile = lambda: world.trains(SECOND, stage="Train")

    world.monitor.watch()

    assert world.events.calls["disable"] == 1
    assert world.events.enabled


def test_another_labs_job_does_not_keep_the_monitor_awake(world: World) -> None:
    world.sagemaker.jobs["bob-ana-iris-model-1"] = {"TrainingJobStatus": "InProgress"}

    world.monitor.watch()

    assert not world.events.enabled


def test_a_failed_job_is_rejected_with_the_end_of_its_log(world: World) -> None:
    reason = "AlgorithmError: ValueError: C must be positive\n\nTraceback (most recent call last):\n  File"
    world.trains(FIRST, "Failed", FailureReason=reason)
    lines = [
        "began",
        "Traceback (most recent call last):",
        "  File model.py, line 7",
        "       ^^^^^",
        "ValueError: C must be positive",
    ]
    world.logs.of[f"ana-iris-model-{FIRST}"] = lines

    world.monitor.watch()

    summary = world.pipeline.answers[FIRST]["summary"]
    assert summary.startswith(
        "rejected, training job failed: AlgorithmError: ValueError: C must be positive; last log lines: "
    )
    assert "File model.py, line 7" in summary
    assert summary.endswith(f"; report: training/reports/{FIRST}.json")
    assert summary.count("C must be positive") == 1
    assert world.report(FIRST)["trainingJob"]["logLines"] == [line for line in lines if "^" not in line]
    page = world.text(f"training/reports/{FIRST}.md")
    assert "      File model.py, line 7" in page
    assert "Why the job failed" in page


def test_a_log_that_cannot_be_read_leaves_the_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.trains(FIRST, "Failed", FailureReason="AlgorithmError: no memory")

    def denied(**_: Any) -> None:
        raise missing("AccessDeniedException")

    monkeypatch.setattr(world.logs, "describe_log_streams", denied)
    world.monitor.watch()

    assert (
        "training job failed: AlgorithmError: no memory; report:" in world.pipeline.answers[FIRST]["summary"]
    )


def judged(world: World, right: float, **more: Any) -> dict[str, Any]:
    """Judge a new model that got the share `right` of its held-out rows right; returns its report."""
    world.trains(FIRST, "Completed")
    world.evaluates(FIRST, {**evaluation(right), **more}, held_out(right))
    world.monitor.watch()
    return world.report(FIRST)


def test_production_is_asked_about_the_rows_that_the_new_model_was_measured_on(world: World) -> None:
    world.serves(SECOND, evaluation(accuracy=0.5))  # measured on other rows, so its report is no measure

    report = judged(world, 0.95)

    assert report["decision"] == "rejected"
    assert "logistic: accuracy compared with production 0.9500 is below 0.9800" in report["summary"]
    assert "PRD on the same 100 rows: logistic 1.0000, random_forest 1.0000" in report["summary"]
    assert report["production"] == {
        "pipelineExecutionId": SECOND,
        "compared": True,
        "reason": "",
        "rows": 100,
        "scores": {"logistic": 1.0, "random_forest": 1.0},
    }
    assert world.production.asked[0] == [0.0, "red"]
    assert world.production.asked[1] == [1.0, None]


def test_a_model_as_good_as_production_is_approved_with_both_numbers(world: World) -> None:
    world.serves(SECOND, evaluation(accuracy=1.0))
    world.production.thresholds = {"logistic": 47, "random_forest": 53}

    report = judged(world, 0.97)

    assert report["decision"] == "approved"
    assert "PRD on the same 100 rows: logistic 0.9700, random_forest 0.9700" in report["summary"]


def test_production_whose_report_is_gone_is_asked_with_the_algorithms_that_it_knows(world: World) -> None:
    world.sagemaker.production = SECOND
    del world.production.thresholds["logistic"]

    report = judged(world, 0.97)

    assert report["production"]["scores"] == {"random_forest": 1.0}
    assert "random_forest: accuracy compared with production 0.9700 is below 0.9800" in report["summary"]


@pytest.mark.parametrize(
    ("error", "old", "says"),
    [
        (model_error("row 0, x: 0 is not a number"), {}, "answered ModelError: row 0, x: 0 is not a number"),
        (
            ReadTimeoutError(endpoint_url="https://x"),
            {},
            "ana-iris-model-prd did not answer: Read timeout on endpoint URL",
        ),
        (None, {"features": {"y": "number"}}, "it needs the column y, which the held-out rows lack"),
        (None, {"target": "kind"}, "it predicts kind, the new model species"),
    ],
)
def test_production_that_cannot_be_asked_is_said_to_be_not_compared(
    world: World, error: Exception | None, old: dict[str, Any], says: str
) -> None:
    world.serves(SECOND, {**evaluation(1.0), **old})
    world.production.error = error

    report = judged(world, 0.95)

    assert report["decision"] == "approved"
    assert "PRD not compared: ana-iris-model-prd" in report["summary"]
    assert says in report["summary"]
    assert report["production"]["compared"] is False


def test_an_image_of_an_earlier_version_is_judged_without_production(world: World) -> None:
    world.serves(SECOND, evaluation())
    world.trains(FIRST, "Completed")
    world.evaluates(FIRST, evaluation())

    world.monitor.watch()

    assert world.report(FIRST)["decision"] == "approved"
    assert "PRD not compared: training wrote no held-out rows" in world.report(FIRST)["summary"]


def test_production_with_fewer_columns_is_asked_about_those(world: World) -> None:
    world.serves(SECOND, {**evaluation(), "features": {"x": "number"}})

    assert judged(world, 0.99)["production"]["compared"]
    assert world.production.asked[1] == [1.0]


def test_an_endpoint_that_never_served_does_not_count_as_production(world: World) -> None:
    world.serves(SECOND, evaluation(accuracy=1.0))
    world.sagemaker.endpoint_status = "Failed"

    assert judged(world, 0.95)["production"] is None


def test_an_algorithm_that_production_has_must_not_go_missing() -> None:
    new = evaluation(0.99)
    del new["algorithms"]["random_forest"]
    failed = [check.name for check in judge(new, GATE, evaluation()) if not check.passed]

    assert failed == ["random_forest: exists as in production"]


@dataclass
class Both:
    """How the new model and production do on the same rows."""

    ours: dict[str, float]
    theirs: dict[str, float]


def numbers(r2: float) -> Evaluation:
    text = {"task": "regression", "algorithms": {"ridge": {"r2": r2, **ERRORS}}, "classes": []}
    return parse(json.dumps(text).encode())


ERRORS = {"mean_absolute_error": 0.25, "root_mean_squared_error": 1.5}
NUMBERS_GATE: RegressionGate = {"MinimumR2": 0.8, "MaximumR2Drop": 0.05}


@pytest.mark.parametrize(
    ("r2", "production", "theirs", "failed"),
    [
        (0.9, numbers(0.5), 0.94, []),
        (0.7, None, None, ["ridge: r2"]),
        (0.85, numbers(0.5), 0.95, ["ridge: r2 compared with production"]),
        (0.9, numbers(0.9), 0.95 + 5e-6, []),  # PRD serves with ONNX Runtime, in 32 bits
        (0.9, numbers(0.9), 0.95 + 5e-5, ["ridge: r2 compared with production"]),
        (0.9, evaluation(), None, ["predicts the same kind of answer as production"]),
    ],
)
def test_a_regressor_is_judged_by_what_it_explains(
    r2: float, production: Evaluation | None, theirs: float | None, failed: list[str]
) -> None:
    both = Both({"ridge": r2}, {"ridge": theirs}) if theirs else None
    checks = judge(numbers(r2), NUMBERS_GATE, production, both)
    assert [check.name for check in checks if not check.passed] == failed


def test_a_report_on_a_regressor_has_its_errors() -> None:
    checks = tuple(judge(numbers(0.9), NUMBERS_GATE, None))
    report = Report(FIRST, {}, NUMBERS_GATE, numbers(0.9), checks)
    assert report.summary.startswith(
        "approved, the only check passed; r2: ridge 0.9000; nothing in production yet; report: "
    )
    assert "| ridge | 0.25 | 1.5 |" in report.markdown()
    assert report.document()["qualityGate"] == NUMBERS_GATE
    bad = Report(FIRST, {}, NUMBERS_GATE, numbers(0.7), tuple(judge(numbers(0.7), NUMBERS_GATE, None)))
    assert bad.summary.startswith("rejected, the only check failed: ridge: r2 0.7000 is below 0.8000; ")


def test_thresholds_of_the_other_kind_of_model_are_a_reason_to_reject(world: World) -> None:
    world.trains(FIRST, "Completed")
    world.evaluates(FIRST, numbers(0.9))
    world.monitor.watch()
    assert "the model is a regressor: QualityGate" in world.report(FIRST)["summary"]
    with pytest.raises(EvaluationError, match="the model is a classifier"):
        judge(evaluation(), NUMBERS_GATE, None)


@pytest.mark.parametrize(
    "scores", [{}, {"r2": 1.1}, {"r2": math.nan}, {"r2": 0.5, "mean_absolute_error": -1}]
)
def test_an_evaluation_without_usable_numbers_is_refused(scores: dict[str, float]) -> None:
    found = {"task": "regression", "algorithms": {"a": {**ERRORS, **scores}}}
    with pytest.raises(EvaluationError, match="of a that is a number"):
        parse(json.dumps(found).encode())


rates = st.floats(0, 1)


@given(accuracy=rates, recall=rates, minimum=rates, drop=rates, production=rates)
def test_the_gate_passes_exactly_what_reaches_every_threshold(
    accuracy: float, recall: float, minimum: float, drop: float, production: float
) -> None:
    gate: QualityGate = {"MinimumAccuracy": minimum, "MinimumRecall": minimum, "MaximumAccuracyDrop": drop}
    new: Any = {"algorithms": {"a": {"accuracy": accuracy, "recall": {"x": recall}}}}
    both = Both({"a": accuracy}, {"a": production})

    passed = all(check.passed for check in judge(new, gate, None, both))

    worst = min(accuracy - minimum, recall - minimum, accuracy - (production - drop))
    assert passed == (worst >= 0) or abs(worst) < 1e-6


@given(reason=st.text(max_size=2000), log=st.lists(st.text(max_size=300), max_size=9).map(tuple))
def test_any_reason_and_log_fit_an_approval_beside_the_reports_key(reason: str, log: tuple[str, ...]) -> None:
    summary = Report(FIRST, {}, problem=reason, log=log).summary
    assert len(summary) <= MAX_SUMMARY
    assert summary.endswith(f"training/reports/{FIRST}.json")
    assert reason[: MAX_REASON - 3] in summary


def test_an_archive_is_not_read_beyond_the_limit() -> None:
    bomb = archived({"zeros": bytes(MAX_ARCHIVE + 1), "evaluation.json": b"{}"})

    with pytest.raises(EvaluationError, match=r"write only evaluation\.json"):
        read_archive(io.BytesIO(bomb))


@pytest.mark.parametrize(
    "archive",
    [b"", b"nonsense", archived({"evaluation.json": b"{}"})[:-30]],
    ids=["empty", "nonsense", "cut off"],
)
def test_a_broken_archive_is_an_evaluation_error(archive: bytes) -> None:
    with pytest.raises(EvaluationError):
        read_archive(io.BytesIO(archive))


def test_a_link_is_not_followed() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("evaluation.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)

    with pytest.raises(EvaluationError, match=r"has no evaluation\.json"):
        read_archive(io.BytesIO(out.getvalue()))


def test_nan_is_not_an_accuracy() -> None:
    with pytest.raises(EvaluationError, match="no accuracy"):
        parse(b'{"algorithms": {"logistic": {"accuracy": NaN, "recall": {"a": 1}}}}')
