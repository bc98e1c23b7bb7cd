"""CloudWatch Logs."""

from local_account.services.logs.service import Logs

__all__ = ["Logs"]
