"""The environment variables of a function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Variables:
    """Base of a function's settings: each field is the environment variable of its upper-case name."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read all of them; raises KeyError when one is missing."""
        return cls(**{name: environment[name.upper()] for name in cls.__dataclass_fields__})
