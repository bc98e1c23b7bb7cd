"""Recreate resources of a stack that were deleted by hand.

CloudFormation does not notice such deletions. Two updates fix that: one to a template without the resources,
with literals for the references to them, and one back to the original template. Nothing else in the stack
changes. Contract: CloudFormation GetTemplate, UpdateStack.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lab_helpers.clients import Clients
from lab_helpers.stacks import deploy_stack
from lab_helpers.templates import body, parse_template


class MendError(RuntimeError):
    """A resource cannot be recreated this way; the message says why."""


def mend_stack(clients: Clients, name: str, missing: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Recreate the missing resources of a stack (physical ids by logical id).

    `outputs` are the stack's; attributes that cannot be computed are taken from them. Raises MendError, or
    DeployError if an update fails.
    """
    cloudformation = clients("cloudformation")
    # botocore returns JSON templates as (ordered) dictionaries, YAML templates as text.
    found: object = cloudformation.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    whole = parse_template(found if isinstance(found, str) else json.dumps(found))
    doomed = set(missing) | _parts_of(whole, set(missing))
    reduced = {
        **whole,
        "Resources": {key: value for key, value in whole["Resources"].items() if key not in doomed},
        "Outputs": whole.get("Outputs", {}),
    }
    literals = _Literals(whole, missing, outputs)
    for part in ("Resources", "Outputs"):
        reduced[part] = literals.put_into(reduced[part], doomed)
    for template in (reduced, whole):
        deploy_stack(cloudformation, name, body(template), parameters={}, tags={}, watch=lambda _event: None)


def _parts_of(template: dict[str, Any], missing: set[str]) -> set[str]:
    """Return the bucket policies of missing buckets, which were deleted with them."""
    return {
        key
        for key, value in template["Resources"].items()
        if value["Type"] == "AWS::S3::BucketPolicy" and value["Properties"]["Bucket"].get("Ref") in missing
    }


class _Literals:
    """The values that references to missing resources had."""

    def __init__(
        self, template: dict[str, Any], missing: Mapping[str, str], outputs: Mapping[str, str]
    ) -> None:
        self._resources, self._missing = template["Resources"], missing
        # An output that is just an attribute gives its value.
        self._told = {
            attribute: outputs[key]
            for key, value in template.get("Outputs", {}).items()
            if key in outputs and (attribute := self._told_by(value["Value"]))
        }

    def _told_by(self, value: Any) -> tuple[str, str] | None:
        """Return the resource and attribute that an output consists of, if the resource exists."""
        match value:
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return name, attribute
            case {"Fn::If": [str(condition), {"Fn::GetAtt": [str(name), str(attribute)]}, _]}:
                # If the condition is false, there is no such resource that could be missing.
                return (name, attribute) if self._resources[name].get("Condition") == condition else None
        return None

    def put_into(self, value: Any, doomed: set[str]) -> Any:
        """Return a part of a template with literals instead of references to doomed resources."""
        if isinstance(value, list):
            return [self.put_into(one, doomed) for one in value]
        if not isinstance(value, dict):
            return value
        literal = self._reference(value, doomed)
        if literal is not None:
            return literal
        replaced = {key: self.put_into(one, doomed) for key, one in value.items()}
        if isinstance(value.get("Fn::Sub"), str):
            replaced["Fn::Sub"] = self._in_text(value["Fn::Sub"], doomed)
        elif "Fn::Sub" in value:
            replaced["Fn::Sub"][0] = self._in_text(value["Fn::Sub"][0], doomed)
        if "Type" in value and "DependsOn" in value:
            wanted = value["DependsOn"] if isinstance(value["DependsOn"], list) else [value["DependsOn"]]
            replaced["DependsOn"] = [one for one in wanted if one not in doomed]
        return replaced

    def _reference(self, value: dict[str, Any], doomed: set[str]) -> Any:
        match value:
            case {"Ref": str(name)} if name in doomed:
                return self._missing[name]
            case {"Fn::GetAtt": [str(name), str(attribute)]} if name in doomed:
                return {"Fn::Sub": self._attribute(name, attribute)}
        return None

    def _in_text(self, text: str, doomed: set[str]) -> str:
        def literal(match: re.Match[str]) -> str:
            name, _, attribute = match[1].partition(".")
            if name not in doomed:
                return match[0]
            return self._attribute(name, attribute) if attribute else self._missing[name]

        return re.sub(r"\$\{([A-Za-z0-9.]+)\}", literal, text)

    def _attribute(self, name: str, attribute: str) -> str:
        """Return an attribute as text for Fn::Sub, which fills in region and account."""
        if (name, attribute) in self._told:
            return self._told[name, attribute]
        physical, kind = self._missing[name], self._resources[name]["Type"]
        here = "${AWS::Region}:${AWS::AccountId}"
        match kind, attribute:
            case "AWS::IAM::Role", "Arn":
                return f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{physical}"
            case "AWS::S3::Bucket", "Arn":
                return f"arn:${{AWS::Partition}}:s3:::{physical}"
            case "AWS::ECR::Repository", "Arn":
                return f"arn:${{AWS::Partition}}:ecr:{here}:repository/{physical}"
            case "AWS::CodeCommit::Repository", "Arn":  # its physical id is a UUID
                return f"arn:${{AWS::Partition}}:codecommit:{here}:{self._told[name, 'Name']}"
            case _ if attribute.endswith("Name"):
                return physical.rpartition("/")[2]
        raise MendError(f"{name} ({kind}) was deleted by hand, and its {attribute} is no longer known")
