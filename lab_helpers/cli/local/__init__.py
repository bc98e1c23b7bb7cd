"""`python -m lab_helpers local …`: the one place that knows the local account. Never shipped."""
