"""What a run works with: a repository, two pipelines, functions, rules, and what they do to be seen."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import make_role
from tests.local_account.services.codepipeline.declare import action, approval, stage
from tests.local_account.services.lambda_.settling import settle
from tests.zips import zipped

ARTIFACTS, SEEN = "faults-artifacts", "faults-seen"
FLOW, POLLED, STACK = "flow", "polled", "faults-stack"
_ACCOUNT = "123456789012"
_SERVICES = ("codepipeline", "codebuild", "lambda", "cloudformation", "events", "sagemaker")
# Everything that is done leaves an object: the event, the job, the change of the custom resource; and beside
# it one for each time that it was done.
_CODE = """
import json, urllib.request
import boto3

s3, pipeline = boto3.client("s3"), boto3.client("codepipeline")


def saw(context, *parts):
    key = "/".join(str(part).replace("/", "|") for part in parts)
    s3.put_object(Bucket="faults-seen", Key=f"{key}/{context.aws_request_id}", Body=b"")


def events(event, context):
    if "label" in event:
        return saw(context, "async", event["label"])
    kind, detail = event["detail-type"], event["detail"]
    if kind == "Object Created":
        saw(context, "object", detail["object"]["key"], detail["object"]["version-id"])
    elif kind == "note":
        saw(context, "note", detail["n"])
    elif kind == "CloudWatch Alarm State Change":
        saw(context, "alarm", detail["alarmName"], detail["state"]["value"])
    elif kind == "CodeBuild Build State Change":
        saw(context, "build", detail["build-id"].rpartition(":")[2], detail["build-status"])
    else:
        name = detail.get("action-execution-id") or detail.get("stage") or ""
        attempt = int(detail["pipeline-execution-attempt"])
        saw(context, kind.split()[1], detail["execution-id"], name, attempt, detail["state"])


def job(event, context):
    about = event["CodePipeline.job"]
    saw(context, "job", about["id"])
    pipeline.put_job_success_result(jobId=about["id"])


def thing(event, context):
    saw(context, "thing", event["StackId"], event["RequestType"], event["RequestId"])
    answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    number = event["ResourceProperties"]["N"]
    answer |= {"Status": "SUCCESS", "PhysicalResourceId": "thing", "Data": {"N": number}}
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
    request.add_header("Content-Type", "")
    urllib.request.urlopen(request).read()
"""
_TEMPLATE = f"""
Resources:
  Group: {{Type: AWS::Logs::LogGroup, Properties: {{LogGroupName: faults-NUMBER}}}}
  Thing:
    Type: Custom::Thing
    Properties:
      ServiceToken: arn:aws:lambda:us-east-1:{_ACCOUNT}:function:thing
      N: "NUMBER"
Outputs: {{N: {{Value: !GetAtt Thing.N}}}}
"""
_BUILDSPEC = """
version: 0.2
phases: {build: {commands: [cp template.in template.yml]}}
artifacts: {files: [template.yml]}
"""
_RULES: dict[str, dict[str, Any]] = {
    "notes": {"source": ["faults"]},
    "objects": {"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": "kept/"}]}}},
    "pipelines": {"source": ["aws.codepipeline"], "detail": {"pipeline": [FLOW, POLLED]}},
    "builds": {"source": ["aws.codebuild"], "detail-type": ["CodeBuild Build State Change"]},
    "alarms": {"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}}},
}


@dataclass
class Lab:
    """The lab in one account, and the clone that is pushed from."""

    account: AccountProcess
    clone: Path
    role: str = ""
    known: set[str] = field(default_factory=set)
    """Executions that no push and no upload of a run has started."""

    def client(self, service: str) -> Any:
        """Return a client for the account's present ports; it does not wait for ever."""
        return self.account.client(service, read_timeout=60, connect_timeout=5)

    def git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run git in the clone."""
        return subprocess.run(
            ["git", "-c", "user.name=Ana", "-c", "user.email=ana@example.com", *arguments],
            cwd=self.clone,
            env=self.account.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def commit(self, number: int) -> str:
        """Commit a source whose stack is another each time; return the commit's id."""
        (self.clone / "buildspec.yml").write_text(_BUILDSPEC)
        (self.clone / "template.in").write_text(_TEMPLATE.replace("NUMBER", str(number)))
        self.git("add", ".")
        self.git("commit", "-q", "-m", f"Run {number}")
        return self.git("rev-parse", "HEAD").stdout.strip()

    def prepare(self) -> Lab:
        """Create everything; the first executions fail for lack of a source."""
        services = [f"{name}.amazonaws.com" for name in _SERVICES]
        self.role = make_role(self.client("iam"), "faults", *services)
        self._buckets()
        self._functions()
        self._source_and_build()
        self._pipelines()
        self._rules()
        return self

    def _buckets(self) -> None:
        s3 = self.client("s3")
        for bucket in (ARTIFACTS, SEEN):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=ARTIFACTS, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=ARTIFACTS, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

        logs = self.client("logs")
        logs.create_log_group(logGroupName="faults")
        logs.create_log_stream(logGroupName="faults", logStreamName="lines")

    def _functions(self) -> None:
        api = self.client("lambda")
        for name in ("events", "job", "thing"):
            api.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Handler=f"index.{name}",
                Role=self.role,
                Timeout=60,
                Code={"ZipFile": zipped({"index.py": _CODE})},
            )
        for name in ("events", "job", "thing"):
            settle(api, name)
        api.add_permission(
            FunctionName="events",
            StatementId="events",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
        )

    def _source_and_build(self) -> None:
        made = self.client("codecommit").create_repository(repositoryName="source")["repositoryMetadata"]
        self.clone.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", made["cloneUrlHttp"])
        self.client("codebuild").create_project(
            name="build",
            source={"type": "CODEPIPELINE"},
            artifacts={"type": "CODEPIPELINE"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            serviceRole=self.role,
        )

    def _pipelines(self) -> None:
        commits = {"RepositoryName": "source", "BranchName": "main", "PollForSourceChanges": "false"}
        objects = {"S3Bucket": ARTIFACTS, "S3ObjectKey": "polled.zip"}
        deployment = {
            "ActionMode": "REPLACE_ON_FAILURE",
            "StackName": STACK,
            "RoleArn": self.role,
            "TemplatePath": "Built::template.yml",
        }
        run = {"configuration": {"FunctionName": "job"}}
        built = {"inputs": ["Src"], "outputs": ["Built"], "configuration": {"ProjectName": "build"}}
        stages = {
            FLOW: (
                stage(
                    "Source", action("Source", "Source", "CodeCommit", outputs=["Src"], configuration=commits)
                ),
                stage("Build", action("Build", "Build", "CodeBuild", **built)),
                stage("Job", action("Job", "Invoke", "Lambda", **run)),
                stage("Gate", approval()),
                stage(
                    "Deploy",
                    action("Deploy", "Deploy", "CloudFormation", inputs=["Built"], configuration=deployment),
                ),
            ),
            POLLED: (
                stage("Source", action("Source", "Source", "S3", outputs=["Src"], configuration=objects)),
                stage("Job", action("Job", "Invoke", "Lambda", **run)),
            ),
        }
        api = self.client("codepipeline")
        for name, declared in stages.items():
            api.create_pipeline(
                pipeline={
                    "name": name,
                    "roleArn": self.role,
                    "artifactStore": {"type": "S3", "location": ARTIFACTS},
                    "stages": list(declared),
                    "pipelineType": "V2",
                    "executionMode": "QUEUED",
                }
            )

    def _rules(self) -> None:
        api, to_flow = self.client("events"), f"arn:aws:codepipeline:us-east-1:{_ACCOUNT}:{FLOW}"
        for name, pattern in _RULES.items():
            api.put_rule(Name=name, EventPattern=json.dumps(pattern))
            target = {"Id": "t", "Arn": f"arn:aws:lambda:us-east-1:{_ACCOUNT}:function:events"}
            api.put_targets(Rule=name, Targets=[target])
        push = {"source": ["aws.codecommit"], "detail": {"referenceName": ["main"]}}
        api.put_rule(Name="push", EventPattern=json.dumps(push))
        revision = '"actionName": "Source", "revisionType": "COMMIT_ID", "revisionValue": <commit>'
        template = f'{{"sourceRevisions": [{{{revision}}}]}}'
        transformer = {"InputPathsMap": {"commit": "$.detail.commitId"}, "InputTemplate": template}
        start = {"Id": "t", "Arn": to_flow, "RoleArn": self.role, "InputTransformer": transformer}
        api.put_targets(Rule="push", Targets=[start])
