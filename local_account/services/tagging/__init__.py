"""The Resource Groups Tagging API."""

from local_account.services.tagging.service import ResourceGroupsTagging

__all__ = ["ResourceGroupsTagging"]
