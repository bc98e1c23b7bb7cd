"""FastAPI, pydantic and joblib; path operations without `async` run in threads, as recommended."""

from pathlib import Path
from typing import Annotated

import joblib
from fastapi import FastAPI, Header
from pydantic import BaseModel

MODELS = {path.stem: joblib.load(path) for path in Path("/opt/ml/model/joblib").glob("*.joblib")}
app = FastAPI()


class Rows(BaseModel):
    """The request."""

    instances: list[list[float]]


class Answer(BaseModel):
    """The answer."""

    predictions: list[str]
    probabilities: list[list[float]]


@app.get("/ping")
def ping() -> dict[str, str]:
    """Answer that the models are loaded."""
    return {"status": "ready"}


@app.post("/invocations")
def invocations(rows: Rows, x_amzn_sagemaker_custom_attributes: Annotated[str, Header()]) -> Answer:
    """Predict the instances with the algorithm named in the attributes."""
    model = MODELS[x_amzn_sagemaker_custom_attributes.removeprefix("algorithm=")]
    probabilities = model.predict_proba(rows.instances)
    labels = model.classes_[probabilities.argmax(axis=1)]
    return Answer(predictions=labels.tolist(), probabilities=probabilities.round(6).tolist())
