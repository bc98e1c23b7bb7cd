"""From every broken state to the start of a notebook. Each test leaves its lab to the next one."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import endpoints
from lab_helpers.deletions import empty_bucket
from lab_helpers.drills import conduct, record
from lab_helpers.exercises import zipped
from lab_helpers.instructor.clean import clean
from lab_helpers.instructor.fleet.progress import read_progress
from lab_helpers.shared_clients import SharedClients
from lab_helpers.way_back.releases import ResetError
from lab_helpers.way_back.state import as_lab
from lab_helpers.way_back.target import Target
from local_account.foundation.daemon import Daemon
from tests.lab_helpers.instructor.reset.small_workshop import MODEL_DOCKERFILE, Lab
from tests.waiting import eventually

pytestmark = pytest.mark.docker


def kinds(lab: Lab, to: str) -> set[str]:
    return {action.kind for action in lab.plan(to).actions}


def test_a_lab_that_ran_nothing_gets_the_results_of_notebooks_01_and_02(lab: Lab) -> None:
    outcome = lab.reset("03")

    assert {"commit", "build", "exercises"} <= {action.kind for action in outcome.done}
    assert (lab.home / "notebooks" / "base_image" / "Dockerfile").is_file()
    assert lab.git("scikit_base", "rev-parse", "HEAD") == lab.tip("scikit_base")


def test_a_lab_at_the_target_is_not_changed(lab: Lab) -> None:
    lab.reset("03")
    images, tip = lab.images(lab.names.model_image), lab.tip("iris_model")

    assert kinds(lab, "03") == {"exercises"}
    lab.reset("03")

    assert (lab.images(lab.names.model_image), lab.tip("iris_model")) == (images, tip)


def test_to_04_and_05_trains_and_releases(lab: Lab) -> None:
    lab.reset("04")
    assert lab.stage("TrainApproval")["latestExecution"]["status"] == "Succeeded"

    lab.reset("05")
    assert lab.newest(lab.names.train_pipeline)["status"] == "Succeeded"


def test_scaling_changed_by_hand_is_set_back_to_the_template(lab: Lab) -> None:
    lab.be_at("05")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{lab.names.prd_endpoint}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    lab.clients("application-autoscaling").register_scalable_target(**target, MinCapacity=1, MaxCapacity=7)
    assert kinds(lab, "05") == {"scaling", "exercises"}

    lab.reset("05")


def test_an_endpoint_deleted_by_hand_comes_back_with_its_stack(lab: Lab) -> None:
    lab.be_at("05")
    lab.clients("sagemaker").delete_endpoint(EndpointName=lab.names.prd_endpoint)
    eventually(
        lambda: ("endpoint", lab.names.prd_endpoint) not in {(r.kind, r.id) for r in lab.state().resources}
    )

    lab.reset("05")


def approve(lab: Lab) -> None:
    """Approve the newest release, once it waits for a decision."""
    token = eventually(
        lambda: lab.stage("DeployApproval")["actionStates"][0].get("latestExecution", {}).get("token")
    )
    lab.clients("codepipeline").put_approval_result(
        pipelineName=lab.names.train_pipeline,
        stageName="DeployApproval",
        actionName="DeployApproval",
        result={"summary": "yes", "status": "Approved"},
        token=token,
    )


def production(lab: Lab) -> Any:
    return lab.clients("sagemaker").describe_endpoint(EndpointName=lab.names.prd_endpoint)


def what_the_learner_sees(lab: Lab) -> endpoints.Release:
    """Return what notebooks 04 and 05 are told."""
    seen = as_lab(lab.clients, lab.names, lab.region, lab.account)
    return endpoints.wait(seen, lab.names.prd_endpoint)


def test_a_release_that_fails_its_canary_is_rolled_back_and_taken_for_no_success(lab: Lab) -> None:
    """By the notebooks, the monitor, `fleet status` and `reset`; and what serves stays."""
    lab.be_at("05")
    before, names = production(lab), lab.names
    good = before["EndpointConfigName"].removeprefix(f"{names.prd_endpoint}-")
    built = lab.newest(names.model_pipeline)["pipelineExecutionId"]
    broken = "RUN sed -i '/do_POST/,$ s/send_response(200)/send_response(500)/' /opt/program/app.py"
    lab.push(names.model_branch, {"Dockerfile": f"{MODEL_DOCKERFILE}{broken}\n"})
    eventually(
        lambda: (
            (newest := lab.newest(names.model_pipeline))["status"] == "Succeeded"
            and newest["pipelineExecutionId"] != built
        )
    )
    members = Target("05", names, lab.root).training_job(lab.bucket, lab.region)
    template = members["deploy-model-prd.yml"].decode()
    for parameter, value in (("BakeSeconds", 600), ("MinInstances", 2)):
        template = re.sub(rf"(  {parameter}:\n    Type: Number\n    Default:) \d+", rf"\1 {value}", template)
    members["deploy-model-prd.yml"] = template.encode()
    lab.clients("s3").put_object(
        Bucket=lab.bucket, Key="training/source/trainingjob.zip", Body=zipped(members)
    )
    eventually(lambda: lab.newest(names.train_pipeline)["status"] == "InProgress")
    approve(lab)
    eventually(lambda: not answers(lab))  # the canary

    def trip() -> bool:
        lab.clients("cloudwatch").set_alarm_state(
            AlarmName=f"{names.prd_endpoint}-server-errors", StateValue="ALARM", StateReason="a canary fails"
        )
        return bool(production(lab)["EndpointStatus"] == "InService")

    eventually(trip)
    eventually(lambda: lab.newest(names.train_pipeline)["status"] == "Failed")

    assert lab.status(names.prd_stack) == "UPDATE_ROLLBACK_COMPLETE"
    release = what_the_learner_sees(lab)
    assert release.execution_id == good != lab.newest(names.train_pipeline)["pipelineExecutionId"]
    assert "server-errors" in release.failure
    assert [one for one in read_progress(lab.clients, names).failures if names.prd_stack in one.what]
    lab.clients("cloudwatch").set_alarm_state(
        AlarmName=f"{names.prd_endpoint}-server-errors", StateValue="OK", StateReason="the canary is gone"
    )
    assert "delete-release" not in kinds(lab, "05")
    lab.reset("05")

    released = lab.newest(names.train_pipeline)["pipelineExecutionId"]
    report = lab.clients("s3").get_object(Bucket=lab.bucket, Key=f"training/reports/{released}.json")
    assert json.load(report["Body"])["production"]["pipelineExecutionId"] == good
    assert production(lab)["CreationTime"] == before["CreationTime"]
    assert what_the_learner_sees(lab).execution_id == released


def answers(lab: Lab) -> bool:
    try:
        return lab.predicts(lab.names.prd_endpoint)
    except lab.clients("sagemaker-runtime").exceptions.ModelError:
        return False


def test_a_rollback_that_its_stack_took_for_success_deletes_nothing_that_serves(lab: Lab) -> None:
    """The stack says that it has deployed one configuration, and the endpoint serves another."""
    lab.be_at("05")
    names, sagemaker, before = lab.names, lab.clients("sagemaker"), production(lab)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=before["EndpointConfigName"])
    older = f"{names.prd_endpoint}-{uuid.uuid4()}"

    def make_config() -> None:
        sagemaker.create_endpoint_config(
            EndpointConfigName=older, ProductionVariants=config["ProductionVariants"]
        )

    make_config()
    sagemaker.update_endpoint(EndpointName=names.prd_endpoint, EndpointConfigName=older)
    eventually(lambda: production(lab)["EndpointStatus"] == "InService")

    with pytest.raises(endpoints.EndpointError, match=f"do not delete {older}"):
        what_the_learner_sees(lab)
    [failure] = [one for one in read_progress(lab.clients, names).failures if older in one.what]
    assert older in failure.why
    sagemaker.delete_endpoint_config(EndpointConfigName=older)
    assert [one for one in read_progress(lab.clients, names).failures if "was deleted" in one.what]
    with pytest.raises(ResetError, match=f"still serves {older}"):
        lab.reset("05")
    assert answers(lab)
    make_config()
    lab.reset("05")

    assert production(lab)["CreationTime"] == before["CreationTime"]


def test_a_released_lab_goes_back_to_03(lab: Lab) -> None:
    outcome = lab.reset("03")

    assert {action.kind for action in outcome.done} >= {"delete-release", "forget-training"}
    assert not [one for one in lab.state().resources if one.kind in {"endpoint", "endpoint-config", "model"}]


def test_a_rejected_release_is_trained_again(lab: Lab) -> None:
    lab.be_at("04")
    token = eventually(
        lambda: lab.stage("DeployApproval")["actionStates"][0].get("latestExecution", {}).get("token")
    )
    rejected = lab.newest(lab.names.train_pipeline)["pipelineExecutionId"]
    lab.clients("codepipeline").put_approval_result(
        pipelineName=lab.names.train_pipeline,
        stageName="DeployApproval",
        actionName="DeployApproval",
        result={"summary": "no", "status": "Rejected"},
        token=token,
    )
    eventually(lambda: lab.newest(lab.names.train_pipeline)["status"] == "Failed")

    lab.reset("04")

    assert lab.newest(lab.names.train_pipeline)["pipelineExecutionId"] != rejected


def test_a_dev_stack_in_rollback_complete_is_deleted(lab: Lab) -> None:
    lab.be_at("03")
    lab.clients("logs").create_log_group(logGroupName="/taken")
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/taken"}}
    lab.clients("cloudformation").create_stack(
        StackName=lab.names.dev_stack, TemplateBody=json.dumps({"Resources": {"Logs": group}})
    )
    eventually(lambda: lab.status(lab.names.dev_stack) == "ROLLBACK_COMPLETE")

    lab.reset("03")


def test_an_execution_in_the_middle_of_training_is_stopped(lab: Lab) -> None:
    lab.be_at("03")
    members = Target("04", lab.names, lab.root).training_job(lab.bucket, lab.region)
    s3 = lab.clients("s3")
    s3.put_object(Bucket=lab.bucket, Key="training/input/iris.csv", Body=b"x")
    s3.put_object(Bucket=lab.bucket, Key="training/source/trainingjob.zip", Body=zipped(members))
    eventually(lambda: lab.newest(lab.names.train_pipeline)["status"] == "InProgress")

    lab.reset("03")

    assert lab.newest(lab.names.train_pipeline)["status"] != "InProgress"


def test_a_failed_build_and_a_running_one_are_replaced(lab: Lab) -> None:
    lab.be_at("03")
    lab.push("iris_model", {"Dockerfile": "FROM nowhere\n"})
    broken = lab.push(
        "scikit_base", {"buildspec.yml": "version: 0.2\nphases: {build: {commands: [sleep 60]}}\n"}
    )
    eventually(lambda: lab.newest(lab.names.base_pipeline)["status"] == "InProgress")

    lab.reset("03")

    assert lab.tip("scikit_base") != broken
    assert "Dockerfile" in lab.git("iris_model", "ls-files")


def test_a_moved_latest_tag_is_moved_back_without_a_build(lab: Lab) -> None:
    lab.be_at("03")
    ecr, repository = lab.clients("ecr"), lab.names.model_image
    lab.clients("ecr").batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "latest"}])
    executions = len(lab.state().executions[lab.names.model_pipeline])

    lab.reset("03")

    assert len(lab.state().executions[lab.names.model_pipeline]) == executions
    assert ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": "latest"}])


def test_a_disabled_rule_is_enabled(lab: Lab) -> None:
    lab.be_at("03")
    lab.clients("events").disable_rule(Name=lab.names.upload_rule)

    lab.reset("03")

    assert lab.clients("events").describe_rule(Name=lab.names.upload_rule)["State"] == "ENABLED"


def test_rules_that_an_interrupted_lesson_has_enabled_get_the_state_that_is_declared(lab: Lab) -> None:
    lab.be_at("03")
    rules = (lab.names.drift_rule, lab.names.labels_rule)
    for rule in rules:
        lab.clients("events").enable_rule(Name=rule)
    assert {action.subject for action in lab.plan("03").of("disable-rule")} == set(rules)

    lab.reset("03")

    states = [lab.clients("events").describe_rule(Name=rule)["State"] for rule in rules]
    assert states == ["DISABLED", "DISABLED"]


def test_parts_of_nested_stacks_deleted_by_hand_are_recreated(lab: Lab) -> None:
    lab.be_at("03")
    lab.clients("codepipeline").delete_pipeline(name=lab.names.train_pipeline)
    lab.clients("lambda").delete_function(FunctionName=lab.names.monitor)
    lab.clients("codebuild").delete_project(name=lab.names.base_project)
    assert {action.subject for action in lab.plan("03").of("nested")} == {
        lab.names.train_stack,
        lab.names.base_stack,
    }

    lab.reset("03")


def test_a_nested_stack_whose_rollback_failed_is_created_again(lab: Lab) -> None:
    """UPDATE_ROLLBACK_FAILED: its log group was deleted by hand before an update."""
    lab.be_at("03")
    group = f"/aws/codebuild/{lab.names.base_project}"
    lab.clients("logs").delete_log_group(logGroupName=group)
    cloudformation = lab.clients("cloudformation")
    given = cloudformation.describe_stacks(StackName=lab.names.base_stack)["Stacks"][0]["Parameters"]
    cloudformation.update_stack(
        StackName=lab.names.base_stack,
        TemplateBody=(lab.root / "cfn" / "build-image.yml")
        .read_text()
        .replace("RetentionInDays: 14", "RetentionInDays: 30"),
        Parameters=[{"ParameterKey": one["ParameterKey"], "UsePreviousValue": True} for one in given],
    )
    eventually(lambda: lab.status(lab.names.base_stack) == "UPDATE_ROLLBACK_FAILED")

    lab.reset("03")


def test_missing_nested_stacks_and_those_in_rollback_complete_are_created_again(lab: Lab) -> None:
    lab.be_at("01")
    cloudformation = lab.clients("cloudformation")
    for stack in (lab.names.base_stack, lab.names.model_stack):
        cloudformation.delete_stack(StackName=stack)
    eventually(lambda: not lab.status(lab.names.base_stack))
    logs = lab.clients("logs")
    logs.create_log_group(logGroupName=f"/aws/codebuild/{lab.names.base_project}")
    group = {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {"LogGroupName": f"/aws/codebuild/{lab.names.base_project}"},
    }
    cloudformation.create_stack(
        StackName=lab.names.base_stack, TemplateBody=json.dumps({"Resources": {"Logs": group}})
    )
    eventually(lambda: lab.status(lab.names.base_stack) == "ROLLBACK_COMPLETE")
    logs.delete_log_group(logGroupName=f"/aws/codebuild/{lab.names.base_project}")

    lab.reset("01")


def test_parts_of_the_top_stack_deleted_by_hand_are_recreated(lab: Lab) -> None:
    """Registry, source repository and a role; the notebook instance keeps the learner's files."""
    lab.be_at("01")
    (lab.home / "notebooks" / "my own.txt").write_text("mine")
    lab.clients("ecr").delete_repository(repositoryName=lab.names.base_image, force=True)
    lab.clients("codecommit").delete_repository(repositoryName=lab.names.repository)
    iam, role = lab.clients("iam"), lab.names.role("monitor")
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=policy)
    iam.delete_role(RoleName=role)
    assert kinds(lab, "01") >= {"mend", "seed-repository"}

    lab.reset("01")

    assert (lab.home / "notebooks" / "my own.txt").read_text() == "mine"
    assert iam.list_role_policies(RoleName=role)["PolicyNames"]
    assert lab.git("scikit_base", "rev-parse", "HEAD") == lab.tip("scikit_base")


def test_a_bucket_deleted_by_hand_is_recreated(lab: Lab) -> None:
    lab.be_at("01")
    empty_bucket(lab.clients, lab.bucket)
    lab.clients("s3").delete_bucket(Bucket=lab.bucket)

    lab.reset("01")

    assert lab.clients("s3").get_bucket_versioning(Bucket=lab.bucket)["Status"] == "Enabled"


def test_a_stopped_instance_is_started(lab: Lab) -> None:
    lab.be_at("01")
    sagemaker, name = lab.clients("sagemaker"), lab.names.notebook_instance
    sagemaker.stop_notebook_instance(NotebookInstanceName=name)

    lab.reset("01")

    assert lab.state().instance == "InService"


def test_a_deleted_instance_is_recreated(lab: Lab) -> None:
    sagemaker, name = lab.clients("sagemaker"), lab.names.notebook_instance
    sagemaker.stop_notebook_instance(NotebookInstanceName=name)
    eventually(lambda: lab.state().instance == "Stopped")
    sagemaker.delete_notebook_instance(NotebookInstanceName=name)
    eventually(lambda: lab.state().instance == "")

    lab.reset("01")

    assert (lab.home / "notebooks").is_dir()


def test_a_changed_notebook_and_unpushed_work_are_kept_in_a_dated_folder(lab: Lab) -> None:
    lab.be_at("01")
    notebooks, copy = lab.home / "notebooks", lab.home / "scikit_base"
    first = next(notebooks.glob("01_*.ipynb"))
    shipped = first.read_bytes()
    first.write_text("overwritten")
    (notebooks / "model_image").mkdir()
    (notebooks / "model_image" / "Dockerfile").write_text("FROM mine\n")
    (copy / "half-done.py").write_text("1\n")
    (copy / "README.md").write_text("mine\n")

    outcome = lab.reset("01")

    assert outcome.answer is not None
    kept = lab.home / outcome.answer.folder
    assert kept.parent == notebooks
    assert (kept / first.name).read_text() == "overwritten"
    assert (kept / "model_image" / "Dockerfile").read_text() == "FROM mine\n"
    assert (kept / "scikit_base" / "half-done.py").read_text() == "1\n"
    assert (kept / "scikit_base" / "README.md").read_text() == "mine\n"
    assert first.read_bytes() == shipped
    assert not (notebooks / "model_image").exists()
    assert lab.git("scikit_base", "status", "--porcelain") == ""
    again = lab.reset("01").answer
    assert again is not None
    assert again.kept == ()


@pytest.fixture(scope="module")
def second(account: tuple[Daemon, SharedClients], root: Path) -> Lab:
    return Lab(*account, root, "ben")


def test_a_top_stack_in_rollback_complete_is_created_again(second: Lab) -> None:
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/taken-by-ben"}}
    second.clients("logs").create_log_group(logGroupName="/taken-by-ben")
    second.clients("cloudformation").create_stack(
        StackName=second.names.top_stack, TemplateBody=json.dumps({"Resources": {"Logs": group}})
    )
    eventually(lambda: second.status(second.names.top_stack) == "ROLLBACK_COMPLETE")

    second.reset("01")


def test_a_top_stack_whose_deletion_failed_is_created_again(second: Lab) -> None:
    """DELETE_FAILED: its bucket was not empty."""
    second.clients("s3").put_object(Bucket=second.bucket, Key="x", Body=b"x")
    second.clients("cloudformation").delete_stack(StackName=second.names.top_stack)
    eventually(lambda: second.status(second.names.top_stack) == "DELETE_FAILED")

    second.reset("01")


def test_a_running_drill_is_put_back_by_a_reset(lab: Lab) -> None:
    """Also what only the drill knows, such as the monitor's rule, which no stack would repair."""
    lab.be_at("05")
    seen = as_lab(lab.clients, lab.names, lab.region, lab.account)
    events, name = lab.clients("events"), lab.names.monitor_rule
    before = json.loads(events.describe_rule(Name=name)["EventPattern"])
    conduct.start(seen, "lost-event")
    assert json.loads(events.describe_rule(Name=name)["EventPattern"]) != before

    outcome = lab.reset("05")

    assert outcome.done[0].kind == "end-drill"
    assert json.loads(events.describe_rule(Name=name)["EventPattern"]) == before
    assert record.running(seen) is None


def test_a_lab_in_the_middle_of_everything_can_be_cleaned(second: Lab) -> None:
    """A running build and execution, a training job in progress, DEV being deployed."""
    second.be_at("03")
    members = Target("04", second.names, second.root).training_job(second.bucket, second.region)
    second.reset("04")
    s3 = second.clients("s3")
    s3.put_object(Bucket=second.bucket, Key="training/source/trainingjob.zip", Body=zipped(members))
    second.push("scikit_base", {"buildspec.yml": "version: 0.2\nphases: {build: {commands: [sleep 60]}}\n"})
    eventually(lambda: second.newest(second.names.base_pipeline)["status"] == "InProgress")

    cleaned = clean(second.clients, second.region, second.account, [second.names.lab_id])

    assert cleaned.empty, (cleaned.remaining, cleaned.faults)
    assert {"endpoint", "training-job", "pipeline", "bucket", "role"} <= {one.kind for one in cleaned.found}
    assert not second.home.exists()
