"""Providers that map creation, update and deletion to one operation each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from botocore import xform_name

from local_account.gateway.protocol import service_model
from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    ResourceError,
    call,
    forget_missing,
)
from local_account.services.cloudformation.providers.tags import retag


class SimpleProvider(Provider):
    """One resource whose properties are the parameters of the operation that creates it."""

    service: ClassVar[str]
    key: ClassVar[str]
    """Parameter of the service's operations that names the resource."""
    create_with: ClassVar[str]
    delete_with: ClassVar[str]
    ref: ClassVar[tuple[str, ...]] = ()
    """Where the answer to the creation has the physical id; if empty, the name is the id."""
    apart: ClassVar[tuple[str, ...]] = ()
    """Properties that ``create_with`` does not know, because they are set in another way."""
    inside: ClassVar[str] = ""
    """The parameter of ``create_with`` that has the properties, if they are not parameters themselves."""

    def create(self, ctx: Context, props: Properties) -> None:
        """Call ``create_with``, then wait."""
        answer = call(ctx.client(self.service), self.create_with, self.parameters(ctx, props))
        physical_id: Any = answer
        for part in self.ref:
            physical_id = physical_id[part]
        ctx.created(physical_id if self.ref else ctx.name)
        self.finish(ctx, props)

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Return the parameters of the creation."""
        named = {name: value for name, value in props.items() if name != self.name_property}
        return {**named, self.key: ctx.name}

    def lacks(self, names: Iterable[str]) -> set[str]:
        """Return those of the properties that neither ``create_with`` knows nor the provider sets itself."""
        model = service_model(self.service)
        operation = next(one for one in model.operation_names if xform_name(one) == self.create_with)
        members = model.operation_model(operation).input_shape.members
        if self.inside:
            members = {**members, **members[self.inside].members}
        known = {member.lower() for member in members} | {name.lower() for name in self.apart}
        return {name for name in names if name.lower() not in known} | super().lacks(names)

    def finish(self, ctx: Context, props: Properties) -> None:
        """Do what follows the creation; wait until the resource is usable."""

    def refuse_changes(self, props: Properties, old: Properties, *but: str) -> None:
        """Raise ResourceError if a property differs that is not named in ``but``."""
        for name in dict.fromkeys([*props, *old]):
            if name not in but and props.get(name) != old.get(name):
                raise ResourceError(f"A change of property {name} is not supported by the local account")

    def delete(self, ctx: Context, props: Properties) -> None:
        """Call ``delete_with``."""
        forget_missing(getattr(ctx.client(self.service), self.delete_with), **{self.key: ctx.name})


class TaggedProvider(SimpleProvider):
    """A simple provider whose resources can only change their tags; the physical id is the ARN."""

    updatable: ClassVar[tuple[str, ...]] = ()
    """Properties that a subclass changes itself."""

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change the tags."""
        self.refuse_changes(props, old, "Tags", *self.updatable)
        retag(ctx.client(self.service), self.service, ctx.physical_id, props, old)
