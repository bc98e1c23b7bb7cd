"""Amazon EventBridge: the default bus, rules with patterns and schedules, targets."""

from local_account.services.events.service import Events

__all__ = ["Events"]
