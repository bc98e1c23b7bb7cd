"""Delete labs completely, and prove it."""

from lab_helpers.deletion_order import STEPS, step_of
from lab_helpers.instructor.clean.cleaning import Cleaned, clean

__all__ = ["STEPS", "Cleaned", "clean", "step_of"]
