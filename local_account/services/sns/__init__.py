"""Amazon SNS: topics, their subscriptions, and what is published to them."""

from local_account.services.sns.service import SimpleNotificationService

__all__ = ["SimpleNotificationService"]
