"""CloudFormation templates: parsing YAML (including short forms) and JSON, and checking their structure.

Contract: *Template anatomy* and *Intrinsic function reference* in the CloudFormation User Guide.

Refuses: the sections `Rules`, `Transform` (SAM, macros) and `Hooks`, `CreationPolicy` and `UpdatePolicy`.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType
from typing import Any

import yaml

from local_account.foundation.errors import ServiceError
from local_account.services.cloudformation import function_forms, template_form

SECTIONS = {
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Resources",
    "Outputs",
}
UNSUPPORTED_SECTIONS = {"Rules", "Transform", "Hooks"}
RESOURCE_ATTRIBUTES = {
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
    # not in the reference, but in what AWS's own CodeStar wrote for every resource
    "Description",
}
UNSUPPORTED_ATTRIBUTES = {"CreationPolicy", "UpdatePolicy"}
POLICIES = {
    "DeletionPolicy": ("Delete", "Retain", "RetainExceptOnCreate"),
    "UpdateReplacePolicy": ("Delete", "Retain"),
}
SNAPSHOTS = {
    "AWS::DocDB::DBCluster",
    "AWS::EC2::Volume",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::Neptune::DBCluster",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::Redshift::Cluster",
}
"""The types that AWS takes snapshots of. None is supported here, which is what a stack is told."""
IAM_NAMES = {
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
}
IAM_TYPES = {*IAM_NAMES, "AWS::IAM::Policy", "AWS::IAM::AccessKey", "AWS::IAM::UserToGroupAddition"}


def invalid(message: str) -> ServiceError:
    """Return the error that CloudFormation answers to an invalid request or template."""
    return ServiceError("ValidationError", message)


class _Loader(yaml.CSafeLoader):
    """YAML as CloudFormation reads it: dates stay strings, short forms are functions.

    Of a key that is there twice, the last value counts, as in JSON: CloudFormation accepts such templates.
    """


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        result[loader.construct_object(key_node, deep=True)] = loader.construct_object(value_node, deep=True)
    return result


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101  (YAML has three kinds of nodes)
        value = _mapping(loader, node)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: str(node.value))
_Loader.add_multi_constructor("!", _short_form)


@dataclass(frozen=True)
class Template:
    """One template. Its sections are as written; nothing is evaluated."""

    text: str
    body: dict[str, Any]

    @property
    def description(self) -> str | None:
        """The template's Description."""
        return self.body.get("Description")

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameter declarations by name."""
        return self.body.get("Parameters") or {}

    @property
    def mappings(self) -> dict[str, Any]:
        """Mappings by name."""
        return self.body.get("Mappings") or {}

    @property
    def conditions(self) -> dict[str, Any]:
        """Conditions by name."""
        return self.body.get("Conditions") or {}

    @property
    def resources(self) -> dict[str, Any]:
        """Resource declarations by logical id."""
        return self.body["Resources"]  # type: ignore[no-any-return]

    @property
    def outputs(self) -> dict[str, Any]:
        """Output declarations by name."""
        return self.body.get("Outputs") or {}

    def types(self) -> list[str]:
        """Return the resource types in use, each once."""
        return list(dict.fromkeys(resource["Type"] for resource in self.resources.values()))

    def required_capabilities(self) -> tuple[list[str], str | None]:
        """Return the capabilities that a caller must acknowledge, and why.

        Contract: *CreateStack*, parameter ``Capabilities``.
        """
        named = [
            r["Type"]
            for r in self.resources.values()
            if IAM_NAMES.get(r["Type"]) in (r.get("Properties") or {})
        ]
        plain = [r["Type"] for r in self.resources.values() if r["Type"] in IAM_TYPES]
        if not plain:
            return [], None
        capability = "CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"
        types = ", ".join(dict.fromkeys(named or plain))
        return [capability], f"The following resource(s) require capabilities: [{types}]"

    def check_capabilities(self, given: Collection[str]) -> None:
        """Raise InsufficientCapabilitiesException unless the caller acknowledged what the template needs."""
        required, _ = self.required_capabilities()
        acknowledged = set(given) | ({"CAPABILITY_IAM"} if "CAPABILITY_NAMED_IAM" in given else set())
        if missing := [name for name in required if name not in acknowledged]:
            raise ServiceError(
                "InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(missing)}]"
            )


def parse(text: str, supported_types: Collection[str], known_types: Collection[str] = ()) -> Template:
    """Parse a template.

    ``known_types`` are those that CloudFormation has; of them, types that are not supported here are allowed
    where a condition may leave the resource out (`scope.Types.check` looks again once it is evaluated).

    Raises ServiceError ValidationError, saying where it is malformed, which section or attribute is not
    supported here, or which resource types are unknown.
    """
    body: dict[str, Any] = pickle.loads(_read(text))  # noqa: S301 - made below
    template = Template(text, body)
    others = [name for name in template.types() if name not in supported_types]
    if unrecognized := [name for name in others if name not in known_types]:
        raise invalid(f"Template format error: Unrecognized resource types: [{', '.join(unrecognized)}]")
    certain = {one["Type"] for one in template.resources.values() if "Condition" not in one}
    refuse_types([name for name in others if name in certain])
    return template


def refuse_types(names: Collection[str]) -> None:
    """Raise ServiceError ValidationError if there are any: types that AWS has and the local account lacks."""
    if names:
        raise invalid(
            f"The local account does not support these resource types, which AWS has: [{', '.join(names)}]"
        )


@lru_cache(maxsize=64)
def _read(text: str) -> bytes:
    """Return a template's content, checked and pickled: every lab has the same, and reading takes 30 ms."""
    body: Any
    try:
        body = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except json.JSONDecodeError as error:
        try:
            body = _yaml(text)  # with trailing commas or comments it is YAML
        except ServiceError:
            raise invalid(
                f"Template format error: JSON not well-formed. "
                f"(line {error.lineno}, column {error.colno}): {error.msg}"
            ) from error
    if not isinstance(body, dict):
        raise invalid("Template format error: unsupported structure.")
    _check(body)
    return pickle.dumps(body)


def _check(body: dict[str, Any]) -> None:
    """Raise ServiceError ValidationError for what is wrong with a template, whatever types there are."""
    if unsupported := [name for name in body if name in UNSUPPORTED_SECTIONS]:
        raise invalid(f"Template section {unsupported[0]} is not supported by the local account; remove it")
    template_form.refuse_functions(body)
    if unknown := [str(name) for name in body if name not in SECTIONS]:
        raise invalid(f"Invalid template property or properties [{', '.join(unknown)}]")
    for section in SECTIONS - {"AWSTemplateFormatVersion", "Description"}:
        if not isinstance(body.get(section, {}), (dict, NoneType)):
            raise invalid(f"Template format error: [/{section}] is expected to be an object")
    template_form.check(body)
    if not body.get("Resources"):
        raise invalid("Template format error: At least one Resources member must be defined.")
    for logical_id, resource in body["Resources"].items():
        _check_resource(str(logical_id), resource, body)
    for name, output in (body.get("Outputs") or {}).items():
        if not isinstance(output, dict) or "Value" not in output:
            raise invalid("Template format error: Every Outputs member must contain a Value object")
        _check_condition(f"Outputs/{name}", output, body)
    function_forms.check(body)


def _yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a subclass of CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise invalid(f"Template format error: YAML not well-formed.{where}: {problem}") from error


def _check_resource(logical_id: str, resource: Any, body: dict[str, Any]) -> None:
    template_form.check_name("Resource", logical_id)
    if not isinstance(resource, dict):
        raise invalid("Template format error: Any Resources member must be an object.")
    if not isinstance(resource.get("Type"), str):
        raise invalid(
            f"Template format error: [/Resources/{logical_id}] Every Resources object must contain a Type "
            "member."
        )
    known = RESOURCE_ATTRIBUTES | ({"Version"} if is_custom(resource["Type"]) else set())
    if unknown := [str(key) for key in resource if key not in known]:
        if unknown[0] in UNSUPPORTED_ATTRIBUTES:
            raise invalid(f"{unknown[0]} of resource {logical_id} is not supported by the local account")
        raise invalid(f"Invalid template resource property '{unknown[0]}'")
    if not isinstance(resource.get("Properties") or {}, dict):
        raise invalid(f"Template format error: Properties of resource {logical_id} must be an object")
    for attribute in POLICIES:
        value = resource.get(attribute, "Delete")
        if function_forms.is_function(value):
            continue  # its value is checked once it is known
        check_policy(logical_id, resource["Type"], attribute, value)
    for name in depends_on(resource):
        if name not in body["Resources"]:
            raise invalid(
                f"Template format error: Unresolved resource dependencies [{name}] in the Resources block "
                "of the template"
            )
    _check_condition(logical_id, resource, body)


def check_policy(logical_id: str, type_name: str, attribute: str, value: Any) -> None:
    """Raise ServiceError ValidationError for a DeletionPolicy or UpdateReplacePolicy that is none."""
    if not isinstance(value, str):
        raise invalid(f"Template format error: Every {attribute} member must be a string.")
    if value == "Snapshot" and type_name in SNAPSHOTS:
        return
    if value == "Snapshot":
        raise invalid(f"Template error: resource type {type_name} does not support deletion policy Snapshot")
    if value not in POLICIES[attribute]:
        raise invalid(f"Template format error: Unrecognized {attribute} {value} for resource {logical_id}")


def _check_condition(where: str, node: dict[str, Any], body: dict[str, Any]) -> None:
    name = node.get("Condition")
    if isinstance(name, (dict, list)):
        raise invalid("Template format error: Every Condition member must be a string.")
    if name is not None and name not in (body.get("Conditions") or {}):
        raise invalid(f"Template format error: Unresolved condition dependency {name} in {where}")


def is_custom(type_name: str) -> bool:
    """Return whether resources of a type are made by a function of the template's author."""
    return type_name.startswith("Custom::") or type_name == "AWS::CloudFormation::CustomResource"


def depends_on(resource: dict[str, Any]) -> list[str]:
    """Return the logical ids in DependsOn, which is one id or a list."""
    value = resource.get("DependsOn") or []
    return [value] if isinstance(value, str) else list(value)
