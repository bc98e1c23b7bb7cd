"""Amazon EventBridge: the default bus, rules with patterns and schedules, targets."""

from lab_helpers.local_account.events.service import Events

__all__ = ["Events"]
