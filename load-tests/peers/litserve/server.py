"""The model in LitServe: `server.py <port>`. One worker, rows as JSON, batches of what waits."""

import sys

import litserve
import numpy

from model import Model


class Api(litserve.LitAPI):
    def setup(self, device) -> None:
        self.onnx = Model()

    def decode_request(self, request) -> numpy.ndarray:
        return numpy.asarray(request["features"], dtype=numpy.float32)

    def batch(self, inputs):
        self.sizes = [len(rows) for rows in inputs]
        return numpy.concatenate(inputs)

    def predict(self, rows: numpy.ndarray) -> numpy.ndarray:
        return self.onnx.run(rows)

    def unbatch(self, scores: numpy.ndarray):
        return numpy.split(scores, numpy.cumsum(self.sizes)[:-1])

    def encode_response(self, scores: numpy.ndarray):
        return {"scores": scores[:, 0].tolist()}


if __name__ == "__main__":
    api = Api(max_batch_size=64, batch_timeout=0.0005)
    litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1).run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False
    )
