"""A BentoML service with a worker per CPU; SageMaker's health check is mounted beside it."""

from pathlib import Path
from typing import Any

import bentoml
import joblib
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


async def _ping(_: Any) -> JSONResponse:
    return JSONResponse({"status": "ready"})


@bentoml.asgi_app(Starlette(routes=[Route("/ping", _ping)]), path="/")
@bentoml.service(workers="cpu_count", metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Iris:
    """Both models."""

    def __init__(self) -> None:
        self.models = {path.stem: joblib.load(path) for path in Path("/opt/ml/model/joblib").glob("*.joblib")}

    @bentoml.api(route="/invocations")
    def invocations(self, instances: list[list[float]], context: bentoml.Context) -> dict[str, Any]:
        """Predict the instances with the algorithm named in the attributes."""
        attributes = context.request.headers["X-Amzn-SageMaker-Custom-Attributes"]
        model = self.models[attributes.removeprefix("algorithm=")]
        probabilities = model.predict_proba(instances)
        labels = model.classes_[probabilities.argmax(axis=1)]
        return {"predictions": labels.tolist(), "probabilities": probabilities.round(6).tolist()}
