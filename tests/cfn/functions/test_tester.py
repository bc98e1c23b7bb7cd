"""The tester asks DEV about the held-out rows, compares it with PRD, and answers the pipeline's job."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from botocore.exceptions import ClientError
from monitor.endpoint import MAX_BODY
from tester import testing
from tester.findings import MAX_SUMMARY
from tester.handler import answer

from tests.cfn.functions.fakes import archived, missing, model_error

OURS, THEIRS = (f"0a1b2c3d-0000-4000-8000-00000000000{n}" for n in (1, 2))
SETTINGS = testing.Settings("ana-mlops", "ana-iris-model-dev", "ana-iris-model-prd")
ROWS = [[float(x), "" if x % 2 else "red"] for x in range(40)]
Predict = Callable[[list[Any]], Any]


def below(threshold: float, names: tuple[str, str] = ("setosa", "<i>virginica</i>")) -> Predict:
    """Return a model that takes for the first class what is below a threshold."""
    return lambda row: names[0] if row[0] < threshold else names[1]


class Served:
    """What an endpoint serves: an execution's models, which refuse what the model server refuses."""

    def __init__(self, execution: str, **models: Predict) -> None:
        self.execution, self.models, self.status = execution, models, "InService"
        self.lenient = self.probabilities = False
        self.requests = 0

    def invoke(self, body: bytes, kind: str, algorithm: str) -> dict[str, Any]:
        self.requests += 1
        if len(body) > MAX_BODY:
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": "too long"}, "ResponseMetadata": HTTP_400},
                "InvokeEndpoint",
            )
        algorithm = algorithm or next(iter(self.models))
        try:
            rows = json.loads(body)["instances"]
            assert kind == "application/json"
            assert rows
            assert algorithm in self.models
            assert all(len(row) == 2 and isinstance(row[0], float) for row in rows)
        except (ValueError, AssertionError):
            if not self.lenient:
                raise model_error("it is wrong") from None
            rows, algorithm = [ROWS[0]], next(iter(self.models))
        labels = [self.models[algorithm](row) for row in rows]
        found: dict[str, Any] = {"algorithm": algorithm, "predictions": labels}
        if self.probabilities:
            found["probabilities"] = [[0.75, 0.25] for _ in rows]
        return found


HTTP_400: Any = {"HTTPStatusCode": 400}


class World:
    """A bucket, DEV, PRD if it serves, and the pipeline's job."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.endpoints: dict[str, Served] = {}
        self.results: list[dict[str, Any]] = []
        clients: Any = (self, self)
        self.tester = testing.Tester(SETTINGS, s3, *clients)

    @property
    def dev(self) -> Served:
        return self.endpoints[SETTINGS.development_endpoint]

    def describe_endpoint(self, EndpointName: str) -> dict[str, str]:
        if EndpointName not in self.endpoints:
            raise missing("ValidationException")
        config = f"{EndpointName}-{self.endpoints[EndpointName].execution}"
        return {"EndpointStatus": self.endpoints[EndpointName].status, "EndpointConfigName": config}

    def invoke_endpoint(
        self, EndpointName: str, ContentType: str, Body: bytes, InferenceId: str, CustomAttributes: str = ""
    ) -> dict[str, Any]:
        assert InferenceId == "held-out-rows"
        algorithm = CustomAttributes.removeprefix("algorithm=")
        found = self.endpoints[EndpointName].invoke(Body, ContentType, algorithm)
        return {"Body": io.BytesIO(json.dumps(found).encode())}

    def put_job_success_result(self, **asked: Any) -> None:
        self.results.append({"status": "success", **asked})

    def put_job_failure_result(self, **asked: Any) -> None:
        self.results.append({"status": "failure", **asked})

    def trained(self, execution: str, endpoint: str, held_out: bool = True, **models: Predict) -> Served:
        """Train models, and let an endpoint serve them; the first class ends at 20."""
        truth = below(20)
        regression = isinstance(next(iter(models.values()))(ROWS[0]), float)
        labels = [row[0] * 2 if regression else truth(row) for row in ROWS]
        evaluation: dict[str, Any] = {
            "task": "regression" if regression else "classification",
            "algorithms": {
                name: {"r2": 0.9, "mean_absolute_error": 1.0, "root_mean_squared_error": 1.0}
                if regression
                else {"accuracy": 0.9, "recall": {"setosa": 1.0, "<i>virginica</i>": 1.0}}
                for name in models
            },
            "classes": [] if regression else ["<i>virginica</i>", "setosa"],
            "target": "kind",
            "features": {"x": "number", "color": "text or nothing"},
        }
        files = {"evaluation.json": json.dumps(evaluation).encode()}
        if held_out:
            lines = [f"{row[0]},{row[1]},{label}" for row, label in zip(ROWS, labels, strict=True)]
            files["held_out.csv"] = "\n".join(["x,color,kind", *lines, ""]).encode()
            lines = [",".join(str(model(row)) for model in models.values()) for row in ROWS]
            files["held_out_predictions.csv"] = "\n".join([",".join(models), *lines, ""]).encode()
        output = f"training/output/ana-iris-model-{execution}/output"
        self.put(f"{output}/output.tar.gz", archived(files))
        report = {
            "summary": "approved, all 6 checks passed",
            "trainingJob": {
                "name": f"ana-iris-model-{execution}",
                "image": "repository@sha256:1",
                "modelDataUrl": f"s3://ana-mlops/{output}/model.tar.gz",
                "hyperParameters": {"C": "1.0"},
            },
            "checks": [{"name": "logistic: accuracy", "value": 0.97, "threshold": 0.9, "passed": True}],
            "evaluation": evaluation,
        }
        self.put(f"training/reports/{execution}.json", json.dumps(report).encode())
        self.endpoints[endpoint] = Served(execution, **models)
        return self.endpoints[endpoint]

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket="ana-mlops", Key=key, Body=body)

    def text(self, key: str) -> str:
        return str(self.s3.get_object(Bucket="ana-mlops", Key=key)["Body"].read().decode())

    def tests(self, parameters: str = json.dumps({"PipelineExecutionId": OURS})) -> dict[str, Any]:
        """Carry out the pipeline's job; returns its result."""
        configuration = {"configuration": {"UserParameters": parameters}}
        job: Any = {"id": "job", "data": {"actionConfiguration": configuration}}
        codepipeline: Any = self
        answer(job, self.tester, codepipeline)
        return self.results[-1]

    def findings(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text(f"training/reports/{OURS}-dev.json"))
        return found

    def page(self) -> Page:
        found = Page()
        found.feed(self.text(f"training/reports/{OURS}.html"))
        return found


class Page(HTMLParser):
    """A page in parts: its tags, words, and the alternative texts of its figures."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words, self.alternatives = "", list[str]()
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if given.get("role") == "img":
            self.alternatives.append(given.get("aria-label") or "")
        self.outside += [str(given[one]) for one in ("src", "href", "onclick", "onload") if one in given]

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def world(s3: Any) -> World:
    return World(s3)


def test_a_model_that_serves_as_it_was_trained_passes_with_its_numbers(world: World) -> None:
    dev = world.trained(OURS, SETTINGS.development_endpoint, logistic=below(22), forest=below(20))
    dev.probabilities = True

    result = world.tests()

    assert result["status"] == "success"
    variables = result["outputVariables"]
    assert variables["ReportUri"] == f"s3://ana-mlops/training/reports/{OURS}.html"
    assert variables["Score"] == "0.9500"
    assert all(value for value in variables.values())
    assert variables["Summary"] == result["executionDetails"]["summary"]
    assert variables["Summary"].startswith("DEV passed all ")
    assert "; accuracy on 40 rows: logistic 0.9500, forest 1.0000; p95 " in variables["Summary"]
    assert variables["Summary"].endswith("nothing in production yet")
    assert "accuracy, DEV" in world.page().words
    assert "accuracy, PRD" not in world.page().words
    found = world.findings()
    logistic = found["algorithms"]["logistic"]
    assert logistic["confusionMatrix"] == [[18, 2], [0, 20]]
    assert logistic["recall"]["setosa"]["rate"] == 1
    assert 0.8 < logistic["recall"]["setosa"]["low"] < logistic["recall"]["setosa"]["high"] == 1
    [filled] = [one for one in logistic["calibration"] if one["count"]]
    assert (filled["count"], filled["confidence"], filled["right"]) == (40, 0.75, 0.95)
    assert found["latency"]["forest"]["requests"] == 60
    assert found["latency"]["forest"]["errors"] == 0
    assert found["latency"]["forest"]["p50"] <= found["latency"]["forest"]["p99"]


def test_the_page_is_one_file_without_script_whose_figures_have_words(world: World) -> None:
    dev = world.trained(OURS, SETTINGS.development_endpoint, logistic=below(22))
    dev.probabilities = True
    world.trained(THEIRS, SETTINGS.production_endpoint, logistic=below(20))

    world.tests()

    page = world.page()
    assert page.outside == []
    assert not {"script", "link", "img", "iframe", "object", "i"} & set(page.tags)
    assert "@import" not in page.words
    assert "url(" not in page.words
    assert "prefers-color-scheme: dark" in page.words
    assert page.tags.count("svg") == len(page.alternatives) == 5  # two matrices, recall, calibration, latency
    assert all(page.alternatives)
    assert "2 <i>virginica</i> taken for setosa" in " ".join(page.alternatives)


def test_dev_and_prd_are_compared_row_by_row(world: World) -> None:
    world.trained(OURS, SETTINGS.development_endpoint, logistic=below(21))
    world.trained(THEIRS, SETTINGS.production_endpoint, logistic=below(17))

    result = world.tests()

    assert result["status"] == "success"
    assert "PRD on the same rows: logistic 0.9250, 4 answers differ" in result["outputVariables"]["Summary"]
    found = world.findings()
    assert "accuracy, PRD" in world.page().words
    assert found["production"]["pipelineExecutionId"] == THEIRS
    assert [(one["row"], one["truth"], one["right"]) for one in found["differences"]] == [
        (17, "setosa", "DEV"),
        (18, "setosa", "DEV"),
        (19, "setosa", "DEV"),
        (20, "<i>virginica</i>", "PRD"),
    ]
    assert found["differences"][0]["features"] == {"x": 17.0, "color": None}
    words = world.page().words
    assert "Right in these rows: DEV 3, PRD 1, neither 0." in words
    assert "x 17.0, color missing" in words


def test_a_model_that_serves_otherwise_than_it_was_trained_stops_the_release(world: World) -> None:
    dev = world.trained(OURS, SETTINGS.development_endpoint, logistic=below(20), forest=below(20))
    dev.models["forest"] = below(3)

    result = world.tests()

    assert result["status"] == "failure"
    message = result["failureDetails"]["message"]
    assert "1 of " in message
    assert (
        "forest predicts what training predicted: 17 of 40 predictions differ, the first in row 3" in message
    )
    assert f"s3://ana-mlops/training/reports/{OURS}.html" in message
    assert "failed" in world.page().words
    assert not world.findings()["passed"]


def test_a_server_that_answers_everything_stops_the_release(world: World) -> None:
    world.trained(OURS, SETTINGS.development_endpoint, logistic=below(20)).lenient = True

    message = world.tests()["failureDetails"]["message"]

    assert "a row without a value is refused: it was answered as if nothing were wrong" in message
    checks = {one["name"]: one["passed"] for one in world.findings()["checks"]}
    assert checks["a longer body is refused"]
    assert checks["a body of 6,291,456 bytes is answered"]


def test_an_endpoint_that_fails_says_how(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dev = world.trained(OURS, SETTINGS.development_endpoint, logistic=below(20))

    def broken(*_: Any) -> None:
        raise model_error("out of memory", 500)

    monkeypatch.setattr(dev, "invoke", broken)
    message = world.tests()["failureDetails"]["message"]

    assert (
        "logistic answers the held-out rows: ana-iris-model-dev answered ModelError: out of memory" in message
    )


def test_production_that_cannot_be_asked_does_not_stop_the_release(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.trained(OURS, SETTINGS.development_endpoint, logistic=below(20))
    prd = world.trained(THEIRS, SETTINGS.production_endpoint, logistic=below(20))

    def broken(*_: Any) -> None:
        raise model_error("out of memory", 500)

    monkeypatch.setattr(prd, "invoke", broken)
    result = world.tests()

    assert result["status"] == "success"
    said = "PRD not compared: ana-iris-model-prd answered ModelError: out of memory"
    assert said in result["outputVariables"]["Summary"]
    assert "PRD was not compared" in world.page().words


def test_regressors_are_compared_by_the_distance_from_the_truth(world: World) -> None:
    world.trained(OURS, SETTINGS.development_endpoint, ridge=lambda row: row[0] * 2 + 1e-9)
    world.trained(THEIRS, SETTINGS.production_endpoint, ridge=lambda row: row[0] * 2 + (row[0] == 7.0))

    result = world.tests()

    assert result["status"] == "success"
    assert "; r2 on 40 rows: ridge 1.0000; " in result["outputVariables"]["Summary"]
    found = world.findings()
    assert found["task"] == "regression"
    assert [(one["row"], one["right"]) for one in found["differences"]] == [(7, "DEV")]
    assert math.isclose(found["production"]["algorithms"]["ridge"]["meanAbsoluteError"], 1 / 40)
    assert len(world.page().alternatives) == 2  # scatter and latency


def test_an_image_of_an_earlier_version_is_not_tested_and_that_is_said(world: World) -> None:
    world.trained(OURS, SETTINGS.development_endpoint, held_out=False, logistic=below(20))

    result = world.tests()

    assert result["status"] == "success"
    assert result["outputVariables"]["Summary"] == (
        "DEV was not tested: training wrote no held-out rows; build both images again (notebooks 01 and 02)"
    )
    assert world.findings()["tested"] is False


def test_a_dev_that_a_newer_execution_has_taken_over_is_not_tested(world: World) -> None:
    world.trained(OURS, SETTINGS.development_endpoint, logistic=below(20)).execution = THEIRS

    summary = world.tests()["outputVariables"]["Summary"]
    assert summary == f"DEV was not tested: ana-iris-model-dev serves {THEIRS} by now"


def test_a_dev_that_changes_during_the_test_is_not_judged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev = world.trained(OURS, SETTINGS.development_endpoint, logistic=below(20))
    ask = dev.invoke

    def update(*asked: Any) -> dict[str, Any]:
        dev.execution = THEIRS
        dev.models["logistic"] = below(3)
        return ask(*asked)

    monkeypatch.setattr(dev, "invoke", update)
    result = world.tests()

    assert result["status"] == "success"
    assert f"was updated to {THEIRS} during the test" in result["outputVariables"]["Summary"]


def test_a_dev_whose_traffic_is_being_shifted_is_not_judged_by_what_it_answers(world: World) -> None:
    dev = world.trained(OURS, SETTINGS.development_endpoint, logistic=below(20))
    dev.status = "Updating"
    assert world.tests()["outputVariables"]["Summary"].startswith("DEV passed all ")

    dev.models["logistic"] = below(3)
    summary = world.tests()["outputVariables"]["Summary"]
    assert summary.endswith("ana-iris-model-dev is Updating: a newer release may have answered")


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("", "deploy train-model-pipeline.yml again"),
        (json.dumps({"PipelineExecutionId": THEIRS}), f"there is no report on execution {THEIRS}"),
    ],
)
def test_a_job_that_cannot_be_done_is_answered_with_a_failure(
    world: World, parameters: str, says: str
) -> None:
    result = world.tests(parameters)
    assert (result["status"], result["failureDetails"]["type"]) == ("failure", "ConfigurationError")
    assert says in result["failureDetails"]["message"]


def test_the_summary_fits_into_the_approval(world: World) -> None:
    many: Any = {f"algorithm_{n}": below(20) for n in range(30)}
    world.trained(OURS, SETTINGS.development_endpoint, **many)

    assert len(world.tests()["outputVariables"]["Summary"]) <= MAX_SUMMARY
