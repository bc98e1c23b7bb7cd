"""The notebooks from first to last cell: `python -m lab_helpers run`."""
