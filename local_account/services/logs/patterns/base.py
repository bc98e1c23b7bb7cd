"""What every filter pattern can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence


class PatternError(ValueError):
    """A malformed pattern; the message is the service's, or empty where it says no more than that."""


class Pattern(ABC):
    """A compiled filter pattern."""

    needles: tuple[bytes, ...] = ()
    """UTF-8 text that each matching message contains: batches without it need not be read."""
    regexes: int = 0
    """Number of regular expressions in the pattern."""
    names_values: bool = False
    """Whether values of an event can be published as metric value and dimensions (``$.latency``)."""

    @abstractmethod
    def matches(self, message: str) -> bool:
        """Return whether the message of an event matches."""

    def select(self, messages: Sequence[str]) -> list[int]:
        """Return the indexes of the messages that match."""
        matches = self.matches
        return [index for index, message in enumerate(messages) if matches(message)]

    def extracted(self, message: str) -> Mapping[str, str]:
        """Return the fields of a matching message by name, as TestMetricFilter shows them."""
        return {}

    def has_value(self, selector: str) -> bool:
        """Return whether a selector such as ``$.latency`` names a value that matching events can have."""
        return False

    def value(self, message: str, selector: str) -> str | None:
        """Return the text of a value of a matching message; None if it has no such value."""
        return None
