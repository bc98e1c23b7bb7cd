"""Which servers are compared, how each is started, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ALGORITHMS = ("logistic", "random_forest")
Row = Sequence[float]


def _instances(rows: Sequence[Row]) -> object:
    return {"instances": rows}


def _bare(rows: Sequence[Row]) -> object:
    return rows


def _predictions(answer: Any) -> list[str]:
    return list(answer["predictions"])


@dataclass(frozen=True)
class Peer:
    """A server: its image's folder under `peers/`, the arguments of its entry point, its request format.

    `{cpus}` in `command` becomes the number of the engine's CPUs, `{}` in `attributes` the algorithm.
    """

    name: str
    about: str
    folder: str
    command: tuple[str, ...] = ()
    attributes: str = "algorithm={}"
    request: Callable[[Sequence[Row]], object] = _instances
    labels: Callable[[Any], list[str]] = _predictions

    def arguments(self, cpus: int) -> list[str]:
        """Return the arguments of the container."""
        return [argument.format(cpus=cpus) for argument in self.command]


OURS = Peer("ours", "the workshop's images, as notebooks 01 and 02 write them", "", command=("serve",))
SOURCE = Peer(
    "source_workshop",
    "bottle on bjoern, joblib, a forest with n_jobs=5",
    "source_workshop",
    attributes="{}",
    request=_bare,
    labels=lambda answer: list(answer["iris_id"]),
)
SAGEMAKER = Peer(
    "sagemaker_scikit_learn",
    "SageMaker's scikit-learn container: nginx, gunicorn with gevent, a worker per CPU, Flask, joblib",
    "sagemaker_scikit_learn",
    request=_bare,
    labels=list,
)
GEVENT = Peer(
    "gunicorn_gevent",
    "gunicorn with gevent, a worker per CPU, Flask, joblib",
    "gunicorn_flask",
    command=("--worker-class=gevent", "--workers={cpus}"),
)
GTHREAD = Peer(
    "gunicorn_gthread",
    "gunicorn with 4 threads in a worker per CPU, Flask, joblib",
    "gunicorn_flask",
    command=("--worker-class=gthread", "--workers={cpus}", "--threads=4"),
)
FASTAPI = Peer(
    "fastapi_uvicorn",
    "FastAPI, uvicorn with uvloop and httptools, a worker per CPU, joblib",
    "fastapi_uvicorn",
    command=("--workers={cpus}",),
)
BENTOML = Peer("bentoml", "BentoML, a worker per CPU, joblib", "bentoml_service")
GRANIAN = Peer(
    "granian_onnx",
    "granian RSGI on uvloop, a worker per CPU, ONNX Runtime, orjson",
    "granian_onnx",
    command=("--workers={cpus}",),
)
PEERS = {peer.name: peer for peer in (OURS, SOURCE, SAGEMAKER, GEVENT, GTHREAD, FASTAPI, BENTOML, GRANIAN)}
