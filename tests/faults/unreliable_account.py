"""A local account whose events get lost, late, out of order and doubled, and that trains without a container.

`--state DIR`. Environment: `EVENTS_SEED` says which events suffer (none without it), and `EVENTS_LOG` is a
file that gets a line of JSON for each fate of an event, and for each answer to an approval.

The rule that suffers is the monitor's: its deliveries, the ticks of its schedule among them. A minute of a
schedule has `MINUTE` seconds. A training job has its accuracy and its seconds from its hyperparameters; it
moves through the statuses of a job, writes what training writes, and takes no container and no engine.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_account.__main__ import main
from local_account.foundation import schedules
from local_account.foundation.errors import ServiceError
from local_account.foundation.outbox import Outbox
from local_account.services.codepipeline import CodePipeline
from local_account.services.events import service as events_service
from local_account.services.events.records import Delivery
from local_account.services.sagemaker import job_runs, training, training_run
from local_account.services.sagemaker.jobs import JobError
from local_account.services.sagemaker.s3_data import split
from tests.archives import archive_of

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import PutApprovalResultInputTypeDef
    from mypy_boto3_sagemaker.type_defs import ModelArtifactsTypeDef

MINUTE = 3.0
"""Seconds of the minute that the monitor's rule counts."""
LOST, DOUBLED, LATE = 0.3, 0.3, 0.4
"""Shares of the events; what is not lost may be doubled, and each copy late, so that later ones pass it."""
LATEST = 2.0
_MONITOR = "mlops-job-monitor"
_put_approval_result = CodePipeline.put_approval_result
_writing = threading.Lock()


def note(**what: Any) -> None:
    """Add a line to the log."""
    with _writing, Path(os.environ["EVENTS_LOG"]).open("a") as file:
        file.write(json.dumps(what) + "\n")


class UnreliableOutbox(Outbox[Delivery]):
    """EventBridge's deliveries, to which things happen that it never promised would not."""

    def put(self, document: Delivery, delay: float = 0.0) -> None:
        seed = os.environ.get("EVENTS_SEED")
        if seed is None or _MONITOR not in document["rule"]["Name"]:
            super().put(document, delay)
            return
        chance = random.Random(f"{seed} {document['id']}")
        copies = 0 if chance.random() < LOST else chance.choice((2, 3)) if chance.random() < DOUBLED else 1
        delays = [chance.uniform(0, LATEST) if chance.random() < LATE else 0.0 for _ in range(copies)]
        note(event=document["event"]["detail-type"], delays=delays)
        for seconds in delays:
            super().put(document, delay + seconds)


def put_approval_result(self: CodePipeline, params: PutApprovalResultInputTypeDef) -> Any:
    """PutApprovalResult, which notes what it answers to whom."""
    outcome = "accepted"
    try:
        return _put_approval_result(self, params)
    except ServiceError as error:
        outcome = error.code
        raise
    finally:
        token, status = params["token"], params["result"]["status"]
        note(answer=outcome, stage=params["stageName"], token=token, status=status)


class QuickRun(training_run.TrainingRun):
    """A training job without a container."""

    def _work(self) -> None:
        self._record("Downloading", "Downloading input data", TrainingStartTime=self._account.now())
        self._record("Training", "Training image download completed. Training in progress.")
        given = {name: float(value) for name, value in self._job.get("HyperParameters", {}).items()}
        time.sleep(given["seconds"])
        if not (accuracy := given["accuracy"]):
            raise JobError("AlgorithmError: the data are gone, exit code: 1")
        bucket, prefix = split(self._job["OutputDataConfig"]["S3OutputPath"])
        base = f"{prefix}/{self._name}/output"
        scores = {"accuracy": accuracy, "recall": {"setosa": 1.0}}
        evaluation = json.dumps({"algorithms": {"svm": scores}}).encode()
        for file, member, content in (
            ("model", "model.joblib", b"model"),
            ("output", "evaluation.json", evaluation),
        ):
            self._s3.put_object(Bucket=bucket, Key=f"{base}/{file}.tar.gz", Body=archive_of(member, content))
        model: ModelArtifactsTypeDef = {"S3ModelArtifacts": f"s3://{bucket}/{base}/model.tar.gz"}
        self._record("Uploading", "Uploading generated training model", ModelArtifacts=model)


if __name__ == "__main__":
    vars(events_service)["Outbox"] = UnreliableOutbox
    vars(training)["TrainingRun"] = QuickRun
    vars(job_runs)["when_engine_answers"] = lambda *_: None  # there is no container to remove
    schedules._UNITS["minute"] = timedelta(seconds=MINUTE)
    CodePipeline.put_approval_result = put_approval_result  # type: ignore[method-assign]
    sys.exit(main())
