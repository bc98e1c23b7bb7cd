"""The shapes of a service's model in the account's process: one object each.

botocore makes an object for each member of each structure, and keeps it with all that was asked of it: for a
client, and once more for moto, whose classes of shapes are its own. Most members are of the same few shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from botocore.model import Shape, ShapeResolver
from moto.core.model import ShapeResolver as MotosShapeResolver

Make = Callable[[Any, str, Mapping[str, Any] | None], Shape]


def share() -> None:
    """Have each model make a shape once, as long as it is used; calling it again does no harm."""
    for kind in (ShapeResolver, MotosShapeResolver):
        make: Any = kind.get_shape_by_name
        if not getattr(make, "shared", False):
            kind.get_shape_by_name = _once(kind, make)  # type: ignore[method-assign]


def _once(kind: type[ShapeResolver], make: Make) -> Any:
    def get_shape_by_name(
        resolver: Any, shape_name: str, member_traits: Mapping[str, Any] | None = None
    ) -> Shape:
        if type(resolver) is not kind:  # a subclass asks for what it makes its own of
            return make(resolver, shape_name, member_traits)
        made: WeakValueDictionary[str, Shape] | None = vars(resolver).get("made")
        if made is None:
            vars(resolver)["made"] = made = WeakValueDictionary()
        key = f"{shape_name} {member_traits}" if member_traits else shape_name
        shape = made.get(key)
        if shape is None:
            made[key] = shape = make(resolver, shape_name, member_traits)
        return shape

    get_shape_by_name.shared = True  # type: ignore[attr-defined]
    return get_shape_by_name
