"""`python -m benchmarks.faults`: whole runs of a local account, and faults at random points."""
