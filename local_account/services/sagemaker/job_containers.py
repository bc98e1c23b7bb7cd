"""The container of a job that runs once: start, follow its log, wait for its end, stop."""

from __future__ import annotations

import enum
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from local_account.foundation.containers import engine_errors
from local_account.services.sagemaker import images
from local_account.services.sagemaker.jobs import JobError

if TYPE_CHECKING:
    from docker.models.containers import Container

    from local_account.foundation.account import Account
    from local_account.services.sagemaker.logs import LogStream

log = logging.getLogger(__name__)
T = TypeVar("T")

_TICK_SECONDS = 1.0
_LOG_SECONDS = 10.0


class Signal(enum.Enum):
    """The events that a running job waits for."""

    EXITED = enum.auto()
    STOP = enum.auto()
    TIME_UP = enum.auto()


def while_pulling(account: Account, image: str, role_arn: str, step: Callable[[], T]) -> T:
    """Take a step while the image of a job is pulled; return what the step returns.

    Raises JobError if the image cannot be pulled.
    """
    with ThreadPoolExecutor(1, "pull") as pool:
        pulling = pool.submit(images.pull, account, image, role_arn)
        found = step()
        try:
            pulling.result()
        except images.ImageError as error:
            raise JobError(f"ClientError: Cannot pull algorithm container. {error}") from error
        except images.EngineError as error:
            raise JobError(f"InternalServerError: {error}") from error
    return found


class JobContainer:
    """A container that has been created; its output goes to ``stream``.

    ``signals`` brings the requests to stop. ``grace`` seconds pass between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        container: Container,
        stream: LogStream,
        signals: queue.SimpleQueue[Signal],
        *,
        name: str,
        grace: float,
    ) -> None:
        self._container = container
        self._stream = stream
        self._signals = signals
        self._name = name
        self._grace = grace
        self._follower = threading.Thread(target=self._follow, name=f"{name}-log", daemon=True)
        self._started = 0.0

    def start(self, expected: str) -> None:
        """Start it. Raises JobError that asks to ensure ``expected``; the log ends with what Docker said."""
        from docker.errors import APIError

        try:
            self._container.start()
        except APIError as error:
            said = error.explanation or error
            self._stream.write(f"{said}\n".encode())
            raise JobError(
                f"AlgorithmError: CannotStartContainerError. Please ensure {expected}: {said}"
            ) from error
        self._started = time.monotonic()
        self._follower.start()

    def wait(self, seconds: float, tick: Callable[[], None], ending: Callable[[Signal], None]) -> int:
        """Wait until it exits; return its exit code.

        It is ended on request, and ``seconds`` after its start; ``ending`` is called before. ``tick`` is
        called each second.
        """
        deadline = self._started + seconds
        while True:
            patience = min(_TICK_SECONDS, deadline - time.monotonic())
            try:
                signal = self._signals.get(timeout=max(0.0, patience))
            except queue.Empty:
                tick()
                if time.monotonic() < deadline:
                    continue
                signal = Signal.TIME_UP
            if signal is not Signal.EXITED:
                ending(signal)
                self._container.stop(timeout=round(self._grace))
            break
        code = int(self._container.wait()["StatusCode"])
        self._follower.join(_LOG_SECONDS)
        return code

    def _follow(self) -> None:
        try:
            for chunk in self._container.logs(stream=True, follow=True):
                self._stream.write(chunk)
        except engine_errors():
            log.debug("the log of %s ended", self._name, exc_info=True)
        finally:
            self._signals.put(Signal.EXITED)
