"""Pipelines with conditions of stages in stacks."""

import json
from collections.abc import Callable
from typing import Any

from tests.local_account.iam_roles import make_role
from tests.local_account.services.cloudformation.stack_maker import StackMaker

TEMPLATE = """
Parameters: {Role: {Type: String}, Result: {Type: String, Default: FAIL}}
Resources:
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      Name: cfn-conditions
      PipelineType: V2
      RoleArn: !Ref Role
      ArtifactStore: {Type: S3, Location: cfn-conditions}
      Stages:
        - Name: Source
          Actions:
            - Name: Source
              ActionTypeId: {Category: Source, Owner: AWS, Provider: S3, Version: "1"}
              Configuration: {S3Bucket: cfn-conditions, S3ObjectKey: a.zip, PollForSourceChanges: "false"}
              OutputArtifacts: [{Name: Src}]
        - Name: Gate
          Actions:
            - Name: Approve
              ActionTypeId: {Category: Approval, Owner: AWS, Provider: Manual, Version: "1"}
          OnFailure: {Result: RETRY, RetryConfiguration: {RetryMode: FAILED_ACTIONS}}
          BeforeEntry:
            Conditions:
              - Result: !Ref Result
                Rules:
                  - Name: Later
                    RuleTypeId: {Category: Rule, Owner: AWS, Provider: VariableCheck, Version: "1"}
                    Configuration: {Variable: a, Value: b, Operator: NE}
                    InputArtifacts: []
                    Region: !Ref AWS::Region
"""


def test_a_pipeline_has_the_conditions_of_its_template(
    stacks: StackMaker, client: Callable[[str], Any]
) -> None:
    role = make_role(client("iam"), "cfn-conditions", "codepipeline.amazonaws.com")
    client("s3").create_bucket(Bucket="cfn-conditions")
    given = {"ParameterKey": "Role", "ParameterValue": role}
    stack = stacks.create("conditions", TEMPLATE, Parameters=[given])
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("conditions")

    def gate() -> dict[str, Any]:
        found: dict[str, Any] = client("codepipeline").get_pipeline(name="cfn-conditions")["pipeline"]
        return dict(found["stages"][1])

    assert gate()["onFailure"] == {
        "result": "RETRY", "retryConfiguration": {"retryMode": "FAILED_ACTIONS"},
    }  # fmt: skip
    (condition,) = gate()["beforeEntry"]["conditions"]
    assert condition["result"] == "FAIL"
    assert condition["rules"][0]["configuration"] == {"Variable": "a", "Value": "b", "Operator": "NE"}
    skips = [given, {"ParameterKey": "Result", "ParameterValue": "SKIP"}]
    assert stacks.update("conditions", Parameters=skips)["StackStatus"] == "UPDATE_COMPLETE"
    assert gate()["beforeEntry"]["conditions"][0]["result"] == "SKIP"
    wrong = [given, {"ParameterKey": "Result", "ParameterValue": "ROLLBACK"}]
    assert stacks.update("conditions", Parameters=wrong)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "the result ROLLBACK is not one of FAIL, SKIP" in json.dumps(stacks.failures("conditions"))
