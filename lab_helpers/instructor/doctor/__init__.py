"""Checks before an event: do the account and this machine have what the workshop needs?

A check is a function that takes a `Room` and yields findings, each with its remedy. It changes nothing.
"""

from lab_helpers.instructor.doctor.builds import trial_build
from lab_helpers.instructor.doctor.findings import Finding, Level
from lab_helpers.instructor.doctor.room import Room
from lab_helpers.instructor.doctor.rounds import CHECKS, examine

__all__ = ["CHECKS", "Finding", "Level", "Room", "examine", "trial_build"]
