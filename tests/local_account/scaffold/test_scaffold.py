"""The beginning of an operation, written into a copy of the checkout by the command that authors type."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local_account.gateway import protocol
from local_account.scaffold.models import ScaffoldError, find_operation
from tests.checkout import ROOT

SERVICE = "local_account/services/codebuild/service.py"
TESTS = "tests/local_account/services/codebuild"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "judge")
NEEDS = "local_account/authorization/needs.py"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout's account with its tests, to be written into."""
    checkout = tmp_path / "checkout"
    for folder in ("local_account", "tests/local_account"):
        shutil.copytree(
            ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__", "judge")
        )
    for file in (ROOT / "pyproject.toml", *(ROOT / "tests").glob("*.py")):
        shutil.copy(file, checkout / file.relative_to(ROOT))
    return checkout


def scaffold(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(checkout, "-m", "local_account.scaffold", "operation", *arguments)


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.slow
def test_the_written_test_fails_until_there_is_a_body(copy: Path) -> None:
    for operation in ("ListCuratedEnvironmentImages", "ListSourceCredentials"):
        done = scaffold(copy, "codebuild", operation)
        assert done.returncode == 0, done.stderr
    replace(
        copy / SERVICE,
        'raise ServiceError("UnsupportedOperation", "codebuild.ListSourceCredentials has no body yet")',
        'return {"sourceCredentialsInfos": []}',
    )
    tests = [
        f"{TESTS}/test_{name}.py" for name in ("list_curated_environment_images", "list_source_credentials")
    ]

    told = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)

    assert "1 failed, 1 passed" in told.stdout, told.stdout + told.stderr
    assert "(UnsupportedOperation)" in told.stdout
    assert "ListCuratedEnvironmentImages has no body yet" in told.stdout
    linted = run(copy, "-m", "ruff", "check", "--no-cache", "local_account", TESTS)
    assert linted.returncode == 0, linted.stdout
    formatted = run(copy, "-m", "ruff", "format", "--no-cache", "--check", "local_account", TESTS)
    assert formatted.returncode == 0, formatted.stdout


def test_the_resource_that_iam_knows_is_written_into_needs(copy: Path) -> None:
    done = scaffold(copy, "cloudwatch", "PutMetricStream")

    assert done.returncode == 0, done.stderr
    assert "InvalidParameterCombination" in done.stdout, "documented errors, by their codes"
    assert f"wrote {NEEDS}" in done.stdout
    asked = run(
        copy,
        "-c",
        "from local_account.authorization.needs import needs;"
        "print(needs('cloudwatch', 'PutMetricStream', {'Name': 'b'}, lambda s, r: f'{s}:{r}')[0])",
    )
    assert "resource='cloudwatch:metric-stream/b'" in asked.stdout, asked.stderr
    requests = (copy / "tests/local_account/authorization/test_needs.py").read_text()
    assert '("cloudwatch", "PutMetricStream",' in requests
    ast.parse(requests)


def test_nothing_is_overwritten(copy: Path) -> None:
    test = copy / TESTS / "test_list_curated_environment_images.py"
    test.write_text("# mine\n")
    before = (copy / SERVICE).read_text()

    done = scaffold(copy, "codebuild", "ListCuratedEnvironmentImages")

    assert done.returncode == 1
    assert "exists: work on this operation has begun" in done.stderr
    assert test.read_text() == "# mine\n"
    assert (copy / SERVICE).read_text() == before


@pytest.mark.parametrize(
    ("service", "operation", "reason"),
    [
        ("codebild", "ListBuilds", "boto3 has no service 'codebild': did you mean codebuild"),
        ("codebuild", "ListBuild", "codebuild has no operation 'ListBuild': did you mean ListBuilds"),
        ("codebuild", "StartBuild", f"codebuild.StartBuild exists already: {SERVICE}:"),
        (
            "sagemaker",
            "AddTags",
            "sagemaker.AddTags exists already: local_account/services/sagemaker/tags.py",
        ),
        ("athena", "ListWorkGroups", "the local account has no service 'athena' yet: follow"),
        ("iam", "ListPolicyTags", "moto answers for iam"),
        ("s3", "SelectObjectContent", "s3 reads its requests itself: add a method for SelectObjectContent"),
        ("sagemaker", "ListClusters", "choose one with --into"),
    ],
)
def test_refuses(service: str, operation: str, reason: str) -> None:
    with pytest.raises(ScaffoldError) as refused:
        find_operation(service, operation)
    assert reason in str(refused.value)


def test_the_class_with_the_most_similar_operations_gets_the_method() -> None:
    assert find_operation("sagemaker", "UpdateTrainingJob").owner.__name__ == "TrainingJobs"
    assert find_operation("lambda", "ListLayers").owner.__name__ == "Lambda"
    assert find_operation("sagemaker", "ListClusters", into="TrainingJobs").owner.__name__ == "TrainingJobs"
    with pytest.raises(ScaffoldError, match=r"no class 'Clusters' with operations: .*EndpointConfigs"):
        find_operation("sagemaker", "ListClusters", into="Clusters")


@pytest.mark.parametrize("service", ["codebuild", "codepipeline", "codecommit", "ecr"])
def test_requests_are_what_the_model_accepts_or_the_author_is_told(service: str) -> None:
    begun = []
    for operation in protocol.service_model(service).operation_names:
        try:
            begun.append(find_operation(service, operation))
        except ScaffoldError as error:
            assert "exists already" in str(error)
    assert len(begun) > 10
    unfit = [one for one in begun if one.unfit]
    assert len(unfit) < len(begun) / 10, [f"{one.name}: {one.unfit}" for one in unfit]
