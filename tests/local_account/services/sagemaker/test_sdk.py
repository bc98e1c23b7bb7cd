"""The SageMaker Python SDK understands the local account's answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local_account.services.sagemaker.sagemaker_lab import SageMakerLab

# In a separate process: the SDK finds the account through the environment, as in a notebook.
SCRIPT = """
import json
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, NotebookInstance, TrainingJob
job = TrainingJob.get("sdk")
job.wait(poll=1)
Model.get("sdk"), EndpointConfig.get("sdk"), NotebookInstance.get("sdk")
endpoint = Endpoint.get("sdk")
answer = endpoint.invoke(body=b"hello", content_type="text/csv", custom_attributes="a=b")
print(json.dumps({
    "job": job.training_job_status,
    "metrics": [metric.metric_name for metric in job.final_metric_data_list],
    "endpoint": endpoint.endpoint_status,
    "body": answer.body.read().decode(),
    "attributes": answer.custom_attributes,
    "names": [job.training_job_name for job in TrainingJob.get_all()],
}))
"""


@pytest.mark.docker
def test_the_sdk_describes_and_invokes(image_lab: SageMakerLab, tmp_path: Path) -> None:
    lab = image_lab
    lab.train("sdk")
    lab.model("sdk")
    lab.config("sdk", {"ModelName": "sdk"})
    lab.endpoint("sdk", "sdk")
    lab.sagemaker.create_notebook_instance(
        NotebookInstanceName="sdk", InstanceType="ml.t3.medium", RoleArn=lab.role
    )
    lab.trained("sdk")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**lab.account.environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert json.loads(run.stdout.splitlines()[-1]) == {
        "job": "Completed",
        "metrics": ["accuracy", "loss"],
        "endpoint": "InService",
        "body": "hello",
        "attributes": "a=b",
        "names": ["sdk"],
    }
