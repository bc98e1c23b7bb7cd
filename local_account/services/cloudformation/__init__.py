"""AWS CloudFormation for the local account: its own engine on top of the account's own APIs."""

from local_account.services.cloudformation.service import CloudFormation

__all__ = ["CloudFormation"]
