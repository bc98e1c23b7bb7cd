"""The CloudFormation action ("AWS CloudFormation deploy action reference").

Parameter functions: page "Using parameter override functions with CodePipeline pipelines".
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from botocore.exceptions import ClientError

from local_account.services.codepipeline import artifacts
from local_account.services.codepipeline.context import ActionFailed, Context, Outcome, lacks_permission

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.literals import CapabilityType
    from mypy_boto3_cloudformation.type_defs import (
        DeleteStackInputTypeDef,
        ParameterTypeDef,
        StackEventTypeDef,
        StackTypeDef,
        TagTypeDef,
    )

_FAILED_STATES = {
    "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED",
}  # fmt: skip
_GOOD_STATES = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
_NO_UPDATES = "No updates are to be performed"
_CANCELLED = "cancelled"


class ChangeSetRequest(TypedDict):
    """What CreateStack, UpdateStack and CreateChangeSet have in common."""

    StackName: str
    TemplateBody: str
    RoleARN: NotRequired[str]
    Parameters: NotRequired[list[ParameterTypeDef]]
    Tags: NotRequired[list[TagTypeDef]]
    Capabilities: NotRequired[list[CapabilityType]]


class StackRequest(ChangeSetRequest):
    """What CreateStack and UpdateStack have in common."""

    StackPolicyBody: NotRequired[str]


def cloudformation(context: Context) -> Outcome:
    """Do what ActionMode says and wait for the end; the stack's outputs become output variables."""
    try:
        return _Deployment(context).run()
    except ClientError as error:
        fault = error.response["Error"]
        raise ActionFailed("JobFailed", f"{fault['Message']} ({fault['Code']})") from error


class _Deployment:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._configuration = context.configuration
        self._name = context.configuration["StackName"]
        self._client: CloudFormationClient = context.client("cloudformation")
        self._begun = context.account.now()

    def run(self) -> Outcome:
        mode = self._configuration["ActionMode"]
        if mode == "DELETE_ONLY":
            return self._delete()
        if mode == "CHANGE_SET_REPLACE":
            return self._replace_change_set()
        if mode == "CHANGE_SET_EXECUTE":
            return self._execute_change_set()
        stack = self._stack()
        if stack and mode == "REPLACE_ON_FAILURE" and stack["StackStatus"] in _FAILED_STATES:
            self._delete()
            stack = None
        if stack is None:
            created = self._client.create_stack(**self._request())
            return self._finish(created["StackId"], "create")
        try:
            updated = self._client.update_stack(**self._request())
        except ClientError as error:
            if _NO_UPDATES not in error.response["Error"]["Message"]:
                raise
            return self._outcome(stack, f"{_NO_UPDATES} on the stack {self._name}")
        return self._finish(updated["StackId"], "update")

    def _stack(self, name: str | None = None) -> StackTypeDef | None:
        try:
            stack = self._client.describe_stacks(StackName=name or self._name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        gone = stack["StackStatus"] in ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS") and name is None
        return None if gone else stack

    def _delete(self) -> Outcome:
        stack = self._stack()
        if stack is None:
            return Outcome(summary=f"The stack {self._name} does not exist")
        self._client.delete_stack(**self._deletion())
        ended = self._await(stack["StackId"])
        if ended is not None and ended["StackStatus"] != "DELETE_COMPLETE":
            raise ActionFailed("JobFailed", self._reason(ended, "delete"), stack["StackId"])
        return Outcome(summary=f"The stack {self._name} was deleted", external_id=stack["StackId"])

    def _replace_change_set(self) -> Outcome:
        name = self._configuration["ChangeSetName"]
        stack = self._stack()
        if stack:
            self._client.delete_change_set(StackName=self._name, ChangeSetName=name)
        asked = self._request()
        asked.pop("StackPolicyBody", None)  # a change set can't set one
        request: ChangeSetRequest = asked
        created = self._client.create_change_set(
            **request,
            ChangeSetName=name,
            ChangeSetType="UPDATE" if stack else "CREATE",
        )

        def done() -> bool:
            status = self._client.describe_change_set(ChangeSetName=created["Id"])["Status"]
            return status not in ("CREATE_PENDING", "CREATE_IN_PROGRESS")

        self._context.wait_until(done)
        described = self._client.describe_change_set(ChangeSetName=created["Id"])
        reason = described.get("StatusReason", "")
        unchanged = "didn't contain changes" in reason or _NO_UPDATES in reason
        if described["Status"] == "FAILED" and not unchanged:
            raise ActionFailed("JobFailed", f"The change set {name} failed: {reason}", created["Id"])
        return Outcome(summary=f"Change set {name} was created", external_id=created["Id"])

    def _execute_change_set(self) -> Outcome:
        name = self._configuration["ChangeSetName"]
        described = self._client.describe_change_set(StackName=self._name, ChangeSetName=name)
        if described["Status"] == "FAILED" and not described.get("Changes"):
            self._client.delete_change_set(StackName=self._name, ChangeSetName=name)
            return self._outcome(self._stack(), f"The change set {name} has no changes")
        self._client.execute_change_set(StackName=self._name, ChangeSetName=name)
        return self._finish(described["StackId"], "change set execution")

    def _finish(self, stack_id: str, operation: str) -> Outcome:
        stack = self._await(stack_id)
        if stack is None or stack["StackStatus"] not in _GOOD_STATES:
            raise ActionFailed("JobFailed", self._reason(stack, operation), stack_id)
        return self._outcome(stack, f"Stack {self._name}: {stack['StackStatus']}")

    def _await(self, stack_id: str) -> StackTypeDef | None:
        config = self._context.account.config
        home = f"{config.console_url}/cloudformation/home?region={config.region}"
        url = f"{home}#/stack/detail?stackId={stack_id}"
        self._context.update(external_id=stack_id, url=url)
        found: list[StackTypeDef | None] = []

        def done() -> bool:
            found[:] = [self._stack(stack_id)]
            return found[0] is None or not found[0]["StackStatus"].endswith("_IN_PROGRESS")

        self._context.wait_until(done)
        return found[0]

    def _reason(self, stack: StackTypeDef | None, operation: str) -> str:
        status = stack["StackStatus"] if stack else "gone"
        message = f"Stack {operation} of {self._name} failed ({status})"
        if stack is None:
            return message
        failures = self._failures(stack)
        causes = [e for e in failures if _CANCELLED not in e.get("ResourceStatusReason", "").lower()]
        if not causes:
            return f"{message}: {stack.get('StackStatusReason', 'no reason was given')}"
        first = causes[-1]
        return (
            f"{message}: {first['LogicalResourceId']} ({first['ResourceType']}): "
            f"{first.get('ResourceStatusReason', first['ResourceStatus'])}"
        )

    def _failures(self, stack: StackTypeDef) -> list[StackEventTypeDef]:
        """Return the failures of this operation, newest first; none if the role may not see the events.

        Then the message names no cause ("AWS CloudFormation deploy action reference").
        """
        try:
            return list(self._failed_events(stack))
        except ClientError as error:
            if lacks_permission(error):
                return []
            raise

    def _failed_events(self, stack: StackTypeDef) -> Iterator[StackEventTypeDef]:
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack["StackId"]):
            for event in page["StackEvents"]:  # newest first
                if event["Timestamp"] < self._begun.replace(microsecond=0):
                    continue
                if event["ResourceStatus"].endswith("_FAILED"):
                    yield event

    def _outcome(self, stack: StackTypeDef | None, summary: str) -> Outcome:
        outputs = {
            entry["OutputKey"]: entry["OutputValue"] for entry in (stack.get("Outputs", []) if stack else [])
        }
        produced = {}
        if file_name := self._configuration.get("OutputFileName"):
            for name, location in self._context.outputs.items():
                self._context.client("s3").put_object(
                    Bucket=location["bucket"], Key=location["key"], Body=_zip(file_name, json.dumps(outputs))
                )
                produced[name] = location
        return Outcome(
            variables=outputs,
            artifacts=produced,
            summary=summary,
            external_id=stack["StackId"] if stack else None,
        )

    def _deletion(self) -> DeleteStackInputTypeDef:
        request: DeleteStackInputTypeDef = {"StackName": self._name}
        if role := self._configuration.get("RoleArn"):
            request["RoleARN"] = role
        return request

    def _request(self) -> StackRequest:
        template = artifacts.read_file(self._context, self._configuration["TemplatePath"])
        parameters: dict[str, str] = {}
        request: StackRequest = {"StackName": self._name, "TemplateBody": template}
        if role := self._configuration.get("RoleArn"):
            request["RoleARN"] = role
        if path := self._configuration.get("TemplateConfiguration"):
            given = _json_object(artifacts.read_file(self._context, path), path)
            parameters |= given.get("Parameters", {})
            request["Tags"] = [{"Key": key, "Value": value} for key, value in given.get("Tags", {}).items()]
            if "StackPolicy" in given:
                request["StackPolicyBody"] = json.dumps(given["StackPolicy"])
        overrides = _json_object(self._configuration.get("ParameterOverrides", "{}"), "ParameterOverrides")
        parameters |= {name: self._parameter(name, value) for name, value in overrides.items()}
        request["Parameters"] = [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ]
        if capabilities := self._configuration.get("Capabilities"):
            request["Capabilities"] = [
                cast("CapabilityType", name.strip()) for name in capabilities.split(",")
            ]
        return request

    def _parameter(self, name: str, value: object) -> str:
        if not isinstance(value, dict):
            return value if isinstance(value, str) else json.dumps(value)
        match value:
            case {"Fn::GetArtifactAtt": [str(artifact), str(attribute)]}:
                found = artifacts.input_artifact(self._context, artifact)
                region = self._context.account.config.region
                attributes = {
                    "BucketName": found["bucket"],
                    "ObjectKey": found["key"],
                    "URL": f"https://s3.{region}.amazonaws.com/{found['bucket']}/{found['key']}",
                }
                if attribute in attributes:
                    return str(attributes[attribute])
            case {"Fn::GetParam": [str(artifact), str(path), str(key)]}:
                document = _json_object(artifacts.read_file(self._context, f"{artifact}::{path}"), path)
                if key in document:
                    found_value = document[key]
                    return found_value if isinstance(found_value, str) else json.dumps(found_value)
                raise ActionFailed(
                    "ConfigurationError", f"{path} in the artifact {artifact} has no key {key}"
                )
        raise ActionFailed(
            "ConfigurationError",
            f"The parameter {name} has the value {json.dumps(value)}: expected a string, Fn::GetArtifactAtt "
            "(BucketName, ObjectKey or URL) or Fn::GetParam",
        )


def _json_object(text: str, what: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ActionFailed("ConfigurationError", f"{what} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ActionFailed("ConfigurationError", f"{what} must be a JSON object")
    return document


def _zip(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return buffer.getvalue()
