"""The pages of the account's console, with thirty labs and long logs."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import requests

from benchmarks.figures import Figure, percentile
from benchmarks.fleet import grant_quotas, lab_command, write_roster
from benchmarks.lab import BenchLab
from lab_helpers import keys
from lab_helpers.names import Names

LABS = 30
LINES = 10_000
TIMES = 20
LIMIT_MS = 50
_BATCH = 1000


def console(lab: BenchLab) -> list[Figure]:
    """Open each kind of page of a lab that has done notebooks 01 to 04, in an account with 30 more labs."""
    lab.deployed()
    roster = write_roster(lab, LABS)
    grant_quotas(lab, LABS + 1)
    lab_command(lab, "fleet", "up", str(roster), "--json")
    figures = list[Figure]()
    with requests.Session() as session:
        session.headers["Accept"] = "text/html"
        for name, path in _pages(lab).items():
            address = f"{lab.daemon.config().endpoint_url}/_console/{path}"
            _get(session, address)  # the first request of a service makes its client
            took = [_get(session, address) for _ in range(TIMES)]
            about = f"a page of the console: {name.replace('_', ' ')}"
            figures.append(Figure(f"console.{name}_p50_ms", percentile(took, 50), "ms", about, LIMIT_MS))
            figures.append(
                Figure(
                    f"console.{name}_p95_ms", percentile(took, 95), "ms", "95 of 100 are faster", detail=True
                )
            )
    return figures


def _get(session: requests.Session, address: str) -> float:
    """Open a page; return the milliseconds until it has arrived."""
    begin = time.perf_counter()
    answer = session.get(address, timeout=30)
    took = (time.perf_counter() - begin) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answered {answer.status_code}: {answer.text[-2000:]}")
    return took


def _pages(lab: BenchLab) -> dict[str, str]:
    """Return the path of a page of each kind, by a name for its figure."""
    names = Names()
    config = lab.daemon.config()
    pipeline = names.train_pipeline
    executions = lab.client("codepipeline").list_pipeline_executions(pipelineName=pipeline)
    execution = executions["pipelineExecutionSummaries"][0]["pipelineExecutionId"]
    builds = lab.client("codebuild")
    build = builds.list_builds_for_project(projectName=names.model_project)["ids"][0]
    job = lab.client("sagemaker").list_training_jobs(SortBy="CreationTime", SortOrder="Descending")
    commit = lab.client("codecommit").get_branch(
        repositoryName=names.repository, branchName=names.model_branch
    )["branch"]["commitId"]
    bucket = names.bucket(config.region, config.account_id)
    suite, repository = "codesuite", f"codesuite/codecommit/repositories/{names.repository}"
    logs = builds.batch_get_builds(ids=[build])["builds"][0]["logs"]
    _write_lines(lab.client("logs"), logs["groupName"], logs["streamName"])
    return {
        "overview": "",
        "pipelines": f"{suite}/codepipeline/pipelines",
        "pipeline": f"{suite}/codepipeline/pipelines/{pipeline}/view",
        "execution": f"{suite}/codepipeline/pipelines/{pipeline}/executions/{execution}/visualization",
        "builds": f"{suite}/codebuild/projects",
        "build": f"{suite}/codebuild/projects/{names.model_project}/build/{quote(build, safe='')}/log",
        "repositories": f"{suite}/codecommit/repositories",
        "repository": f"{repository}/browse",
        "commits": f"{repository}/commits/refs/heads/{names.model_branch}",
        "commit": f"{repository}/commit/{commit}",
        "image_repositories": "ecr/repositories",
        "image_repository": f"ecr/repositories/private/{config.account_id}/{names.model_image}",
        "training_jobs": "sagemaker/jobs",
        "training_job": f"sagemaker/jobs/{job['TrainingJobSummaries'][0]['TrainingJobName']}",
        "endpoints": "sagemaker/endpoints",
        "endpoint": f"sagemaker/endpoints/{names.prd_endpoint}",
        "notebook_instances": "sagemaker/notebook-instances",
        "notebook_instance": f"sagemaker/notebook-instances/{names.notebook_instance}",
        "stacks": "cloudformation/stacks",
        "stack": f"cloudformation/stacks/stackinfo?stackId={names.top_stack}",
        "buckets": "s3/buckets",
        "bucket": f"s3/buckets/{bucket}?prefix=training/",
        "object": f"s3/object/{bucket}?prefix={quote(keys.TRAINING_JOB, safe='')}",
        "functions": "lambda/functions",
        "function": f"lambda/functions/{names.monitor}",
        "log_groups": "cloudwatch/log-groups",
        "log_stream": f"cloudwatch/log-stream?group={quote(logs['groupName'])}&stream={logs['streamName']}",
        "alarms": "cloudwatch/alarms",
        "rules": "events/rules",
        "rule": f"events/eventbus/default/rules/{names.monitor_rule}",
        "roles": "iam/roles",
        "role": "iam/roles/details/mlops-notebook",
        "quotas": "servicequotas/home/services/sagemaker/quotas",
    }


def _write_lines(logs: Any, group: str, stream: str) -> None:
    """Add ten thousand lines to the log of a build."""
    for begin in range(0, LINES, _BATCH):
        now = int(time.time() * 1000)
        events = [
            {"timestamp": now, "message": f"#{number} downloading layer sha256:{number:064x}"}
            for number in range(begin, begin + _BATCH)
        ]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
