"""The one exception of this package."""


class EngineError(RuntimeError):
    """What is missing, why it could not be installed or started, and what to do next."""
