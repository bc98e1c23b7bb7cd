"""A room after a course: labs with everything a lab can have, their history, and what the account costs then.

`python -m benchmarks.room DIRECTORY --labs 30` makes such an account and measures it: one lab is really
worked through, to production; the others are really provisioned, and get copies of its records under their
own names. Copied endpoints have no containers: they are recorded as failed.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from benchmarks.fleet import grant_quotas, lab_command, write_roster
from benchmarks.lab import BenchLab
from lab_helpers.names import LAB_TAG
from local_account.engine import ensure_base_image, ensure_engine
from local_account.foundation.daemon import Daemon

MODEL = "p1"
"""The lab that is worked through."""
REST_SECONDS = 60
REQUESTS = 15
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b")
_HISTORY = (
    "codepipeline.executions",
    "codebuild.builds",
    "cloudwatch.history",
    "sagemaker.training_jobs",
    "autoscaling-activities",
)


def room(lab: BenchLab, labs: int, rounds: int) -> list[Figure]:
    """Make a room of labs with `rounds` times the history of one lab each, and measure it."""
    lab.daemon.reset()
    lab.start()
    figures = furnish(lab, labs, rounds)
    figures += [
        idle(lab),
        Figure("room.resident_mb", lab.resident_megabytes, "MB", f"memory of the account with {labs} labs"),
    ]
    figures += operations(lab)
    figures.append(
        Figure("room.resident_after_mb", lab.resident_megabytes, "MB", "memory after those requests")
    )
    return figures


def furnish(lab: BenchLab, labs: int, rounds: int) -> list[Figure]:
    """Make the room on an account that runs, beside what it holds; the account is started again."""
    up = provision(lab, labs)
    started = age(lab, labs, rounds)
    return [
        Figure("room.up_seconds", up, "s", f"fleet up: {labs} labs"),
        Figure("room.ready_again_seconds", started, "s", "start of the account with all of it"),
    ]


def provision(lab: BenchLab, labs: int) -> float:
    """Provision labs, and work through one of them; return the seconds that `fleet up` took."""
    began = time.monotonic()
    grant_quotas(lab, labs)
    lab_command(lab, "fleet", "up", str(write_roster(lab, labs)), "--json")
    up = time.monotonic() - began
    lab_command(lab, "reset", "--participant", MODEL, "--to", "05", "--yes", "--json")
    return up


def age(lab: BenchLab, labs: int, rounds: int) -> float:
    """Give all labs the records of the one that was worked through; return the seconds of the next start."""
    lab.daemon.stop()
    copy_records(lab.daemon.state / "account.sqlite", labs, rounds)
    started = lab.start()
    time.sleep(REST_SECONDS / 2)  # notebook instances start again
    return started


def idle(lab: BenchLab) -> Figure:
    """Measure the account's CPU time while nobody works."""
    process = psutil.Process(lab.daemon.pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(REST_SECONDS)
    percent = 100 * (sum(process.cpu_times()[:2]) - before) / REST_SECONDS
    return Figure("room.idle_percent", percent, "%", "CPU of the account at rest, of one core")


def operations(lab: BenchLab) -> Iterator[Figure]:
    """Measure the latency of requests whose cost could grow with what is there."""
    for name, call in _calls(lab).items():
        times = []
        for _ in range(REQUESTS):
            began = time.perf_counter()
            call()
            times.append(1000 * (time.perf_counter() - began))
        yield Figure(f"room.{name}_ms", statistics.median(times), "ms", f"{name.replace('_', ' ')}, median")


def _calls(lab: BenchLab) -> dict[str, Callable[[], object]]:
    client = {
        name: lab.client(name)
        for name in (
            *("sagemaker", "codepipeline", "codebuild", "iam", "cloudwatch", "events", "lambda"),
            *("cloudformation", "resourcegroupstaggingapi", "ecr", "codecommit", "sts"),
        )
    }
    pipeline = f"{MODEL}-iris-train-pipeline"
    role = client["codepipeline"].get_pipeline(name=pipeline)["pipeline"]["roleArn"]
    tag = [{"Key": LAB_TAG, "Values": [MODEL]}]
    entry = {"Source": "bench", "DetailType": "bench", "Detail": "{}"}
    datum = {"MetricName": "bench", "Value": 1.0}
    config = client["sagemaker"].list_endpoint_configs(NameContains=MODEL)["EndpointConfigs"]
    rule = next(one for one in client["events"].list_rules()["Rules"] if "EventPattern" in one)
    return {
        "get_pipeline_state": lambda: client["codepipeline"].get_pipeline_state(name=pipeline),
        "list_executions": lambda: client["codepipeline"].list_pipeline_executions(pipelineName=pipeline),
        "list_pipelines": client["codepipeline"].list_pipelines,
        "list_builds": lambda: client["codebuild"].list_builds_for_project(
            projectName=f"{MODEL}-scikit-base"
        ),
        "list_endpoints": lambda: client["sagemaker"].list_endpoints(NameContains=f"{MODEL}-"),
        "list_training_jobs": lambda: client["sagemaker"].list_training_jobs(NameContains=f"{MODEL}-"),
        "describe_endpoint_config": lambda: client["sagemaker"].describe_endpoint_config(
            EndpointConfigName=config[0]["EndpointConfigName"]
        ),
        "describe_alarms": lambda: client["cloudwatch"].describe_alarms(MaxRecords=10),
        "put_metric_data": lambda: client["cloudwatch"].put_metric_data(Namespace="b", MetricData=[datum]),
        "put_events": lambda: client["events"].put_events(Entries=[entry]),
        "put_rule": lambda: client["events"].put_rule(Name=rule["Name"], EventPattern=rule["EventPattern"]),
        "describe_stack": lambda: client["cloudformation"].describe_stacks(StackName=f"{MODEL}-mlops"),
        "describe_stacks": client["cloudformation"].describe_stacks,
        "list_stack_resources": lambda: client["cloudformation"].list_stack_resources(
            StackName=f"{MODEL}-mlops"
        ),
        "get_resources": lambda: client["resourcegroupstaggingapi"].get_resources(TagFilters=tag),
        "get_role": lambda: client["iam"].get_role(RoleName=role.rpartition("/")[2]),
        "tag_role": lambda: client["iam"].tag_role(
            RoleName=role.rpartition("/")[2], Tags=[{"Key": "bench", "Value": str(time.time())}]
        ),
        "assume_role": lambda: client["sts"].assume_role(RoleArn=role, RoleSessionName="bench"),
        "describe_repositories": lambda: client["ecr"].describe_repositories(
            repositoryNames=[f"{MODEL}-iris-model"]
        ),
        "list_functions": lambda: client["lambda"].list_functions(MaxItems=10),
    }


# --- copies of records


def copy_records(path: Path, labs: int, rounds: int) -> None:
    """Give each lab the records of the model lab, and `rounds` times its history."""
    connection = sqlite3.connect(path)
    documents = [
        (table, key, text)
        for table, key, text in connection.execute("SELECT tab, key, doc FROM documents ORDER BY rowid")
        if re.search(rf"\b{MODEL}-", key + text)
    ]
    with connection:
        for number in range(1, labs + 1):
            for turn in range(rounds):
                for table, key, text in documents:
                    if turn == 0 or table in _HISTORY:
                        row = _renamed(table, key, text, f"p{number}", turn)
                        connection.execute("INSERT OR IGNORE INTO documents VALUES (?, ?, ?)", row)
    connection.close()


def _renamed(table: str, key: str, text: str, lab_id: str, turn: int) -> tuple[str, str, str]:
    def unique(found: re.Match[str]) -> str:
        if lab_id == MODEL and turn == 0:
            return found[0]
        made = uuid.uuid5(uuid.NAMESPACE_OID, f"{lab_id} {turn} {found[0]}")
        return str(made) if "-" in found[0] else made.hex

    named = [_UUID.sub(unique, re.sub(rf"\b{MODEL}(?=-|\b)", lab_id, one)) for one in (key, text)]
    if table == "sagemaker.endpoints" and lab_id != MODEL:
        document = json.loads(named[1])
        document |= {"EndpointStatus": "Failed", "FailureReason": "A record without containers"}
        named[1] = json.dumps(document)
    if table == "codepipeline.executions":
        document = json.loads(named[1])
        document["number"] += 100 * turn
        named[1] = json.dumps(document)
    return table, named[0], named[1]


def main() -> int:
    """Make the room in a directory, measure it, and leave it running if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.room", description=__doc__)
    parser.add_argument("state", type=Path, help="directory for the account's state; emptied")
    parser.add_argument("--labs", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5, help="how often each lab ran its pipelines")
    parser.add_argument("--keep", action="store_true", help="leave the account running")
    arguments = parser.parse_args()
    docker_host = ensure_engine(report=lambda line: print(f"engine: {line}", file=sys.stderr))
    ensure_base_image(docker_host, report=lambda line: print(f"engine: {line}", file=sys.stderr))
    lab = BenchLab(Daemon(arguments.state), docker_host)
    try:
        for figure in room(lab, arguments.labs, arguments.rounds):
            print(f"{figure.name:36} {figure.value:10.2f} {figure.unit:4} {figure.about}", flush=True)
    finally:
        if not arguments.keep:
            lab.daemon.reset()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
