"""Resource types of CloudFormation: those that stacks of the account can have, and properties they refuse."""

from __future__ import annotations

from local_account.services.cloudformation.providers import Providers
from local_account.services.cloudformation.schemas import Schemas


def refused() -> dict[str, list[str]]:
    """Return the top-level properties that are refused whatever their value, by resource type."""
    schemas = Schemas("us-east-1")
    found = {}
    for name, provider in sorted(Providers().items()):
        schema = schemas.get(name)
        found[name] = sorted(provider.lacks(set(schema.properties) - schema.read_only))
    return found
