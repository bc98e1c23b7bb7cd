"""An AWS account on one machine: the APIs that the workshop uses, doing real work."""
