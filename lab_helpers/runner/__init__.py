"""Run the notebooks from the first cell to the last: `python -m lab_helpers run`."""
