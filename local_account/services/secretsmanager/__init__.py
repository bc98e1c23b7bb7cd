"""AWS Secrets Manager."""

from local_account.services.secretsmanager.service import SecretsManager

__all__ = ["SecretsManager"]
