"""AWS::SecretsManager::Secret."""

from __future__ import annotations

import json
from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    ResourceError,
    call,
    pick,
    without,
)
from local_account.services.cloudformation.providers.simple import SimpleProvider
from local_account.services.cloudformation.providers.tags import retag

_VALUES = ("SecretString", "GenerateSecretString")
_TEMPLATE = ("SecretStringTemplate", "GenerateStringKey")


class Secret(SimpleProvider):
    """AWS::SecretsManager::Secret: ``Ref`` gives its ARN."""

    type = "AWS::SecretsManager::Secret"
    name_property = "Name"
    name_limit = 512
    name_prefix = ""
    service = "secretsmanager"
    key = "Name"
    create_with, delete_with = "create_secret", "delete_secret"
    ref = ("ARN",)
    apart = ("GenerateSecretString",)
    lacking = ("ReplicaRegions", "Type")

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Generate the value if the template asks for it; without either, the secret has none."""
        return {**without(super().parameters(ctx, props), *_VALUES), **_value(ctx, props)}

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change description, key and tags; a changed value is a new version."""
        secrets = ctx.client(self.service)
        changes = {
            name: props.get(name, "")
            for name in ("Description", "KmsKeyId")
            if props.get(name) != old.get(name)
        }
        if pick(props, *_VALUES) != pick(old, *_VALUES):
            changes.update(_value(ctx, props))
        if changes:
            call(secrets, "update_secret", {"SecretId": ctx.physical_id, **changes})
        retag(secrets, self.service, ctx.physical_id, props, old)

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteSecret, without a recovery window: the name is free at once."""
        ctx.client(self.service).delete_secret(SecretId=ctx.physical_id, ForceDeleteWithoutRecovery=True)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The id, which is the ARN."""
        return {"Id": ctx.physical_id}


def _value(ctx: Context, props: Properties) -> Properties:
    asked = props.get("GenerateSecretString")
    if asked is None:
        return pick(props, "SecretString")
    if "SecretString" in props:
        raise ResourceError("You can't specify both SecretString and GenerateSecretString")
    given = [name for name in _TEMPLATE if name in asked]
    if len(given) == 1:
        raise ResourceError(f"GenerateSecretString: {given[0]} needs {(set(_TEMPLATE) - set(given)).pop()}")
    secrets = ctx.client("secretsmanager")
    password = call(secrets, "get_random_password", without(asked, *_TEMPLATE))["RandomPassword"]
    if not given:
        return {"SecretString": password}
    try:
        document = json.loads(asked["SecretStringTemplate"])
    except ValueError as error:
        raise ResourceError(f"SecretStringTemplate is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ResourceError("SecretStringTemplate is not a JSON object")
    whole = {**document, asked["GenerateStringKey"]: password}
    return {"SecretString": json.dumps(whole, separators=(",", ":"))}
