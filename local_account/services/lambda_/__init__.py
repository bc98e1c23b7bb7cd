"""AWS Lambda: functions whose handlers run in processes of their own."""

from local_account.services.lambda_.service import Lambda

__all__ = ["Lambda"]
