"""`python -m tests.faults`: whole runs of a local account, and faults at random points."""
