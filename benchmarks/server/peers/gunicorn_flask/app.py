"""Flask and joblib."""

from pathlib import Path

import flask
import joblib

MODELS = {path.stem: joblib.load(path) for path in Path("/opt/ml/model/joblib").glob("*.joblib")}
app = flask.Flask(__name__)


@app.get("/ping")
def ping():
    """Answer that the models are loaded."""
    return {"status": "ready"}


@app.post("/invocations")
def invocations():
    """Predict the instances with the algorithm named in the attributes."""
    algorithm = flask.request.headers["X-Amzn-SageMaker-Custom-Attributes"].removeprefix("algorithm=")
    model = MODELS[algorithm]
    probabilities = model.predict_proba(flask.request.get_json()["instances"])
    labels = model.classes_[probabilities.argmax(axis=1)]
    return {"predictions": labels.tolist(), "probabilities": probabilities.round(6).tolist()}
