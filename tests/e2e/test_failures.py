"""Failures end with a clear message and leave earlier results as they were."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.one_workshop import Workshop

pytestmark = [pytest.mark.e2e, pytest.mark.docker]


@pytest.fixture(autouse=True)
def production_is_untouched(workshop: Workshop) -> Iterator[None]:
    """A failure must not change what PRD serves."""
    before = workshop.serving(workshop.names.prd_endpoint)
    yield
    assert workshop.serving(workshop.names.prd_endpoint) == before
    assert workshop.predict(workshop.names.prd_endpoint, "logistic", [[5.1, 3.5, 1.4, 0.2]]) == ["setosa"]


@pytest.fixture(scope="module")
def good(workshop: Workshop) -> dict[str, bytes]:
    """The members of the zip file that the notebook uploaded."""
    return workshop.uploaded()


def descriptor(good: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    """Return the zip's members with some keys of trainingjob.json changed."""
    changed = {**json.loads(good["trainingjob.json"]), **changes}
    return {**good, "trainingjob.json": json.dumps(changed).encode()}


def hyperparameters(good: dict[str, bytes], **changes: str) -> dict[str, bytes]:
    """Return the zip's members with some hyperparameters changed."""
    before = json.loads(good["trainingjob.json"])["HyperParameters"]
    return descriptor(good, HyperParameters={**before, **changes})


def gate(good: dict[str, bytes], **changes: float) -> dict[str, bytes]:
    """Return the zip's members with some thresholds of the quality gate changed."""
    return descriptor(good, QualityGate={**json.loads(good["trainingjob.json"])["QualityGate"], **changes})


@pytest.mark.parametrize(
    ("make", "action", "says"),
    [
        (lambda good: b"this is no zip", "Train", ["zip"]),
        (lambda good: {"readme.txt": b"hello"}, "Train", ["trainingjob.json"]),
        (
            lambda good: {**good, "trainingjob.json": b'{"HyperParameters": '},
            "Train",
            ["trainingjob.json", "JSON"],
        ),
        (lambda good: descriptor(good, Color="blue"), "Train", ["Color"]),
        (lambda good: descriptor(good, HyperParameters={"C": 1.0}), "Train", ["C", "string"]),
        (lambda good: hyperparameters(good, C="much"), "TrainApproval", ["C", "much"]),
        (lambda good: hyperparameters(good, depth="3"), "TrainApproval", ["depth"]),
        (lambda good: gate(good, MinimumAccuracy=1.0), "TrainApproval", ["accuracy"]),
        (
            lambda good: descriptor(
                hyperparameters(good, n_estimators="1000"), StoppingCondition={"MaxRuntimeInSeconds": 1}
            ),
            "TrainApproval",
            ["MaxRuntimeExceeded"],
        ),
    ],
    ids=[
        "no zip",
        "no descriptor",
        "invalid JSON",
        "unknown key",
        "hyperparameter that is not a string",
        "hyperparameter of the wrong type",
        "unknown hyperparameter",
        "missed quality gate",
        "training that takes too long",
    ],
)
def test_a_bad_upload_fails_its_execution_by_name(
    workshop: Workshop,
    good: dict[str, bytes],
    make: Callable[[dict[str, bytes]], dict[str, bytes] | bytes],
    action: str,
    says: list[str],
) -> None:
    execution = workshop.upload(make(good))
    where, message = workshop.failure(workshop.names.train_pipeline, execution)
    assert where == action
    for word in says:
        assert word.lower() in message.lower()


def break_phase(phase: str) -> Callable[[Path], object]:
    """Return a change that makes a buildspec phase fail at its first command."""

    def change(clone: Path) -> None:
        path = clone / "buildspec.yml"
        document = yaml.safe_load(path.read_text())
        commands = document["phases"].setdefault(phase, {}).setdefault("commands", [])
        commands.insert(0, "echo about to fail; exit 7")
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    return change


@pytest.fixture
def branch(workshop: Workshop) -> Iterator[str]:
    """The branch of the model image; restored after each test."""
    branch = workshop.names.model_branch
    kept: dict[str, bytes] = {}

    def keep(clone: Path) -> None:
        for path in clone.glob("*"):
            if path.is_file():
                kept[path.name] = path.read_bytes()
        (clone / "buildspec.yml").write_bytes(kept["buildspec.yml"] + b"\n# kept\n")

    pipeline = workshop.names.model_pipeline
    assert workshop.ended(pipeline, workshop.push(branch, keep, "Before the test")) == "Succeeded"
    yield branch

    def mend(clone: Path) -> None:
        for name, content in kept.items():
            (clone / name).write_bytes(content)

    assert workshop.ended(pipeline, workshop.push(branch, mend, "After the test")) == "Succeeded"


def latest_digest(workshop: Workshop) -> str:
    described = workshop.client("ecr").describe_images(
        repositoryName=workshop.names.model_image, imageIds=[{"imageTag": "latest"}]
    )
    return str(described["imageDetails"][0]["imageDigest"])


def test_a_failing_command_names_its_phase_and_the_image_is_kept(workshop: Workshop, branch: str) -> None:
    before = latest_digest(workshop)
    for phase in ("install", "pre_build", "build", "post_build"):
        execution = workshop.push(branch, break_phase(phase), f"Break {phase}")
        where, message = workshop.failure(workshop.names.model_pipeline, execution)
        assert where == "Build"
        assert "exit status 7" in message
        builds = workshop.client("codebuild")
        newest = builds.list_builds_for_project(projectName=workshop.names.model_pipeline)["ids"][0]
        [build] = builds.batch_get_builds(ids=[newest])["builds"]
        failed = [one["phaseType"] for one in build["phases"] if one.get("phaseStatus") == "FAILED"]
        assert failed == [phase.upper()]
        workshop.push(branch, unbreak(phase), f"Fix {phase}")
    assert latest_digest(workshop) == before or workshop.names.model_image


def unbreak(phase: str) -> Callable[[Path], object]:
    """Return the change that undoes `break_phase`."""

    def change(clone: Path) -> None:
        path = clone / "buildspec.yml"
        document = yaml.safe_load(path.read_text())
        document["phases"][phase]["commands"].pop(0)
        if not document["phases"][phase]["commands"]:
            del document["phases"][phase]
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    return change


def test_a_dockerfile_that_does_not_build_fails_in_the_build_phase(workshop: Workshop, branch: str) -> None:
    def change(clone: Path) -> None:
        dockerfile = clone / "Dockerfile"
        dockerfile.write_text(dockerfile.read_text() + "\nRUN exit 9\n")

    before = latest_digest(workshop)
    execution = workshop.push(branch, change, "A Dockerfile that does not build")
    where, message = workshop.failure(workshop.names.model_pipeline, execution)
    assert (where, "docker build" in message) == ("Build", True)
    assert latest_digest(workshop) == before


def test_a_rejected_release_stays_in_dev(workshop: Workshop, good: dict[str, bytes]) -> None:
    execution = workshop.upload(good)
    workshop.decide(execution, "Rejected")
    where, message = workshop.failure(workshop.names.train_pipeline, execution)
    assert where == "DeployApproval"
    assert "decided by a test" in message
    assert workshop.serving(workshop.names.dev_endpoint).endswith(execution)


def test_a_container_that_never_answers_ping_is_rolled_back(
    workshop: Workshop, good: dict[str, bytes], branch: str
) -> None:
    def change(clone: Path) -> None:
        dockerfile = clone / "Dockerfile"
        script = 'if [ "$0" = serve ]; then exec sleep 3600; else exec python /opt/program/app.py "$0"; fi'
        dockerfile.write_text(dockerfile.read_text() + f"\nENTRYPOINT {json.dumps(['sh', '-c', script])}\n")

    execution = workshop.push(branch, change, "A server that hangs")
    assert workshop.ended(workshop.names.model_pipeline, execution) == "Succeeded"
    before = workshop.serving(workshop.names.dev_endpoint)
    quick = good["deploy-model-dev.yml"].replace(b"Default: 120", b"Default: 60")
    execution = workshop.upload({**good, "deploy-model-dev.yml": quick})
    where, message = workshop.failure(workshop.names.train_pipeline, execution)
    assert where == "DeployDev"
    assert "ping" in message
    assert workshop.serving(workshop.names.dev_endpoint) == before
