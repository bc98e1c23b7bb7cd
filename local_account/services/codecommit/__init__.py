"""AWS CodeCommit: real git behind its API, and the events of a push."""

from local_account.services.codecommit.service import CodeCommit

__all__ = ["CodeCommit"]
