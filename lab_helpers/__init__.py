"""What notebooks, the runner and instructors call."""
