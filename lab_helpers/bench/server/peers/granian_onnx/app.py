"""An RSGI application: ONNX Runtime on the models that the workshop's training wrote."""

from pathlib import Path

import numpy as np
import onnxruntime
import orjson

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = OPTIONS.inter_op_num_threads = 1
SESSIONS = {
    path.stem: onnxruntime.InferenceSession(path, OPTIONS, providers=["CPUExecutionProvider"])
    for path in Path("/opt/ml/model").glob("*.onnx")
}
JSON = [("content-type", "application/json")]


async def app(scope, protocol):
    """Answer `/ping`, and predict the instances by the algorithm that the attributes name."""
    if scope.path == "/ping":
        protocol.response_empty(200, [])
        return
    session = SESSIONS[scope.headers["x-amzn-sagemaker-custom-attributes"].removeprefix("algorithm=")]
    rows = np.array(orjson.loads(await protocol())["instances"], dtype=np.float32)
    labels, probabilities = session.run(None, {session.get_inputs()[0].name: rows})
    answer = {"predictions": labels.tolist(), "probabilities": probabilities.tolist()}
    protocol.response_bytes(200, JSON, orjson.dumps(answer))
