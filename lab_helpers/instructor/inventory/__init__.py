"""Which resources belong to which lab, across every service that the workshop uses."""

from lab_helpers.instructor.inventory.ownership import Owner
from lab_helpers.instructor.inventory.resources import expirations, list_resources

__all__ = ["Owner", "expirations", "list_resources"]
