"""Which resources belong to which lab, across every service that the workshop touches."""

from lab_helpers.instructor.inventory.ownership import EXPIRES_TAG, LAB_TAG, Owner
from lab_helpers.instructor.inventory.resources import Resource, expirations, list_resources

__all__ = ["EXPIRES_TAG", "LAB_TAG", "Owner", "Resource", "expirations", "list_resources"]
