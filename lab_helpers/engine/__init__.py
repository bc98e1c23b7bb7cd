"""A Docker Engine that answers, and the image that the workshop builds on.

Standard library only: `.ci/bootstrap` runs ``python3 -m lab_helpers.engine prepare`` with the machine's own
Python while the virtual environment is still being made.
"""

from lab_helpers.engine.base_image import BASE_IMAGE, ensure_base_image
from lab_helpers.engine.dockerd import ensure_engine, find_engine, stop_engine
from lab_helpers.engine.errors import EngineError
from lab_helpers.engine.home import engine_home

__all__ = [
    "BASE_IMAGE",
    "EngineError",
    "engine_home",
    "ensure_base_image",
    "ensure_engine",
    "find_engine",
    "stop_engine",
]
