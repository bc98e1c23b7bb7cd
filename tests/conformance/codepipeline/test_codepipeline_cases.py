"""Structures and variables of pipelines.

- structures: what CreatePipeline answers to the pipeline below, changed: ``stages.1.name`` is a path (null
  removes what is there); ``fill`` makes so many stages, or actions of the second. The answer is ``accepted``.
- variables: a ``text`` of an action's configuration with its references replaced.

``refused`` is an error of CreatePipeline where it is not known which.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from local_account.foundation.errors import ServiceError
from local_account.gateway import protocol
from local_account.services.codepipeline import condition_structure, structure, variables
from tests.conformance.cases import Case, identify, load

REGION = "eu-west-1"


def _approval(name: str) -> dict[str, Any]:
    kind = {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"}
    return {"name": name, "actionTypeId": kind}


PIPELINE: dict[str, Any] = {
    "name": "shop",
    "roleArn": "arn:aws:iam::123456789012:role/pipeline",
    "artifactStore": {"type": "S3", "location": "artifacts"},
    "pipelineType": "V2",
    "stages": [
        {
            "name": "Source",
            "actions": [
                {
                    "name": "Fetch",
                    "actionTypeId": {
                        "category": "Source",
                        "owner": "AWS",
                        "provider": "CodeCommit",
                        "version": "1",
                    },
                    "configuration": {"RepositoryName": "shop", "BranchName": "main"},
                    "outputArtifacts": [{"name": "Src"}],
                }
            ],
        },
        {"name": "Review", "actions": [_approval("Approve")]},
    ],
}
NAMESPACES = {
    "codepipeline": {"PipelineExecutionId": "e-1"},
    "variables": {"Release": "7"},
    "Src": {"CommitId": "abc", "Nested": "#{Src.CommitId}", "Empty": ""},
}


def _changed(changes: dict[str, Any]) -> dict[str, Any]:
    pipeline = copy.deepcopy(PIPELINE)
    for path, value in changes.items():
        if path == "fill":
            _fill(pipeline, *value)
            continue
        *parts, last = (int(part) if part.isdecimal() else part for part in path.split("."))
        node: Any = pipeline
        for part in parts:
            node = node.setdefault(part, {}) if isinstance(node, dict) else node[part]
        if value is None:
            node.pop(last, None) if isinstance(node, dict) else node.pop(last)
        elif isinstance(node, list) and last == len(node):
            node.append(value)
        else:
            node[last] = value
    return pipeline


def _fill(pipeline: dict[str, Any], what: str, count: int) -> None:
    if what == "stages":
        first = pipeline["stages"][0]
        others = [{"name": f"S{n}", "actions": [_approval("A")]} for n in range(1, count)]
        pipeline["stages"] = [first, *others]
    else:
        pipeline["stages"][1]["actions"] = [_approval(f"A{n}") for n in range(count)]


@pytest.mark.parametrize("case", load("codepipeline/structures"), ids=identify)
def test_structures(case: Case) -> None:
    pipeline: Any = _changed(case.input)
    model = protocol.service_model("codepipeline")
    call = protocol.Call(model.operation_model("CreatePipeline"), {}, model.protocol)
    try:
        protocol.validate(call, {"pipeline": pipeline}, "ValidationException")
        declaration = structure.with_defaults(pipeline)
        structure.check(declaration, REGION)
        condition_structure.check(declaration, REGION)
        answer: Any = "accepted"
    except ServiceError as error:
        known = case.account == "refuses" or case.expected["error"] != "refused"
        text = error.message if case.account == "refuses" else error.code
        answer = {"error": text if known else "refused"}
    case.check(answer)


@pytest.mark.parametrize("case", load("codepipeline/variables"), ids=identify)
def test_variables(case: Case) -> None:
    try:
        answer: Any = variables.resolve({"CustomData": case.input["text"]}, NAMESPACES)["CustomData"]
    except variables.UnresolvedVariableError:
        answer = {"error": "unresolved"}
    case.check(answer)
