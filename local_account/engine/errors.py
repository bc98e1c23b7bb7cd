"""The one exception of this package."""


class EngineError(RuntimeError):
    """What is missing, why it could not be made good, and what to do next."""
