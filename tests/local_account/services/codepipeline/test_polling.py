"""Sources without ``PollForSourceChanges: false`` are polled: a change starts the pipeline."""

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_account.foundation.store import Store
from local_account.services.codepipeline.polling import Poller
from tests.local_account.account_process import AccountProcess
from tests.local_account.services.codepipeline import declare
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab
from tests.waiting import Eventually

pytestmark = pytest.mark.slow

PROGRAM = """
import runpy
from local_account.services.codepipeline import CodePipeline
CodePipeline.poll_seconds = 0.1
runpy.run_module("local_account", run_name="__main__")
"""


@pytest.fixture(scope="module")
def account(
    tmp_path_factory: pytest.TempPathFactory, account_process: type[AccountProcess]
) -> Iterator[AccountProcess]:
    """An account that polls ten times a second."""
    polling = account_process(tmp_path_factory.mktemp("polling") / "state", ("-c", PROGRAM)).start()
    yield polling
    polling.stop()


@pytest.fixture
def polled(account: AccountProcess, lab_of: Callable[[AccountProcess], PipelineLab]) -> PipelineLab:
    return lab_of(account)


def source(lab: PipelineLab, key: str = "source.zip", name: str = "Source", **poll: str) -> dict[str, Any]:
    configuration = {"S3Bucket": lab.bucket, "S3ObjectKey": key, **poll}
    return declare.action(name, "Source", "S3", outputs=[f"Of{name}"], configuration=configuration)


def gate() -> dict[str, Any]:
    return declare.stage("Gate", declare.approval())


def triggers(lab: PipelineLab, name: str) -> list[str]:
    """Return what started the executions, oldest first."""
    return [execution["trigger"]["triggerType"] for execution in reversed(lab.executions(name))]


@pytest.mark.parametrize("poll", [{}, {"PollForSourceChanges": "True"}], ids=["left out", "true"])
def test_a_new_version_of_an_object_starts_the_pipeline(polled: PipelineLab, poll: dict[str, str]) -> None:
    name = polled.quiet(declare.stage("Source", source(polled, **poll)), gate())
    version = polled.upload({"a.txt": "a"})
    polled.eventually(lambda: len(polled.executions(name)) == 2)
    started = polled.executions(name)[0]
    assert started["trigger"] == {"triggerType": "PollForSourceChanges", "triggerDetail": "Source"}
    execution = started["pipelineExecutionId"]
    polled.pending(name, "Gate", execution)
    assert polled.execution(name, execution)["artifactRevisions"][0]["revisionId"] == version


def test_a_commit_starts_the_pipeline(polled: PipelineLab, account: AccountProcess, tmp_path: Path) -> None:
    repository = f"repository-{uuid.uuid4().hex[:8]}"
    url = polled.client("codecommit").create_repository(repositoryName=repository)["repositoryMetadata"][
        "cloneUrlHttp"
    ]
    configuration = {"RepositoryName": repository, "BranchName": "work"}
    action = declare.action("Source", "Source", "CodeCommit", outputs=["Src"], configuration=configuration)
    name = polled.quiet(declare.stage("Source", action), gate())
    commands = (
        "init -q -b work",
        "-c user.name=a -c user.email=a@example.com commit -q --allow-empty -m first",
        f"push -q {url} work",
    )
    for command in commands:
        subprocess.run(["git", *command.split()], cwd=tmp_path, env=account.environment, check=True)
    polled.eventually(lambda: triggers(polled, name) == ["CreatePipeline", "PollForSourceChanges"])


def test_a_push_behind_a_connection_starts_the_pipeline_once_it_is_completed(
    polled: PipelineLab, account: AccountProcess, tmp_path: Path
) -> None:
    repository = f"repository-{uuid.uuid4().hex[:8]}"
    metadata = polled.client("codecommit").create_repository(repositoryName=repository)["repositoryMetadata"]
    connections = polled.client("codestar-connections")
    arn = connections.create_connection(ProviderType="GitHub", ConnectionName="c")["ConnectionArn"]
    configuration = {"ConnectionArn": arn, "FullRepositoryId": "octo/app", "BranchName": "main"}
    action = declare.action(
        "Source", "Source", "CodeStarSourceConnection", outputs=["Src"], configuration=configuration,
        namespace="Git",
    )  # fmt: skip
    name = polled.quiet(declare.stage("Source", action), gate())
    first = polled.executions(name)[0]["pipelineExecutionId"]
    assert f"Connection {arn} is not available" in polled.error(name, first, "Source")

    complete = ("-m", "lab_helpers", "local", "connect", "--state", str(account.state))
    subprocess.run([sys.executable, *complete, arn, "octo/app", repository], check=True)
    assert connections.get_connection(ConnectionArn=arn)["Connection"]["ConnectionStatus"] == "AVAILABLE"
    commands = (
        "init -q -b main",
        "-c user.name=a -c user.email=a@example.com commit -q --allow-empty -m first",
        f"push -q {metadata['cloneUrlHttp']} main",
    )
    for command in commands:
        subprocess.run(["git", *command.split()], cwd=tmp_path, env=account.environment, check=True)
    polled.eventually(lambda: len(polled.executions(name)) == 2)

    started = polled.executions(name)[0]
    assert started["trigger"] == {"triggerType": "WebhookV2", "triggerDetail": arn}
    polled.pending(name, "Gate", started["pipelineExecutionId"])
    found = polled.actions(name, started["pipelineExecutionId"])["Source"]["output"]["outputVariables"]
    assert found["FullRepositoryName"] == "octo/app"
    assert found["CommitMessage"] == "first"


def test_what_was_there_and_other_sources_start_nothing(polled: PipelineLab) -> None:
    polled.upload({"a.txt": "a"})
    still = source(polled, "other.zip", "Still", PollForSourceChanges="false")
    name = polled.create(declare.stage("Source", source(polled), still), gate())
    witness = f"{name}-witness"
    polled.create(declare.stage("Source", source(polled, "other.zip")), gate(), name=witness)
    polled.client("s3").put_object(Bucket=polled.bucket, Key="other.zip", Body=b"new")
    polled.eventually(lambda: len(polled.executions(witness)) == 2)
    assert triggers(polled, name) == ["CreatePipeline"]


def test_an_update_keeps_what_has_been_seen_and_can_end_the_polling(polled: PipelineLab) -> None:
    name = polled.quiet(declare.stage("Source", source(polled)), gate())
    polled.upload({"a.txt": "a"})
    polled.eventually(lambda: len(polled.executions(name)) == 2)
    pipeline = polled.api.get_pipeline(name=name)["pipeline"]
    pipeline["stages"][0]["actions"][0]["configuration"]["PollForSourceChanges"] = "false"
    polled.api.update_pipeline(pipeline=pipeline)
    witness = f"{name}-witness"
    polled.create(declare.stage("Source", source(polled)), gate(), name=witness)
    polled.upload({"a.txt": "b"})
    polled.eventually(lambda: len(polled.executions(witness)) == 2)
    assert len(polled.executions(name)) == 2


def test_changes_before_a_restart_of_the_account_are_found_after_it(
    own_account: AccountProcess, lab_of: Callable[[AccountProcess], PipelineLab], eventually: Eventually
) -> None:
    lab = lab_of(own_account.start())
    name = lab.quiet(declare.stage("Source", source(lab)), gate())
    lab.upload({"a.txt": "a"})
    own_account.stop()
    own_account.program = ("-c", PROGRAM)
    api = own_account.start().client("codepipeline")
    eventually(
        lambda: len(api.list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"]) == 2
    )


def test_a_start_that_was_not_noted_is_not_made_twice(tmp_path: Path) -> None:
    """The account may end between the two: then the next poll asks for the same execution."""
    versions = {"VersionId": "1"}
    s3 = SimpleNamespace(head_object=lambda **_: versions)
    store = Store(tmp_path / "account.sqlite")
    account: Any = SimpleNamespace(
        store=store, client=lambda *_: s3, tasks=SimpleNamespace(stopping=threading.Event())
    )
    tokens: list[str] = []

    def start(_name: str, _action: str, token: str) -> None:
        tokens.append(token)
        if len(tokens) == 1:
            raise ConnectionResetError("the account was killed")

    poller = Poller(account, start)
    polled = declare.action(
        "Source", "Source", "S3", outputs=["Src"], configuration={"S3Bucket": "b", "S3ObjectKey": "k"}
    )
    declaration: Any = {"name": "p", "roleArn": "arn", "stages": [declare.stage("Source", polled)]}
    poller.watch(declaration)
    for version in ("2", "1", "2"):  # what was there before is a change, too
        versions["VersionId"] = version
        with suppress(ConnectionResetError):
            poller.poll()
        poller.poll()
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 3
    store.close()
