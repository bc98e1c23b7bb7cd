"""AWS CodePipeline: executions as a state machine, actions that do the work."""

from local_account.services.codepipeline.service import CodePipeline

__all__ = ["CodePipeline"]
