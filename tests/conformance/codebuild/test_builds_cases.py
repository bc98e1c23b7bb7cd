"""Whole builds: what they say and how they end.

The input are the ``phases`` and the ``env`` of a buildspec, and the variables of the ``project`` and of the
``start``. Of a build, what the case expects is looked at: ``said`` are the lines that its commands print.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.cases import Case, identify, load
from tests.local_account.account_process import AccountProcess
from tests.local_account.services.codebuild.codebuild_lab import CodeBuildLab
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(account: AccountProcess) -> CodeBuildLab:
    clients = {name: account.client(name) for name in ("codebuild", "iam", "logs", "s3")}
    return CodeBuildLab(clients.__getitem__, eventually)


@pytest.fixture(scope="module")
def role(lab: CodeBuildLab) -> str:
    return lab.role()


def _variables(given: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in given.items()]


@pytest.mark.parametrize("case", load("codebuild/builds"), ids=identify)
def test_builds(case: Case, lab: CodeBuildLab, role: str) -> None:
    spec = {"version": "0.2", **{key: case.input[key] for key in ("env", "phases") if key in case.input}}
    environment = {"environmentVariables": _variables(case.input.get("project", {}))}
    project = lab.project(json.dumps(spec), serviceRole=role, environment=environment)
    started = lab.codebuild.start_build(
        projectName=project, environmentVariablesOverride=_variables(case.input.get("start", {}))
    )["build"]
    case.check({what: _look(lab, lab.ended(started["id"]), what, case.expected) for what in case.expected})


def _look(lab: CodeBuildLab, build: dict[str, Any], what: str, expected: Any) -> Any:
    phases = {phase["phaseType"]: phase for phase in build["phases"]}
    match what:
        case "status":
            return build["buildStatus"]
        case "said":
            lines = lab.log(build).splitlines()
            return [line for line in lines if line and not line.startswith(("[Container]", "sh:"))]
        case "phases":
            return {name: phases.get(name, {}).get("phaseStatus") for name in expected[what]}
        case "exported":
            return {one["name"]: one["value"] for one in build["exportedEnvironmentVariables"]}
    (context,) = phases["BUILD"]["contexts"]
    return [context["statusCode"], context["message"]]
