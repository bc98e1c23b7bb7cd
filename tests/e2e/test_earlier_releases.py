"""Successive releases, and a run that is interrupted and started again."""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.checkout import ROOT
from tests.e2e.one_workshop import Workshop
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.timeout(1200)]


def model_data(workshop: Workshop, endpoint: str) -> str:
    """Return the S3 URI of the model that an endpoint serves."""
    sagemaker = workshop.client("sagemaker")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=workshop.serving(endpoint))
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    return str(model["PrimaryContainer"]["ModelDataUrl"])


def test_two_uploads_in_quick_succession_each_deploy_their_own_model(workshop: Workshop) -> None:
    names, members = workshop.names, workshop.uploaded()
    executions = []
    for strength in ("0.5", "2.0"):
        document = json.loads(members["trainingjob.json"])
        document["HyperParameters"]["C"] = strength
        executions.append(workshop.upload({**members, "trainingjob.json": json.dumps(document).encode()}))
    assert len(set(executions)) == 2
    for execution, strength in zip(executions, ("0.5", "2.0"), strict=True):
        workshop.decide(execution, "Approved")
        assert workshop.ended(names.train_pipeline, execution) == "Succeeded"
        assert execution in model_data(workshop, names.prd_endpoint)
        job = workshop.client("sagemaker").describe_training_job(
            TrainingJobName=names.training_job(execution)
        )
        assert job["HyperParameters"]["C"] == strength
        assert job["TrainingJobStatus"] == "Completed"
    assert executions[1] in model_data(workshop, names.dev_endpoint)


def test_every_model_is_a_version_and_an_earlier_one_goes_back_to_production(workshop: Workshop) -> None:
    """By the commands that a learner types on the instance, with the role of the notebook."""
    environment = workshop.daemon.environment(workshop.names.notebook_instance)

    def said(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            check=False,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def lineage() -> dict[str, str]:
        program = (
            "import json; from lab_helpers import lineage; from lab_helpers.lab import Lab; "
            "lab = Lab.open(); "
            "found = lineage.of(lab, lab.names.prd_endpoint); "
            "print(json.dumps({'execution': found.execution_id, **{s.name: s.value for s in found.steps}}))"
        )
        found: dict[str, str] = json.loads(said("-c", program).splitlines()[-1])
        return found

    newest, *_ = versions = registered(workshop)
    assert [version["ModelApprovalStatus"] for version in versions[:2]] == ["Approved", "Approved"]
    assert newest["CustomerMetadataProperties"]["approver"]
    known = lineage()
    assert known["execution"] == newest["CustomerMetadataProperties"]["execution"]
    assert len(known["commit"]) == 40
    assert "not recorded" not in known.values()

    assert "PRD serves version" in said("-m", "lab_helpers", "rollback")
    earlier = versions[1]["CustomerMetadataProperties"]["execution"]
    assert lineage()["execution"] == earlier
    assert workshop.serving(workshop.names.prd_endpoint).endswith(earlier)

    number = str(newest["ModelPackageVersion"])
    assert f"PRD serves version {number}." in said("-m", "lab_helpers", "release", number)
    assert lineage()["execution"] == known["execution"]
    assert "already" in said("-m", "lab_helpers", "release", number)
    assert f"PRD serves version {number}." in said("-m", "lab_helpers", "versions")


def registered(workshop: Workshop) -> list[dict[str, Any]]:
    """Return what the registry says about each version, the newest first."""
    sagemaker = workshop.client("sagemaker")
    found = sagemaker.list_model_packages(
        ModelPackageGroupName=workshop.names.model_package_group,
        SortBy="CreationTime",
        SortOrder="Descending",
    )["ModelPackageSummaryList"]
    return [sagemaker.describe_model_package(ModelPackageName=one["ModelPackageArn"]) for one in found]


def test_the_monitor_is_disabled_when_there_is_nothing_to_watch(workshop: Workshop) -> None:
    rule = "mlops-job-monitor-iris-model"
    events = workshop.client("events")
    assert eventually(lambda: events.describe_rule(Name=rule)["State"] == "DISABLED", 90)


def test_a_stopped_run_continues(workshop: Workshop) -> None:
    stopped = workshop.spawn("run", "--output", str(workshop.output.with_name("stopped")), process_group=0)
    assert stopped.stdout is not None
    for line in stopped.stdout:
        if "01_build_base_image  succeeded" in line:
            stopped.send_signal(signal.SIGINT)
            break
    rest = stopped.stdout.read()
    assert stopped.wait(120) == 130, rest
    assert "Run the same command again to continue" in rest
    again = workshop.command("run", "--output", str(workshop.output.with_name("again")))
    assert again.returncode == 0, again.stdout[-6000:]
    assert workshop.predict(workshop.names.prd_endpoint, "logistic", [[5.1, 3.5, 1.4, 0.2]]) == ["setosa"]
