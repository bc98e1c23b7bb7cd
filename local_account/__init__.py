"""An AWS account on one machine: the APIs that the workshop uses, with the real work behind them."""
