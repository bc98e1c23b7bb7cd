"""Amazon ECR: its API, and the registry that docker talks to."""

from local_account.services.ecr.service import Ecr

__all__ = ["Ecr"]
