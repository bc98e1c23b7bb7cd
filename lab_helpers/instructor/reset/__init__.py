"""Bring a lab to the start of a notebook, whatever state it is in."""

from lab_helpers.instructor.reset.plan import Action, Plan, make_plan
from lab_helpers.instructor.reset.releases import ResetError
from lab_helpers.instructor.reset.resetting import Outcome, carry_out
from lab_helpers.instructor.reset.state import LabState, read_state
from lab_helpers.instructor.reset.target import TARGETS, Target

__all__ = [
    "TARGETS",
    "Action",
    "LabState",
    "Outcome",
    "Plan",
    "ResetError",
    "Target",
    "carry_out",
    "make_plan",
    "read_state",
]
