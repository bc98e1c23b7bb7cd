"""AWS CodePipeline: executions as a state machine, actions that do the work."""

from lab_helpers.local_account.codepipeline.service import CodePipeline

__all__ = ["CodePipeline"]
