"""What the source workshop serves: bottle, one bjoern process, joblib, a forest with five jobs."""

import functools
import json

import bjoern
import bottle
import joblib


@functools.cache
def _model(algorithm: str):
    return joblib.load(f"/opt/ml/model/source/{algorithm}.joblib")


@bottle.get("/ping")
def ping():
    """Answer that the process is running."""
    return ""


@bottle.post("/invocations")
def invocations():
    """Predict the rows of a JSON array with the algorithm named in the attributes."""
    rows = json.loads(bottle.request.body.read())
    algorithm = bottle.request.get_header("X-Amzn-SageMaker-Custom-Attributes")
    return json.dumps({"iris_id": _model(algorithm).predict(rows).tolist()})


bjoern.run(bottle.app(), "0.0.0.0", 8080)
