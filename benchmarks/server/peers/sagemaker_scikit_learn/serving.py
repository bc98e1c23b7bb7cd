"""A model script for sagemaker-containers, which provides encoding, Flask application and server."""

from pathlib import Path

import flask
import joblib
import numpy as np
from sagemaker_containers.beta.framework import encoders, transformer, worker


def model_fn(directory):
    """Load both models."""
    return {path.stem: joblib.load(path) for path in Path(directory, "joblib").glob("*.joblib")}


def input_fn(body, content_type):
    """Decode like the scikit-learn container."""
    return encoders.decode(body, content_type).astype(np.float32)


def predict_fn(rows, models):
    """Predict with the algorithm named in the attributes."""
    attributes = flask.request.headers["X-Amzn-SageMaker-Custom-Attributes"]
    return models[attributes.removeprefix("algorithm=")].predict(rows)


_transformer = transformer.Transformer(model_fn=model_fn, input_fn=input_fn, predict_fn=predict_fn)
_transformer.initialize()
main = worker.Worker(transform_fn=_transformer.transform, module_name="serving")
