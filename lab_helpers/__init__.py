"""What the notebooks, the runner and instructors call."""
