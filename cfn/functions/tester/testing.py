"""Test what DEV serves with the held-out rows of its own training, and compare it with PRD."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError
from monitor import measures
from monitor.comparison import Comparison, NotComparedError, compare
from monitor.endpoint import Answers, Endpoint, EndpointError
from monitor.evaluation import Evaluation, EvaluationError, Output, is_regression, read_archive
from monitor.held_out import HeldOut, HeldOutError, Label, numbers, parse
from monitor.report import ReportDocument
from serving import serving
from variables import Variables

from .findings import BinDocument, Check, Difference, Findings, Measured, ProductionDocument
from .page import page
from .probes import bad_input, latencies, payload_limit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

logger = logging.getLogger(__name__)

TOLERANCE = 1e-5
"""How far, relative to its size, a regressor's number may be from training's (as training proves it)."""
ASKING_SECONDS = 45.0
"""How long each endpoint may take for everything. The function has three minutes: if it ran out of time, the
pipeline would wait for its answer for an hour."""


class UntestableError(Exception):
    """There is nothing to test; the message says which part of the pipeline is missing."""


@dataclass(frozen=True)
class Settings(Variables):
    """The function's environment variables, as `train-model-pipeline.yml` sets them."""

    bucket: str
    development_endpoint: str
    production_endpoint: str


@dataclass(frozen=True)
class Tester:
    """Tests DEV."""

    settings: Settings
    s3: S3Client
    sagemaker: SageMakerClient
    runtime: SageMakerRuntimeClient

    def test(self, execution_id: str) -> Findings:
        """Return what was found about the model of `execution_id`, which is in the bucket, too.

        Safe to repeat: the same model gives the same findings, apart from times. Raises UntestableError.
        """
        report = self._report(execution_id)
        if report is None:
            raise UntestableError(f"there is no report on execution {execution_id}: the monitor writes it")
        findings = self._findings(execution_id, report)
        self._write(findings, report)
        return findings

    def report_uri(self, execution_id: str) -> str:
        """Return where the page is."""
        return f"s3://{self.settings.bucket}/training/reports/{execution_id}.html"

    def _findings(self, execution_id: str, report: ReportDocument) -> Findings:
        found = Findings(execution_id, self.settings.development_endpoint)
        served, _ = serving(self.sagemaker, found.endpoint)
        if served != execution_id:
            found.problem = f"{found.endpoint} serves {served or 'nothing'} by now"
            return found
        try:
            output = self._output(report)
            held_out = parse(output)
        except (HeldOutError, EvaluationError) as error:
            found.problem = str(error)
            return found
        if not held_out.rows:
            found.problem = "there are no held-out rows"
            return found
        self._ask(found, held_out, output.evaluation)
        served, status = serving(self.sagemaker, found.endpoint)
        if served != execution_id:
            found.checks.clear()
            found.problem = f"{found.endpoint} was updated to {served or 'nothing'} during the test"
        elif not found.passed and status != "InService":  # traffic shifts before the name of the release does
            found.checks.clear()
            found.problem = f"{found.endpoint} is {status}: a newer release may have answered"
        return found

    def _ask(self, found: Findings, held_out: HeldOut, evaluation: Evaluation) -> None:
        found.task = "regression" if held_out.regression else "classification"
        found.target, found.rows = held_out.target, len(held_out.rows)
        found.classes = list(evaluation.get("classes", []))
        found.truth = numbers(held_out.labels) if held_out.regression else []
        dev = Endpoint(self.runtime, found.endpoint, time.monotonic() + ASKING_SECONDS)
        answers: dict[str, Answers] = {}
        for name in evaluation["algorithms"]:
            try:
                answers[name] = dev.ask(held_out.rows, name)
            except EndpointError as error:
                found.checks.append(Check(f"{name} answers the held-out rows", passed=False, said=str(error)))
                continue
            found.algorithms[name] = measured(held_out, answers[name], found.classes)
            found.checks.append(
                as_in_training(name, held_out, answers[name], found.algorithms[name], evaluation)
            )
        for name in answers:
            found.latency[name] = latencies(dev, held_out.rows, name)
        if answers:
            failed = sum(one["errors"] for one in found.latency.values())
            sent = sum(one["requests"] for one in found.latency.values())
            said = f"{failed} of {sent} requests failed"
            found.checks.append(Check("requests for one row are answered", passed=not failed, said=said))
            found.checks += payload_limit(dev, held_out.rows[0])
            found.checks += bad_input(dev, held_out)
        self._compare(found, held_out, evaluation, answers)

    def _compare(
        self, found: Findings, held_out: HeldOut, evaluation: Evaluation, answers: dict[str, Answers]
    ) -> None:
        name = self.settings.production_endpoint
        served, _ = serving(self.sagemaker, name)
        if served is None:
            return
        found.production = ProductionDocument(
            pipelineExecutionId=served, compared=False, reason="", algorithms={}, differing={}
        )
        report = self._report(served)
        prd = Endpoint(self.runtime, name, time.monotonic() + ASKING_SECONDS)
        try:
            theirs = compare(prd, held_out, evaluation, report["evaluation"] if report else None)
        except NotComparedError as error:
            logger.warning("%s was not compared: %s", name, error)
            found.production["reason"] = str(error)
            return
        found.production["compared"] = True
        for algorithm, one in theirs.answers.items():
            found.production["algorithms"][algorithm] = measured(held_out, one, found.classes)
        found.differences = differences(held_out, answers, theirs)
        for difference in found.differences:
            counts = found.production["differing"]
            counts[difference["algorithm"]] = counts.get(difference["algorithm"], 0) + 1

    def _report(self, execution_id: str) -> ReportDocument | None:
        key = f"training/reports/{execution_id}.json"
        try:
            text = self.s3.get_object(Bucket=self.settings.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return cast("ReportDocument", json.loads(text))

    def _output(self, report: ReportDocument) -> Output:
        model = report["trainingJob"]["modelDataUrl"] or ""
        bucket, _, key = model.removeprefix("s3://").partition("/")
        key = f"{key.removesuffix('model.tar.gz')}output.tar.gz"
        try:
            body = self.s3.get_object(Bucket=bucket, Key=key)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise EvaluationError(f"s3://{bucket}/{key} is gone") from error
            raise
        with body:
            return read_archive(body)

    def _write(self, findings: Findings, report: ReportDocument) -> None:
        key, document = f"training/reports/{findings.execution_id}", findings.document()
        for suffix, body, kind in (
            ("-dev.json", json.dumps(document, indent=1).encode(), "application/json"),
            (".html", page(document, report).encode(), "text/html; charset=utf-8"),
        ):
            self.s3.put_object(Bucket=self.settings.bucket, Key=f"{key}{suffix}", Body=body, ContentType=kind)


def measured(held_out: HeldOut, answers: Answers, classes: Sequence[str]) -> Measured:
    """Return how well an endpoint predicts the held-out rows."""
    truth = held_out.labels
    if held_out.regression:
        right, guesses = numbers(truth), numbers(answers.labels)
        return {
            "r2": measures.r2(right, guesses),
            "meanAbsoluteError": measures.mean_absolute_error(right, guesses),
            "predictions": guesses,
        }
    found: Measured = {
        "accuracy": measures.accuracy(truth, answers.labels),
        "confusionMatrix": measures.confusion(truth, answers.labels, classes),
        "recall": {},
        "calibration": [],
    }
    for name in classes:
        of_class = [guess for true, guess in zip(truth, answers.labels, strict=True) if true == name]
        hits = of_class.count(name)
        low, high = measures.wilson(hits, len(of_class))
        rate = hits / len(of_class) if of_class else 0.0
        found["recall"][name] = {"rate": rate, "low": low, "high": high, "rows": len(of_class)}
    if answers.probabilities:
        sure = [max(shares) for shares in answers.probabilities]
        hit = [true == guess for true, guess in zip(truth, answers.labels, strict=True)]
        found["calibration"] = [cast("BinDocument", asdict(one)) for one in measures.calibration(sure, hit)]
    return found


def as_in_training(
    name: str, held_out: HeldOut, answers: Answers, found: Measured, evaluation: Evaluation
) -> Check:
    """Return whether DEV predicts what training predicted, row by row, or else by confusion matrix."""
    title = f"{name} predicts what training predicted"
    if expected := held_out.predictions.get(name):
        other = [i for i, (a, b) in enumerate(zip(answers.labels, expected, strict=True)) if not same(a, b)]
        said = f"{len(other)} of {len(expected)} predictions differ"
        if other:
            i = other[0]
            said += f", the first in row {i}: {answers.labels[i]}, in training {expected[i]}"
        return Check(title, passed=not other, said=said)
    if is_regression(evaluation):
        return Check(title, passed=True, said="training wrote no predictions to compare with")
    wanted = evaluation["algorithms"][name].get("confusion_matrix")
    equal = wanted is None or wanted == found["confusionMatrix"]
    return Check(
        title, passed=equal, said=f"the confusion matrix is {'the same' if equal else 'another one'}"
    )


def same(one: Label, other: Label) -> bool:
    """Return whether two predictions are equal, numbers within the tolerance that training allows."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE * max(1.0, abs(one), abs(other))
    return one == other


def differences(held_out: HeldOut, ours: dict[str, Answers], theirs: Comparison) -> list[Difference]:
    """Return the rows that DEV and PRD answer differently, and who is right."""
    found: list[Difference] = []
    for name, answers in theirs.answers.items():
        if name not in ours:
            continue
        triples = zip(held_out.labels, ours[name].labels, answers.labels, strict=True)
        for row, (truth, dev, prd) in enumerate(triples):
            if same(dev, prd):
                continue
            found.append(
                {
                    "algorithm": name,
                    "row": row,
                    "features": dict(zip(held_out.features, held_out.rows[row], strict=True)),
                    "truth": truth,
                    "dev": dev,
                    "prd": prd,
                    "right": _right(truth, dev, prd),
                }
            )
    return found


def _right(truth: Label, dev: Label, prd: Label) -> str:
    if isinstance(truth, float) and isinstance(dev, float) and isinstance(prd, float):
        return "DEV" if abs(dev - truth) < abs(prd - truth) else "PRD"  # the nearer one
    return "DEV" if dev == truth else "PRD" if prd == truth else "neither"
