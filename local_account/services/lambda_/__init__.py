"""AWS Lambda: functions whose handlers run in separate processes."""

from local_account.services.lambda_.service import Lambda

__all__ = ["Lambda"]
