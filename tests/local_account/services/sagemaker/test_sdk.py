"""The SageMaker Python SDK understands the local account's answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local_account.iam_roles import make_role
from tests.local_account.services.sagemaker.sagemaker_lab import SageMakerLab

# In a separate process: the SDK finds the account through the environment, as in a notebook.
SCRIPT = """
import json, os, sys
from sagemaker.core.helper.iam_role_resolver import RoleValidationError, resolve_and_validate_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, NotebookInstance, TrainingJob
job = TrainingJob.get("sdk")
job.wait(poll=1)
Model.get("sdk"), EndpointConfig.get("sdk"), NotebookInstance.get("sdk")
endpoint = Endpoint.get("sdk")
answer = endpoint.invoke(body=b"hello", content_type="text/csv", custom_attributes="a=b")
refused = ""
try:  # as ModelTrainer does before it starts a job
    resolve_and_validate_role(sys.argv[1], "training")
except RoleValidationError as error:
    refused = str(error).partition("Missing permissions: ")[2].splitlines()[0]
os.environ["SAGEMAKER_VALIDATE_ROLE"] = "false"
print(json.dumps({
    "refused": refused.split(", "),
    "accepted": resolve_and_validate_role(sys.argv[1], "training") == sys.argv[1],
    "job": job.training_job_status,
    "metrics": [metric.metric_name for metric in job.final_metric_data_list],
    "endpoint": endpoint.endpoint_status,
    "body": answer.body.read().decode(),
    "attributes": answer.custom_attributes,
    "names": [job.training_job_name for job in TrainingJob.get_all()],
}))
"""


@pytest.mark.docker
def test_the_sdk_describes_invokes_and_takes_a_narrow_role_if_its_own_check_is_off(
    image_lab: SageMakerLab, tmp_path: Path
) -> None:
    lab = image_lab
    lab.train("sdk")
    lab.model("sdk")
    lab.config("sdk", {"ModelName": "sdk"})
    lab.endpoint("sdk", "sdk")
    lab.sagemaker.create_notebook_instance(
        NotebookInstanceName="sdk", InstanceType="ml.t3.medium", RoleArn=lab.role
    )
    lab.trained("sdk")
    iam = lab.account.client("iam")
    narrow = make_role(iam, "narrow", "sagemaker.amazonaws.com", actions=["ecr:GetAuthorizationToken"])
    metrics = {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}  # as in the role of a lab
    statement = {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": metrics,
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_role_policy(RoleName="narrow", PolicyName="metrics", PolicyDocument=json.dumps(policy))
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, narrow],
        env={**lab.account.environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout.splitlines()[-1])
    refused = found.pop("refused")
    assert {"cloudwatch:PutMetricData", "ec2:CreateNetworkInterface"} <= set(refused)
    assert "ecr:GetAuthorizationToken" not in refused
    assert found == {
        "accepted": True,
        "job": "Completed",
        "metrics": ["accuracy", "loss"],
        "endpoint": "InService",
        "body": "hello",
        "attributes": "a=b",
        "names": ["sdk"],
    }
