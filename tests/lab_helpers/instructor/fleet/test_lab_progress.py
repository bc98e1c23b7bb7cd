"""How far a lab is, from responses as the services document them."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab_helpers.drills.record import Record
from lab_helpers.instructor.fleet.page import page, write_page
from lab_helpers.instructor.fleet.progress import Endpoint, Failure, Progress, ago, read_progress
from lab_helpers.instructor.fleet.report import Row, total
from lab_helpers.instructor.fleet.roster import Participant
from lab_helpers.names import Names
from lab_helpers.prices import PriceError, Prices
from tests.lab_helpers.instructor.fleet.one_room import Room

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ANA = Names("ana")
STACKS = (ANA.top_stack, ANA.base_stack, ANA.model_stack, ANA.train_stack)


class Account:
    """An account with the responses that a test sets; everything else is empty or missing, as on AWS."""

    def __init__(self) -> None:
        self.stacks = dict.fromkeys(STACKS, "CREATE_COMPLETE")
        self.instance = "InService"
        self.told = "ready"
        self.drill: Record | None = None
        """The drill that runs."""
        self.images: set[str] = set()
        self.endpoints: dict[str, str] = {}
        self.claims = ""
        """What the stacks have deployed, after the endpoint's name."""
        self.configs = True
        self.executions: dict[str, tuple[str, str]] = {}
        """Status and trigger of the newest execution, by pipeline."""
        self.stages: dict[str, list[tuple[str, str, str]]] = {}
        """Stage (named like its action), status and summary of the newest execution, by pipeline."""
        self.details: dict[str, dict[str, Any]] = {}
        """What else GetPipelineState says of a stage's action."""
        self.log: list[str] = []
        """What the build printed."""
        self.deleted: set[str] = set()
        """Pipelines and image repositories that someone has deleted."""
        self.checks: list[dict[str, Any]] = []
        """Processing jobs, the newest first."""
        self.meta = type("Meta", (), {"region_name": "us-east-1"})

    def __call__(self, service: str, /) -> Any:
        return self

    def get_paginator(self, operation: str) -> Any:
        return type("Pages", (), {"paginate": lambda _, **given: [getattr(self, operation)(**given)]})()

    def describe_stacks(self) -> Any:
        return {
            "Stacks": [
                {
                    "StackName": name,
                    "StackId": f"arn:{name}",
                    "StackStatus": status,
                    "Outputs": [{"OutputKey": "EndpointConfigName", "OutputValue": f"{name}{self.claims}"}],
                    "Parameters": [{"ParameterKey": "InstanceType", "ParameterValue": "ml.c5.large"}],
                }
                for name, status in self.stacks.items()
            ]
        }

    def describe_stack_events(self, StackName: str) -> Any:
        name = StackName.removeprefix("arn:")
        cause = {
            "LogicalResourceId": "Rule",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "no role",
        }
        begin = {"LogicalResourceId": name, "ResourceStatus": "CREATE_IN_PROGRESS"}
        return {"StackEvents": [{"StackName": name, **event} for event in (cause, begin)]}

    def list_notebook_instances(self, **_: Any) -> Any:
        found = {"NotebookInstanceName": ANA.notebook_instance, "NotebookInstanceStatus": self.instance}
        more = {"InstanceType": "ml.t3.medium", "LastModifiedTime": NOW - timedelta(hours=2)}
        return {"NotebookInstances": [{**found, **more}] if self.instance else []}

    def describe_notebook_instance(self, **_: Any) -> Any:
        return {"FailureReason": "the hook took longer than 5 minutes"}

    def list_endpoints(self, **_: Any) -> Any:
        return {
            "Endpoints": [
                {"EndpointName": name, "EndpointStatus": status, "LastModifiedTime": NOW}
                for name, status in self.endpoints.items()
            ]
        }

    def describe_endpoint(self, EndpointName: str) -> Any:
        return {
            "EndpointConfigName": EndpointName,
            "FailureReason": "the container did not answer /ping",
            "ProductionVariants": [{"VariantName": "all", "CurrentInstanceCount": 2}],
        }

    def describe_endpoint_config(self, EndpointConfigName: str) -> Any:
        if not self.configs:
            raise refusal(
                "ValidationException", f'Could not find endpoint configuration "{EndpointConfigName}".'
            )
        return {"ProductionVariants": [{"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}]}

    def get_caller_identity(self) -> Any:
        return {"Account": "123456789012"}

    def get_object(self, Bucket: str, Key: str) -> Any:
        assert Bucket == "ana-mlops-us-east-1-123456789012"
        if Key == "drills/running.json":
            if not self.drill:
                raise refusal("NoSuchKey")
            return {"Body": io.BytesIO(self.drill.to_json())}
        assert Key == "package/provision.json"
        if not self.told:
            raise refusal("NoSuchKey")
        said = f'{{"status": "{self.told}", "at": "{NOW.isoformat()}", "package": "", "log": ["kernel: 1"]}}'
        return {"Body": type("Body", (), {"read": lambda _: said.encode()})()}

    def list_objects_v2(self, Bucket: str, Prefix: str, Delimiter: str) -> Any:
        assert (Bucket, Prefix, Delimiter) == ("ana-mlops-us-east-1-123456789012", "drills/", "/")
        return {}

    def describe_images(self, repositoryName: str, **_: Any) -> Any:
        if f"images {repositoryName}" in self.deleted:  # its pipeline has the same name
            raise refusal("RepositoryNotFoundException")
        image = {"imageDigest": "sha256:0", "imagePushedAt": NOW - timedelta(hours=1)}
        return {"imageDetails": [image] if repositoryName in self.images else []}

    def batch_get_builds(self, ids: list[str]) -> Any:
        build = {"id": ids[0], "buildStatus": "FAILED"}
        return {"builds": [{**build, "logs": {"groupName": "g", "streamName": "s"}}] if self.log else []}

    def get_log_events(self, **_: Any) -> Any:
        return {"events": [{"message": f"{line}\n"} for line in self.log]}

    def list_processing_jobs(self, NameContains: str, SortBy: str, SortOrder: str, **_: Any) -> Any:
        assert (SortBy, SortOrder) == ("CreationTime", "Descending")
        return {"ProcessingJobSummaries": self.checks}

    def list_pipeline_executions(self, pipelineName: str, **_: Any) -> Any:
        if pipelineName in self.deleted:
            raise refusal("PipelineNotFoundException")
        status, trigger = self.executions.get(pipelineName, ("Failed", "CreatePipeline"))
        found = {"pipelineExecutionId": "e1", "status": status, "trigger": {"triggerType": trigger}}
        return {"pipelineExecutionSummaries": [{**found, "lastUpdateTime": NOW - timedelta(minutes=5)}]}

    def get_pipeline_state(self, name: str) -> Any:
        return {
            "stageStates": [
                {
                    "stageName": stage,
                    "latestExecution": {"pipelineExecutionId": "e1", "status": status},
                    "actionStates": [
                        {
                            "actionName": stage,
                            "latestExecution": {
                                "status": status,
                                "summary": summary,
                                **self.details.get(stage, {}),
                            },
                        }
                    ],
                }
                for stage, status, summary in self.stages[name]
            ]
        }


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message or code}}, "Operation")


@pytest.fixture
def account() -> Account:
    return Account()


def test_a_lab_that_does_not_exist(account: Account) -> None:
    account.stacks, account.instance = {}, ""
    progress = read_progress(account, ANA)
    assert (progress.reached, progress.doing, progress.failures) == ("", "not provisioned", ())
    assert progress.hourly(Prices.load()) == 0


def test_a_lab_that_is_being_provisioned(account: Account) -> None:
    account.stacks, account.told = {ANA.top_stack: "CREATE_COMPLETE"}, ""
    progress = read_progress(account, ANA)
    assert (progress.reached, progress.doing) == ("00", "is being provisioned")


@pytest.mark.parametrize(
    ("images", "endpoints", "reached"),
    [
        ((), {}, "01"),
        ((ANA.base_image,), {}, "02"),
        ((ANA.base_image, ANA.model_image), {}, "03"),
        ((ANA.model_image,), {ANA.dev_endpoint: "InService"}, "04"),
        ((ANA.model_image,), {ANA.dev_endpoint: "InService", ANA.prd_endpoint: "Updating"}, "05"),
        ((ANA.model_image,), {ANA.dev_endpoint: "Creating"}, "03"),
        ((), {"bob-iris-model-prd": "InService", "iris-model-prd": "InService"}, "01"),
    ],
)
def test_the_notebook_reached_is_the_first_without_its_result(
    account: Account, images: tuple[str, ...], endpoints: dict[str, str], reached: str
) -> None:
    account.images, account.endpoints = set(images), endpoints
    progress = read_progress(account, ANA)
    assert progress.reached == reached
    assert progress.failures == ()
    assert {one.name for one in progress.endpoints} == {name for name in endpoints if name.startswith("ana-")}


def test_the_first_execution_of_a_new_pipeline_is_neither_a_failure_nor_activity(account: Account) -> None:
    progress = read_progress(account, ANA)
    assert progress.failures == ()
    assert progress.last_activity == NOW - timedelta(hours=2)  # the instance's


@pytest.mark.parametrize(
    ("stage", "doing"),
    [("Build", "builds"), ("TrainApproval", "trains"), ("DeployApproval", "waits for a decision")],
)
def test_a_running_stage_is_shown(account: Account, stage: str, doing: str) -> None:
    account.executions[ANA.train_pipeline] = ("InProgress", "CloudWatchEvent")
    account.stages[ANA.train_pipeline] = [("Source", "Succeeded", ""), (stage, "InProgress", "")]
    progress = read_progress(account, ANA)
    assert progress.doing == f"ana-iris-train-pipeline {doing}"
    assert progress.last_activity == NOW - timedelta(minutes=5)


def test_what_failed_and_why(account: Account) -> None:
    account.executions[ANA.base_pipeline] = ("Failed", "CloudWatchEvent")
    account.stages[ANA.base_pipeline] = [
        ("Source", "Succeeded", ""),
        ("Build", "Failed", "exit status 1 in BUILD"),
    ]
    account.stacks[ANA.model_stack] = "ROLLBACK_COMPLETE"
    account.endpoints[ANA.dev_endpoint] = "Failed"
    account.told = "failed: kernel: no space left on device"
    assert set(read_progress(account, ANA).failures) == {
        Failure("ana-scikit-base, Build", "exit status 1 in BUILD"),
        Failure("stack ana-iris-model is ROLLBACK_COMPLETE", "Rule: no role"),
        Failure("endpoint ana-iris-model-dev failed", "the container did not answer /ping"),
        Failure("provisioning of the notebook instance failed", "kernel: no space left on device"),
    }


def test_a_failed_build_says_what_the_tool_said(account: Account) -> None:
    """CodeBuild knows only which command failed, and that is always `docker build`."""
    account.executions[ANA.base_pipeline] = ("Failed", "CloudWatchEvent")
    account.stages[ANA.base_pipeline] = [("Build", "Failed", "")]
    account.details["Build"] = {
        "externalExecutionId": f"{ANA.base_project}:0",
        "errorDetails": {"code": "JobFailed", "message": "Error while executing command: docker build …"},
    }
    account.log = [
        "#7 [3/4] RUN pip install scikit-lern",
        "#7 1.2 ERROR: No matching distribution found for scikit-lern",
        '#7 ERROR: process "/bin/sh -c pip install scikit-lern" did not complete successfully: exit code: 1',
    ]
    [failure] = read_progress(account, ANA).failures
    assert failure == Failure(
        "ana-scikit-base, Build", "ERROR: No matching distribution found for scikit-lern"
    )
    account.log = []  # it has expired
    [failure] = read_progress(account, ANA).failures
    assert failure.why == "Error while executing command: docker build …"


@pytest.mark.parametrize(
    ("deleted", "what"),
    [
        (ANA.train_pipeline, "pipeline ana-iris-train-pipeline was deleted"),
        (f"images {ANA.base_image}", "image repository ana-scikit-base was deleted"),
    ],
)
def test_what_was_deleted_by_hand_is_told(account: Account, deleted: str, what: str) -> None:
    """Its stack does not notice, so nothing else says so until the learner needs it."""
    account.deleted = {deleted}
    [failure] = read_progress(account, ANA).failures
    assert failure.what == what
    assert "reset --participant ana --to" in failure.why


def test_a_deleted_instance_or_endpoint_is_told(account: Account) -> None:
    account.instance = ""
    account.stacks[ANA.prd_stack] = "CREATE_COMPLETE"
    assert {one.what for one in read_progress(account, ANA).failures} == {
        "notebook instance ana-mlops was deleted",
        "endpoint ana-iris-model-prd was deleted",
    }


def test_what_brings_it_back_leaves_the_rest(account: Account) -> None:
    """A reset to an earlier notebook deletes what the learner has released."""
    account.images = {ANA.base_image, ANA.model_image}
    account.deleted = {ANA.train_pipeline}
    [failure] = read_progress(account, ANA).failures
    assert "reset --participant ana --to 03`" in failure.why
    account.endpoints[ANA.dev_endpoint] = "InService"
    account.stacks[ANA.prd_stack] = "CREATE_COMPLETE"
    failures = read_progress(account, ANA).failures
    assert {"reset --participant ana --to 05`" in one.why for one in failures} == {True}


def test_a_deleted_nested_stack_is_told_once_the_lab_was_ready(account: Account) -> None:
    """The notebook instance makes these stacks, so before it is ready they may be missing."""
    del account.stacks[ANA.base_stack]
    [failure] = read_progress(account, ANA).failures
    assert failure.what == "stack ana-scikit-base was deleted"
    assert "reset --participant ana --to 01`" in failure.why
    account.told = "running"
    assert read_progress(account, ANA).failures == ()


def test_what_its_stack_has_not_made_yet_was_not_deleted(account: Account) -> None:
    account.stacks[ANA.train_stack], account.stacks[ANA.prd_stack] = ["CREATE_IN_PROGRESS"] * 2
    account.deleted = {ANA.train_pipeline}
    assert read_progress(account, ANA).failures == ()


def test_a_check_of_captured_data_is_seen_and_its_failure(account: Account) -> None:
    other = {"ProcessingJobName": "bob-iris-model-check-1", "ProcessingJobStatus": "Failed"}
    check = {"ProcessingJobName": ANA.check_job("2"), "ProcessingJobStatus": "InProgress"}
    account.checks = [{**one, "CreationTime": NOW - timedelta(minutes=1)} for one in (other, check)]
    progress = read_progress(account, ANA)
    assert (progress.doing, progress.failures) == ("checks captured data", ())
    assert progress.last_activity == NOW - timedelta(minutes=1)
    failed = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: no baseline"}
    account.checks[1] |= failed
    [failure] = read_progress(account, ANA).failures
    assert failure == Failure(f"check {ANA.check_job('2')} failed", "AlgorithmError: no baseline")


def test_an_endpoint_that_serves_something_else_than_was_deployed_is_told(account: Account) -> None:
    """And costs what it costs, even if its configuration was deleted by those who took it for unused."""
    account.stacks[ANA.prd_endpoint], account.endpoints[ANA.prd_endpoint] = "UPDATE_COMPLETE", "InService"
    account.claims = "-new"
    [failure] = read_progress(account, ANA).failures
    assert "still serves ana-iris-model-prd" in failure.what
    assert failure.why == "the container did not answer /ping; do not delete ana-iris-model-prd"
    account.configs = False
    progress = read_progress(account, ANA)
    assert "was deleted" in progress.failures[1].what
    assert progress.endpoints == (Endpoint(ANA.prd_endpoint, "InService", "ml.c5.large", 2),)
    assert progress.reached == "05"


def test_a_failed_instance_says_why(account: Account) -> None:
    account.instance = "Failed"
    [failure] = read_progress(account, ANA).failures
    assert failure.why == "the hook took longer than 5 minutes"


def test_a_rejected_release_is_not_a_failure(account: Account) -> None:
    account.executions[ANA.train_pipeline] = ("Failed", "CloudWatchEvent")
    account.stages[ANA.train_pipeline] = [("DeployApproval", "Failed", "recall of virginica is too low")]
    account.details["DeployApproval"] = {"errorDetails": {"message": "The approval was rejected"}}
    progress = read_progress(account, ANA)
    assert progress.failures == ()
    assert progress.doing == "release rejected: recall of virginica is too low"


def test_an_execution_that_a_drill_has_broken_is_not_the_learners_failure(account: Account) -> None:
    account.executions[ANA.train_pipeline] = ("Failed", "StartPipelineExecution")
    account.stages[ANA.train_pipeline] = [("TrainApproval", "Failed", "training job failed")]
    assert [one.why for one in read_progress(account, ANA).failures] == ["training job failed"]
    account.drill = Record("id", "bad-hyperparameter", NOW, "arn", execution="e1")
    progress = read_progress(account, ANA)
    assert (progress.failures, progress.doing) == ((), "failed in the drill bad-hyperparameter")


def test_running_resources_are_priced(account: Account) -> None:
    prices = Prices.load()
    account.endpoints[ANA.prd_endpoint] = "InService"
    progress = read_progress(account, ANA)
    assert progress.hourly_endpoints(prices) == 2 * prices.hourly("endpoint:ml.m5.large")
    notebook = prices.hourly("notebook:ml.t3.medium")
    assert progress.hourly(prices) == progress.hourly_endpoints(prices) + notebook
    account.instance = "Stopped"
    stopped = read_progress(account, ANA)
    assert stopped.hourly(prices) == stopped.hourly_endpoints(prices)
    odd = Progress("ana", "01", "", endpoints=(Endpoint("e", "InService", "ml.unheard.of", 1),))
    with pytest.raises(PriceError):
        odd.hourly(prices)


def test_other_errors_are_not_mistaken_for_progress(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "list_pipeline_executions", denied)
    with pytest.raises(ClientError, match="AccessDenied"):
        read_progress(account, ANA)


def denied(**_: Any) -> Any:
    raise refusal("AccessDeniedException")


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(seconds=3), "now"),
        (timedelta(minutes=4), "4 min"),
        (timedelta(hours=2, minutes=59), "2 h"),
        (timedelta(days=3), "3 d"),
    ],
)
def test_how_long_ago(passed: timedelta, said: str) -> None:
    assert ago(NOW - passed, NOW) == said
    assert ago(None) == ""


# --- the page


class Text(HTMLParser):
    """The text of a page, and the elements that it opens and closes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.open: list[str] = []
        self.loads: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def rows() -> list[Row]:
    failure = Failure("ana-scikit-base, Build", "exit status <1>")
    return [
        Row(
            Participant("Ana <Silva>", "ana@example.org", "ana"),
            Progress("ana", "02", "", (failure,)),
            Decimal("0.05"),
        ),
        Row(Participant("Bob", "", "bob"), Progress("bob", "04", "waits for a decision"), None),
    ]


def test_the_page_shows_everyone_and_loads_nothing() -> None:
    document = Text(page(rows(), NOW, 7))
    said = "\n".join(document.said)
    assert document.open == []
    assert document.loads == []
    assert 'http-equiv="refresh" content="7"' in page(rows(), NOW, 7)
    for part in (
        "Ana <Silva>",
        "Bob",
        "waits for a decision",
        "exit status <1>",
        "1 needs help",
        "2 participants",
    ):
        assert part in said
    assert "example.org" not in said
    assert said.count("▶ 02") == 1
    assert said.count("✓ 03") == 1


def test_the_page_without_names_shows_lab_ids() -> None:
    said = "\n".join(Text(page(rows(), NOW, 7, names=False)).said)
    assert "Silva" not in said
    assert "ana" in said


def test_a_page_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "room" / "page.html"
    write_page(path, "one")
    write_page(path, "two")
    assert path.read_text() == "two"
    assert [found.name for found in path.parent.iterdir()] == ["page.html"]


def test_an_unknown_price_is_not_shown_as_zero() -> None:
    [known, unknown] = rows()
    assert unknown.document()["usd_per_hour"] is None
    assert total([known, unknown]) == Decimal("0.05")


# --- the commands


@pytest.fixture
def run(room: Room, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a command in the local account; returns its exit status and the output of both streams."""
    from lab_helpers.cli import app

    def command(*argv: str) -> tuple[int, str]:
        try:
            status = app(["fleet", *argv], standalone_mode=False) or 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        except Exception as error:
            status = getattr(error, "exit_code", -1)
        caught = capsys.readouterr()
        return status, caught.out + caught.err

    return command


def test_status_of_a_roster_without_labs(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("Zoe Zander\n")
    status, said = run("status", str(roster))
    assert status == 0
    assert "Zoe Zander" in said
    assert "not provisioned" in said
    status, said = run("status", str(roster), "--json")
    assert status == 0
    assert '"lab": "zoe"' in said


def test_watch_writes_the_page(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    roster, target = tmp_path / "roster.csv", tmp_path / "room.html"
    roster.write_text("Zoe Zander\n")
    status, said = run("watch", str(roster), "--html", str(target), "--looks", "2", "--interval", "1")
    assert status == 0
    assert said.count("Zoe Zander") == 1, "without a terminal, only changes are printed"
    assert "Zoe Zander" in target.read_text()


def test_an_invalid_roster_is_a_usage_error(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("Zoe,,No-Lab-Id\n")
    for command in (("up",), ("status",), ("watch",), ("down", "--yes")):
        status, said = run(command[0], str(roster), *command[1:])
        assert (status, "line 1" in said) == (2, True), command


def test_up_can_show_the_lab_ids_only(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("Zoe Zander,zoe@example.org\nZoe Zorn\n")
    status, said = run("up", str(roster), "--dry-run")
    assert status == 0
    assert "zoez-mlops" in said


def test_open_names_an_instance_that_does_not_exist(run: Callable[..., tuple[int, str]]) -> None:
    status, said = run("open", "nobody")
    assert status == 1
    assert "there is no lab nobody in account" in said
    assert "deploy --participant nobody`" in said
