"""A model that somebody else serves, with KServe's own server: words joined with a mark, numbers doubled. `python kserve_server.py <http port> <grpc port>`."""

import sys

import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.errors import InvalidInput


class Doubler(Model):
    def __init__(self):
        super().__init__("doubler")
        self.ready = True

    def get_input_types(self):
        return [
            {"name": "words", "datatype": "BYTES", "shape": [-1, 1]},
            {"name": "numbers", "datatype": "FP32", "shape": [-1, -1]},
        ]

    def get_output_types(self):
        return [
            {"name": "joined", "datatype": "BYTES", "shape": [-1, 1]},
            {"name": "doubled", "datatype": "FP32", "shape": [-1, -1]},
        ]

    async def predict(self, payload, headers=None, response_headers=None):
        inputs = {tensor.name: tensor.as_numpy() for tensor in payload.inputs}
        words = [word.decode() if isinstance(word, bytes) else word for word in inputs["words"].reshape(-1).tolist()]
        if words == ["refuse"]:
            raise InvalidInput("this word is not taken")
        if words == ["fail"]:
            raise RuntimeError("the model broke")
        joined = InferOutput("joined", [len(words), 1], "BYTES")
        joined.set_data_from_numpy(np.array([[f"{word}!".encode()] for word in words], dtype=np.object_))
        doubled = InferOutput("doubled", list(inputs["numbers"].shape), "FP32")
        doubled.set_data_from_numpy((inputs["numbers"] * 2).astype(np.float32))
        return InferResponse(payload.id, self.name, [joined, doubled])


http_port, grpc_port = (int(port) for port in sys.argv[1:3])
ModelServer(http_port=http_port, grpc_port=grpc_port, workers=1).start([Doubler()])
