"""What moto lacks in IAM: the policy simulator.

Contract: *SimulatePrincipalPolicy* and *SimulateCustomPolicy* of the IAM API Reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from local_account.authorization.identities import Identities, Identity
from local_account.authorization.policies import Decision, Policy, PolicyError, Request, evaluate
from local_account.foundation.errors import Params, ServiceError
from local_account.gateway.service import Service


class IamSimulation(Service):
    """The simulating operations of IAM; everything else is moto's."""

    name = "iam"
    validation_error: ClassVar[str] = "ValidationError"

    def simulate_principal_policy(self, params: Params) -> Params:
        """SimulatePrincipalPolicy: the policies of a role, user or group, plus those in the request."""
        source = params["PolicySourceArn"]
        found = Identities(self.account.config.account_id).find(source)
        if found is None:
            if source.split(":")[2:3] != ["iam"]:
                raise _invalid(f"Invalid Entity Arn: {source} does not clearly define entity type and name.")
            raise ServiceError("NoSuchEntity", f"The entity {source} cannot be found.", 404)
        principal = params.get("CallerArn") or source
        boundary = _boundary(params) or found.boundary
        return _simulated(params, Identity(principal, (*found.policies, *_given(params)), boundary))

    def simulate_custom_policy(self, params: Params) -> Params:
        """SimulateCustomPolicy: policies that are not attached to any identity."""
        who = Identity(params.get("CallerArn") or "", tuple(_given(params)), _boundary(params))
        return _simulated(params, who)


def _given(params: Params) -> list[Policy]:
    given = params.get("PolicyInputList") or []
    return [_policy(text, f"PolicyInputList.{number}") for number, text in enumerate(given, 1)]


def _boundary(params: Params) -> Policy | None:
    given = params.get("PermissionsBoundaryPolicyInputList")
    return _policy(given[0], "PermissionsBoundary") if given else None


def _policy(text: str, name: str) -> Policy:
    try:
        return Policy.parse(text, name)
    except PolicyError as error:
        raise _invalid(str(error)) from error


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidInput", message)


def _simulated(params: Params, who: Identity) -> Params:
    results = list(_results(params, who))
    start = int(params.get("Marker") or 0)
    end = start + params.get("MaxItems", 100)
    more = end < len(results)
    return {
        "EvaluationResults": results[start:end],
        "IsTruncated": more,
        **({"Marker": str(end)} if more else {}),
    }


def _results(params: Params, who: Identity) -> Iterator[dict[str, Any]]:
    context = {
        entry["ContextKeyName"].lower(): entry.get("ContextKeyValues", [])
        for entry in params.get("ContextEntries", [])
    }
    resource_policy = (
        [_policy(params["ResourcePolicy"], "ResourcePolicy")] if params.get("ResourcePolicy") else []
    )
    for action in params["ActionNames"]:
        for resource in params.get("ResourceArns") or ["*"]:
            request = Request(action, resource, context, who.arn)
            decision = evaluate(request, who.policies, resource_policy, who.boundary)
            yield {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": decision.outcome.value,
                "MatchedStatements": _matched(decision),
                "MissingContextValues": [],
            }


def _matched(decision: Decision) -> list[dict[str, Any]]:
    return [
        {"SourcePolicyId": policy.name, "SourcePolicyType": "IAM Policy"} for policy, _ in decision.statements
    ]
