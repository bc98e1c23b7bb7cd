"""AWS CloudFormation for the local account: an engine of its own on the account's own APIs."""

from local_account.services.cloudformation.service import CloudFormation

__all__ = ["CloudFormation"]
