"""The model in MLServer: a runtime of our own, for it ships none for ONNX."""

import numpy
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from model import Model


class Runtime(MLModel):
    async def load(self) -> bool:
        self.onnx = Model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype(numpy.float32, copy=False)
        output = NumpyCodec.encode_output("output", self.onnx.run(rows))
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=[output])
