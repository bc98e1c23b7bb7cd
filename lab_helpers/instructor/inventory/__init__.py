"""Which resources belong to which lab, across every service that the workshop uses."""

from lab_helpers.instructor.inventory.ownership import Owner
from lab_helpers.instructor.inventory.resources import Resource, expirations, list_resources

__all__ = ["Owner", "Resource", "expirations", "list_resources"]
