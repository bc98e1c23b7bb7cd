"""What things cost: a dated table of AWS's public prices, and lookups in it.

The table is `table.json` beside this module: USD, on-demand, without tax. A key is a service or a use of
SageMaker AI, a colon, and what is billed: `endpoint:ml.m5.large`, `codebuild:small:minute`.
"""

from lab_helpers.prices.table import PriceError, Prices

__all__ = ["PriceError", "Prices"]
