"""The templates as documents, with intrinsic functions resolved for the longest lab id."""

import re
from collections.abc import Iterator
from typing import Any

from awscli.customizations.cloudformation.yamlhelper import yaml_parse

from tests.checkout import ROOT

CFN = ROOT / "cfn"
NAMES = (
    "m",
    "notebook-policies",
    "build-image",
    "train-model-pipeline",
    "deploy-model-dev",
    "deploy-model-prd",
)
TEMPLATES: dict[str, dict[str, Any]] = {name: yaml_parse((CFN / f"{name}.yml").read_text()) for name in NAMES}
EXECUTION = "0a1b2c3d-0000-4000-8000-000000000001"
LONGEST = {
    "NamePrefix": "abcdefghij-",
    "AWS::Partition": "aws",
    "AWS::Region": "ap-southeast-1",  # no region with a longer name has SageMaker notebook instances
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "abcdefghij-mlops",
    "TopStackName": "abcdefghij-mlops",
    "ImageName": "scikit-base",
    "ModelName": "iris-model",
    "ExecutionId": EXECUTION,
    "ExpiresAt": "2026-11-30T18:00:00Z",
    "PackageUri": "s3://assets/package/workshop.zip",
}


def resources(kind: str, template: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the logical id and properties of every resource of a type."""
    for name in [template] if template else NAMES:
        for logical_id, found in TEMPLATES[name]["Resources"].items():
            if found["Type"] == kind:
                yield f"{name}/{logical_id}", found["Properties"]


def text(value: Any) -> str:  # noqa: PLR0911
    """Return a string or an intrinsic function as it would resolve; unknown references in angle brackets."""
    match value:
        case {"Ref": name}:
            return LONGEST.get(name, f"<{name}>")
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Fn::GetAtt": str(path)}:
            return f"<{path}>"
        case {"Fn::Sub": [template, variables]}:
            known = {name: text(given) for name, given in variables.items()}
            return re.sub(r"\$\{([^}!]+)\}", lambda m: known.get(m[1]) or text({"Ref": m[1]}), template)
        case {"Fn::Sub": str(template)}:
            return re.sub(r"\$\{([^}!]+)\}", lambda m: text({"Ref": m[1]}), template)
        case {"Fn::Select": [index, {"Fn::Split": [separator, given]}]}:
            return text(given).split(separator)[int(index)]
        case {"Fn::If": [_, _, other]}:
            return text(other)
    return str(value)


def as_list(value: Any) -> list[Any]:
    """Return `value` as a list: policies and properties take one value or several."""
    return value if isinstance(value, list) else [value]
