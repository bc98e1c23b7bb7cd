"""What IAM policies allow: the evaluation logic of the IAM User Guide, for policies of one account.

The local account judges requests with it and answers `iam:SimulatePrincipalPolicy`; the tests compare its
decisions with those of an independent evaluator.
"""

from local_account.authorization.policies.evaluation import Decision, Outcome, evaluate
from local_account.authorization.policies.policy import Policy, PolicyError, Request, Statement

__all__ = ["Decision", "Outcome", "Policy", "PolicyError", "Request", "Statement", "evaluate"]
