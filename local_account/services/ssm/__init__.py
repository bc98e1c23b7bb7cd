"""AWS Systems Manager: Parameter Store."""

from local_account.services.ssm.service import SystemsManager

__all__ = ["SystemsManager"]
