"""AWS Lambda: functions whose handlers run in processes of their own."""

from lab_helpers.local_account.lambda_.service import Lambda

__all__ = ["Lambda"]
