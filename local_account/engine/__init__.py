"""A Docker Engine that answers, and the base image of the workshop's images.

Standard library only: `.ci/bootstrap` runs ``python3 -m local_account.engine prepare`` with the system's
Python while the virtual environment is still being made.
"""

from local_account.engine.base_image import BASE_IMAGE, ensure_base_image
from local_account.engine.dockerd import ensure_engine, find_engine, stop_engine
from local_account.engine.errors import EngineError
from local_account.engine.home import engine_home

__all__ = [
    "BASE_IMAGE",
    "EngineError",
    "engine_home",
    "ensure_base_image",
    "ensure_engine",
    "find_engine",
    "stop_engine",
]
