"""Template parameters: the values that a stack gets, and whether they satisfy their declarations.

Contract: *CloudFormation template Parameters syntax* and *Supported existing resource parameter types*.

Refuses: parameters of types of Route 53, and those of SSM with a type of EC2 or Route 53 inside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_account.foundation.acting import calling_role
from local_account.services.cloudformation.template import Template, invalid

if TYPE_CHECKING:
    from local_account.foundation.account import Account

# EC2 lookups that check whether a value of an AWS-specific parameter type exists: operation, argument.
EC2_LOOKUPS = {
    "AWS::EC2::AvailabilityZone::Name": ("describe_availability_zones", "ZoneNames"),
    "AWS::EC2::Image::Id": ("describe_images", "ImageIds"),
    "AWS::EC2::Instance::Id": ("describe_instances", "InstanceIds"),
    "AWS::EC2::KeyPair::KeyName": ("describe_key_pairs", "KeyNames"),
    "AWS::EC2::SecurityGroup::GroupName": ("describe_security_groups", "GroupNames"),
    "AWS::EC2::SecurityGroup::Id": ("describe_security_groups", "GroupIds"),
    "AWS::EC2::Subnet::Id": ("describe_subnets", "SubnetIds"),
    "AWS::EC2::Volume::Id": ("describe_volumes", "VolumeIds"),
    "AWS::EC2::VPC::Id": ("describe_vpcs", "VpcIds"),
}
_SSM_NAME = "AWS::SSM::Parameter::Name"
_SSM_LISTS = {"AWS::SSM::Parameter::Value<List<String>>", "AWS::SSM::Parameter::Value<CommaDelimitedList>"}
_SSM_VALUES = {"AWS::SSM::Parameter::Value<String>", *_SSM_LISTS}
SCALARS = {"String", "Number", _SSM_NAME, *_SSM_VALUES, *EC2_LOOKUPS}
MASK = "****"


def resolve(
    template: Template, given: list[dict[str, Any]], previous: Mapping[str, str] | None
) -> dict[str, str]:
    """Return the value of every parameter as text.

    ``given`` is as in *CreateStack* (``ParameterKey``, ``ParameterValue``, ``UsePreviousValue``),
    ``previous`` are the stack's current values. Raises ServiceError ValidationError.
    """
    values: dict[str, str] = {}
    if unknown := [item["ParameterKey"] for item in given if item["ParameterKey"] not in template.parameters]:
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    for item in given:
        key = item["ParameterKey"]
        if item.get("UsePreviousValue"):
            if item.get("ParameterValue"):
                raise invalid(
                    f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true "
                    "and non empty value for a parameter"
                )
            if previous is None or key not in previous:
                raise invalid(
                    f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a "
                    "parameter key not in the previous template"
                )
            values[key] = previous[key]
        elif item.get("ParameterValue") is not None:
            values[key] = item["ParameterValue"]
    for key, declaration in template.parameters.items():
        if key not in values and "Default" in declaration:
            values[key] = text_of(declaration["Default"])
    if missing := [key for key in template.parameters if key not in values]:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    for key, declaration in template.parameters.items():
        _check(key, declaration, values[key])
    return {key: values[key] for key in template.parameters}


def typed(
    template: Template, values: Mapping[str, str], described: Iterable[Mapping[str, Any]] = ()
) -> dict[str, str | list[str]]:
    """Return what ``Ref`` gives for every parameter: text, or a list of text for the list types.

    ``described`` are the parameters as `looked_up` has described them: with the values of those of SSM.
    """
    found = {one["ParameterKey"]: one["ResolvedValue"] for one in described if "ResolvedValue" in one}
    whole = {**values, **found}
    return {
        key: _split(whole[key]) if is_list(declaration["Type"]) else whole[key]
        for key, declaration in template.parameters.items()
    }


def is_list(kind: str) -> bool:
    """Return whether a parameter type is a list."""
    return kind == "CommaDelimitedList" or kind.startswith("List<") or kind in _SSM_LISTS


def shown(template: Template, values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return parameters as *DescribeStacks* shows them: those with NoEcho are masked."""
    return [
        {"ParameterKey": key, "ParameterValue": MASK if no_echo(template.parameters.get(key, {})) else value}
        for key, value in values.items()
    ]


def looked_up(template: Template, values: Mapping[str, str], account: Account) -> list[dict[str, str]]:
    """Return parameters as *DescribeStacks* shows them, with the values that Parameter Store has for some.

    Raises ServiceError ValidationError if it has none of the name.
    """
    return [
        {**one, "ResolvedValue": _looked_up(values[one["ParameterKey"]], account)}
        if template.parameters[one["ParameterKey"]]["Type"] in _SSM_VALUES
        else one
        for one in shown(template, values)
    ]


def _looked_up(name: str, account: Account) -> str:
    ssm = account.client("ssm", calling_role())
    try:
        parameter = ssm.get_parameter(Name=name)["Parameter"]
    except ClientError as error:
        if not error.response["Error"]["Code"].endswith("NotFound"):
            raise invalid(error.response["Error"]["Message"]) from error
        raise invalid(
            f"Unable to fetch parameters [{name}] from parameter store for this account."
        ) from error
    if parameter["Type"] == "SecureString":
        raise invalid(
            f"Parameters [{name}] referenced by template have types not supported by CloudFormation."
        )
    return str(parameter["Value"])


def no_echo(declaration: Mapping[str, Any]) -> bool:
    """Return whether a parameter's value is to be masked."""
    return text_of(declaration.get("NoEcho", False)).lower() == "true"


def check_existing(template: Template, values: Mapping[str, str], account: Account) -> None:
    """Raise ValidationError for a value of an AWS-specific type that does not exist in the account."""
    for key, declaration in template.parameters.items():
        kind = _element(declaration["Type"])
        if kind == _SSM_NAME:
            _looked_up(values[key], account)
        if kind not in EC2_LOOKUPS:
            continue
        operation, argument = EC2_LOOKUPS[kind]
        for value in _split(values[key]) if is_list(declaration["Type"]) else [values[key]]:
            if not _exists(getattr(account.client("ec2"), operation), argument, value):
                raise invalid(
                    f"Parameter validation failed: parameter value {value} for parameter name {key} "
                    "does not exist"
                )


def _exists(describe: Callable[..., Any], argument: str, value: str) -> bool:
    try:
        describe(**{argument: [value]})
    except ClientError:
        return False
    return bool(value)


def _element(kind: str) -> str:
    return kind[5:-1] if kind.startswith("List<") and kind.endswith(">") else kind


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")] if value else []


def text_of(value: Any) -> str:
    """Return a template's value as the text of a parameter."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(text_of(item) for item in value)
    return str(value)


def _check(key: str, declaration: Mapping[str, Any], value: str) -> None:
    kind = declaration.get("Type")
    if not isinstance(kind, str) or (kind != "CommaDelimitedList" and _element(kind) not in SCALARS):
        if isinstance(kind, str) and re.fullmatch(r"(List<)?AWS::(SSM|Route53|EC2)::[\w:]+(<.+>)?>?", kind):
            raise invalid(f"The local account does not support parameters of type {kind}, which AWS has")
        raise invalid(f"Template format error: Unrecognized parameter type: {kind}")
    elements = _split(value) if is_list(kind) else [value]
    for element in elements:
        if fault := _fault(declaration, _element(kind), element):
            reason = declaration.get("ConstraintDescription")
            raise invalid(
                f"Parameter {key} failed to satisfy constraint: {reason}"
                if reason
                else f"Parameter '{key}' {fault}"
            )


def _fault(  # noqa: PLR0911  (one per constraint)
    declaration: Mapping[str, Any], kind: str, value: str
) -> str | None:
    if kind == "Number":
        try:
            number = float(value)
        except ValueError:
            return "must be a number."
        if "MinValue" in declaration and number < float(declaration["MinValue"]):
            return f"must be a number not less than {declaration['MinValue']}"
        if "MaxValue" in declaration and number > float(declaration["MaxValue"]):
            return f"must be a number not greater than {declaration['MaxValue']}"
    allowed = declaration.get("AllowedValues")
    if allowed is not None and value not in [text_of(item) for item in allowed]:
        return f"must be one of AllowedValues: {', '.join(text_of(item) for item in allowed)}"
    if "MinLength" in declaration and len(value) < int(declaration["MinLength"]):
        return f"must contain at least {declaration['MinLength']} characters"
    if "MaxLength" in declaration and len(value) > int(declaration["MaxLength"]):
        return f"must contain at most {declaration['MaxLength']} characters"
    pattern = declaration.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(pattern, value):
        return f"must match pattern {pattern}"
    return None
