"""Conditions and policies of IAM.

- conditions: whether a ``condition`` holds in a ``context``.
- policies: the decision on ``action`` and ``resource`` by the role ``ana`` of the account 123456789012, whose
  policy has the statements ``identity``; optional are a ``boundary``, a ``resource_policy``, a ``context``,
  the ``version`` of the role's policy (2012-10-17), and whether its statement stands without a list
  (``single``).

``refused`` is MalformedPolicyDocument.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from local_account.authorization.policies import Policy, PolicyError, Request, evaluate
from local_account.authorization.policies.conditions import ConditionError, check, holds
from tests.conformance.cases import Case, identify, load

ROLE = "arn:aws:iam::123456789012:role/ana"
VERSION = "2012-10-17"


def _context(given: Mapping[str, Any]) -> dict[str, list[str]]:
    return {key.lower(): value if isinstance(value, list) else [value] for key, value in given.items()}


@pytest.mark.parametrize("case", load("iam/conditions"), ids=identify)
def test_conditions(case: Case) -> None:
    try:
        check(case.input["condition"])
        answer: Any = holds(case.input["condition"], _context(case.input["context"]))
    except ConditionError:
        answer = {"error": "refused"}
    case.check(answer)


@pytest.mark.parametrize("case", load("iam/policies"), ids=identify)
def test_policies(case: Case) -> None:
    asked = case.input
    statements = asked["identity"][0] if asked.get("single") else asked["identity"]
    version = asked.get("version", VERSION)
    request = Request(asked["action"], asked["resource"], _context(asked.get("context", {})), ROLE)
    try:
        identity = Policy.parse({**({"Version": version} if version else {}), "Statement": statements})
        others = {
            name: Policy.parse({"Version": VERSION, "Statement": asked[name]})
            for name in ("boundary", "resource_policy")
            if name in asked
        }
        of_resource = [others["resource_policy"]] if "resource_policy" in others else []
        answer: Any = str(evaluate(request, [identity], of_resource, others.get("boundary")).outcome)
    except PolicyError:
        answer = {"error": "refused"}
    case.check(answer)
