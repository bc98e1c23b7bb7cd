"""An RSGI application: ONNX Runtime on the models that the workshop's training wrote."""

from pathlib import Path

import numpy as np
import onnxruntime
import orjson

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = OPTIONS.inter_op_num_threads = 1
NUMBERS = {"tensor(double)": np.float64, "tensor(float)": np.float32}
MODELS = {}
for path in Path("/opt/ml/model").glob("*.onnx"):
    session = onnxruntime.InferenceSession(path, OPTIONS, providers=["CPUExecutionProvider"])
    rows = session.get_inputs()[0]
    MODELS[path.stem] = session.run, rows.name, NUMBERS[rows.type]
JSON = [("content-type", "application/json")]


async def app(scope, protocol):
    """Answer `/ping`, and predict the instances with the algorithm named in the attributes."""
    if scope.path == "/ping":
        protocol.response_empty(200, [])
        return
    run, name, number = MODELS[scope.headers["x-amzn-sagemaker-custom-attributes"].removeprefix("algorithm=")]
    rows = np.array(orjson.loads(await protocol())["instances"], dtype=number)
    labels, probabilities = run(None, {name: rows})
    answer = {
        "predictions": labels.tolist(),
        "probabilities": np.ascontiguousarray(probabilities, np.float32),
    }
    protocol.response_bytes(200, JSON, orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))
