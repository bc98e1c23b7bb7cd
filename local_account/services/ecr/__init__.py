"""Amazon ECR: its API, and the registry that docker speaks to."""

from local_account.services.ecr.service import Ecr

__all__ = ["Ecr"]
