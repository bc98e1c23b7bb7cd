"""AWS CloudFormation for the local account: an engine of its own on the account's own APIs."""

from lab_helpers.local_account.cloudformation.service import CloudFormation

__all__ = ["CloudFormation"]
