"""How many events a second the local account's event bus compares with its rules.

python -m benchmarks.rules [--base REF] [--rules 200] [--events 2000] [--rounds 5]

With `--base`, an earlier commit is measured in turn with this checkout, by the same program and with the same
Python; the two have to choose the same rules for each event. Rules have no targets, so nothing is delivered.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab_helpers.names import TRAIN_APPROVAL

REPOSITORY = Path(__file__).resolve().parents[1]
# Through the API of the service, which both builds have, except for `_send`, which tells who is chosen.
PROGRAM = """
import hashlib, json, pathlib, sys, tempfile, time
from local_account.foundation.account import Account
from local_account.foundation.config import AccountConfig
from local_account.services.events.service import Events

asked = json.load(sys.stdin)
with tempfile.TemporaryDirectory() as scratch:
    events = Events(Account(AccountConfig(state_dir=pathlib.Path(scratch))))
    for number, pattern in enumerate(asked["patterns"]):
        events.put_rule({"Name": f"rule-{number}", "EventPattern": json.dumps(pattern)})
    chosen = []
    events._send = lambda rule, event: chosen.append(rule["Name"])
    members = ("source", "detail-type", "detail", "resources")
    publish = lambda event: events.publish(*(event[member] for member in members))
    digest = hashlib.sha256()
    for event in asked["events"]:
        chosen.clear()
        publish(event)
        digest.update(" ".join(sorted(chosen)).encode() + b";")
    begin = time.perf_counter()
    for event in asked["events"]:
        publish(event)
    seconds = time.perf_counter() - begin
print(json.dumps({"rate": len(asked["events"]) / seconds, "chosen": digest.hexdigest()}))
"""


def patterns(count: int) -> list[object]:
    """Return rules as labs have them, by bucket, repository, pipeline and job, with all common operators."""
    found: list[object] = []
    for number in range(count):
        lab = f"lab{number // 5}"
        kinds: list[object] = [
            {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [f"{lab}-bucket"]}, "object": {"key": ["trainingjob.zip"]}},
            },
            {
                "source": ["aws.codecommit"],
                "detail-type": ["CodeCommit Repository State Change"],
                "resources": [f"arn:aws:codecommit:us-east-1:123456789012:{lab}-iris-model"],
                "detail": {"event": ["referenceCreated", "referenceUpdated"], "referenceName": ["main"]},
            },
            {
                "$or": [
                    {
                        "source": ["aws.sagemaker"],
                        "detail": {
                            "TrainingJobName": [{"prefix": f"{lab}-"}],
                            "TrainingJobStatus": ["Completed", "Failed", "Stopped"],
                        },
                    },
                    {
                        "source": ["aws.codepipeline"],
                        "detail": {
                            "pipeline": [f"{lab}-train"],
                            "stage": [TRAIN_APPROVAL],
                            "state": ["STARTED"],
                        },
                    },
                ]
            },
            {
                "source": ["aws.codepipeline"],
                "detail": {"pipeline": [{"wildcard": f"{lab}-*"}], "state": [{"anything-but": "STARTED"}]},
            },
            {
                "source": ["aws.s3"],
                "detail": {
                    "bucket": {"name": [f"{lab}-bucket"]},
                    "object": {"size": [{"numeric": [">", 1000 + number]}], "key": [{"suffix": ".gz"}]},
                    "reason": [{"exists": True}],
                },
            },
        ]
        found.append(kinds[number % 5])
    return found


def events(count: int) -> list[dict[str, object]]:
    """Return events of the services that a lab uses, one in four of them of a lab that has rules."""
    found: list[dict[str, object]] = []
    for number in range(count):
        lab = f"lab{number % 160}"
        kinds: list[dict[str, object]] = [
            {
                "source": "aws.s3",
                "detail-type": "Object Created",
                "resources": [f"arn:aws:s3:::{lab}-bucket"],
                "detail": {
                    "version": "0",
                    "bucket": {"name": f"{lab}-bucket"},
                    "object": {
                        "key": ["trainingjob.zip", "x.tar.gz"][number % 2],
                        "size": number,
                        "etag": "e" * 32,
                    },
                    "request-id": "r",
                    "requester": "123456789012",
                    "reason": "PutObject",
                },
            },
            {
                "source": "aws.codepipeline",
                "detail-type": "CodePipeline Stage Execution State Change",
                "resources": [f"arn:aws:codepipeline:us-east-1:123456789012:{lab}-train"],
                "detail": {
                    "pipeline": f"{lab}-train",
                    "execution-id": "e",
                    "version": 1.0,
                    "start-time": "t",
                    "stage": TRAIN_APPROVAL,
                    "state": ["STARTED", "SUCCEEDED"][number % 2],
                },
            },
            {
                "source": "aws.sagemaker",
                "detail-type": "SageMaker Training Job State Change",
                "resources": [f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{lab}-1"],
                "detail": {
                    "TrainingJobName": f"{lab}-1",
                    "TrainingJobStatus": ["InProgress", "Completed"][number % 2],
                    "HyperParameters": {"C": "1.0", "max_iter": "200"},
                    "InputDataConfig": [{"ChannelName": "train", "CompressionType": "None"}],
                    "FinalMetricDataList": [
                        {"MetricName": "accuracy", "Value": 0.97},
                        {"MetricName": "loss", "Value": 0.1},
                    ],
                },
            },
            {
                "source": "aws.codecommit",
                "detail-type": "CodeCommit Repository State Change",
                "resources": [f"arn:aws:codecommit:us-east-1:123456789012:{lab}-iris-model"],
                "detail": {
                    "event": "referenceUpdated",
                    "referenceName": "main",
                    "referenceType": "branch",
                    "commitId": "c",
                },
            },
        ]
        found.append(kinds[number % 4])
    return found


@contextlib.contextmanager
def checkout(ref: str) -> Iterator[Path]:
    """Check a commit out for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="mlops-base-") as scratch:
        root = Path(scratch) / "base"
        git = ("git", "-C", str(REPOSITORY), "worktree")
        subprocess.run([*git, "add", "--detach", "--quiet", str(root), ref], check=True)
        try:
            yield root
        finally:
            subprocess.run([*git, "remove", "--force", str(root)], check=True)


def measure(root: Path, asked: str) -> dict[str, object]:
    """Run the program with the code of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, cwd=root, env=environment, input=asked, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def main() -> int:
    """Measure in turns; print the medians. Exit status 1 if the builds choose different rules."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules")
    parser.add_argument("--base", help="an earlier commit to compare with")
    for name, default in (("rules", 200), ("events", 2000), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
    arguments = parser.parse_args()
    asked = json.dumps({"patterns": patterns(arguments.rules), "events": events(arguments.events)})
    rates: dict[str, list[float]] = {}
    chosen = set()
    with contextlib.ExitStack() as stack:
        builds = {"this checkout": REPOSITORY}
        if arguments.base:
            builds = {arguments.base: stack.enter_context(checkout(arguments.base)), **builds}
        for _ in range(arguments.rounds):
            for name, root in builds.items():
                result = measure(root, asked)
                rates.setdefault(name, []).append(float(str(result["rate"])))
                chosen.add(result["chosen"])
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"{name}: {medians[name]:,.0f} events a second ({min(values):,.0f} to {max(values):,.0f})")
    if arguments.base:
        print(f"{medians['this checkout'] / medians[arguments.base]:.1f} times as many as {arguments.base}")
    if len(chosen) > 1:
        print("the builds do not choose the same rules", file=sys.stderr)
    return 1 if len(chosen) > 1 else 0


if __name__ == "__main__":
    raise SystemExit(main())
