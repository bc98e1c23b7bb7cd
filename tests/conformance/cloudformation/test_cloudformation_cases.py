"""Intrinsic functions, templates and parameters of CloudFormation.

- intrinsics: the value of an output in the template below; ``condition``: whether that condition holds.
- templates: a template, as text or as what its JSON says, or with ``count`` members in the section ``fill``;
  the answer is ``accepted``.
- properties: a type and properties; the answer is what its schema finds wrong with them.
- parameters: the ``declaration`` of the parameter P and the values ``given``; the answer is its value.

An error is ``ValidationError`` where only AWS's code is known, and not its words.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_account.foundation.errors import ServiceError
from local_account.services.cloudformation import parameters, providers
from local_account.services.cloudformation.intrinsics import PendingError, Scope
from local_account.services.cloudformation.schemas import Schemas
from local_account.services.cloudformation.scope import Recorded, Types
from local_account.services.cloudformation.template import Template, invalid
from tests.conformance.cases import Case, identify, load

REGION = "eu-west-1"
CONTEXT = """
Parameters:
  Stage: {Type: String, Default: dev}
  Zones: {Type: CommaDelimitedList, Default: "a, b,c"}
  Count: {Type: Number, Default: 2}
  Size: {Type: String, Default: small}
  Kind: {Type: String, Default: vpc}
  Attribute: {Type: String, Default: Arn}
Mappings:
  Sizes: {eu-west-1: {small: ml.t3.medium, zones: [a, b], count: 3}}
  Regions: {ireland: {name: eu-west-1}}
Conditions:
  IsDev: !Equals [!Ref Stage, dev]
  IsPrd: !Equals [!Ref Stage, prd]
  Asked: %s
Resources:
  Store: {Type: AWS::S3::Bucket}
  Extra: {Type: AWS::S3::Bucket, Condition: IsPrd}
Outputs:
  Asked: {Value: %s}
"""
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "shop",
    "AWS::URLSuffix": "amazonaws.com",
}


@pytest.fixture(scope="module")
def types() -> Types:
    return Types(providers.Providers(), Schemas(REGION))


def _scope(template: Template, **records: Any) -> Scope:
    def imported(name: str) -> str:
        if name != "shared-vpc":
            raise invalid(f"No export named {name} found.")
        return "vpc-1"

    def zones(region: str) -> list[str]:
        if region not in {"", REGION}:
            raise invalid(f"Template error: Fn::GetAZs for another region ({region}) is not supported")
        return [f"{REGION}a", f"{REGION}b"]

    values = parameters.resolve(template, [], None)
    typed = parameters.typed(template, values)
    return Scope(template, typed, PSEUDO, Recorded(records), imported, zones)


def _error(case: Case, error: ServiceError) -> dict[str, str]:
    """Return the words, or the code where the case has no more."""
    only_code = isinstance(case.expected, dict) and case.expected["error"] == error.code
    assert not only_code or "well-formed" not in error.message, error.message
    return {"error": error.code if only_code and case.account == "equal" else error.message}


@pytest.mark.parametrize("case", load("cloudformation/intrinsics"), ids=identify)
def test_intrinsics(case: Case, types: Types) -> None:
    condition = case.input["condition"] if isinstance(case.input, dict) else "!Equals [a, a]"
    expression = "x" if isinstance(case.input, dict) else case.input
    try:
        template = types.template(CONTEXT % (condition, expression))
        scope = _scope(
            template,
            Store={"PhysicalResourceId": "store-1", "Attributes": {"Arn": "arn:aws:s3:::store-1"}},
        )
        types.check(template, scope)
        answer = (
            scope.condition("Asked") if isinstance(case.input, dict) else scope.outputs()["Asked"]["Value"]
        )
    except ServiceError as error:
        answer = _error(case, error)
    case.check(answer)


def _filled(template: dict[str, Any]) -> dict[str, Any]:
    """Return a template with ``count`` members in the section ``fill``, if it says so."""
    if "fill" not in template:
        return template
    members = {f"N{number}": template["with"] for number in range(template["count"])}
    return {"Resources": {"B": {"Type": "AWS::S3::Bucket"}}, template["fill"]: members}


@pytest.mark.parametrize("case", load("cloudformation/templates"), ids=identify)
def test_templates(case: Case, types: Types) -> None:
    text = case.input if isinstance(case.input, str) else json.dumps(_filled(case.input))
    try:
        template = types.template(text)
        types.check(template, _scope(template))
        answer: Any = "accepted"
    except PendingError:
        answer = "accepted"
    except ServiceError as error:
        answer = _error(case, error)
    case.check(answer)


@pytest.mark.parametrize("case", load("cloudformation/parameters"), ids=identify)
def test_parameters(case: Case, types: Types) -> None:
    declaration = {"Type": "String", **case.input["declaration"]}
    body = {"Parameters": {"P": declaration}, "Resources": {"B": {"Type": "AWS::S3::Bucket"}}}
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in case.input["given"].items()]
    try:
        template = types.template(json.dumps(body))
        answer: Any = parameters.typed(template, parameters.resolve(template, given, None))["P"]
    except ServiceError as error:
        answer = _error(case, error)
    case.check(answer)


@pytest.mark.parametrize("case", load("cloudformation/properties"), ids=identify)
def test_properties(case: Case, types: Types) -> None:
    kind, properties = case.input
    case.check(sorted(types.schemas.get(kind).faults(properties)))
