"""Delete labs completely, and prove it."""

from lab_helpers.instructor.clean.cleaning import Cleaned, clean
from lab_helpers.instructor.clean.order import STEPS, step_of

__all__ = ["STEPS", "Cleaned", "clean", "step_of"]
