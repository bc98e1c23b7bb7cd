"""A model script on sagemaker-containers; encoding, the Flask application and the server are its own."""

from pathlib import Path

import flask
import joblib
import numpy as np
from sagemaker_containers.beta.framework import encoders, transformer, worker


def model_fn(directory):
    """Load both models."""
    return {path.stem: joblib.load(path) for path in Path(directory, "joblib").glob("*.joblib")}


def input_fn(body, content_type):
    """Decode as the scikit-learn container does."""
    return encoders.decode(body, content_type).astype(np.float32)


def predict_fn(rows, models):
    """Predict by the algorithm that the attributes name."""
    attributes = flask.request.headers["X-Amzn-SageMaker-Custom-Attributes"]
    return models[attributes.removeprefix("algorithm=")].predict(rows)


_transformer = transformer.Transformer(model_fn=model_fn, input_fn=input_fn, predict_fn=predict_fn)
_transformer.initialize()
main = worker.Worker(transform_fn=_transformer.transform, module_name="serving")
