"""The SageMaker Python SDK understands the local account's answers."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.local_account.iam_roles import make_role
from tests.local_account.services.sagemaker.sagemaker_lab import BUCKET, SageMakerLab

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


# What ModelTrainer adds to a job with source code (channels with the code and with drivers, an entry point),
# the tuner, and the transformer. They show the logs of the jobs while they wait.
JOBS = """
import json, sys
from pathlib import Path
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import CategoricalParameter
from sagemaker.core.transformer import Transformer
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode
from sagemaker.train.tuner import HyperparameterTuner
image, role, bucket, source = sys.argv[1:]
quiet = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
session = Session(default_bucket=bucket, default_bucket_prefix="staged", sagemaker_config=quiet)
common = {
    "training_image": image, "role": role, "sagemaker_session": session,
    "compute": Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
    "output_data_config": OutputDataConfig(s3_output_path=f"s3://{bucket}/output"),
}
channels = [InputData(channel_name="training", data_source=f"s3://{bucket}/input/")]
code = SourceCode(source_dir=source, command="python3 train.py")
trainer = ModelTrainer(base_job_name="sdk-source", source_code=code, hyperparameters={"depth": 3}, **common)
trainer.train(input_data_config=channels)
plain = ModelTrainer(base_job_name="sdk-plain", **common)
metrics = [{"Name": "score", "Regex": "score=([0-9.]+)"}]
ranges = {"say": CategoricalParameter(["score=0.1", "score=0.2"])}
tuner = HyperparameterTuner(plain, "score", ranges, metrics, strategy="Grid", max_parallel_jobs=2)
tuner.tune(inputs=channels, job_name="sdk-tuned", wait=False)
tuner.latest_tuning_job.wait(poll=1)
output = f"s3://{bucket}/sdk-batch"
transformer = Transformer("sdk", 1, "ml.m5.large", output_path=output, sagemaker_session=session)
data = f"s3://{bucket}/input/"
transformer.transform(data, content_type="text/csv", split_type="Line", job_name="sdk-batch")
print(json.dumps({
    "job": trainer._latest_training_job.training_job_name,
    "best": tuner.best_training_job(),
    "batch": transformer.latest_transform_job.transform_job_status,
}))
"""


@pytest.mark.docker
def test_what_the_sdk_adds_to_jobs_is_accepted_and_done(image_lab: SageMakerLab, tmp_path: Path) -> None:
    lab = image_lab
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text(
        "import os, pathlib\n"
        "pathlib.Path('/opt/ml/model/found.txt').write_text(os.environ['SM_HP_DEPTH'])\n"
        "print('trained by the source')\n"
    )
    if not lab.sagemaker.list_models(NameContains="sdk")["Models"]:
        lab.model("sdk")
    run = subprocess.run(
        [sys.executable, "-c", JOBS, lab.image, lab.role, BUCKET, source],
        env={**lab.account.environment, "HOME": str(tmp_path), "SAGEMAKER_VALIDATE_ROLE": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:] + run.stdout[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    job = lab.sagemaker.describe_training_job(TrainingJobName=found["job"])
    channels = [one["ChannelName"] for one in job["InputDataConfig"]]
    assert channels == ["training", "code", "sm_drivers"]
    assert "trained by the source" in lab.lines("/aws/sagemaker/TrainingJobs", found["job"])
    model = lab.stored(f"output/{found['job']}/output/")["model.tar.gz"]
    with tarfile.open(fileobj=io.BytesIO(model), mode="r:gz") as tar:
        assert tar.extractfile("found.txt").read() == b"3"  # type: ignore[union-attr]
    best = lab.sagemaker.describe_training_job(TrainingJobName=found["best"])
    assert best["HyperParameters"]["say"] == "score=0.2"
    assert found["batch"] == "Completed"
    assert lab.stored("sdk-batch/") == {"iris.csv.out": b"1,2,3\n"}
