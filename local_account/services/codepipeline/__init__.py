"""AWS CodePipeline: executions as a state machine, and actions that do real work."""

from local_account.services.codepipeline.service import CodePipeline

__all__ = ["CodePipeline"]
