"""AWS Security Token Service."""

from local_account.services.sts.service import SecurityTokenService

__all__ = ["SecurityTokenService"]
