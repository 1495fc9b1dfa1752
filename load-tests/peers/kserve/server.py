"""The model in KServe: `server.py <gRPC port> <HTTP port>`."""

import sys

from kserve import InferOutput, InferRequest, InferResponse
from kserve import Model as ServedModel
from kserve import ModelServer

from model import Model


class Served(ServedModel):
    def load(self) -> bool:
        self.onnx = Model()
        self.ready = True
        return True

    async def predict(self, payload: InferRequest, headers=None, response_headers=None) -> InferResponse:
        scores = self.onnx.run(payload.inputs[0].as_numpy())
        output = InferOutput(name="output", datatype="FP32", shape=list(scores.shape))
        output.set_data_from_numpy(scores, binary_data=True)
        return InferResponse(response_id=payload.id, model_name=self.name, infer_outputs=[output])


if __name__ == "__main__":
    served = Served("model")
    served.load()
    ModelServer(grpc_port=int(sys.argv[1]), http_port=int(sys.argv[2]), enable_grpc=True, workers=1).start([served])
