"""AWS::CDK::Metadata: what every CDK app has in its templates. It makes nothing."""

from __future__ import annotations

import uuid

from local_account.services.cloudformation.providers.base import Context, Properties, Provider


class Metadata(Provider):
    """A record of how the template was made."""

    type = "AWS::CDK::Metadata"

    def create(self, ctx: Context, props: Properties) -> None:
        """Give it an id."""
        ctx.created(str(uuid.uuid4()))

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Nothing to change."""

    def delete(self, ctx: Context, props: Properties) -> None:
        """Nothing to delete."""
