"""Actions work with the artifacts and variables of their own execution, and say why they fail."""

import io
import json
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.local_account.account_process import AccountProcess
from tests.local_account.services.codepipeline import declare
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab
from tests.waiting import eventually

pytestmark = pytest.mark.slow

LAUNCHER = """
    import boto3, io, json, zipfile

    def handler(event, context):
        job = event["CodePipeline.job"]
        codepipeline = boto3.client("codepipeline")
        data = job["data"]
        location = data["inputArtifacts"][0]["location"]["s3Location"]
        keys = data["artifactCredentials"]
        s3 = boto3.client(
            "s3", aws_access_key_id=keys["accessKeyId"], aws_secret_access_key=keys["secretAccessKey"],
            aws_session_token=keys["sessionToken"],
        )
        body = s3.get_object(Bucket=location["bucketName"], Key=location["objectKey"])["Body"].read()
        details = codepipeline.get_job_details(jobId=job["id"])["jobDetails"]
        assert details["data"]["inputArtifacts"] == data["inputArtifacts"], details
        try:
            text = zipfile.ZipFile(io.BytesIO(body)).read("say.txt").decode()
        except Exception as error:
            codepipeline.put_job_failure_result(
                jobId=job["id"], failureDetails={"type": "ConfigurationError", "message": f"bad zip: {error}"}
            )
            return
        if "continuationToken" not in data and text == "twice":
            codepipeline.put_job_success_result(jobId=job["id"], continuationToken="again")
            return
        codepipeline.put_job_success_result(
            jobId=job["id"],
            executionDetails={"summary": "said", "externalExecutionId": "x-1", "percentComplete": 100},
            outputVariables={
                "Said": text,
                "Parameters": data["actionConfiguration"]["configuration"]["UserParameters"],
                "Execution": details["data"]["pipelineContext"]["pipelineExecutionId"],
                "Token": data.get("continuationToken", ""),
            },
        )
"""


def invoke(function: str, **members: Any) -> dict[str, Any]:
    configuration = {
        "FunctionName": function,
        "UserParameters": '{"id": "#{codepipeline.PipelineExecutionId}"}',
    }
    return declare.action(
        "Invoke", "Invoke", "Lambda", inputs=["Src"], configuration=configuration, **members
    )


def test_a_build_uses_the_source_and_produces_artifact_and_variables(lab: PipelineLab) -> None:
    variables = json.dumps([{"name": "EXECUTION", "value": "#{codepipeline.PipelineExecutionId}"}])
    build = declare.action(
        "Build", "Build", "CodeBuild", inputs=["Src"], outputs=["Out"], namespace="Build",
        configuration={"ProjectName": lab.project(), "EnvironmentVariables": variables},
    )  # fmt: skip
    report = declare.approval(configuration={"CustomData": "#{Build.TAG}"})
    name = lab.quiet(lab.source(), declare.stage("Build", build), declare.stage("Gate", report))
    spec = """
        version: 0.2
        env: {exported-variables: [TAG]}
        phases: {build: {commands: ['export TAG="$(cat in.txt)-$EXECUTION"', 'echo "$TAG" > out.txt']}}
        artifacts: {files: [out.txt]}
    """
    version = lab.upload({"buildspec.yml": spec, "in.txt": "hi"})
    before = time.time()
    execution = lab.start(name)
    lab.pending(name, "Gate", execution)
    detail = lab.actions(name, execution)["Build"]
    assert detail["output"]["outputVariables"] == {"TAG": f"hi-{execution}"}
    approve = lab.actions(name, execution)["Approve"]
    assert approve["input"]["resolvedConfiguration"]["CustomData"] == f"hi-{execution}"
    (artifact,) = detail["output"]["outputArtifacts"]
    place = artifact["s3location"]
    assert place["key"].startswith(f"{name[:20]}/Out/")
    body = lab.client("s3").get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
    assert zipfile.ZipFile(io.BytesIO(body)).read("out.txt").decode() == f"hi-{execution}\n"
    build_id = detail["output"]["executionResult"]["externalExecutionId"]
    found = lab.client("codebuild").batch_get_builds(ids=[build_id])["builds"][0]
    assert found["initiator"] == f"codepipeline/{name}"
    assert found["resolvedSourceVersion"] == version
    assert found["source"]["type"] == "CODEPIPELINE"
    install = next(phase for phase in found["phases"] if phase["phaseType"] == "INSTALL")
    assert install["startTime"].timestamp() - before < 5


def test_a_failed_build_names_phase_and_command(lab: PipelineLab) -> None:
    build = declare.action(
        "Build", "Build", "CodeBuild", inputs=["Src"], configuration={"ProjectName": lab.project()}
    )
    name = lab.quiet(lab.source(), declare.stage("Build", build))
    lab.upload({"buildspec.yml": "version: 0.2\nphases: {pre_build: {commands: ['false']}}"})
    execution = lab.start(name)
    assert lab.ended(name, execution)["status"] == "Failed"
    assert lab.error(name, execution, "Build") == (
        "Build terminated with state: FAILED. Phase: PRE_BUILD, Code: COMMAND_EXECUTION_ERROR, "
        "Message: Error while executing command: false. Reason: exit status 1"
    )
    lab.upload({"buildspec.yml": "version: 0.2\nphases: {pre_build: {commands: ['true']}}"})
    repaired = lab.start(name)
    assert lab.ended(name, repaired)["status"] == "Succeeded"


def test_a_missing_artifact_fails_its_consumer_with_its_name(lab: PipelineLab) -> None:
    build = declare.action(
        "Build", "Build", "CodeBuild", inputs=["Src"], outputs=["Out"],
        configuration={"ProjectName": lab.project()},
    )  # fmt: skip
    again = declare.action(
        "Again", "Build", "CodeBuild", inputs=["Out"], configuration={"ProjectName": lab.project()}
    )
    name = lab.quiet(lab.source(), declare.stage("Build", build), declare.stage("Again", again))
    lab.upload({"buildspec.yml": "version: 0.2\nphases: {build: {commands: ['true']}}"})
    execution = lab.start(name)
    assert lab.ended(name, execution)["status"] == "Failed"
    assert "/Out/" in lab.error(name, execution, "Again")
    assert "cannot be read" in lab.error(name, execution, "Again")


def test_the_source_is_a_commit_without_its_history(
    lab: PipelineLab, local_account: AccountProcess, tmp_path: Path
) -> None:
    repository = f"repository-{lab.id}"
    created = lab.client("codecommit").create_repository(repositoryName=repository)
    url = created["repositoryMetadata"]["cloneUrlHttp"]

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, env=local_account.environment, check=True
        )

    def commit(text: str) -> str:
        spec = f"version: 0.2\nphases: {{build: {{commands: ['[ ! -e .git ]', echo {text}]}}}}"
        (tmp_path / "buildspec.yml").write_text(spec)
        git("add", ".")
        git("commit", "-qm", f"say {text}")
        return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tmp_path, text=True).strip()

    git("init", "-q", "-b", "work")
    old, new = commit("old"), commit("new")
    git("push", "-q", url, "work")
    source = declare.action(
        "Source", "Source", "CodeCommit", outputs=["Src"], namespace="Git",
        configuration={"RepositoryName": repository, "BranchName": "work", "PollForSourceChanges": "false"},
    )  # fmt: skip
    build = declare.action(
        "Build", "Build", "CodeBuild", inputs=["Src"], configuration={"ProjectName": lab.project()}
    )
    name = lab.create(declare.stage("Source", source), declare.stage("Build", build))
    first = lab.executions(name)[0]["pipelineExecutionId"]
    revision = [{"actionName": "Source", "revisionType": "COMMIT_ID", "revisionValue": old}]
    second = lab.start(name, sourceRevisions=revision)
    for execution, expected, text in ((first, new, "new"), (second, old, "old")):
        assert lab.ended(name, execution)["status"] == "Succeeded"
        outputs = lab.actions(name, execution)["Source"]["output"]["outputVariables"]
        assert (outputs["CommitId"], outputs["BranchName"]) == (expected, "work")
        assert outputs["CommitMessage"] == f"say {text}"
        (found,) = lab.execution(name, execution)["artifactRevisions"]
        assert (found["revisionId"], found["revisionSummary"]) == (expected, f"say {text}")
    gone = lab.api.get_pipeline(name=name)["pipeline"]
    gone["stages"][0]["actions"][0]["configuration"]["BranchName"] = "gone"
    lab.api.update_pipeline(pipeline=gone)
    third = lab.start(name)
    assert lab.ended(name, third)["status"] == "Failed"
    assert lab.error(name, third, "Source").endswith("has no branch gone")


def test_a_function_reads_the_artifact_and_answers_with_variables(lab: PipelineLab) -> None:
    name = lab.quiet(
        lab.source(),
        declare.stage("Invoke", invoke(lab.function(LAUNCHER), namespace="Train")),
        declare.stage("Gate", declare.approval(configuration={"CustomData": "#{Train.Said}"})),
    )
    lab.upload({"say.txt": "hello"})
    execution = lab.start(name)
    lab.pending(name, "Gate", execution)
    details = lab.actions(name, execution)
    assert details["Invoke"]["output"]["outputVariables"] == {
        "Said": "hello", "Parameters": json.dumps({"id": execution}), "Execution": execution, "Token": "",
    }  # fmt: skip
    result = details["Invoke"]["output"]["executionResult"]
    assert (result["externalExecutionSummary"], result["externalExecutionId"]) == ("said", "x-1")
    assert details["Approve"]["input"]["resolvedConfiguration"]["CustomData"] == "hello"


def test_a_function_that_is_not_done_is_invoked_again(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Invoke", invoke(lab.function(LAUNCHER), namespace="Train")))
    lab.upload({"say.txt": "twice"})
    execution = lab.start(name)
    assert lab.ended(name, execution)["status"] == "Succeeded"
    assert lab.actions(name, execution)["Invoke"]["output"]["outputVariables"]["Token"] == "again"


def test_a_job_waits_while_its_function_has_no_free_environment(lab: PipelineLab) -> None:
    function = lab.function(LAUNCHER)
    functions = lab.client("lambda")
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    name = lab.quiet(lab.source(), declare.stage("Invoke", invoke(function)))
    lab.upload({"say.txt": "hello"})
    execution = lab.start(name)
    eventually(lambda: "Invoke" in lab.actions(name, execution))
    functions.delete_function_concurrency(FunctionName=function)
    assert lab.ended(name, execution)["status"] == "Succeeded"


def test_a_malformed_zip_passes_the_source_and_fails_its_consumers_with_the_reason(lab: PipelineLab) -> None:
    build = declare.action(
        "Build", "Build", "CodeBuild", inputs=["Src"], runOrder=2,
        configuration={"ProjectName": lab.project()},
    )  # fmt: skip
    name = lab.quiet(lab.source(), declare.stage("Invoke", invoke(lab.function(LAUNCHER), runOrder=2), build))
    lab.upload(b"PK this is no zip")
    execution = lab.start(name)
    assert lab.ended(name, execution)["status"] == "Failed"
    assert lab.state(name, "Source")["latestExecution"]["status"] == "Succeeded"
    error = lab.actions(name, execution)["Invoke"]["output"]["executionResult"]["errorDetails"]
    assert error["code"] == "ConfigurationError"
    assert error["message"].startswith("bad zip: ")
    assert "is not a valid zip archive" in lab.error(name, execution, "Build")


def test_a_function_that_raises_fails_the_action_with_its_error(lab: PipelineLab) -> None:
    function = lab.function("def handler(event, context): raise ValueError('no such data')")
    name = lab.quiet(lab.source(), declare.stage("Invoke", invoke(function)))
    lab.upload({"say.txt": "x"})
    execution = lab.start(name)
    assert lab.ended(name, execution)["status"] == "Failed"
    assert lab.error(name, execution, "Invoke").endswith("failed: ValueError: no such data")
    absent = lab.api.get_pipeline(name=name)["pipeline"]
    absent["stages"][1]["actions"][0]["configuration"]["FunctionName"] = "nobody"
    lab.api.update_pipeline(pipeline=absent)
    execution = lab.start(name)
    lab.ended(name, execution)
    assert "The function nobody cannot be invoked" in lab.error(name, execution, "Invoke")


def test_results_of_unknown_and_ended_jobs_are_refused(lab: PipelineLab) -> None:
    function = lab.function(
        """
        import boto3
        def handler(event, context):
            job = event["CodePipeline.job"]["id"]
            codepipeline = boto3.client("codepipeline")
            codepipeline.put_job_success_result(jobId=job, outputVariables={"JobId": job})
        """
    )
    name = lab.quiet(lab.source(), declare.stage("Invoke", invoke(function, namespace="J")))
    lab.upload({"say.txt": "x"})
    execution = lab.start(name)
    assert lab.ended(name, execution)["status"] == "Succeeded"
    job = lab.actions(name, execution)["Invoke"]["output"]["outputVariables"]["JobId"]
    with pytest.raises(lab.api.exceptions.InvalidJobStateException):
        lab.api.put_job_success_result(jobId=job)
    with pytest.raises(lab.api.exceptions.JobNotFoundException):
        lab.api.put_job_success_result(jobId="00000000-0000-0000-0000-000000000000")
    with pytest.raises(lab.api.exceptions.ValidationException, match="no continuation token"):
        lab.api.put_job_success_result(jobId=job, continuationToken="t", outputVariables={"a": "b"})


def test_a_missing_variable_fails_the_action(lab: PipelineLab) -> None:
    silent = lab.function(
        """
        import boto3
        def handler(event, context):
            boto3.client("codepipeline").put_job_success_result(jobId=event["CodePipeline.job"]["id"])
        """
    )
    name = lab.quiet(
        lab.source(),
        declare.stage("Invoke", invoke(silent, namespace="Train")),
        declare.stage("Gate", declare.approval(configuration={"CustomData": "#{Train.ImageUri}"})),
    )
    lab.upload({"say.txt": "x"})
    execution = lab.start(name)
    assert lab.ended(name, execution)["status"] == "Failed"
    assert "#{Train.ImageUri}, which no earlier action has produced" in lab.error(name, execution, "Approve")


TEMPLATE = """
    Parameters: {Message: {Type: String}, Key: {Type: String}, Other: {Type: String, Default: none}}
    Resources:
      Group:
        Type: AWS::Logs::LogGroup
        Properties: {LogGroupName: !Sub "/test/${AWS::StackName}", RetentionInDays: 7}
    Outputs: {Message: {Value: !Sub "${Message} ${Other}"}, Key: {Value: !Ref Key}}
"""


def deploy(lab: PipelineLab, mode: str = "CREATE_UPDATE", **configuration: str) -> dict[str, Any]:
    overrides = {
        "Message": "#{codepipeline.PipelineExecutionId}",
        "Key": {"Fn::GetArtifactAtt": ["Src", "ObjectKey"]},
        "Other": {"Fn::GetParam": ["Src", "params.json", "Other"]},
    }
    given = {
        "ActionMode": mode,
        "StackName": f"stack-{lab.id}",
        "RoleArn": lab.role,
        "TemplatePath": "Src::t.yml",
        "ParameterOverrides": json.dumps(overrides),
        "OutputFileName": "outputs.json",
        **configuration,
    }
    return declare.action(
        "Deploy", "Deploy", "CloudFormation", inputs=["Src"], outputs=["Out"], namespace="Stack",
        configuration=given,
    )  # fmt: skip


def test_a_stack_is_created_updated_and_its_outputs_are_variables(lab: PipelineLab) -> None:
    name = lab.quiet(
        lab.source(),
        declare.stage("Deploy", deploy(lab)),
        declare.stage("Gate", declare.approval(configuration={"CustomData": "#{Stack.Message}"})),
    )
    for other in ("one", "two"):
        lab.upload({"t.yml": TEMPLATE, "params.json": json.dumps({"Other": other})})
        execution = lab.start(name)
        lab.answer(name, "Gate", lab.pending(name, "Gate", execution))
        assert lab.ended(name, execution)["status"] == "Succeeded"
        details = lab.actions(name, execution)
        outputs = details["Deploy"]["output"]["outputVariables"]
        assert outputs["Message"] == f"{execution} {other}"
        assert outputs["Key"] == details["Deploy"]["input"]["inputArtifacts"][0]["s3location"]["key"]
        assert details["Approve"]["input"]["resolvedConfiguration"]["CustomData"] == f"{execution} {other}"
        place = details["Deploy"]["output"]["outputArtifacts"][0]["s3location"]
        body = lab.client("s3").get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
        assert json.loads(zipfile.ZipFile(io.BytesIO(body)).read("outputs.json")) == outputs


def test_a_stack_without_changes_is_a_success(lab: PipelineLab) -> None:
    name = lab.quiet(
        lab.source(),
        declare.stage("Deploy", deploy(lab, ParameterOverrides='{"Message": "m", "Key": "k"}')),
    )
    lab.upload({"t.yml": TEMPLATE})
    first, second = lab.start(name), lab.start(name)
    assert [lab.ended(name, e)["status"] for e in (first, second)] == ["Succeeded", "Succeeded"]
    summary = lab.actions(name, second)["Deploy"]["output"]["executionResult"]["externalExecutionSummary"]
    assert "No updates are to be performed" in summary


def test_a_failed_stack_gives_the_reason_of_its_first_failed_resource(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Deploy", deploy(lab, ParameterOverrides="{}")))
    group = f"/taken/{lab.id}"
    lab.client("logs").create_log_group(logGroupName=group)
    taken = f"Resources: {{Group: {{Type: AWS::Logs::LogGroup, Properties: {{LogGroupName: {group}}}}}}}"
    lab.upload({"t.yml": taken})
    execution = lab.start(name)
    assert lab.ended(name, execution)["status"] == "Failed"
    error = lab.error(name, execution, "Deploy")
    assert "Group (AWS::Logs::LogGroup)" in error
    assert "exist" in error
    lab.upload({"other.yml": taken})
    execution = lab.start(name)
    lab.ended(name, execution)
    assert lab.error(name, execution, "Deploy") == "File [t.yml] does not exist in artifact [Src]"


def test_delete_only_deletes_the_stack_if_there_is_one(lab: PipelineLab) -> None:
    name = lab.quiet(
        lab.source(),
        declare.stage("Deploy", deploy(lab, ParameterOverrides='{"Message": "m", "Key": "k"}')),
        declare.stage("Delete", {**deploy(lab, "DELETE_ONLY"), "outputArtifacts": [], "namespace": "D"}),
    )
    lab.upload({"t.yml": TEMPLATE})
    execution = lab.start(name)
    assert lab.ended(name, execution)["status"] == "Succeeded"
    stacks = lab.client("cloudformation").list_stacks()["StackSummaries"]
    found = [stack["StackStatus"] for stack in stacks if stack["StackName"] == f"stack-{lab.id}"]
    assert found == ["DELETE_COMPLETE"]
