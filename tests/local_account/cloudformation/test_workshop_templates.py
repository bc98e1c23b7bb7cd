"""The workshop's own templates come up and go away again, deployed as its scripts deploy them."""

import io
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CFN = Path(__file__).parents[3] / "cfn"
LIFECYCLE_SCRIPT = "#!/bin/bash\necho provisioned > provision.status\n"


def aws(environment: dict[str, str], *args: str) -> str:
    done = subprocess.run(["aws", *args], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def package_of(scripts: dict[str, str]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, text in scripts.items():
            file.writestr(name, text)
    return archive.getvalue()


@pytest.fixture(scope="module")
def top_stack(local_account: Any) -> Any:
    """The top stack of the lab ``cfn``, with a package whose lifecycle scripts do next to nothing."""
    s3 = local_account.client("s3")
    s3.create_bucket(Bucket="cfn-mlops-assets")
    scripts = {f"lifecycle-config/on-{when}.sh": LIFECYCLE_SCRIPT for when in ("create", "start")}
    s3.put_object(Bucket="cfn-mlops-assets", Key="package/workshop.zip", Body=package_of(scripts))
    deploy = ["cloudformation", "deploy", "--stack-name", "cfn-mlops", "--template-file", str(CFN / "m.yml")]
    aws(
        local_account.environment,
        *deploy,
        "--s3-bucket=cfn-mlops-assets",
        "--capabilities=CAPABILITY_NAMED_IAM",
        "--parameter-overrides",
        "NamePrefix=cfn-",
        "PackageUri=s3://cfn-mlops-assets/package/workshop.zip",
    )
    cloudformation = local_account.client("cloudformation")
    yield cloudformation.describe_stacks(StackName="cfn-mlops")["Stacks"][0]
    cloudformation.delete_stack(StackName="cfn-mlops")


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_top_stack(top_stack: dict[str, Any], client: Callable[[str], Any]) -> None:
    assert top_stack["StackStatus"] == "CREATE_COMPLETE"
    instance = client("sagemaker").describe_notebook_instance(NotebookInstanceName="cfn-mlops")
    assert instance["NotebookInstanceStatus"] == "InService"
    print(outputs(top_stack))
