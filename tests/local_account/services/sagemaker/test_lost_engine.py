"""Jobs and endpoints while the Docker Engine is away, and once it is back."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.local_account.account_process import AccountProcess
from tests.local_account.services.sagemaker.sagemaker_lab import SageMakerLab

pytestmark = pytest.mark.docker

AWAY = "the Docker Engine cannot be reached"


class Cable:
    """A socket of its own for the Docker Engine, which can be cut."""

    def __init__(self, path: Path, engine: str) -> None:
        self.path, self._engine = path, engine
        self._open: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self.mend()

    def mend(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        self.path.unlink()
        for one in (self._listener, *list(self._open)):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # cut
            while True:
                client, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self._engine)
                self._open |= {client, engine}
                for one, other in ((client, engine), (engine, client)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65_536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)
        self._open.discard(one)


@pytest.fixture(scope="module")
def cable(tmp_path_factory: pytest.TempPathFactory) -> Cable:
    return Cable(tmp_path_factory.mktemp("engine") / "socket", os.environ["DOCKER_HOST"].partition("//")[2])


@pytest.fixture(scope="module")
def lab(
    cable: Cable, impatient: Callable[[Path], AccountProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SageMakerLab]:
    """An account with an image, behind the cable; tests look at the engine itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{cable.path}")
        account = impatient(tmp_path_factory.mktemp("sagemaker") / "state").start()
    lab = SageMakerLab(account).prepare().push_image()
    lab.model("tiny")
    for name in ("one", "other"):
        lab.config(name, {"ModelName": "tiny"})
    lab.config("two", {"ModelName": "tiny", "InitialInstanceCount": 2})
    yield lab
    lab.close()


@pytest.fixture
def endpoint(lab: SageMakerLab) -> Iterator[str]:
    assert lab.endpoint("serving", "two")["EndpointStatus"] == "InService"
    yield "serving"
    lab.delete_endpoint("serving")


@contextlib.contextmanager
def away(cable: Cable) -> Iterator[None]:
    cable.cut()
    try:
        yield
    finally:
        cable.mend()


def test_a_training_job_says_that_it_lost_the_engine_and_leaves_no_container(
    lab: SageMakerLab, cable: Cable
) -> None:
    lab.train("lost", HyperParameters={"sleep": "60"})
    lab.when(
        lambda: lab.sagemaker.describe_training_job(TrainingJobName="lost"),
        lambda job: job["SecondaryStatus"] == "Training",
    )
    with away(cable):
        job = lab.trained("lost")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"].startswith(f"InternalServerError: {AWAY} (")
    lab.when(lambda: [*lab.containers, *lab.volumes], lambda left: not left)


def test_an_endpoint_that_is_created_without_an_engine_fails_and_can_be_deleted(
    lab: SageMakerLab, cable: Cable
) -> None:
    with away(cable):
        failed = lab.endpoint("early", "one")
        assert failed["EndpointStatus"] == "Failed"
        assert AWAY in failed["FailureReason"]
        lab.sagemaker.delete_endpoint(EndpointName="early")
    lab.when(lambda: lab.sagemaker.list_endpoints()["Endpoints"], lambda left: not left)


@pytest.mark.parametrize("change", ["update", "fewer", "more"])
def test_an_endpoint_survives_a_change_without_an_engine(
    lab: SageMakerLab, cable: Cable, endpoint: str, change: str
) -> None:
    with away(cable):
        if change == "update":
            lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="other")
        else:
            wanted = {"VariantName": "AllTraffic", "DesiredInstanceCount": 1 if change == "fewer" else 3}
            lab.sagemaker.update_endpoint_weights_and_capacities(
                EndpointName=endpoint, DesiredWeightsAndCapacities=[wanted]
            )
        found = lab.settled(endpoint)
        assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "two")
        assert (AWAY in found.get("FailureReason", "")) is (change != "fewer")
    instances = 1 if change == "fewer" else 2
    lab.when(
        lambda: lab.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0],
        lambda variant: variant["CurrentInstanceCount"] == instances,
    )
    assert lab.invoke(endpoint)["Body"] == b"x"
    lab.when(lambda: lab.containers, lambda found: len(found) == instances)


def test_an_endpoint_that_is_deleted_without_an_engine_goes_when_it_is_back(
    lab: SageMakerLab, cable: Cable
) -> None:
    assert lab.endpoint("short", "one")["EndpointStatus"] == "InService"
    with away(cable):
        lab.sagemaker.delete_endpoint(EndpointName="short")
    lab.when(lambda: lab.sagemaker.list_endpoints()["Endpoints"], lambda left: not left)
    lab.when(lambda: lab.containers, lambda left: not left)
