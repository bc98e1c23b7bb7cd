"""Prices: a dated table of AWS's public prices, and lookups in it.

The table is `prices.json` beside this module: USD, on-demand, without tax. A key is a service or a use of
SageMaker AI, a colon, and the billed item: `endpoint:ml.m5.large`, `codebuild:small:minute`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from lab_helpers.errors import WorkshopError

TABLE = Path(__file__).with_name("prices.json")
DEFAULT_REGION = "us-east-1"
HOURLY = ("notebook", "training", "processing", "endpoint")
HOURS_PER_MONTH = 730
"""Hours per month in AWS's own examples."""


class PriceError(WorkshopError, LookupError):
    """The table lacks a price; the message names the key and what to do."""


@dataclass(frozen=True)
class Prices:
    """Prices of one region on one day, in USD."""

    region: str
    as_of: date
    """The date of the table."""
    source: str
    note: str
    units: Mapping[str, str]
    table: Mapping[str, Decimal]

    @classmethod
    def load(cls, region: str = DEFAULT_REGION, path: Path = TABLE) -> Prices:
        """Read the table for a region. Raises PriceError if the table lacks the region."""
        document = json.loads(path.read_text())
        regions = document["regions"]
        if region not in regions:
            raise PriceError(
                f"no prices for the region {region}: the table has {', '.join(sorted(regions))}. "
                f"Use one of them as an estimate, or add the region to {path.name}"
            )
        return cls(
            region=region,
            as_of=date.fromisoformat(document["as_of"]),
            source=document["source"],
            note=document["note"],
            units=document["units"],
            table={key: Decimal(price) for key, price in regions[region].items()},
        )

    def price(self, key: str) -> Decimal:
        """Return the price in USD of one unit of `key` (see `unit`). Raises PriceError."""
        try:
            return self.table[key]
        except KeyError:
            kind = key.partition(":")[0]
            near = sorted(known for known in self.table if known.partition(":")[0] == kind)
            hint = (
                f"the table has {', '.join(near)}"
                if near
                else f"the table has the kinds {', '.join(self.kinds)}"
            )
            raise PriceError(f"no price for {key!r} in {self.region}: {hint}") from None

    def hourly(self, key: str) -> Decimal:
        """Return what `key` costs while it exists or runs, in USD per hour.

        Instances have an hourly price; monthly prices are divided by 730. Raises PriceError for an unknown
        key, and for one that is billed by use and costs nothing while it merely exists.
        """
        price = self.price(key)
        if key.partition(":")[0] in HOURLY:
            return price
        if key.endswith("-month"):
            return price / HOURS_PER_MONTH
        raise PriceError(f"{key!r} has no hourly price: it is billed by use ({self.unit(key)})")

    def unit(self, key: str) -> str:
        """Return what one unit of `key` is, in words."""
        return "hour" if key.partition(":")[0] in HOURLY else self.units[key]

    @property
    def kinds(self) -> list[str]:
        """The first parts of the keys."""
        return sorted({key.partition(":")[0] for key in self.table})
