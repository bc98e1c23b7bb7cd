"""`local …`: the only place that knows the local account. Never shipped to a notebook instance."""
