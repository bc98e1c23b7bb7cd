"""The parts of SageMaker that need no container and no account process."""

import doctest
import io
import stat
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, Final, cast

import pytest
from botocore.exceptions import ClientError

from local_account.foundation.errors import ServiceError
from local_account.foundation.store import Store
from local_account.services.sagemaker import (
    SageMaker,
    deployments,
    processing_run,
    s3_data,
    transform_run,
)
from local_account.services.sagemaker.algorithm_metrics import AlgorithmMetrics
from local_account.services.sagemaker.archives import Files, unpack_model
from local_account.services.sagemaker.endpoints import Endpoints
from local_account.services.sagemaker.fleets import DeploymentError, Fleet, Routes
from local_account.services.sagemaker.lifecycle_configs import LifecycleConfigs
from local_account.services.sagemaker.logs import Logs
from local_account.services.sagemaker.resources import Resources, list_page
from local_account.services.sagemaker.training_run import record

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import TagTypeDef

START = datetime(2026, 1, 1, tzinfo=UTC)


class Account:
    """As much of an account as documents and events need."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(directory / "account.sqlite")
        self.events: list[tuple[str, dict[str, Any], list[str]]] = []
        self.bus = self

    def now(self) -> datetime:
        return START + timedelta(seconds=len(self.events))

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:us-east-1:123456789012:{resource}"

    def publish(self, source: str, kind: str, detail: dict[str, Any], resources: list[str]) -> None:
        assert source == "aws.sagemaker"
        self.events.append((kind, detail, resources))


@pytest.fixture
def account(tmp_path: Path) -> Any:
    return Account(tmp_path)


class Unpacked:
    """A container that keeps what is put into it; like requests, it takes the stream in chunks."""

    def __init__(self, empty: dict[str, Path] | None = None, filled: dict[str, Path] | None = None) -> None:
        empty = empty or {}
        self.attrs = {
            "HostConfig": {"Mounts": [{"Target": path, "VolumeOptions": {"NoCopy": True}} for path in empty]},
            "Mounts": [
                {"Type": "volume", "Driver": "local", "Destination": path, "Source": str(source)}
                for path, source in {**empty, **(filled or {})}.items()
            ],
        }
        self.chunks: list[int] = []
        self.files: dict[str, bytes | None] = {}

    def put_archive(self, path: str, data: Iterator[bytes]) -> None:
        assert path == "/"
        content = io.BytesIO()
        for chunk in data:
            self.chunks.append(len(chunk))
            content.write(chunk)
        content.seek(0)
        with tarfile.open(fileobj=content) as tar:
            for member in tar:
                file = tar.extractfile(member)
                self.files[member.name] = file.read() if file else None


def test_files_of_any_size_reach_a_container_in_one_stream_of_bounded_chunks() -> None:
    sizes = [0, 1, 511, 512, 513, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000]
    contents = {f"opt/ml/input/{size}.bin": bytes([size % 251]) * size for size in sizes}
    files, container, opened = Files(), Unpacked(), []

    def opener(path: str) -> Callable[[], tuple[IO[bytes], int]]:
        def open_() -> tuple[IO[bytes], int]:
            opened.append(path)
            return io.BytesIO(contents[path]), len(contents[path])

        return open_

    for path in contents:
        files.file(path, opener(path))
    assert opened == []
    files.put_into(cast("Any", container))
    assert container.files == {"opt/ml": None, "opt/ml/input": None, **contents}
    assert max(container.chunks) <= 1 << 22
    assert opened == list(contents)


def test_a_file_that_ends_early_is_an_error_and_not_a_shorter_file() -> None:
    files = Files()
    files.file("opt/ml/input/data", lambda: (io.BytesIO(b"short"), 6))
    with pytest.raises(EOFError, match="opt/ml/input/data is 1 bytes shorter"):
        files.put_into(cast("Any", Unpacked()))


def test_the_account_writes_to_an_empty_volume_within_reach_itself(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir(mode=0o700)
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    container = Unpacked({"/opt/ml/data": here, "/opt/ml/far": elsewhere}, {"/opt/ml/data/image": tmp_path})
    files = Files()
    sent = ("opt/ml/far/c.bin", "opt/ml/database/d.bin", "opt/ml/data/image/e.bin")
    for path in ("opt/ml/data/a/b.bin", *sent):
        files.file(path, lambda path=path: (io.BytesIO(path.encode()), len(path)))  # type: ignore[misc]

    files.put_into(cast("Any", container))

    written = here / "a" / "b.bin"
    assert written.read_bytes() == b"opt/ml/data/a/b.bin"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (here, written.parent, written)]
    assert modes == [0o777, 0o777, 0o666]
    assert {name for name, content in container.files.items() if content} == set(sent)


def test_a_file_of_a_volume_that_ends_early_is_an_error_too(tmp_path: Path) -> None:
    files = Files()
    files.file("opt/ml/data/a", lambda: (io.BytesIO(b"short"), 6))
    with pytest.raises(EOFError, match="opt/ml/data/a is 1 bytes shorter"):
        files.put_into(cast("Any", Unpacked({"/opt/ml/data": tmp_path})))


def test_the_last_of_two_files_of_one_name_counts_as_in_an_archive(tmp_path: Path) -> None:
    files = Files()
    for path in ("opt/ml/data/a", "opt/ml/data/a/b", "opt/ml/data/c/d", "opt/ml/data/c"):
        files.file(path, lambda path=path: (io.BytesIO(path.encode()), len(path)))  # type: ignore[misc]

    files.put_into(cast("Any", Unpacked({"/opt/ml/data": tmp_path})))

    assert (tmp_path / "a" / "b").read_bytes() == b"opt/ml/data/a/b"
    assert (tmp_path / "c").read_bytes() == b"opt/ml/data/c"


def test_every_status_of_a_job_is_an_event_with_times_in_milliseconds(account: Any) -> None:
    resources = Resources(account)
    arn = resources.resource_arn("training-job", "Job")
    assert arn.endswith("training-job/job")
    transition = {"Status": "Starting", "StartTime": START, "StatusMessage": "Starting the training job"}
    job: Any = {  # only what events show
        "TrainingJobName": "Job",
        "TrainingJobArn": arn,
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "SecondaryStatusTransitions": [transition],
        "CreationTime": START,
        "image": "ours alone",
    }
    resources.table("training_jobs").put("Job", job)
    resources.set_tags(arn, [{"Key": "team", "Value": "red"}])
    record(resources, "Job", "Downloading", "Downloading input data")
    record(resources, "Job", "Stopping", "Stopping", TrainingJobStatus="Stopping")
    record(resources, "Job", "Training", "too late")  # it was stopped in the meantime
    record(resources, "Job", "Stopped", "Training job stopped", TrainingJobStatus="Stopped")
    record(resources, "Job", "Stopping", "too late", TrainingJobStatus="Stopping")
    kinds = {kind for kind, _, _ in account.events}
    assert kinds == {"SageMaker Training Job State Change"}
    details = [detail for _, detail, _ in account.events]
    assert [detail["SecondaryStatus"] for detail in details] == ["Downloading", "Stopping", "Stopped"]
    assert details[0]["CreationTime"] == int(START.timestamp() * 1000)
    assert isinstance(details[0]["SecondaryStatusTransitions"][0]["StartTime"], int)
    assert details[0]["Tags"] == {"team": "red"}
    assert "image" not in details[0]
    assert account.events[0][2] == [arn]


@pytest.mark.parametrize(
    ("move", "member", "event"),
    [
        (processing_run.record, "ProcessingJob", "SageMaker Processing Job State Change"),
        (transform_run.record, "TransformJob", "SageMaker Transform Job State Change"),
    ],
)
def test_a_job_that_is_being_stopped_can_only_end_and_each_change_is_an_event(
    account: Any, move: Callable[..., None], member: str, event: str
) -> None:
    resources = Resources(account)
    job: Any = {
        f"{member}Name": "Job",
        f"{member}Arn": "arn",
        f"{member}Status": "InProgress",
        "spec": "ours alone",
    }
    account.store.table(f"sagemaker.{member.removesuffix('Job').lower()}_jobs").put("Job", job)
    move(resources, "Job", "InProgress", **{member.removesuffix("Job") + "StartTime": START})
    move(resources, "Job", "Stopping")
    move(resources, "Job", "InProgress")  # it was stopped in the meantime
    move(resources, "Job", "Stopped")
    move(resources, "Job", "Failed", FailureReason="too late")
    assert {kind for kind, _, _ in account.events} == {event}
    details = [detail for _, detail, _ in account.events]
    assert [one[f"{member}Status"] for one in details] == ["InProgress", "Stopping", "Stopped"]
    assert details[0][member.removesuffix("Job") + "StartTime"] == int(START.timestamp() * 1000)
    assert all("FailureReason" not in one and "spec" not in one for one in details)


def test_endpoint_events_write_the_status_in_capitals(account: Any) -> None:
    account.tasks = SimpleNamespace()
    endpoints = Endpoints(account)
    variant = {"name": "V", "weight": 1.0, "count": 1, "resolved_at": None}
    endpoint: Any = {  # only what events show
        "EndpointName": "e",
        "EndpointArn": endpoints.resource_arn("endpoint", "e"),
        "EndpointConfigName": "c",
        "EndpointStatus": "InService",
        "variants": [variant],
    }
    endpoints.table("endpoints").put("e", endpoint)
    endpoints._publish_endpoint("e")
    ((kind, detail, _),) = account.events
    assert kind == "SageMaker Endpoint State Change"
    assert detail["EndpointStatus"] == "IN_SERVICE"
    assert detail["ProductionVariants"][0]["VariantName"] == "V"


def test_a_resource_with_too_many_tags_is_refused_and_not_made(account: Any) -> None:
    configs = LifecycleConfigs(account)
    name: Final = "NotebookInstanceLifecycleConfigName"
    tags: list[TagTypeDef] = [{"Key": f"k{number}", "Value": ""} for number in range(51)]
    with pytest.raises(ServiceError, match="at most 50"):
        configs.create_notebook_instance_lifecycle_config({name: "c", "Tags": tags})
    with pytest.raises(ServiceError, match="does not exist"):
        configs.describe_notebook_instance_lifecycle_config({name: "c"})
    made = configs.create_notebook_instance_lifecycle_config({name: "c", "Tags": tags[:1]})
    assert account.store.table("sagemaker.tags").get(made["NotebookInstanceLifecycleConfigArn"]) == {"k0": ""}


def test_names_that_differ_in_case_only_are_the_same_name(account: Any) -> None:
    configs: Any = LifecycleConfigs(account)
    name = "NotebookInstanceLifecycleConfigName"
    configs.create_notebook_instance_lifecycle_config({name: "Up"})
    with pytest.raises(ServiceError, match="already exists"):
        configs.create_notebook_instance_lifecycle_config({name: "up"})
    configs.delete_notebook_instance_lifecycle_config({name: "Up"})
    configs.create_notebook_instance_lifecycle_config({name: "up"})


def test_no_part_of_the_service_hides_a_method_of_another() -> None:
    names = Counter(
        name for part in SageMaker.__mro__[:-2] for name in vars(part) if not name.startswith("__")
    )
    # Those that have these call the next part's, too.
    assert {name for name, count in names.items() if count > 1} == {"start", "stop", "_job_ended"}


@pytest.mark.parametrize("module", [s3_data, deployments])
def test_examples_in_docstrings(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("policy", "instances", "steps"),
    [
        ({}, 1, [1.0]),
        ({"Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}}, 1, [0.1, 1.0]),
        ({"Type": "CANARY", "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1}}, 1, [1.0]),
        ({"Type": "CANARY", "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1}}, 4, [0.25, 1.0]),
        (
            {"Type": "LINEAR", "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 50}},
            1,
            [0.5, 1.0],
        ),
    ],
)
def test_traffic_moves_in_the_steps_of_the_policy(policy: Any, instances: int, steps: list[float]) -> None:
    assert deployments.traffic_steps(policy, instances) == steps


@pytest.mark.parametrize(
    ("routing", "more", "instances", "words"),
    [
        ({"Type": "CANARY"}, {}, 2, "CanarySize is required"),
        ({"Type": "LINEAR"}, {}, 2, "LinearStepSize is required"),
        (
            {"Type": "CANARY", "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1}},
            {},
            1,
            "CanarySize must be at most 50%",
        ),
        (
            {"Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 60}},
            {},
            4,
            "CanarySize must be at most 50%",
        ),
        (
            {"Type": "LINEAR", "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 5}},
            {},
            4,
            "LinearStepSize must be 10-50%",
        ),
        (
            {"Type": "ALL_AT_ONCE"},
            {"TerminationWaitInSeconds": 590, "MaximumExecutionTimeoutInSeconds": 600},
            1,
            r"MaximumExecutionTimeoutInSeconds \(600\) must be larger than .* \(600\)",
        ),
    ],
)
def test_deployments_against_the_documented_bounds_are_refused(
    routing: Any, more: Any, instances: int, words: str
) -> None:
    config: Any = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {**routing, "WaitIntervalInSeconds": 10},
            **more,
        }
    }
    with pytest.raises(ServiceError, match=words) as refused:
        deployments.check_deployment_config(config, cast("Any", [{"count": instances}]))
    assert refused.value.code == "ValidationException"


def test_a_deployment_whose_time_is_up_is_rolled_back() -> None:
    account: Any = Account.__new__(Account)
    account.events, account.tasks = [], SimpleNamespace(stopping=threading.Event())
    nothing: Any = None
    specs: Any = [{"name": "AllTraffic", "weight": 1.0, "count": 1, "role_arn": "role"}]
    blue, green = (Fleet(nothing, nothing, "iris", specs, nothing) for _ in range(2))
    stages: list[str] = []
    deployment = deployments.Deployment(
        account,
        "iris",
        {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
                "MaximumExecutionTimeoutInSeconds": 600,
            }
        },
        report=lambda stage: stages.append(stage["status"]),
        began=START - timedelta(seconds=601),
    )
    with pytest.raises(DeploymentError, match=r"did not complete within 600 seconds"):
        deployment.shift(blue, green)
    assert stages == []
    assert Routes.of(account).current("iris") is blue


@pytest.mark.parametrize(
    ("renamed", "stages"),
    [
        ("AllTraffic", ["ActivatingTraffic", "Baking", "ActivatingTraffic", "Baking"]),
        ("Other", ["ActivatingTraffic"]),
    ],
)
def test_a_release_that_renames_its_variant_has_neither_canary_nor_baking_period(
    renamed: str, stages: list[str]
) -> None:
    account: Any = Account.__new__(Account)
    account.events, account.tasks = [], SimpleNamespace(stopping=threading.Event())
    account.tasks.stopping.set()  # nothing waits
    nothing: Any = None
    blue, green = (
        Fleet(
            nothing, nothing, "iris", cast("Any", [{"name": name, "weight": 1.0, "role_arn": "r"}]), nothing
        )
        for name in ("AllTraffic", renamed)
    )
    entered: list[str] = []
    deployment = deployments.Deployment(
        account,
        "iris",
        {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {
                    "Type": "CANARY",
                    "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
                    "WaitIntervalInSeconds": 60,
                },
                "TerminationWaitInSeconds": 60,
            }
        },
        report=lambda stage: entered.append(stage["status"]),
        began=START,
    )
    deployment.shift(blue, green)
    assert entered == stages
    assert Routes.of(account).current("iris") is green


def test_a_channel_never_leaves_its_directory() -> None:
    with pytest.raises(ValueError, match="leaves the directory"):
        s3_data.relative("input/../../etc/passwd", "input/")


def archive_of(member: tarfile.TarInfo, content: bytes = b"") -> io.BytesIO:
    file = io.BytesIO()
    member.size = len(content)
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        tar.addfile(member, io.BytesIO(content))
    file.seek(0)
    return file


def test_a_model_archive_is_unpacked_readable_for_any_user(tmp_path: Path) -> None:
    member = tarfile.TarInfo("deep/model.bin")
    member.mode = 0o600
    unpack_model(archive_of(member, b"weights"), tmp_path / "model")
    path = tmp_path / "model/deep/model.bin"
    assert path.read_bytes() == b"weights"
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_model_archive_cannot_write_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(tarfile.TarError):
        unpack_model(archive_of(tarfile.TarInfo("../outside"), b"x"), tmp_path / "model")
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(tarfile.TarError):
        unpack_model(archive_of(link), tmp_path / "other")
    assert not (tmp_path / "outside").exists()


def test_metrics_keep_the_last_value_and_skip_what_is_not_a_number() -> None:
    metrics = AlgorithmMetrics("job", [{"Name": "loss", "Regex": "loss=(\\S+)"}])
    metrics.scan("loss=0.5 loss=0.25", 1_000)
    metrics.scan("loss=unknown", 2_000)
    assert [(item["MetricName"], item["Value"]) for item in metrics.final()] == [("loss", 0.25)]
    sent: list[dict[str, Any]] = []
    client: Any = SimpleNamespace(put_metric_data=lambda Namespace, MetricData: sent.extend(MetricData))
    assert metrics.send(client)
    assert [item["Value"] for item in sent] == [0.5, 0.25]
    assert not metrics.send(client)


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-inf", "1e400", "1e300", "-1e300"])
def test_a_value_that_cloudwatch_refuses_costs_no_other_value(value: str) -> None:
    metrics = AlgorithmMetrics("job", [{"Name": "loss", "Regex": "loss=(\\S+)"}])
    metrics.scan(f"loss=0.25 loss={value} loss=1e-300", 1_000)
    metrics.scan(f"loss={value}", 2_000)
    assert [item["Value"] for item in metrics.final()] == [1e-300]
    sent: list[dict[str, Any]] = []
    client: Any = SimpleNamespace(put_metric_data=lambda Namespace, MetricData: sent.extend(MetricData))
    assert metrics.send(client)
    assert [item["Value"] for item in sent] == [0.25, 1e-300]


def test_metrics_that_cannot_be_sent_are_reported_once_and_fail_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(**_: Any) -> None:
        fault: Any = {"Code": "AccessDenied", "Message": "not authorized"}
        raise ClientError({"Error": fault}, "PutMetricData")

    metrics = AlgorithmMetrics("job", [{"Name": "loss", "Regex": "loss=(\\S+)"}])
    client: Any = SimpleNamespace(put_metric_data=refuse)
    for _ in range(2):
        metrics.scan("loss=0.25", 1_000)
        assert metrics.send(client)
    (record,) = caplog.records
    assert record.getMessage() == "metrics of the training job job are lost: AccessDenied: not authorized"
    assert record.exc_info is None


def test_lines_that_cannot_be_sent_are_counted_and_reported_without_a_traceback(
    account: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def client(*_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "CreateLogGroup")

    account.tasks = SimpleNamespace(every=lambda *_: object(), stopping=threading.Event())
    account.client = client
    stream = Logs(account).stream("g", "s")
    for _ in range(3):
        stream.write(b"line\n")
        stream.flush()
    stream.close()
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("lines of g s are lost: AccessDenied: not authorized", None),
        ("3 lines of g s were lost", None),
    ]


def test_an_invalid_regular_expression_is_refused() -> None:
    with pytest.raises(ServiceError, match="not a valid regular expression"):
        AlgorithmMetrics("job", [{"Name": "loss", "Regex": "loss=("}])


def test_lines_split_over_chunks_arrive_whole(account: Any) -> None:
    account.tasks = SimpleNamespace(every=lambda *_: object())
    lines: list[str] = []
    stream = Logs(account).stream("g", "s", on_line=lambda line, _: lines.append(line))
    stream.write(b"first\nsec")
    stream.write(b"ond\r\n\xff\n")
    assert lines == ["first", "second", "\ufffd"]


def test_lists_are_filtered_sorted_and_paged(tmp_path: Path) -> None:
    table = Store(tmp_path / "account.sqlite").table("jobs")
    for n in range(5):
        created = START + timedelta(n)
        table.put(
            f"job-{n}", {"Name": f"job-{n}", "Status": "Done" if n % 2 else "Open", "CreationTime": created}
        )

    def names(**params: Any) -> tuple[list[Any], str | None]:
        found, token = list_page(params, table, name="Name", status="Status")
        return [document["Name"] for document in found], token

    assert names()[0] == ["job-4", "job-3", "job-2", "job-1", "job-0"]
    assert names(StatusEquals="Done", SortOrder="Ascending")[0] == ["job-1", "job-3"]
    assert names(CreationTimeAfter=START + timedelta(3))[0] == ["job-4", "job-3"]
    assert names(NameContains="OB-2")[0] == ["job-2"]
    first, token = names(MaxResults=3)
    assert first == ["job-4", "job-3", "job-2"]
    assert names(MaxResults=3, NextToken=token) == (["job-1", "job-0"], None)
    with pytest.raises(ServiceError, match="NextToken"):
        names(NextToken="nonsense")
