"""The decision: the combined effect of a role's policies, a resource's policy and a boundary.

Contract: IAM User Guide, "Policy evaluation logic", for requests within one account.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from local_account.authorization.policies.policy import Policy, Request, Statement


class Outcome(StrEnum):
    """PolicyEvaluationDecisionType of the IAM API."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True)
class Decision:
    """An outcome, and the statements that led to it."""

    outcome: Outcome
    statements: tuple[tuple[Policy, Statement], ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request is allowed."""
        return self.outcome is Outcome.ALLOWED


def evaluate(
    request: Request,
    identity: Iterable[Policy],
    resource: Iterable[Policy] = (),
    boundary: Policy | None = None,
) -> Decision:
    """Decide on a request.

    An explicit deny in any statement wins. Otherwise a statement must allow the request: one in the role's
    policies, within its permissions boundary, or one in the resource's policy that names the role itself or
    everyone. (A resource's policy that names the account leaves the decision to the role's policies; one that
    names the role by its ARN is limited by the boundary as well.)
    """
    found = [(policy, one) for policy in identity for one in policy.statements if one.applies(request)]
    of_resource = [
        (policy, one)
        for policy in resource
        for one in policy.statements
        if one.applies(request) and one.names(request.principal)
    ]
    limits = [one for one in boundary.statements if one.applies(request)] if boundary else []
    denied = [(policy, one) for policy, one in (*found, *of_resource) if not one.allows]
    if boundary:
        denied += [(boundary, one) for one in limits if not one.allows]
    if denied:
        return Decision(Outcome.EXPLICIT_DENY, tuple(denied))
    within = boundary is None or limits
    granted = [
        (policy, one)
        for policy, one in of_resource
        if one.grants_to(request.principal) and (within or not one.names_role(request.principal))
    ]
    if within:
        granted += found
    return Decision(Outcome.ALLOWED, tuple(granted)) if granted else Decision(Outcome.IMPLICIT_DENY)
